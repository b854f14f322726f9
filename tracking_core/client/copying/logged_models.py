"""Logged models: made before the runs that measure them, and finished after them."""

from __future__ import annotations

from tracking_core.client.copying.sameness import logged_model_name, metric_fields
from tracking_core.client.copying.sides import (
    ONES_OWN_FAULT,
    Sides,
    contradictions,
    lacking,
    page_size,
)
from tracking_core.client.copying.target import Target
from tracking_core.entities import LoggedModel, LoggedModelStatus, Metric
from tracking_core.errors import NotFoundError, TrackingError
from tracking_core.stores import (
    UNSET,
    BackendStore,
    LoggedModelChanges,
    LoggedModelQuery,
    NewLoggedModel,
)

_PAGE = 500


class LoggedModelCopier:
    """Copies the logged models of one experiment; its methods may be called by many threads.

    Args:
        sides: Both backends.
        target: The destination's experiment.
    """

    def __init__(self, sides: Sides, target: Target) -> None:
        self._sides = sides
        self._target = target
        self._models = sides.destination.logged_models

    def begin(self, model: LoggedModel) -> LoggedModel | None:
        """Make a model that isn't there; return the source's if it has to be finished."""
        name = logged_model_name(model.model_id)
        try:
            there = self._find(model.model_id)
            if there is None:
                self._make(model)
            elif conflicts := self._conflicts(model, there):
                self._sides.ledger.conflict(name, conflicts)
                return None
            elif not self._is_behind(model, there):
                return None
        except ONES_OWN_FAULT as error:
            self._sides.ledger.problem(f"The {name} could not be copied: {error}")
            return None
        return model

    def finish(self, model: LoggedModel) -> None:
        """Give a model its files and the rest of its fields."""
        if self._sides.dry_run:
            return
        name = logged_model_name(model.model_id)
        try:
            there = self._models.get_logged_model(model.model_id)
            if self._sides.files is not None:
                files = self._sides.files
                moved = files.move(model.artifact_location, there.artifact_location)
                self._sides.ledger.wrote("artifact files", moved)
            changes = LoggedModelChanges(
                status=UNSET if model.status is there.status else model.status,
                status_message=(
                    UNSET if model.status_message == there.status_message else model.status_message
                ),
                set_tags=_without(model.tags, there.tags),
                log_params=_without(model.params, there.params),
                last_updated_timestamp=model.last_updated_timestamp,
                log_metrics=_missing_metrics(model, there),
            )
            self._target.open()
            self._models.update_logged_model(model.model_id, changes=changes)
            self._sides.ledger.wrote("points of models", len(changes.log_metrics))
        except TrackingError as error:
            if not isinstance(error, ONES_OWN_FAULT) and self._sides.files is None:
                raise
            self._sides.ledger.problem(f"The {name} could not be finished: {error}")

    def _find(self, model_id: str) -> LoggedModel | None:
        try:
            return self._models.get_logged_model(model_id)
        except NotFoundError:
            return None

    def _make(self, model: LoggedModel) -> None:
        self._sides.ledger.wrote("logged models")
        if self._sides.dry_run:
            return
        self._target.open()
        moves = self._sides.files is not None
        self._models.create_logged_model(
            NewLoggedModel(
                experiment_id=model.experiment_id,
                name=model.name,
                source_run_id=model.source_run_id,
                model_type=model.model_type,
                tags=model.tags,
                params=model.params,
                status=model.status,
                model_id=model.model_id,
                artifact_location=None if moves else model.artifact_location or None,
                creation_timestamp=model.creation_timestamp,
            )
        )

    def _conflicts(self, model: LoggedModel, there: LoggedModel) -> list[str]:
        ours = self._sides.sameness.logged_model(model, source=True)
        theirs = self._sides.sameness.logged_model(there, source=False)
        conflicts = contradictions(
            ours,
            theirs,
            "experiment_id",
            "name",
            "artifact_location",
            "creation_timestamp",
            "model_type",
            "source_run_id",
        )
        lacking(ours["tags"], theirs["tags"], what="tag", conflicts=conflicts)
        lacking(ours["params"], theirs["params"], what="param", conflicts=conflicts)
        if there.status is not LoggedModelStatus.PENDING:
            conflicts += contradictions(ours, theirs, "status")
        if there.status_message is not None:
            conflicts += contradictions(ours, theirs, "status_message")
        return conflicts

    def _is_behind(self, model: LoggedModel, there: LoggedModel) -> bool:
        ours = self._sides.sameness.logged_model(model, source=True)
        theirs = self._sides.sameness.logged_model(there, source=False)
        return any(ours[name] != theirs[name] for name in ours)


def logged_models_of(store: BackendStore, experiment_id: str) -> list[LoggedModel]:
    """Return the logged models of an experiment, a deleted one too."""
    query = LoggedModelQuery(experiment_ids=(experiment_id,), max_results=page_size(store, _PAGE))
    return list(store.logged_models.iterate_logged_models(query))


def _missing_metrics(model: LoggedModel, there: LoggedModel) -> tuple[Metric, ...]:
    """Return the metrics that no copied run brought along.

    Their run may be purged, or its own history not tell of the model, as in MLflow's stores.
    """
    known = {metric_fields(metric) for metric in there.metrics}
    return tuple(
        metric
        for metric in model.metrics
        if metric.run_id is not None and metric_fields(metric) not in known
    )


def _without(wanted: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if known.get(key) != value}
