"""Copying again: after an interruption, a kill, a conflict, a change of the source."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.client.copying_places import KINDS, everything_in, fill, open_place
from tracking_core.client.copying import CopyReport, copy, histories
from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    LifecycleStage,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ModelVersionStage,
    ModelVersionStatus,
    Param,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
)
from tracking_core.errors import StoreUnavailableError
from tracking_core.search import Page
from tracking_core.stores import (
    BackendStore,
    Batch,
    Capability,
    ExperimentChanges,
    LoggedModelChanges,
    MetricHistoryQuery,
    ModelVersionChanges,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    PurgeRequest,
    RegisteredModelChanges,
    RunChanges,
)
from tracking_core.stores.memory import MemoryStore

WRITES = (
    "create_experiment",
    "update_experiment",
    "create_run",
    "update_run",
    "log_batch",
    "delete_tag",
    "log_inputs",
    "log_outputs",
    "create_logged_model",
    "update_logged_model",
    "create_registered_model",
    "update_registered_model",
    "create_model_version",
    "update_model_version",
)


def memory(kind: type[MemoryStore] = MemoryStore) -> MemoryStore:
    return kind(Uri.parse("memory:"), Settings())


class Keyless(MemoryStore):
    capabilities = MemoryStore.capabilities - {Capability.IDEMPOTENCY_KEYS}

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        assert batch.idempotency_key is None
        super().log_batch(run_id, batch=batch)

    def create_run(self, new: NewRun) -> Any:
        assert new.idempotency_key is None
        return super().create_run(new)


def fail_after(store: BackendStore, number: int, *, done: bool) -> Callable[[], None]:
    """Let the store fail at a write: after it is done, or before; return what mends it."""
    left = itertools.count(number, -1)

    def failing(method: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **keywords: Any) -> Any:
            count = next(left)
            if count < 0 or (count == 0 and not done):
                raise StoreUnavailableError("The plug was pulled.")
            result = method(*arguments, **keywords)
            if count == 0:
                raise StoreUnavailableError("The plug was pulled.")
            return result

        return write

    names = [name for name in WRITES if hasattr(store, name)]
    for name in names:
        setattr(store, name, failing(getattr(store, name)))

    def mend() -> None:
        for name in names:
            delattr(store, name)

    return mend


def assert_whole(report: CopyReport) -> None:
    assert report.is_whole, (report.problems, [str(each) for each in report.differences])


def finished_run(store: BackendStore, *points: Metric) -> None:
    store.runs.create_experiment(NewExperiment(name="one", experiment_id="1"))
    store.runs.create_run(
        NewRun(experiment_id="1", run_id="r1", status=RunStatus.FINISHED, start_time=1)
    )
    store.runs.log_batch(
        "r1", batch=Batch(metrics=points, params=(Param("p", "1"),), tags=(RunTag("t", "1"),))
    )
    store.runs.update_run("r1", changes=RunChanges(end_time=2))


# --- interruptions ---


@pytest.mark.parametrize("done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("kind", [MemoryStore, Keyless])
def test_a_copy_that_broke_off_at_any_write_goes_on(
    kind: type[MemoryStore], done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "PAGE", 5)
    source = memory()
    fill(source)
    expected = everything_in(source)
    for number in itertools.count():
        target = memory(kind)
        target.limits = type(target.limits)(batch_size=11)
        mend = fail_after(target, number, done=done)
        try:
            copy(source, target, workers=1)
        except StoreUnavailableError as error:
            assert "The plug was pulled. Copy again to go on" in str(error)  # noqa: PT017 - the loop's last has none
        else:
            break
        mend()
        assert_whole(copy(source, target, workers=1))
        assert everything_in(target) == expected
    assert number > 60


def test_a_copy_that_broke_off_with_many_threads_goes_on(tmp_path: Path) -> None:
    source = memory()
    fill(source)
    for number in range(0, 60, 7):
        with open_place("file", tmp_path, f"dst{number}") as target:
            mend = fail_after(target, number, done=bool(number % 2))
            with pytest.raises(StoreUnavailableError):
                copy(source, target, workers=4)
            mend()
            assert_whole(copy(source, target, workers=4))
            there = everything_in(target)
            expected = everything_in(source)
            assert {name: there[name] for name in expected} == expected


CHILD = """
import sys
from pathlib import Path
from tests.client.copying_places import open_place
from tracking_core.client.copying import copy
from tracking_core.stores import Limits

directory, kind = Path(sys.argv[1]), sys.argv[2]
with (
    open_place("file", directory, "source") as source,
    open_place(kind, directory, "dst") as target,
):
    target.limits = Limits(batch_size=9)
    method = target.log_batch
    def log_batch(run_id, *, batch):
        method(run_id, batch=batch)
        print("batch", flush=True)
    target.log_batch = log_batch
    copy(source, target, registry=False, logged_models=False)
"""


@pytest.mark.parametrize("kind", ["file", "template"])
def test_a_copy_that_was_killed_goes_on(kind: str, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    path = [str(root), str(root / "plugins/file"), str(root / "contrib/_template")]
    with open_place("file", tmp_path, "source") as source:
        fill(source)
    for batches in (1, 9, 17):
        command = [sys.executable, "-c", CHILD, str(tmp_path), kind]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(path)}
        ) as child:
            assert child.stdout is not None
            for _ in range(batches):
                assert child.stdout.readline() == "batch\n"
            child.send_signal(signal.SIGKILL)
    with (
        open_place("file", tmp_path, "source") as source,
        open_place(kind, tmp_path, "dst") as target,
    ):
        report = copy(source, target, registry=False, logged_models=False)
        assert_whole(report)
        assert report.written["runs completed"] > 0
        there = everything_in(target)
        for name, each in everything_in(source).items():
            if name.startswith(("run", "experiment")):
                assert there[name] == each


# --- conflicts: named, and left as they are ---

CONFLICTS: dict[str, tuple[Callable[[MemoryStore], Any], str]] = {
    "param": (
        lambda store: store._state.runs["r1"].params.update(p="2"),
        "The run 'r1' is in the destination already and differs from the source's, so it was left"
        " as it is: param 'p' is '2', and '1' in the source.",
    ),
    "another param": (
        lambda store: store.log_param("r1", param=Param("q", "2")),
        "param 'q' is '2', and nothing in the source",
    ),
    "tag": (
        lambda store: store.set_tag("r1", tag=RunTag("t", "2")),
        "tag 't' is '2', and '1' in the source",
    ),
    "status": (
        lambda store: store.update_run("r1", changes=RunChanges(status=RunStatus.FAILED)),
        "status is 'FAILED', and 'FINISHED' in the source",
    ),
    "end": (
        lambda store: store.update_run("r1", changes=RunChanges(end_time=3)),
        "end_time is 3, and 2 in the source",
    ),
    "deleted": (lambda store: store.delete_run("r1"), "lifecycle_stage is 'deleted'"),
    "another metric": (
        lambda store: store.log_metric("r1", metric=Metric("other", 1.0, 1)),
        "metric 'other' is there, and isn't in the source",
    ),
    "another point": (
        lambda store: store.log_metric("r1", metric=Metric("m", 1.0, 9, 9)),
        "The metric 'm' of the run 'r1' is in the destination already with a point that the source"
        " lacks, so it was left as it is: 1.0 at step 9, time 9.",
    ),
    "a point between": (
        lambda store: store.log_metric("r1", metric=Metric("m", 7.0, 1, 1)),
        "has other points, so it was left as it is: 7.0 at step 1, time 1 in the destination,"
        " 3.0 at step 2, time 2 in the source",
    ),
    "input": (
        lambda store: store.log_inputs(
            "r1", inputs=RunInputs((DatasetInput(Dataset("d", "1", "local", "{}")),))
        ),
        "data set 'd' is an input, and isn't in the source",
    ),
    "output": (
        lambda store: store.log_outputs("r1", outputs=RunOutputs((LoggedModelOutput("m-1"),))),
        "output model 'm-1' is",
    ),
    "experiment": (
        lambda store: store.update_experiment("1", changes=ExperimentChanges(name="other")),
        "The experiment 'one' (id 1) is in the destination already and differs from the source's,"
        " so it was left as it is, and its runs were left out: name is 'other', and 'one' in the"
        " source.",
    ),
    "experiment's tag": (
        lambda store: store.update_experiment("1", changes=ExperimentChanges(set_tags={"a": "b"})),
        "tag 'a' is 'b', and nothing in the source",
    ),
    "deleted experiment": (
        lambda store: store.delete_experiment("1"),
        "lifecycle_stage is 'deleted', and 'active' in the source",
    ),
}


@pytest.mark.parametrize("what", CONFLICTS)
def test_what_differs_is_named_and_left_as_it_is(what: str) -> None:
    source, target = memory(), memory()
    finished_run(source, Metric("m", 1.0, 1, 1), Metric("m", 3.0, 2, 2))
    copy(source, target)
    change, sentence = CONFLICTS[what]
    change(target)
    there = everything_in(target)
    report = copy(source, target)
    assert not report.is_whole
    assert everything_in(target) == there
    (problem,) = report.problems
    assert sentence in problem
    assert report.differences


def test_models_that_differ_are_named_and_left_as_they_are() -> None:
    source, target = memory(), memory()
    fill(source)
    copy(source, target)
    target.update_registered_model("empty", changes=RegisteredModelChanges(description="x"))
    target.update_registered_model(
        "champions", changes=RegisteredModelChanges(set_aliases={"best": 1})
    )
    model_id = "m-" + "1" * 32
    target.update_logged_model(model_id, changes=LoggedModelChanges(set_tags={"t": "y"}))
    there = everything_in(target)
    report = copy(source, target)
    assert everything_in(target) == there
    one, two, three = sorted(report.problems)
    assert "The logged model 'm-1111" in one
    assert "tag 't' is 'y', and 'x' in the source" in one
    assert "The registered model 'champions'" in two
    assert "alias 'best' is 1, and 3 in the source" in two
    assert "The registered model 'empty'" in three
    assert "description is 'x', and '# why' in the source" in three


def test_a_version_that_differs_is_named_and_left_as_it_is() -> None:
    source, target = memory(), memory()
    fill(source)
    copy(source, target)
    changes = ModelVersionChanges(source="file:///elsewhere")
    target.update_model_version("champions", version=3, changes=changes)
    report = copy(source, target)
    assert target.get_model_version("champions", version=3).source == "file:///elsewhere"
    (problem,) = report.problems
    assert problem.startswith("The version 3 of the registered model 'champions' is in the")
    assert "source is 'file:///elsewhere', and 'file:///old/7/7run3/model'" in problem


def test_a_version_and_a_model_that_became_ready_follow() -> None:
    source, target = memory(), memory()
    source.create_experiment(NewExperiment(name="one", experiment_id="1"))
    model_id = source.create_logged_model(NewLoggedModel(experiment_id="1")).model_id
    source.create_registered_model(NewRegisteredModel(name="m"))
    pending = ModelVersionStatus.PENDING_REGISTRATION
    source.create_model_version(NewModelVersion(name="m", source="s", status=pending))
    assert_whole(copy(source, target))
    ready = ModelVersionChanges(
        status=ModelVersionStatus.READY, current_stage=ModelVersionStage.STAGING
    )
    source.update_model_version("m", version=1, changes=ready)
    source.update_logged_model(model_id, changes=LoggedModelChanges(status=LoggedModelStatus.READY))
    source.update_registered_model("m", changes=RegisteredModelChanges(set_aliases={"a": 1}))
    assert_whole(copy(source, target))
    assert everything_in(target) == everything_in(source)


def test_a_run_that_is_taken_by_another_experiment_is_named() -> None:
    source, target = memory(), memory()
    finished_run(source)
    target.create_experiment(NewExperiment(name="two", experiment_id="2"))
    target.create_run(NewRun(experiment_id="2", run_id="r1"))
    report = copy(source, target)
    (problem,) = report.problems
    assert "'r1' exists already" in problem
    assert [str(each) for each in report.differences] == [
        "The run 'r1' is missing in the destination."
    ]


def test_an_experiment_whose_name_is_taken_is_named() -> None:
    source, target = memory(), memory()
    finished_run(source)
    target.create_experiment(NewExperiment(name="one", experiment_id="2"))
    (problem,) = copy(source, target).problems
    assert "The experiment 'one' (id 1) could not be copied, and its runs were left out" in problem
    assert "The experiment 'one' (id 2) exists already" in problem


# --- a source that goes on ---


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_running_run_logged_since_comes_with_the_next_copy(
    kind: str, tmp_path: Path
) -> None:
    source = memory()
    finished_run(source, Metric("m", 1.0, 5, 5))
    source.update_run("r1", changes=RunChanges(status=RunStatus.RUNNING, end_time=None))
    options = {"registry": False, "logged_models": False}
    with open_place(kind, tmp_path, "dst") as target:
        assert_whole(copy(source, target, **options))
        more = (Metric("m", 0.0, 3, 3), Metric("m", 2.0, 5, 5), Metric("m", 3.0, 6, 6))
        source.log_batch("r1", batch=Batch(metrics=more, params=(Param("q", "1"),)))
        report = copy(source, target, **options)
        assert_whole(report)
        assert (report.written["points"], report.written["runs completed"]) == (3, 1)
        source.update_run("r1", changes=RunChanges(status=RunStatus.FINISHED, end_time=9))
        source.delete_run("r1")
        assert_whole(copy(source, target, **options))
        query = MetricHistoryQuery(key="m")
        expected = source.metric_history("r1", query=query).items
        assert target.runs.metric_history("r1", query=query).items == expected
        assert target.runs.get_run("r1").info.deleted_time is not None


def test_points_that_no_header_shows_are_found_and_copied_by_the_proof() -> None:
    source, target = memory(), memory()
    finished_run(source, Metric("m", 1.0, 5, 5))
    assert_whole(copy(source, target))
    # An earlier step, to a finished run: its latest metric stays as it is.
    source.log_metric("r1", metric=Metric("m", 0.0, 3, 3))
    report = copy(source, target)
    assert_whole(report)
    assert report.written["points"] == 1
    assert report.passed_over == 0


def test_new_runs_of_a_deleted_experiment_come_with_the_next_copy() -> None:
    source, target = memory(), memory()
    finished_run(source)
    gone = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED, last_update_time=5)
    source.update_experiment("1", changes=gone)
    assert_whole(copy(source, target))
    source.restore_experiment("1")
    source.create_run(NewRun(experiment_id="1", run_id="r2"))
    source.update_experiment("1", changes=gone)
    assert_whole(copy(source, target))
    assert target.get_experiment("1").lifecycle_stage is LifecycleStage.DELETED
    assert target.get_run("r2").info.deleted_time is None


class Busy(MemoryStore):
    """A backend that somebody writes to when a history of it has been read."""

    meanwhile: Callable[[BackendStore], None] | None = None

    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        found = super().metric_history(run_id, query=query)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile(self)
        return found


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda store: store.log_metric("r1", metric=Metric("m", 2.0, 2, 2)),
            "The run 'r1' differs in the points of 'm': 2.0 at step 2, time 2 in the source, no"
            " further point in the destination; the source changed meanwhile.",
        ),
        (
            lambda store: store.set_tag("r1", tag=RunTag("t", "2")),
            "The run 'r1' differs in tags['t']: '2' in the source, '1' in the destination; the"
            " source changed meanwhile.",
        ),
        (
            lambda store: store.create_run(NewRun(experiment_id="1", run_id="r2", start_time=0)),
            "The run 'r2' is missing in the destination; the source changed meanwhile.",
        ),
        (
            lambda store: store.create_experiment(NewExperiment(name="two", experiment_id="2")),
            "The experiment 'two' (id 2) is missing in the destination.",
        ),
    ],
    ids=["point", "tag", "run", "experiment"],
)
def test_a_source_that_changes_meanwhile_is_told(
    change: Callable[[BackendStore], None], sentence: str
) -> None:
    source, target = memory(Busy), memory()
    finished_run(source, Metric("m", 1.0, 1, 1))
    assert isinstance(source, Busy)
    source.meanwhile = change
    report = copy(source, target, workers=1)
    assert not report.is_whole
    assert [str(each) for each in report.differences] == [sentence]


def test_a_run_that_is_purged_meanwhile_is_told() -> None:
    source, target = memory(Busy), memory()
    finished_run(source, Metric("a", 1.0, 1, 1), Metric("b", 1.0, 1, 1))

    def purge(store: BackendStore) -> None:
        store.runs.delete_run("r1")
        store.runs.purge(PurgeRequest(run_ids=("r1",)))

    assert isinstance(source, Busy)
    source.meanwhile = purge
    report = copy(source, target, workers=1)
    assert not report.is_whole
    assert "The run 'r1'" in report.problems[0]
    assert [str(each) for each in report.differences] == [
        "The run 'r1' is in the destination alone."
    ]
