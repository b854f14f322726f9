"""Capabilities: what is declared works, what isn't is refused rather than done by half.

MULTI_PROCESS and DURABLE ask for nothing that could be refused; that they hold where they are
declared, the suites of processes and crashes prove.
"""

from __future__ import annotations

import pytest

from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    ModelVersionStage,
    ViewType,
)
from tracking_core.errors import UnsupportedError
from tracking_core.search import Subject, parse_filter
from tracking_core.stores import (
    BackendStore,
    Batch,
    Capability,
    ExperimentChanges,
    ExperimentQuery,
    LoggedModelChanges,
    LoggedModelStore,
    MetricHistoryQuery,
    ModelRegistryStore,
    ModelVersionChanges,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    PurgeRequest,
    RegisteredModelChanges,
    RunChanges,
    RunQuery,
    RunStore,
)
from tracking_core.testing.experiment_tests import named
from tracking_core.testing.store_tests import StoreTests, fresh_name

RICH_RUN_FILTERS = [
    "params.p = 'a' OR params.p = 'b'",
    "NOT params.p = 'a'",
    "params.p IN ('a', 'b')",
    "metrics.m IS NULL",
]


class CapabilityTests(StoreTests):
    """What Capability says of each."""

    def without(self, store: BackendStore, capability: Capability) -> None:
        """Skip the test if the store declares the capability."""
        if capability in store.capabilities:
            pytest.skip(f"{type(store).__name__} declares {capability}")

    def test_the_declared_capabilities_are_ones(self, store: BackendStore) -> None:
        assert isinstance(store.capabilities, frozenset)
        assert store.capabilities <= frozenset(Capability)

    def test_chosen_ids_are_kept(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        chosen = fresh_name("chosen")
        new = NewExperiment(name=fresh_name("e"), experiment_id=chosen, creation_time=1)
        assert runs.create_experiment(new).experiment_id == chosen
        assert runs.get_experiment(chosen).creation_time == 1
        new_run = NewRun(experiment_id=experiment.experiment_id, run_id=chosen)
        assert runs.create_run(new_run).info.run_id == chosen

    def test_chosen_ids_are_refused_where_they_are_not_declared(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.without(store, Capability.CHOSEN_IDS)
        name, chosen = fresh_name("e"), fresh_name("chosen")
        for new in (
            NewExperiment(name=name, experiment_id=chosen),
            NewExperiment(name=name, creation_time=1),
            NewExperiment(name=name, last_update_time=1),
        ):
            with pytest.raises(UnsupportedError):
                runs.create_experiment(new)
        assert runs.search_experiments(named(name)).items == ()
        with pytest.raises(UnsupportedError):
            runs.create_run(NewRun(experiment_id=experiment.experiment_id, run_id=chosen))
        assert runs.count_runs(RunQuery(experiment_ids=(experiment.experiment_id,))) == 0

    def test_chosen_times_of_changes_are_kept(
        self, store: BackendStore, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        gone = RunChanges(lifecycle_stage=LifecycleStage.DELETED, deleted_time=5)
        assert runs.update_run(run_id, changes=gone).deleted_time == 5
        assert runs.get_run(run_id).info.deleted_time == 5
        moved = ExperimentChanges(last_update_time=6)
        assert runs.update_experiment(experiment.experiment_id, changes=moved).last_update_time == 6
        gone_too = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED, last_update_time=7)
        runs.update_experiment(experiment.experiment_id, changes=gone_too)
        found = runs.get_experiment(experiment.experiment_id)
        assert (found.last_update_time, found.lifecycle_stage) == (7, LifecycleStage.DELETED)

    def test_chosen_times_of_changed_models_are_kept(
        self, store: BackendStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        if ModelRegistryStore in store.facets():
            name = fresh_name("m")
            store.registry.create_registered_model(NewRegisteredModel(name=name))
            store.registry.create_model_version(NewModelVersion(name=name, source="s"))
            staged = ModelVersionChanges(
                current_stage=ModelVersionStage.STAGING, last_updated_timestamp=8
            )
            store.registry.update_model_version(name, version=1, changes=staged)
            moved = RegisteredModelChanges(set_aliases={"a": 1}, last_updated_timestamp=9)
            store.registry.update_registered_model(name, changes=moved)
            assert store.registry.get_registered_model(name).last_updated_timestamp == 9
            version = store.registry.get_model_version(name, version=1)
            assert version.last_updated_timestamp == 8
        if LoggedModelStore in store.facets():
            new = NewLoggedModel(experiment_id=experiment.experiment_id)
            model_id = store.logged_models.create_logged_model(new).model_id
            changes = LoggedModelChanges(last_updated_timestamp=10)
            store.logged_models.update_logged_model(model_id, changes=changes)
            assert store.logged_models.get_logged_model(model_id).last_updated_timestamp == 10

    def test_a_model_takes_points_of_runs_that_are_gone(
        self, store: BackendStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        if LoggedModelStore not in store.facets():
            pytest.skip(f"{type(store).__name__} has no LoggedModelStore")
        models = store.logged_models
        new = NewLoggedModel(experiment_id=experiment.experiment_id)
        model_id = models.create_logged_model(new).model_id
        points = [
            Metric("m", 1.0, 5, 2, model_id, "wine", "d1", "gone"),
            Metric("m", 2.0, 5, 1, None, "wine", "d1", "gone"),
            Metric("m", 3.0, 5, 0, model_id, None, None, "gone"),
        ]
        models.update_logged_model(
            model_id, changes=LoggedModelChanges(log_metrics=tuple(points[1:]))
        )
        models.update_logged_model(model_id, changes=LoggedModelChanges(log_metrics=(points[0],)))
        found = models.get_logged_model(model_id).metrics
        assert sorted(found, key=lambda point: point.step) == [points[2], points[0]]

    def test_chosen_times_of_changes_are_refused_where_they_are_not_declared(
        self, store: BackendStore, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        self.without(store, Capability.CHOSEN_IDS)
        with pytest.raises(UnsupportedError):
            runs.update_experiment(
                experiment.experiment_id, changes=ExperimentChanges(last_update_time=6)
            )
        assert runs.get_experiment(experiment.experiment_id) == experiment
        gone = RunChanges(lifecycle_stage=LifecycleStage.DELETED, deleted_time=5)
        with pytest.raises(UnsupportedError):
            runs.update_run(run_id, changes=gone)
        assert runs.get_run(run_id).info.lifecycle_stage is LifecycleStage.ACTIVE

    def test_an_idempotency_key_makes_a_batch_count_once(
        self, store: BackendStore, runs: RunStore, run_id: str
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        batch = Batch(metrics=(Metric("m", 1.0, 1),), idempotency_key=fresh_name("key"))
        for _ in range(2):
            runs.log_batch(run_id, batch=batch)
        query = MetricHistoryQuery(key="m")
        assert len(runs.metric_history(run_id, query=query).items) == 1

    def test_idempotency_keys_are_refused_where_they_are_not_declared(
        self, store: BackendStore, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        self.without(store, Capability.IDEMPOTENCY_KEYS)
        before = runs.get_run(run_id)
        batch = Batch(metrics=(Metric("m", 1.0, 1),), idempotency_key="key")
        with pytest.raises(UnsupportedError):
            runs.log_batch(run_id, batch=batch)
        assert runs.get_run(run_id) == before
        with pytest.raises(UnsupportedError):
            runs.create_run(NewRun(experiment_id=experiment.experiment_id, idempotency_key="key"))

    @pytest.mark.parametrize("text", RICH_RUN_FILTERS)
    def test_rich_filters_are_answered(
        self, store: BackendStore, runs: RunStore, experiment: Experiment, run_id: str, text: str
    ) -> None:
        self.need(store, Capability.RICH_FILTERS)
        query = RunQuery(
            experiment_ids=(experiment.experiment_id,), filter=parse_filter(text, Subject.RUNS)
        )
        found = [run.info.run_id for run in runs.search_runs(query).items]
        assert found == ([run_id] if text.startswith(("NOT", "metrics")) else [])

    @pytest.mark.parametrize("text", RICH_RUN_FILTERS)
    def test_rich_filters_are_refused_where_they_are_not_declared(
        self, store: BackendStore, runs: RunStore, experiment: Experiment, text: str
    ) -> None:
        self.without(store, Capability.RICH_FILTERS)
        query = RunQuery(
            experiment_ids=(experiment.experiment_id,), filter=parse_filter(text, Subject.RUNS)
        )
        with pytest.raises(UnsupportedError):
            runs.search_runs(query)
        rich = parse_filter("name = 'a' OR name = 'b'", Subject.EXPERIMENTS)
        with pytest.raises(UnsupportedError):
            runs.search_experiments(ExperimentQuery(filter=rich))

    def test_purging_removes_for_good(
        self, store: BackendStore, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        self.need(store, Capability.PURGE)
        runs.delete_run(run_id)
        runs.purge(PurgeRequest(run_ids=(run_id,)))
        query = RunQuery(experiment_ids=(experiment.experiment_id,), view_type=ViewType.ALL)
        assert runs.search_runs(query).items == ()

    def test_purging_is_refused_where_it_is_not_declared(
        self, store: BackendStore, runs: RunStore, run_id: str
    ) -> None:
        self.without(store, Capability.PURGE)
        runs.delete_run(run_id)
        deleted = runs.get_run(run_id)
        with pytest.raises(UnsupportedError):
            runs.purge(PurgeRequest(run_ids=(run_id,)))
        assert runs.get_run(run_id) == deleted

    def test_points_keep_their_data_set(
        self, store: BackendStore, runs: RunStore, run_id: str
    ) -> None:
        self.need(store, Capability.METRIC_DATASETS)
        point = Metric("m", 1.0, 1, 2, None, "wine", "d1")
        runs.log_metric(run_id, metric=point)
        page = runs.metric_history(run_id, query=MetricHistoryQuery(key="m"))
        assert page.items == (point,)

    def test_points_with_a_data_set_are_refused_where_it_is_not_declared(
        self, store: BackendStore, runs: RunStore, run_id: str
    ) -> None:
        self.without(store, Capability.METRIC_DATASETS)
        before = runs.get_run(run_id)
        with pytest.raises(UnsupportedError):
            runs.log_metric(run_id, metric=Metric("m", 1.0, 1, 2, None, "wine", "d1"))
        assert runs.get_run(run_id) == before

    def test_what_is_required_is_what_is_declared(self, store: BackendStore) -> None:
        for capability in Capability:
            if capability in store.capabilities:
                store.require(capability, to="be asked")
            else:
                with pytest.raises(UnsupportedError, match=capability.value):
                    store.require(capability, to="be asked")
