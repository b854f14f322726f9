"""A database of MLflow's as the source of a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.sql.tests.stock.as_read import PARTS, everything_read
from plugins.sql.tests.stock.conftest import RELEASES
from tracking_core.client.copying import copy
from tracking_core.config import Settings, Uri
from tracking_core.entities import ViewType
from tracking_core.stores import LoggedModelQuery, RunQuery
from tracking_core.stores.memory import MemoryStore
from tracking_core_sql.stock.store import StockMlflowStore

Open = Callable[[str], StockMlflowStore]
Unpack = Callable[[str], Path]


@pytest.fixture
def memory() -> Iterator[MemoryStore]:
    with MemoryStore(Uri.parse("memory:"), Settings()) as store:
        yield store


@pytest.mark.parametrize("release", RELEASES)
def test_a_copy_of_a_release_holds_the_same_and_proves_it(
    release: str, unpack: Unpack, open_store: Open, memory: MemoryStore
) -> None:
    store = open_store(f"mlflow+sqlite:///{unpack(release)}")
    report = copy(store, memory)
    assert report.problems == ()
    assert report.differences == ()
    assert report.is_whole
    assert report.written["runs"] == 9
    ours, theirs = everything_read(store), everything_read(memory)
    for part in PARTS:
        for one, other in zip(ours[part], theirs[part], strict=True):
            for name, value in one.items():
                # What a database of the first releases doesn't know, a copy makes up.
                if value != "" or release not in ("1.0.0", "1.8.0"):
                    assert other[name] == value, (part, name)


def test_copying_again_writes_nothing(
    unpack: Unpack, open_store: Open, memory: MemoryStore
) -> None:
    store = open_store(f"mlflow+sqlite:///{unpack('3.17.2')}")
    copy(store, memory)
    again = copy(store, memory)
    assert again.is_whole
    assert again.written == {}


def test_metrics_of_logged_models_come_along_with_their_runs_and_data_sets(
    store: StockMlflowStore, memory: MemoryStore
) -> None:
    copy(store, memory)
    parent = next(
        run.info.run_id
        for run in store.search_runs(RunQuery()).items
        if run.info.run_name == "parent"
    )
    for each in (store, memory):
        models = {
            model.name: model for model in each.search_logged_models(LoggedModelQuery()).items
        }
        (auc,) = models["tree"].metrics
        assert (auc.value, auc.step, auc.dataset_name, auc.run_id) == (0.75, 2, "iris", parent)
        assert sorted(metric.value for metric in models["forest"].metrics) == [0.25, 0.75]


def test_runs_that_went_with_their_experiment_come_back_with_it_as_mlflow_has_it(
    store: StockMlflowStore, memory: MemoryStore
) -> None:
    copy(store, memory)
    everything = RunQuery(experiment_ids=("2",), view_type=ViewType.ALL)
    for each in (store, memory):
        deleted = [run.info for run in each.search_runs(everything).items]
        assert [info.lifecycle_stage.value for info in deleted] == ["deleted", "deleted"]
        assert [info.deleted_time for info in deleted] == [None, None]
    memory.restore_experiment("2")
    assert memory.count_runs(RunQuery(experiment_ids=("2",))) == 2


def test_a_run_that_was_deleted_by_itself_stays_so(
    store: StockMlflowStore, memory: MemoryStore
) -> None:
    copy(store, memory)
    query = RunQuery(view_type=ViewType.DELETED_ONLY)
    for each in (store, memory):
        (dropped,) = each.search_runs(query).items
        assert dropped.info.run_name == "dropped"
        assert dropped.info.deleted_time is not None
