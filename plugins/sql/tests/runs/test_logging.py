"""Logging: how many statements, which blocks, and what of it all is whole."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest
from sqlalchemy import func, select

from tracking_core.entities import LifecycleStage, Metric, Param, RunTag
from tracking_core.errors import ConflictError, InvalidStateError, NotFoundError
from tracking_core.stores import (
    Batch,
    ExperimentChanges,
    MetricHistoryQuery,
    NewRun,
    PurgeRequest,
)
from tracking_core_sql import schema
from tracking_core_sql.runs import points
from tracking_core_sql.store import SqlStore

Statements = Callable[[], AbstractContextManager[list[str]]]


def steps(key: str, first: int, count: int) -> tuple[Metric, ...]:
    return tuple(Metric(key, i / 3, 1000 + i, i) for i in range(first, first + count))


def history(store: SqlStore, run_id: str, key: str) -> list[Metric]:
    return list(store.metric_history(run_id, query=MetricHistoryQuery(key=key)).items)


def blocks(store: SqlStore) -> list[tuple[int, int]]:
    """Return the place and size of each block, as they lie in the database."""
    block = schema.metric_block.c
    statement = select(block.number, block.points).order_by(block.run, block.key, block.number)
    return [tuple(row) for row in store._database.read(lambda t: t.rows(statement))]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks be full with eight points."""
    monkeypatch.setattr(points, "FULL_BLOCK", 8)
    monkeypatch.setattr(points, "_LARGE_BATCH", 4)
    monkeypatch.setattr(points, "_LEAST_MERGED", 16)


def everything(count: int, number: int) -> Batch:
    """Return a batch with all that a batch may hold."""
    return Batch(
        metrics=tuple(
            Metric(f"m{i}", 1.0, number, number, "m-1", "data", "digest") for i in range(count)
        ),
        params=tuple(Param(f"p{number}/{i}", "v") for i in range(count)),
        tags=(*(RunTag(f"t{i}", str(number)) for i in range(count)), RunTag("mlflow.runName", "n")),
        idempotency_key=f"key {number}",
    )


def test_a_batch_takes_as_many_statements_whatever_its_size(
    store: SqlStore, new_run: Callable[[], str], statements: Statements
) -> None:
    counts = []
    for count in (10, 1000):
        run_id = new_run()
        store.log_batch(run_id, batch=everything(count, 1))
        store._keys.ensure(1, [f"p2/{i}" for i in range(count)])
        with statements() as seen:
            store.log_batch(run_id, batch=everything(count, 2))
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert counts[0] <= 13


@pytest.mark.parametrize("count", [10, 1000])
def test_a_batch_of_points_takes_five_statements_at_most(
    store: SqlStore, run_id: str, statements: Statements, count: int
) -> None:
    def batch(number: int) -> Batch:
        return Batch(metrics=tuple(Metric(f"m{i}", 1.0, number, number) for i in range(count)))

    store.log_batch(run_id, batch=batch(1))
    with statements() as seen:
        store.log_batch(run_id, batch=batch(2))
    assert len(seen) <= 5


def test_merging_takes_two_more_statements_whatever_the_number_of_metrics(
    small_blocks: None, store: SqlStore, new_run: Callable[[], str], statements: Statements
) -> None:
    counts = []
    for width in (2, 50):
        run_id = new_run()
        most = 0
        for number in range(20):
            batch = Batch(metrics=tuple(Metric(f"m{i}", 1.0, 1, number) for i in range(width)))
            with statements() as seen:
                store.log_batch(run_id, batch=batch)
            if number:
                most = max(most, len(seen))
        counts.append(most)
    assert counts[0] == counts[1]
    assert counts[0] <= 7


def test_small_blocks_become_one_and_the_order_stays(
    small_blocks: None, store: SqlStore, run_id: str
) -> None:
    logged = steps("m", 0, 21)
    for point in logged:
        store.log_metric(run_id, metric=point)
    assert blocks(store) == [(0, 8), (8, 8), *((i, 1) for i in range(16, 21))]
    assert history(store, run_id, "m") == list(logged)


def test_points_of_one_place_stay_as_they_were_logged_when_they_are_merged(
    small_blocks: None, store: SqlStore, run_id: str
) -> None:
    logged = [Metric("m", float(i), 5, 5) for i in range(21)]
    for point in logged:
        store.log_metric(run_id, metric=point)
    assert history(store, run_id, "m") == logged


def test_a_large_batch_lies_in_blocks_of_even_size(
    small_blocks: None, store: SqlStore, run_id: str
) -> None:
    store.log_batch(run_id, batch=Batch(metrics=steps("m", 0, 30)))
    assert blocks(store) == [(0, 10), (10, 10), (20, 10)]
    store.log_batch(run_id, batch=Batch(metrics=steps("m", 30, 5)))
    assert blocks(store)[3:] == [(30, 5)]
    for point in steps("m", 35, 8):
        store.log_metric(run_id, metric=point)
    assert blocks(store)[3:] == [(30, 5), (35, 8)]
    assert history(store, run_id, "m") == list(steps("m", 0, 43))


def test_metrics_that_fill_up_together_are_merged_one_after_the_other(
    small_blocks: None, store: SqlStore, run_id: str
) -> None:
    sealed = []
    for number in range(40):
        batch = Batch(metrics=tuple(Metric(f"m{i}", 1.0, 1, number) for i in range(9)))
        store.log_batch(run_id, batch=batch)
        sealed.append(sum(size >= 8 for _, size in blocks(store)))
    assert max(after - before for before, after in pairwise(sealed)) <= 3
    assert sealed[-1] >= 9 * 4
    for i in range(9):
        found = history(store, run_id, f"m{i}")
        assert [point.step for point in found] == list(range(40))


def test_a_million_points_take_little_room(store: SqlStore, run_id: str) -> None:
    """A tenth of them, really; the issue allows 25 bytes a point."""
    chance = random.Random(3)
    for first in range(0, 100_000, 20_000):
        batch = Batch(
            metrics=tuple(
                Metric("m", chance.random(), 10**12 + 100 * i + chance.randrange(90), i)
                for i in range(first, first + 20_000)
            )
        )
        store.log_batch(run_id, batch=batch)
    size = store._database.read(
        lambda t: t.first(select(func.sum(func.length(schema.metric_block.c.data))))
    )
    assert int(size[0]) <= 11 * 100_000


def test_nothing_is_left_of_a_batch_that_contradicts(store: SqlStore, run_id: str) -> None:
    store.log_param(run_id, param=Param("p", "v"))
    batch = Batch(
        metrics=steps("m", 0, 3),
        params=(Param("p", "other"), Param("q", "w")),
        tags=(RunTag("t", "1"),),
        idempotency_key="k",
    )
    with pytest.raises(ConflictError) as caught:
        store.log_batch(run_id, batch=batch)
    assert str(caught.value) == (
        f"Changing param values is not allowed: the param 'p' of the run {run_id!r} has the value"
        " 'v', and can't become 'other'."
    )
    assert blocks(store) == []
    data = store.get_run(run_id).data
    assert (data.latest_metrics, data.params) == ((), {"p": "v"})
    assert "t" not in data.tags


def test_params_that_differ_behind_their_head_contradict(store: SqlStore, run_id: str) -> None:
    long = "x" * 1000
    store.log_param(run_id, param=Param("p", long + "a"))
    store.log_param(run_id, param=Param("p", long + "a"))
    for other in (long + "b", long, long + "a "):
        with pytest.raises(ConflictError, match="can't become"):
            store.log_param(run_id, param=Param("p", other))


def test_a_run_without_its_experiment_is_not_logged_to(
    store: SqlStore, experiment_id: str, run_id: str
) -> None:
    deleted = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED)
    store.update_experiment(experiment_id, changes=deleted)
    with pytest.raises(InvalidStateError) as caught:
        store.log_metric(run_id, metric=Metric("m", 1.0, 1))
    assert str(caught.value) == (
        f"The experiment 'an experiment' of the run {run_id!r} is deleted; restore it before"
        " changing the run."
    )


def test_a_deleted_run_is_not_logged_to_though_its_number_is_known(
    store: SqlStore, run_id: str
) -> None:
    store.log_metric(run_id, metric=Metric("m", 1.0, 1))
    store.delete_run(run_id)
    with pytest.raises(InvalidStateError, match="is deleted; restore it before changing it"):
        store.log_metric(run_id, metric=Metric("m", 1.0, 1))
    store.restore_run(run_id)
    store.log_metric(run_id, metric=Metric("m", 2.0, 2))
    assert [point.value for point in history(store, run_id, "m")] == [1.0, 2.0]


def test_a_purged_run_is_forgotten_and_another_of_its_id_is_not_it(
    store: SqlStore, experiment_id: str
) -> None:
    new = NewRun(experiment_id=experiment_id, run_id="chosen")
    store.create_run(new)
    store.log_metric("chosen", metric=Metric("m", 1.0, 1))
    store.delete_run("chosen")
    store.purge(PurgeRequest(run_ids=("chosen",)))
    with pytest.raises(NotFoundError) as caught:
        store.log_metric("chosen", metric=Metric("m", 2.0, 2))
    assert str(caught.value) == "There is no run with the id 'chosen'."
    store.create_run(new)
    store.log_metric("chosen", metric=Metric("m", 3.0, 3))
    assert [point.value for point in history(store, "chosen", "m")] == [3.0]


def test_what_others_log_is_seen_by_who_has_logged_before(
    store: SqlStore, database_uri: str, run_id: str
) -> None:
    store.log_metric(run_id, metric=Metric("m", 1.0, 1, 1))
    with SqlStore(store.uri, store.settings) as other:
        other.log_batch(run_id, batch=Batch(metrics=steps("m", 5, 3), params=(Param("p", "v"),)))
    store.log_metric(run_id, metric=Metric("m", 2.0, 1, 2))
    assert [point.step for point in history(store, run_id, "m")] == [1, 2, 5, 6, 7]
    with pytest.raises(ConflictError, match="'p'"):
        store.log_param(run_id, param=Param("p", "w"))
    assert store.get_run(run_id).data.metrics == {"m": 7 / 3}
