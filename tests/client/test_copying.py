"""Copying between any two backends: everything comes across, and the report proves it."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.client.copying_places import KINDS, everything_in, fill, open_place
from tracking_core.client.copying import CopyReport, CopyState, copy, histories
from tracking_core.client.copying.threads import each_done
from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
)
from tracking_core.errors import InvalidValueError, NotFoundError, UnsupportedError
from tracking_core.stores import (
    BackendStore,
    Batch,
    Capability,
    ExperimentChanges,
    ExperimentQuery,
    Limits,
    NewExperiment,
    NewRegisteredModel,
    NewRun,
    PurgeRequest,
    RegisteredModelChanges,
    RunChanges,
    RunStore,
    new_id,
)
from tracking_core.stores.memory import MemoryStore


def memory(kind: type[MemoryStore] = MemoryStore) -> MemoryStore:
    return kind(Uri.parse("memory:"), Settings())


def only_what_is_there(source: BackendStore, destination: BackendStore) -> dict[str, bool]:
    """Return the options that leave out the facets that the destination lacks."""
    has_models = len(destination.facets()) > 1 or len(source.facets()) == 1
    return {"registry": has_models, "logged_models": has_models}


def logged(store: BackendStore, *points: Metric, run_id: str = "r1", **fields: Any) -> Run:
    """Make an experiment `1` with a run, and log points to it."""
    if not store.runs.search_experiments(ExperimentQuery()).items:
        store.runs.create_experiment(NewExperiment(name="one", experiment_id="1"))
    store.runs.create_run(
        NewRun(experiment_id="1", run_id=run_id, status=RunStatus.FINISHED, **fields)
    )
    store.runs.log_batch(run_id, batch=Batch(metrics=points))
    return store.runs.get_run(run_id)


def assert_whole(report: CopyReport) -> None:
    assert report.is_whole, (report.problems, [str(each) for each in report.differences])


class Runless(MemoryStore):
    """A backend that has runs alone."""

    def facets(self) -> dict[Any, Any]:
        return {RunStore: self}


# --- everything comes across ---


@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("of", KINDS)
def test_everything_comes_across_between_any_two_backends(of: str, to: str, tmp_path: Path) -> None:
    with open_place(of, tmp_path, "source") as source, open_place(to, tmp_path, "dst") as target:
        fill(source)
        before = everything_in(source)
        report = copy(source, target, **only_what_is_there(source, target))
        assert_whole(report)
        there = everything_in(target)
        expected = {
            name: each
            for name, each in before.items()
            if len(target.facets()) > 1 or name.startswith(("experiment", "run"))
        }
        # The file backend makes a default experiment.
        assert {name: there[name] for name in expected} == expected
        assert there.keys() - expected.keys() <= {"experiment 0"}
        assert everything_in(source) == before
        counts = {each.kind: each.source_count for each in report.tallies}
        assert counts["runs"] == report.written["runs"] == 8
        assert counts["points"] == report.written["points"] == 8 * 36
        assert all(len(each.source_digest) == 64 for each in report.tallies)


@pytest.mark.parametrize("kind", KINDS)
def test_copying_there_and_back_changes_nothing(kind: str, tmp_path: Path) -> None:
    source, back = memory(Runless), memory(Runless)
    fill(source)
    with open_place(kind, tmp_path, "between") as between:
        assert_whole(copy(source, between))
        assert_whole(copy(between, back, registry=False, logged_models=False))
    back_again = everything_in(back)
    back_again.pop("experiment 0", None)
    assert back_again == everything_in(source)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_there_and_equal_is_passed_over(kind: str, tmp_path: Path) -> None:
    source = memory(Runless)
    fill(source)
    with open_place(kind, tmp_path, "dst") as target:
        copy(source, target)
        there = everything_in(target)
        again = copy(source, target)
        assert_whole(again)
        assert (again.written, again.passed_over) == ({}, 8)
        assert everything_in(target) == there


texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=9)
keys = st.sampled_from(["a", "b/c", "d e", "ü"])
points = st.builds(
    Metric,
    key=keys,
    value=st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf]),
    timestamp=st.integers(0, 3) | st.integers(0, 2**62),
    step=st.integers(-2, 2) | st.integers(-(2**63), 2**63 - 1),
    dataset_name=st.none() | texts,
)


@given(
    metrics=st.lists(points, max_size=30),
    params=st.dictionaries(keys, texts),
    tags=st.dictionaries(keys, texts),
    name=texts,
    page=st.integers(1, 7),
    size=st.integers(1, 9),
)
def test_any_run_comes_across(
    metrics: list[Metric],
    params: dict[str, str],
    tags: dict[str, str],
    name: str,
    page: int,
    size: int,
) -> None:
    source, target = memory(), memory()
    target.limits = Limits(batch_size=size, batch_params=2)
    source.runs.create_experiment(NewExperiment(name="one", experiment_id="1"))
    source.runs.create_run(NewRun(experiment_id="1", run_id="r", run_name=name or None))
    source.runs.log_batch(
        "r",
        batch=Batch(
            metrics=tuple(metrics),
            params=tuple(Param(*each) for each in params.items()),
            tags=tuple(RunTag(*each) for each in tags.items()),
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histories, "PAGE", page)
        assert_whole(copy(source, target, workers=1))
    assert everything_in(target) == everything_in(source)


def test_a_history_is_read_and_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Watched(MemoryStore):
        def log_batch(self, run_id: str, *, batch: Batch) -> None:
            sizes.append(len(batch))
            super().log_batch(run_id, batch=batch)

    monkeypatch.setattr(histories, "PAGE", 1700)
    source, target = memory(), memory(Watched)
    logged(source, *(Metric("m", step / 7, step, step) for step in range(5000)))
    assert_whole(copy(source, target))
    assert sizes == [1000] * 5
    assert everything_in(target) == everything_in(source)


def test_limits_of_batches_are_kept() -> None:
    class Narrow(MemoryStore):
        limits = Limits(batch_size=7, batch_metrics=5, batch_params=2, batch_tags=3)

        def log_batch(self, run_id: str, *, batch: Batch) -> None:
            assert len(batch) <= 7
            assert len(batch.metrics) <= 5
            assert len(batch.params) <= 2
            assert len(batch.tags) <= 3
            super().log_batch(run_id, batch=batch)

    source, target = memory(), memory(Narrow)
    fill(source)
    assert_whole(copy(source, target))


def test_pages_are_as_small_as_a_backend_wants_them() -> None:
    class Slow(MemoryStore):
        limits = Limits(page_size=3)

    def paged(name: str) -> Any:
        def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
            query = keywords.get("query", arguments[-1] if arguments else None)
            assert query.max_results <= 3
            return getattr(super(Slow, self), name)(*arguments, **keywords)

        return method

    searches = [name for name in dir(MemoryStore) if name.startswith("search_")]
    for name in ("metric_history", *(each for each in searches if each != "search_datasets")):
        setattr(Slow, name, paged(name))
    source, target = memory(Slow), memory(Slow)
    fill(source)
    states: list[CopyState] = []
    assert_whole(copy(source, target, progress=states.append))
    assert states[-1].runs_total == 16


def test_a_run_that_lost_its_name_comes_across() -> None:
    source, target = memory(), memory()
    logged(source)
    source.runs.update_run("r1", changes=RunChanges(run_name=""))
    assert_whole(copy(source, target))
    assert target.runs.get_run("r1").info.run_name == ""


def test_a_changed_tag_of_the_user_comes_across() -> None:
    source, target = memory(), memory()
    logged(source, user_id="ada")
    source.runs.set_tag("r1", tag=RunTag("mlflow.user", "bob"))
    assert_whole(copy(source, target))
    assert target.runs.get_run("r1").info.user_id == "ada"
    assert target.runs.get_run("r1").data.tags["mlflow.user"] == "bob"


def test_a_run_that_goes_on_comes_across_with_its_status() -> None:
    source, target = memory(), memory()
    logged(source, Metric("m", 1.0, 1))
    source.runs.update_run("r1", changes=RunChanges(status=RunStatus.RUNNING))
    assert_whole(copy(source, target))
    assert target.runs.get_run("r1").info.status is RunStatus.RUNNING


def test_what_else_the_destination_holds_is_left_alone() -> None:
    source, target = memory(), memory()
    logged(source)
    target.runs.create_experiment(NewExperiment(name="other", experiment_id="2"))
    target.registry.create_registered_model(NewRegisteredModel(name="other"))
    others = everything_in(target)
    assert_whole(copy(source, target))
    there = everything_in(target)
    assert {name: there[name] for name in others} == others


def test_the_empty_default_experiment_of_the_destination_gives_way(tmp_path: Path) -> None:
    source = memory()
    source.runs.create_experiment(
        NewExperiment(
            name="Default",
            experiment_id="0",
            creation_time=1,
            last_update_time=2,
            artifact_location="file:///old",
            tags={"a": "b"},
        )
    )
    source.runs.create_run(NewRun(experiment_id="0", run_id="r"))
    with open_place("file", tmp_path, "dst") as target:
        target.runs.create_experiment(NewExperiment(name="other"))
        assert target.runs.get_experiment("0").name == "Default"
        assert_whole(copy(source, target))
        moved = target.runs.get_experiment("0")
        assert (moved.artifact_location, moved.last_update_time) == ("file:///old", 2)
        assert moved.tags == {"a": "b"}
        assert_whole(copy(source, target))


def test_times_that_the_source_does_not_know_are_told_and_not_compared() -> None:
    class Old(MemoryStore):
        def get_experiment(self, experiment_id: str) -> Experiment:
            found = super().get_experiment(experiment_id)
            return Experiment(experiment_id=found.experiment_id, name=found.name)

        def search_experiments(self, query: ExperimentQuery) -> Any:
            page = super().search_experiments(query)
            return type(page)(tuple(self.get_experiment(e.experiment_id) for e in page.items))

    source, target = memory(Old), memory()
    logged(source)
    for _ in range(2):
        report = copy(source, target)
        assert_whole(report)
        assert any("3 times or places" in note for note in report.not_carried)


def test_metrics_of_a_model_whose_run_is_gone_come_across() -> None:
    source, target = memory(), memory()
    fill(source)
    source.runs.restore_run("7run3")
    point = Metric("late", math.nan, 1, 1, "m-" + "1" * 32)
    source.runs.log_metric("7run3", metric=point)
    source.runs.delete_run("7run3")
    source.runs.purge(PurgeRequest(run_ids=("7run3",)))
    report = copy(source, target)
    assert_whole(report)
    assert report.written["points of models"] == 1
    assert everything_in(target) == everything_in(source)
    assert copy(source, target).written == {}


@pytest.mark.parametrize("bin_too", [False, True])
def test_a_run_of_which_nobody_knows_when_it_was_deleted_comes_across(bin_too: bool) -> None:
    source, target = memory(), memory()
    logged(source)
    gone = source._state.runs["r1"]
    gone.info = replace(gone.info, lifecycle_stage=LifecycleStage.DELETED, start_time=None)
    if bin_too:
        source.runs.delete_experiment("1")
    for _ in range(2):
        report = copy(source, target)
        assert_whole(report)
        assert any("that the source itself doesn't know" in note for note in report.not_carried)
    assert target.runs.get_run("r1").info.lifecycle_stage is LifecycleStage.DELETED


# --- selection ---


def test_only_the_chosen_experiments_come_across() -> None:
    source, target = memory(), memory()
    fill(source)
    report = copy(source, target, experiments=["gone", "9"])
    assert_whole(report)
    query = ExperimentQuery(view_type=ViewType.ALL)
    assert {each.name for each in target.runs.iterate_experiments(query)} == {
        "gone",
        "empty ünï 💡",
    }
    assert report.written["runs"] == 4
    assert "registered models" not in report.written
    assert any("registry was left out" in note for note in report.notes)


def test_an_experiment_that_is_not_there_is_named() -> None:
    source = memory()
    logged(source)
    with pytest.raises(NotFoundError, match=r"There is no experiment 'nope' in memory:"):
        copy(source, memory(), experiments=["nope"])
    with pytest.raises(InvalidValueError, match=r"must be a list: pass \['one'\]"):
        copy(source, memory(), experiments="one")


def test_an_empty_source_is_told_rather_than_copied() -> None:
    with pytest.raises(NotFoundError, match="There is nothing in memory: to copy"):
        copy(memory(), memory())


def test_a_backend_is_not_copied_to_itself() -> None:
    name = f"memory://{new_id()}"
    one, other = (MemoryStore(Uri.parse(name), Settings()) for _ in range(2))
    with pytest.raises(InvalidValueError, match=f"Source and destination are both {name}"):
        copy(one, other)
    with pytest.raises(InvalidValueError, match="workers is 0; it must be at least 1"):
        copy(one, memory(), workers=0)


# --- what the destination can't keep ---


def test_a_destination_that_cannot_keep_ids_is_refused() -> None:
    class Choosy(MemoryStore):
        capabilities = MemoryStore.capabilities - {Capability.CHOSEN_IDS}

    source, target = memory(), memory(Choosy)
    fill(source)
    with pytest.raises(UnsupportedError, match=r"can't be copied to, .*capability chosen_ids"):
        copy(source, target)
    assert everything_in(target) == {}


@pytest.mark.parametrize("option", ["registry", "logged_models"])
def test_a_facet_that_the_destination_lacks_is_told_before_anything_is_written(option: str) -> None:
    source, target = memory(), memory(Runless)
    fill(source)
    name = option.replace("_", "-")
    others = {"registry", "logged_models"} - {option}
    with pytest.raises(UnsupportedError, match=rf"nothing was written.*--skip-{name}"):
        copy(source, target, **dict.fromkeys(others, False))
    assert everything_in(target) == {}
    assert_whole(copy(source, target, registry=False, logged_models=False))


def test_an_empty_facet_that_the_destination_lacks_is_no_matter() -> None:
    source, target = memory(), memory(Runless)
    logged(source)
    assert_whole(copy(source, target))


def test_points_that_the_destination_cannot_keep_are_named_and_the_other_runs_come_across() -> None:
    class Plain(MemoryStore):
        capabilities = MemoryStore.capabilities - {Capability.METRIC_DATASETS}

    source, target = memory(), memory(Plain)
    logged(source, Metric("m", 1.0, 1, 1, None, "wine", "d1"), Metric("m", 1.0, 2, 2))
    logged(source, Metric("m", 1.0, 1), run_id="r2")
    report = copy(source, target)
    assert len(report.problems) == 1
    assert "Points of the metric 'm' of the run 'r1'" in report.problems[0]
    assert "capability metric_datasets" in report.problems[0]
    assert not report.is_whole
    assert target.runs.get_run("r2").info.status is RunStatus.FINISHED


def test_values_that_are_too_long_for_the_destination_are_named() -> None:
    class Short(MemoryStore):
        limits = Limits(param_value_length=5, tag_value_length=20, experiment_tag_value_length=5)

    source, target = memory(), memory(Short)
    logged(source)
    source.runs.log_param("r1", param=Param("long", "x" * 6))
    source.runs.create_experiment(NewExperiment(name="two", experiment_id="2", tags={"t": "y" * 6}))
    report = copy(source, target)
    first, second = sorted(report.problems)
    assert first == (
        "The param 'long' of the run 'r1' has 6 characters, but the destination keeps at most 5;"
        " the run was left out."
    )
    assert "The tag 't' of the experiment 'two' (id 2) has 6 characters" in second
    assert {str(each) for each in report.differences} == {
        "The run 'r1' is missing in the destination.",
        "The experiment 'two' (id 2) is missing in the destination.",
    }


# --- dry run and proof ---


def test_a_dry_run_writes_nothing_and_tells_what_it_would() -> None:
    source, target = memory(), memory()
    fill(source)
    planned = copy(source, target, dry_run=True)
    assert everything_in(target) == {}
    assert planned.is_whole
    assert planned.tallies == ()
    done = copy(source, target).written
    # How many points there are, only reading all of them would tell.
    assert planned.written == {kind: n for kind, n in done.items() if kind != "points"}
    assert copy(source, target, dry_run=True).written == {"aliases": 3}


def test_two_equal_backends_verify_without_a_write() -> None:
    source, target = memory(), memory()
    fill(source)
    copy(source, target)
    report = copy(source, target, verify_only=True)
    assert_whole(report)
    assert report.written == {}


MUTATIONS = {
    "experiment tag": ("experiment 'digits' (id 7)", "tags['team']"),
    "run tag": ("run '7run1'", "tags['note']"),
    "run name": ("run '7run1'", "run_name"),
    "end time": ("run '7run1'", "end_time"),
    "deleted": ("run '7run1'", "lifecycle_stage"),
    "point": ("run '7run1'", "the points of 'loss'"),
    "new param": ("run '7run1'", "params['new']"),
    "alias": ("registered model 'champions'", "aliases['best']"),
    "description": ("registered model 'empty'", "description"),
    "another run": ("run 'r1'", ""),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_the_proof_names_what_differs(what: str) -> None:
    source, target = memory(), memory()
    fill(source)
    copy(source, target)
    runs = target.runs
    match what:
        case "experiment tag":
            target._state.experiments["7"].tags["team"] = "x"
        case "run tag":
            runs.set_tag("7run1", tag=RunTag("note", "x"))
        case "run name":
            runs.update_run("7run1", changes=RunChanges(run_name="x"))
        case "end time":
            runs.update_run("7run1", changes=RunChanges(end_time=9))
        case "deleted":
            runs.delete_run("7run1")
        case "point":
            runs.log_metric("7run1", metric=Metric("loss", 3.0, 4, 2))
        case "new param":
            runs.log_param("7run1", param=Param("new", "x"))
        case "alias":
            changes = RegisteredModelChanges(set_aliases={"best": 1}, last_updated_timestamp=90)
            target.registry.update_registered_model("champions", changes=changes)
        case "description":
            moment = source.registry.get_registered_model("empty").last_updated_timestamp
            changes = RegisteredModelChanges(description="x", last_updated_timestamp=moment)
            target.registry.update_registered_model("empty", changes=changes)
        case "another run":
            runs.create_run(NewRun(experiment_id="7", run_id="r1"))
    report = copy(source, target, verify_only=True)
    assert not report.is_whole
    assert any(not each.is_equal for each in report.tallies)
    assert report.differing == 1
    (difference,) = report.differences
    assert (difference.entity, difference.field) == MUTATIONS[what]
    assert difference.entity in str(difference)
    assert difference.field in str(difference)


def test_two_ties_in_another_order_are_a_difference() -> None:
    source, target = memory(), memory()
    for store, values in ((source, (1.0, 2.0)), (target, (2.0, 1.0))):
        store.runs.create_experiment(
            NewExperiment(name="one", experiment_id="1", creation_time=1, last_update_time=1)
        )
        logged(store, *(Metric("m", value, 1, 1) for value in values), run_name="n", start_time=1)
    source.runs.update_run("r1", changes=RunChanges(artifact_uri="file:///a"))
    target.runs.update_run("r1", changes=RunChanges(artifact_uri="file:///a"))
    changes = ExperimentChanges(artifact_location="file:///a", last_update_time=1)
    for store in (source, target):
        store.runs.update_experiment("1", changes=changes)
    report = copy(source, target, verify_only=True)
    assert [str(each) for each in report.differences] == [
        "The run 'r1' differs in the points of 'm': 1.0 at step 1, time 1 in the source,"
        " 2.0 at step 1, time 1 in the destination."
    ]


def test_a_nan_is_a_nan_in_every_form() -> None:
    (other,) = struct.unpack("<d", b"\x01\x02\x03\x04\x05\x06\xf8\xff")
    digests = {
        histories.history_digest([[Metric("m", 1.0, 1), Metric("m", value, 2)]])
        for value in (math.nan, -math.nan, other)
    }
    assert len(digests) == 1
    assert histories.history_digest([[Metric("m", 1.0, 1)], [Metric("m", other, 2)]]) in digests


def test_a_zero_is_not_a_negative_zero() -> None:
    one, other = (histories.history_digest([[Metric("m", zero, 1)]]) for zero in (0.0, -0.0))
    assert one != other


def test_work_is_taken_as_threads_become_free() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    ahead = [
        len(taken) - done
        for done, _ in enumerate(each_done(str, items(), workers=2, stop=taken.clear), start=1)
    ]
    assert max(ahead) <= 8
    assert len(taken) == 1000


def test_the_first_error_stops_the_rest() -> None:
    stopped: list[bool] = []
    results = each_done(
        int, ["1", "x", *["2"] * 1000], workers=2, stop=lambda: stopped.append(True)
    )
    with pytest.raises(ValueError, match="invalid literal"):
        list(results)
    assert stopped == [True]


def test_progress_is_told_for_copying_and_comparing() -> None:
    source, target = memory(), memory()
    fill(source)
    states: list[CopyState] = []
    copy(source, target, progress=states.append)
    assert states[0].doing == "Copying"
    copying = [each for each in states if each.doing == "Copying"]
    comparing = [each for each in states if each.doing == "Comparing"]
    assert (copying[-1].runs_done, copying[-1].runs_total) == (8, 8)
    assert copying[-1].points == 8 * 36
    assert (comparing[-1].runs_done, comparing[-1].runs_total) == (16, 16)


def test_a_deleted_run_stays_deleted_and_can_be_restored() -> None:
    source, target = memory(), memory()
    logged(source, Metric("m", 1.0, 1))
    gone = RunChanges(lifecycle_stage=LifecycleStage.DELETED, deleted_time=7)
    source.runs.update_run("r1", changes=gone)
    assert_whole(copy(source, target))
    info = target.runs.get_run("r1").info
    assert (info.lifecycle_stage, info.deleted_time) == (LifecycleStage.DELETED, 7)
    target.runs.restore_run("r1")
