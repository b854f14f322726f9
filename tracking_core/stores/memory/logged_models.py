"""Logged models in memory; the runs' `log_batch` adds their metrics."""

from __future__ import annotations

from msgspec.structs import replace

from tracking_core.entities import LifecycleStage, LoggedModel
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import validation
from tracking_core.stores.applying import check_experiment_writable
from tracking_core.stores.applying_models import (
    changed_logged_model,
    logged_model_of,
    select_logged_models,
)
from tracking_core.stores.logged_model_store import LoggedModelStore
from tracking_core.stores.memory.state import LoggedModelRecord, State
from tracking_core.stores.requests import LoggedModelChanges, LoggedModelQuery, NewLoggedModel


class MemoryLoggedModels(LoggedModelStore):
    """Logged models, over the state that all facets share."""

    _state: State

    def create_logged_model(self, new: NewLoggedModel) -> LoggedModel:
        with self._state.lock:
            experiment = self._state.experiments.get(new.experiment_id)
            if experiment is None:
                raise NotFoundError(f"There is no experiment with the id {new.experiment_id!r}.")
            check_experiment_writable(experiment, None)
            model = logged_model_of(new, experiment)
            if model.model_id in self._state.logged_models:
                raise AlreadyExistsError(f"The logged model {model.model_id!r} exists already.")
            self._state.logged_models[model.model_id] = LoggedModelRecord(model)
        return model

    def get_logged_model(self, model_id: str) -> LoggedModel:
        with self._state.lock:
            return _seen(self._logged(model_id))

    def update_logged_model(self, model_id: str, *, changes: LoggedModelChanges) -> LoggedModel:
        with self._state.lock:
            record = self._logged(model_id)
            record.model = changed_logged_model(record.model, changes)
            for point in changes.log_metrics:
                record.add(replace(point, model_id=model_id))
            return _seen(record)

    def delete_logged_model(self, model_id: str) -> None:
        with self._state.lock:
            record = self._logged(model_id)
            record.model = replace(record.model, lifecycle_stage=LifecycleStage.DELETED)

    def search_logged_models(self, query: LoggedModelQuery) -> Page[LoggedModel]:
        with self._state.lock:
            models = [_seen(record) for record in self._state.logged_models.values()]
            experiments = list(self._state.experiments.values())
        return select_logged_models(models, experiments, query)

    def _logged(self, model_id: str) -> LoggedModelRecord:
        validation.check_model_id(model_id)
        record = self._state.logged_models.get(model_id)
        if record is None or record.model.lifecycle_stage is LifecycleStage.DELETED:
            raise NotFoundError(f"There is no logged model with the id {model_id!r}.")
        return record


def _seen(record: LoggedModelRecord) -> LoggedModel:
    metrics = tuple(record.metrics[place] for place in sorted(record.metrics, key=str))
    return replace(record.model, metrics=metrics)
