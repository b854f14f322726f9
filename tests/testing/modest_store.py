"""A store that can do the mandatory alone, has MLflow's limits, and says so."""

from __future__ import annotations

from tracking_core.entities import Experiment, Run, RunInfo
from tracking_core.errors import InvalidValueError
from tracking_core.search import Expression, Page, Subject, is_mlflow_filter
from tracking_core.stores import (
    UNSET,
    Batch,
    Capability,
    ExperimentChanges,
    ExperimentQuery,
    Limits,
    NewExperiment,
    NewRun,
    PurgeReport,
    PurgeRequest,
    RunChanges,
    RunQuery,
)
from tracking_core.stores.memory import MemoryStore


class ModestStore(MemoryStore):
    capabilities = frozenset()
    limits = Limits(
        param_value_length=6000,
        tag_value_length=8000,
        batch_size=1000,
        batch_metrics=1000,
        batch_params=100,
        batch_tags=100,
    )

    def create_experiment(self, new: NewExperiment) -> Experiment:
        if (new.experiment_id, new.creation_time, new.last_update_time) != (None, None, None):
            self.require(Capability.CHOSEN_IDS, to="keep the chosen id or times")
        return super().create_experiment(new)

    def create_run(self, new: NewRun) -> Run:
        if new.idempotency_key is not None:
            self.require(Capability.IDEMPOTENCY_KEYS, to="keep the key")
        if new.run_id is not None:
            self.require(Capability.CHOSEN_IDS, to="keep the chosen id")
        return super().create_run(new)

    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        if changes.last_update_time is not UNSET:
            self.require(Capability.CHOSEN_IDS, to="keep the chosen time")
        return super().update_experiment(experiment_id, changes=changes)

    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        if changes.deleted_time is not UNSET:
            self.require(Capability.CHOSEN_IDS, to="keep the chosen time")
        return super().update_run(run_id, changes=changes)

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        if batch.idempotency_key is not None:
            self.require(Capability.IDEMPOTENCY_KEYS, to="keep the key")
        for point in batch.metrics:
            if (point.model_id, point.dataset_name, point.dataset_digest) != (None, None, None):
                self.require(Capability.METRIC_DATASETS, to="keep the data set of a point")
        for what, length, most in (
            ("entries", len(batch), self.limits.batch_size),
            ("metrics", len(batch.metrics), self.limits.batch_metrics),
            ("params", len(batch.params), self.limits.batch_params),
            ("tags", len(batch.tags), self.limits.batch_tags),
            *(("characters", len(p.value), self.limits.param_value_length) for p in batch.params),
            *(("characters", len(t.value), self.limits.tag_value_length) for t in batch.tags),
        ):
            if most is not None and length > most:
                raise InvalidValueError(f"These are {length} {what}; at most {most} are allowed.")
        super().log_batch(run_id, batch=batch)

    def search_runs(self, query: RunQuery) -> Page[Run]:
        self._refuse_rich(query.filter, Subject.RUNS)
        return super().search_runs(query)

    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        self._refuse_rich(query.filter, Subject.EXPERIMENTS)
        return super().search_experiments(query)

    def purge(self, request: PurgeRequest) -> PurgeReport:
        self.require(Capability.PURGE, to="purge")
        return super().purge(request)

    def _refuse_rich(self, expression: Expression | None, subject: Subject) -> None:
        if not is_mlflow_filter(expression, subject):
            self.require(Capability.RICH_FILTERS, to="search so")
