"""Any sequence of calls, answered as by a plain model: dicts and lists that share no code."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tracking_core.entities import LifecycleStage, Metric, Param, RunStatus, RunTag, ViewType
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidStateError,
    NotFoundError,
    TrackingError,
)
from tracking_core.stores import (
    RUN_NAME_TAG,
    BackendStore,
    Batch,
    Capability,
    ExperimentChanges,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    PurgeRequest,
    RunChanges,
    RunQuery,
)
from tracking_core.testing.store_tests import StoreTests, fresh_name

ACTIVE, DELETED = LifecycleStage.ACTIVE, LifecycleStage.DELETED
KEYS = st.sampled_from(["a", "a/b", "c d"])
TEXTS = st.sampled_from(["", "1", "2", "größe"])
VALUES = st.sampled_from([0.0, 1.0, -1.5, math.nan, math.inf, -math.inf])
POINTS = st.builds(Metric, KEYS, VALUES, timestamp=st.integers(0, 3), step=st.integers(-1, 2))

# What a call must raise: nothing, this, or one of these.
Errors = type[TrackingError] | tuple[type[TrackingError], ...] | None


@dataclass
class ModelRun:
    """What the model knows of a run."""

    name: str
    status: RunStatus = RunStatus.RUNNING
    end_time: int | None = None
    deleted: bool = False
    points: dict[str, list[Metric]] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


@dataclass
class ModelExperiment:
    """What the model knows of an experiment."""

    name: str
    deleted: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    runs: dict[str, ModelRun] = field(default_factory=dict)


def rank(point: Metric) -> tuple[int, int, float, float]:
    """Return what the latest point has the most of; NaN is below every number."""
    nan = math.isnan(point.value)
    return (point.step, point.timestamp, 0.0 if nan else 1.0, 0.0 if nan else point.value)


class StatefulTests(StoreTests):
    """The whole of RunStore, in sequences that nobody thought of."""

    stateful_settings = settings(
        max_examples=30,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    """How long to try; a slow store may ask for fewer examples."""

    def test_any_sequence_of_calls_is_answered_as_by_a_plain_model(
        self, store: BackendStore
    ) -> None:
        class Machine(StoreMachine):
            def __init__(self) -> None:
                super().__init__(store)

        run_state_machine_as_test(Machine, settings=self.stateful_settings)


class StoreMachine(RuleBasedStateMachine):
    """Calls of a store beside the same of the model; each answer and error must agree."""

    experiments: Bundle[str] = Bundle("experiments")
    runs: Bundle[tuple[str, str]] = Bundle("runs")

    def __init__(self, store: BackendStore) -> None:
        super().__init__()
        self.store = store
        self.rooms: dict[str, ModelExperiment] = {}
        # Other examples left theirs in the same store.
        self.prefix = fresh_name("model")

    # --- what the model expects ---

    def fails(self, error: Errors, call: Any, *arguments: Any, **named: Any) -> bool:
        """Make a call and tell whether it failed, which it must just as the model says."""
        if error is None:
            call(*arguments, **named)
            return False
        with pytest.raises(error) as caught:
            call(*arguments, **named)
        assert str(caught.value)
        return True

    def holder(self, name: str) -> str | None:
        """Return the id of the experiment that has a name."""
        return next((i for i, each in self.rooms.items() if each.name == name), None)

    def find(self, run: tuple[str, str]) -> ModelRun | None:
        """Return the model of a run, unless it was purged."""
        experiment_id, run_id = run
        room = self.rooms.get(experiment_id)
        return room.runs.get(run_id) if room else None

    def error_of(self, run: tuple[str, str]) -> type[TrackingError] | None:
        """Return the error of a change of a run, if it must fail."""
        known = self.find(run)
        if known is None:
            return NotFoundError
        return InvalidStateError if known.deleted or self.rooms[run[0]].deleted else None

    # --- experiments ---

    @initialize(target=experiments)
    def begin(self) -> str:
        """Begin with one experiment."""
        return self.made("one")

    def made(self, name: str) -> str:
        """Create an experiment in both."""
        name = f"{self.prefix}-{name}"
        experiment_id = self.store.runs.create_experiment(NewExperiment(name=name)).experiment_id
        assert experiment_id not in self.rooms
        self.rooms[experiment_id] = ModelExperiment(name)
        return experiment_id

    @rule(target=experiments, name=st.sampled_from(["one", "two", "three"]))
    def create_experiment(self, name: str) -> Any:
        """Create an experiment, whose name may be taken."""
        if self.holder(f"{self.prefix}-{name}") is None:
            return self.made(name)
        with pytest.raises(AlreadyExistsError):
            self.made(name)
        return multiple()

    @rule(
        experiment_id=experiments,
        name=st.none() | st.sampled_from(["one", "two", "three"]),
        set_tags=st.dictionaries(KEYS, TEXTS, max_size=2),
        delete_tags=st.sets(KEYS, max_size=1),
    )
    def change_experiment(
        self, experiment_id: str, name: str | None, set_tags: dict[str, str], delete_tags: set[str]
    ) -> None:
        """Rename an experiment, set and delete its tags."""
        room = self.rooms.get(experiment_id)
        delete_tags = delete_tags - set_tags.keys()
        changes = ExperimentChanges(set_tags=set_tags, delete_tags=tuple(delete_tags))
        new_name = room.name if room else ""
        if name is not None:
            new_name = f"{self.prefix}-{name}"
            changes = ExperimentChanges(
                name=new_name, set_tags=set_tags, delete_tags=tuple(delete_tags)
            )
        if changes == ExperimentChanges():
            return
        error: Errors = None
        if room is None:
            error = NotFoundError
        elif room.deleted:
            error = InvalidStateError
        else:
            causes: list[type[TrackingError]] = []
            if self.holder(new_name) not in (None, experiment_id):
                causes.append(AlreadyExistsError)
            if delete_tags - room.tags.keys():
                causes.append(NotFoundError)
            error = tuple(causes) or None
        if self.fails(
            error,
            self.store.runs.update_experiment,
            experiment_id,
            changes=changes,
        ):
            return
        assert room is not None
        room.name = new_name
        room.tags = {k: v for k, v in {**room.tags, **set_tags}.items() if k not in delete_tags}

    @rule(experiment_id=experiments, delete=st.booleans())
    def move_experiment(self, experiment_id: str, delete: bool) -> None:
        """Delete or restore an experiment."""
        room = self.rooms.get(experiment_id)
        runs = self.store.runs
        call = runs.delete_experiment if delete else runs.restore_experiment
        if not self.fails(None if room else NotFoundError, call, experiment_id):
            assert room is not None
            room.deleted = delete

    # --- runs ---

    @rule(target=runs, experiment_id=experiments, name=st.sampled_from(["x", "y"]))
    def create_run(self, experiment_id: str, name: str) -> Any:
        """Create a run."""
        room = self.rooms.get(experiment_id)
        new = NewRun(experiment_id=experiment_id, run_name=name)
        if room is None or room.deleted:
            with pytest.raises(NotFoundError if room is None else InvalidStateError):
                self.store.runs.create_run(new)
            return multiple()
        run_id = self.store.runs.create_run(new).info.run_id
        room.runs[run_id] = ModelRun(name)
        return (experiment_id, run_id)

    @rule(run=runs, status=st.sampled_from(list(RunStatus)), end_time=st.none() | st.integers(0, 9))
    def end_run(self, run: tuple[str, str], status: RunStatus, end_time: int | None) -> None:
        """Change status and end of a run."""
        changes = RunChanges(status=status, end_time=end_time)
        call = self.store.runs.update_run
        if not self.fails(self.error_of(run), call, run[1], changes=changes):
            known = self.find(run)
            assert known is not None
            known.status, known.end_time = status, end_time

    @rule(run=runs, name=st.sampled_from(["x", "new", ""]), by_tag=st.booleans())
    def rename_run(self, run: tuple[str, str], name: str, by_tag: bool) -> None:
        """Rename a run, by its header or by its tag."""
        runs = self.store.runs
        if by_tag:
            tag = RunTag(RUN_NAME_TAG, name)
            failed = self.fails(self.error_of(run), runs.set_tag, run[1], tag=tag)
        else:
            changes = RunChanges(run_name=name)
            failed = self.fails(self.error_of(run), runs.update_run, run[1], changes=changes)
        if not failed:
            known = self.find(run)
            assert known is not None
            known.name = name

    @rule(run=runs, delete=st.booleans())
    def move_run(self, run: tuple[str, str], delete: bool) -> None:
        """Delete or restore a run."""
        known = self.find(run)
        if known is not None and self.rooms[run[0]].deleted:
            return  # whether deleting twice counts as a change is not laid down
        call = self.store.runs.delete_run if delete else self.store.runs.restore_run
        if not self.fails(None if known else NotFoundError, call, run[1]):
            assert known is not None
            known.deleted = delete

    @rule(
        run=runs,
        points=st.lists(POINTS, max_size=4),
        params=st.dictionaries(KEYS, TEXTS, max_size=2),
        tags=st.dictionaries(KEYS, TEXTS, max_size=2),
        key=st.none() | st.sampled_from(["k1", "k2"]),
    )
    def log_batch(
        self,
        run: tuple[str, str],
        points: list[Metric],
        params: dict[str, str],
        tags: dict[str, str],
        key: str | None,
    ) -> None:
        """Log a batch, with a key that may have been used."""
        if Capability.IDEMPOTENCY_KEYS not in self.store.capabilities:
            key = None
        known = self.find(run)
        batch = Batch(
            metrics=tuple(points),
            params=tuple(Param(*item) for item in params.items()),
            tags=tuple(RunTag(*item) for item in tags.items()),
            idempotency_key=key,
        )
        error = self.error_of(run)
        again = known is not None and key in known.keys
        if error is None and known is not None and not again:
            contradicts = any(known.params.get(k, v) != v for k, v in params.items())
            error = ConflictError if contradicts else None
        if self.fails(error, self.store.runs.log_batch, run[1], batch=batch) or again:
            return
        assert known is not None
        for point in points:
            known.points.setdefault(point.key, []).append(point)
        known.params.update(params)
        known.tags.update(tags)
        if key is not None:
            known.keys.add(key)

    @rule(run=runs, key=KEYS)
    def delete_tag(self, run: tuple[str, str], key: str) -> None:
        """Delete a tag, which may not be there."""
        known = self.find(run)
        error = self.error_of(run)
        if error is None and known is not None and key not in known.tags:
            error = NotFoundError
        if not self.fails(error, self.store.runs.delete_tag, run[1], key=key):
            assert known is not None
            del known.tags[key]

    @precondition(lambda self: Capability.PURGE in self.store.capabilities)
    @rule(run=runs)
    def purge_run(self, run: tuple[str, str]) -> None:
        """Purge a run, which must be deleted or gone."""
        known = self.find(run)
        active = known is not None and not known.deleted and not self.rooms[run[0]].deleted
        error = InvalidStateError if active else None
        request = PurgeRequest(run_ids=(run[1],))
        if not self.fails(error, self.store.runs.purge, request) and known is not None:
            del self.rooms[run[0]].runs[run[1]]

    @precondition(lambda self: Capability.PURGE in self.store.capabilities)
    @rule(experiment_id=experiments)
    def purge_experiment(self, experiment_id: str) -> None:
        """Purge an experiment, which must be deleted or gone."""
        room = self.rooms.get(experiment_id)
        error = InvalidStateError if room is not None and not room.deleted else None
        request = PurgeRequest(experiment_ids=(experiment_id,))
        if not self.fails(error, self.store.runs.purge, request):
            self.rooms.pop(experiment_id, None)

    # --- reading ---

    @rule()
    def compare(self) -> None:
        """Compare all that can be read."""
        for experiment_id, room in self.rooms.items():
            found = self.store.runs.get_experiment(experiment_id)
            assert (found.name, found.tags) == (room.name, room.tags)
            assert found.lifecycle_stage is (DELETED if room.deleted else ACTIVE)
            assert self.store.runs.get_experiment_by_name(room.name) == found
            for view_type in ViewType:
                self.compare_search(experiment_id, room, view_type)
            for run_id, run in room.runs.items():
                self.compare_run(run_id, run, deleted=run.deleted or room.deleted)

    def compare_search(
        self, experiment_id: str, room: ModelExperiment, view_type: ViewType
    ) -> None:
        """Compare which runs a search finds."""
        query = RunQuery(experiment_ids=(experiment_id,), view_type=view_type, max_results=3)
        wanted = {
            run_id
            for run_id, run in room.runs.items()
            if view_type.includes(DELETED if run.deleted or room.deleted else ACTIVE)
        }
        found = [run.info.run_id for run in self.store.runs.iterate_runs(query)]
        assert sorted(found) == sorted(wanted)

    def compare_run(self, run_id: str, model: ModelRun, *, deleted: bool) -> None:
        """Compare a run and its histories."""
        run = self.store.runs.get_run(run_id)
        info = run.info
        assert info.lifecycle_stage is (DELETED if deleted else ACTIVE)
        assert (info.run_name, info.status) == (model.name, model.status)
        assert info.end_time == model.end_time
        assert run.data.params == model.params
        assert run.data.tags == {**model.tags, RUN_NAME_TAG: model.name}
        latest = {key: max(points, key=rank) for key, points in model.points.items()}
        assert repr(run.data.metrics) == repr({key: latest[key].value for key in sorted(latest)})
        for key, points in model.points.items():
            page = self.store.runs.metric_history(run_id, query=MetricHistoryQuery(key=key))
            wanted = sorted(points, key=lambda point: (point.step, point.timestamp))
            assert repr(list(page.items)) == repr(wanted)

    def teardown(self) -> None:
        """Compare once more at the end."""
        self.compare()
