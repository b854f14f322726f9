"""What every store must do, proven for the memory store."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

from tracking_core.config import Settings, Uri
from tracking_core.entities import Metric, Param, RunTag
from tracking_core.stores import Batch, Capability, NewExperiment, NewRun, new_id
from tracking_core.stores.memory import MemoryStore
from tracking_core.testing import (
    LoggedModelStoreTests,
    ModelRegistryStoreTests,
    RunStoreTests,
    StoreLocation,
    WebhookStoreTests,
)


class TestPrivateMemoryStore(RunStoreTests):
    @pytest.fixture
    def location(self) -> StoreLocation:
        return StoreLocation(MemoryStore, "memory:", reopens=False)


class TestNamedMemoryStore(RunStoreTests):
    @pytest.fixture
    def location(self) -> StoreLocation:
        return StoreLocation(MemoryStore, f"memory://{new_id()}")


class TestMemoryRegistry(ModelRegistryStoreTests):
    @pytest.fixture
    def location(self) -> StoreLocation:
        return StoreLocation(MemoryStore, "memory:", reopens=False)


class TestMemoryLoggedModels(LoggedModelStoreTests):
    @pytest.fixture
    def location(self) -> StoreLocation:
        return StoreLocation(MemoryStore, "memory:", reopens=False)


class TestMemoryWebhooks(WebhookStoreTests):
    @pytest.fixture
    def location(self) -> StoreLocation:
        return StoreLocation(MemoryStore, "memory:", reopens=False)


def opened(uri: str, **settings: str) -> MemoryStore:
    return MemoryStore(Uri.parse(uri), Settings(**settings))


@pytest.mark.parametrize("uri", ["memory:", "memory://", "MEMORY:"])
def test_a_store_without_a_name_is_the_objects_own(uri: str) -> None:
    first, second = opened(uri), opened(uri)
    first.create_experiment(NewExperiment(name="a"))
    assert first.get_experiment_by_name("a") is not None
    assert second.get_experiment_by_name("a") is None


def test_stores_of_one_name_share_everything_also_after_closing() -> None:
    name = new_id()
    with opened(f"memory://{name}") as first:
        made = first.create_experiment(NewExperiment(name="a"))
    assert opened(f"memory://{name}").get_experiment_by_name("a") == made
    assert opened(f"memory://{name}/other").get_experiment_by_name("a") is None
    assert opened(f"memory://{name}-2").get_experiment_by_name("a") is None


def test_artifacts_go_below_a_name_that_is_the_stores_own() -> None:
    roots = set()
    for uri in ("memory:", "memory:", f"memory://{new_id()}"):
        made = opened(uri).create_experiment(NewExperiment(name="a"))
        root, _, last = made.artifact_location.rpartition("/")
        assert root.startswith("memory://")
        assert last == made.experiment_id
        roots.add(root)
    assert len(roots) == 3
    name = new_id()
    named = opened(f"memory://{name}").create_experiment(NewExperiment(name="a"))
    assert named.artifact_location == f"memory://{name}/{named.experiment_id}"


def test_the_artifact_root_of_the_settings_wins() -> None:
    store = opened("memory:", artifact_root="s3://bucket/root/")
    experiment = store.create_experiment(NewExperiment(name="a"))
    run = store.create_run(NewRun(experiment_id=experiment.experiment_id))
    assert experiment.artifact_location == f"s3://bucket/root/{experiment.experiment_id}"
    assert run.info.artifact_uri == (f"{experiment.artifact_location}/{run.info.run_id}/artifacts")


def test_it_declares_what_it_has() -> None:
    assert set(Capability) - MemoryStore.capabilities == {
        Capability.MULTI_PROCESS,
        Capability.DURABLE,
    }


def test_what_was_read_does_not_change_with_later_calls() -> None:
    store = opened("memory:")
    experiment = store.create_experiment(NewExperiment(name="a"))
    run = store.create_run(NewRun(experiment_id=experiment.experiment_id, run_name="first"))
    read = store.get_run(run.info.run_id)
    store.log_batch(
        run.info.run_id,
        batch=Batch(
            metrics=(Metric("m", 1.0, 1),),
            params=(Param("p", "v"),),
            tags=(RunTag("mlflow.runName", "second"),),
        ),
    )
    assert read == run
    assert read.data.tags == {"mlflow.runName": "first"}


def test_a_private_store_leaves_nothing_behind() -> None:
    store = opened("memory:")
    state = weakref.ref(store._state)
    del store
    gc.collect()
    assert state() is None


def test_the_work_of_a_call_does_not_grow_with_what_is_there() -> None:
    def calls(count: int) -> int:
        store = opened("memory:")
        counted = 0

        def count_calls(frame: object, event: str, argument: object) -> None:
            nonlocal counted
            counted += event == "call"

        sys.setprofile(count_calls)
        try:
            for number in range(count):
                made = store.create_experiment(NewExperiment(name=f"e{number}"))
                run = store.create_run(NewRun(experiment_id=made.experiment_id, run_name="r"))
                run_id = run.info.run_id
                store.log_metric(run_id, metric=Metric(f"m{number % 7}", 1.0, 1, number))
                store.get_run(run_id)
        finally:
            sys.setprofile(None)
        return counted

    assert calls(400) < 4.5 * calls(100)
