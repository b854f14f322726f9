"""The runs of the memory store."""

from __future__ import annotations

from msgspec.structs import replace

from tracking_core.entities import Experiment, Metric, Run, RunInfo, RunInputs, RunOutputs
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import validation
from tracking_core.stores.applying import (
    as_seen,
    changed,
    changed_tags,
    check_experiment_free,
    check_experiment_writable,
    check_params,
    check_run_writable,
    experiment_of,
    plan_purge,
    project,
    run_of,
    select_experiments,
    select_points,
    select_runs,
    with_inputs,
    with_outputs,
)
from tracking_core.stores.memory.state import RunRecord, State
from tracking_core.stores.requests import (
    EVERYTHING,
    RUN_NAME_TAG,
    UNSET,
    Batch,
    ExperimentChanges,
    ExperimentQuery,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    Projection,
    PurgeReport,
    PurgeRequest,
    RunChanges,
    RunQuery,
    new_id,
)
from tracking_core.stores.run_store import RunStore


class MemoryRuns(RunStore):
    """Experiments, runs and run data in a shared state."""

    _state: State
    _artifact_root: str

    # --- experiments ---

    def create_experiment(self, new: NewExperiment) -> Experiment:
        made = experiment_of(new, experiment_id=new_id(), artifact_root=self._artifact_root)
        with self._state.lock:
            check_experiment_free(made, self._holders_of(made))
            self._state.experiments[made.experiment_id] = made
            self._state.experiment_ids[made.name] = made.experiment_id
            self._state.run_ids[made.experiment_id] = {}
        return made

    def get_experiment(self, experiment_id: str) -> Experiment:
        validation.check_experiment_id(experiment_id)
        with self._state.lock:
            found = self._state.experiments.get(experiment_id)
        if found is None:
            raise NotFoundError(f"There is no experiment with the id {experiment_id!r}.")
        return found

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        with self._state.lock:
            return self._state.experiments.get(self._state.experiment_ids.get(name, ""))

    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        with self._state.lock:
            old = self.get_experiment(experiment_id)
            check_experiment_writable(old, changes)
            new = changed(old, changes)
            if new == old:
                return old
            others = [e for e in self._holders_of(new) if e.experiment_id != experiment_id]
            check_experiment_free(new, others)
            del self._state.experiment_ids[old.name]
            self._state.experiment_ids[new.name] = experiment_id
            self._state.experiments[experiment_id] = new
        return new

    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        with self._state.lock:
            experiments = list(self._state.experiments.values())
        return select_experiments(experiments, query)

    # --- runs ---

    def create_run(self, new: NewRun) -> Run:
        with self._state.lock:
            known = self._state.runs.get(new.run_id or "")
            if known is not None:
                if new.idempotency_key and known.idempotency_key == new.idempotency_key:
                    return self._seen(known)
                raise AlreadyExistsError(f"A run with the id {new.run_id!r} exists already.")
            experiment = self.get_experiment(new.experiment_id)
            check_experiment_writable(experiment, None)
            run = run_of(new, experiment)
            record = RunRecord(run.info, dict(run.data.tags), idempotency_key=new.idempotency_key)
            self._state.runs[run.info.run_id] = record
            self._state.run_ids[new.experiment_id][run.info.run_id] = None
        return run

    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        with self._state.lock:
            run = self._seen(self._record(run_id))
        return project(run, projection)

    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        with self._state.lock:
            record = self._writable(run_id, changes)
            record.info = changed(record.info, changes)
            if changes.run_name is not UNSET:
                record.tags[RUN_NAME_TAG] = changes.run_name
            return record.info

    def search_runs(self, query: RunQuery) -> Page[Run]:
        with self._state.lock:
            experiments = list(self._state.experiments.values())
            wanted = self._state.run_ids if query.experiment_ids is None else query.experiment_ids
            runs = [
                self._state.runs[run_id].to_run()
                for experiment_id in dict.fromkeys(wanted)
                for run_id in self._state.run_ids.get(experiment_id, ())
            ]
        return select_runs(runs, experiments, query)

    # --- run data ---

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        with self._state.lock:
            record = self._writable(run_id)
            if batch.idempotency_key in record.batch_keys:
                return
            params = [(param.key, param.value) for param in batch.params]
            check_params(record.params, params, owner=f"run {run_id!r}")
            record.params.update(params)
            for point in batch.metrics:
                record.add(point)
                if model := self._state.logged_models.get(point.model_id or ""):
                    model.add(replace(point, run_id=run_id))
            for tag in batch.tags:
                record.tags[tag.key] = tag.value
                if tag.key == RUN_NAME_TAG:
                    record.info = replace(record.info, run_name=tag.value)
            if batch.idempotency_key is not None:
                record.batch_keys.add(batch.idempotency_key)

    def delete_tag(self, run_id: str, *, key: str) -> None:
        validation.check_key(key, what="tag key")
        with self._state.lock:
            record = self._writable(run_id)
            owner = f"run {run_id!r}"
            record.tags = changed_tags(record.tags, set_tags={}, delete_tags=[key], owner=owner)

    def log_inputs(self, run_id: str, *, inputs: RunInputs) -> None:
        with self._state.lock:
            record = self._writable(run_id)
            record.inputs = with_inputs(record.to_run(), inputs).inputs

    def log_outputs(self, run_id: str, *, outputs: RunOutputs) -> None:
        with self._state.lock:
            record = self._writable(run_id)
            record.outputs = with_outputs(record.to_run(), outputs).outputs

    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        with self._state.lock:
            points = list(self._record(run_id).points.get(query.key, ()))
        return select_points(points, query)

    def purge(self, request: PurgeRequest) -> PurgeReport:
        state = self._state
        with state.lock:
            experiments = [
                state.experiments[each]
                for each in dict.fromkeys(request.experiment_ids)
                if each in state.experiments
            ]
            named = dict.fromkeys(request.run_ids)
            for experiment in experiments:
                named |= state.run_ids[experiment.experiment_id]
            runs = [self._seen(state.runs[each]).info for each in named if each in state.runs]
            report = plan_purge(request, runs, experiments)
            for run in runs:
                del state.runs[run.run_id]
                del state.run_ids[run.experiment_id][run.run_id]
            for experiment in experiments:
                del state.experiments[experiment.experiment_id]
                del state.experiment_ids[experiment.name]
                del state.run_ids[experiment.experiment_id]
            for model_id, logged in list(state.logged_models.items()):
                if logged.model.experiment_id not in state.experiments:
                    del state.logged_models[model_id]
        return report

    # --- within the lock ---

    def _holders_of(self, wanted: Experiment) -> list[Experiment]:
        """List the experiments that have the name or the id, without looking at all."""
        ids = {wanted.experiment_id, self._state.experiment_ids.get(wanted.name, "")}
        return [self._state.experiments[each] for each in ids if each in self._state.experiments]

    def _record(self, run_id: str) -> RunRecord:
        validation.check_run_id(run_id)
        record = self._state.runs.get(run_id)
        if record is None:
            raise NotFoundError(f"There is no run with the id {run_id!r}.")
        return record

    def _writable(self, run_id: str, changes: RunChanges | None = None) -> RunRecord:
        record = self._record(run_id)
        experiment = self._state.experiments[record.info.experiment_id]
        check_run_writable(record.info, experiment, changes)
        return record

    def _seen(self, record: RunRecord) -> Run:
        return as_seen(record.to_run(), self._state.experiments[record.info.experiment_id])
