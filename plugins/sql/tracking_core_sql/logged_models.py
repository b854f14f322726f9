"""Logged models; the runs' `log_batch` adds their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import ColumnElement, select, update

from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    LoggedModel,
    LoggedModelStatus,
    Metric,
)
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.search import Page, Subject
from tracking_core.stores import LoggedModelStore, validation
from tracking_core.stores.applying import check_experiment_writable
from tracking_core.stores.applying_models import changed_logged_model, logged_model_of
from tracking_core.stores.requests import LoggedModelChanges, LoggedModelQuery, NewLoggedModel
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction
from tracking_core_sql.keyed_texts import KeyedTexts
from tracking_core_sql.runs.model_metrics import write_model_metrics
from tracking_core_sql.runs.origins import Origins, origin_of
from tracking_core_sql.searching.pages import search_page
from tracking_core_sql.values import join_double

_model, _experiment = schema.logged_model.c, schema.experiment.c
_metric, _origin = schema.logged_model_metric.c, schema.origin.c
_PARAMS = KeyedTexts(schema.logged_model_param, "model")
_TAGS = KeyedTexts(schema.logged_model_tag, "model")
_COLUMNS = (
    _model.id,
    _experiment.experiment_id,
    _model.model_id,
    _model.name,
    _model.artifact_location,
    _model.creation_timestamp,
    _model.last_updated_timestamp,
    _model.status,
    _model.status_message,
    _model.model_type,
    _model.source_run_id,
    _model.is_deleted,
)


class SqlLoggedModels(LoggedModelStore):
    """Logged models, each call one transaction of a few statements."""

    _database: Database
    _origins: Origins

    def create_logged_model(self, new: NewLoggedModel) -> LoggedModel:
        def work(transaction: Transaction) -> LoggedModel:
            number, experiment = _experiment_of(transaction, new.experiment_id)
            check_experiment_writable(experiment, None)
            model = logged_model_of(new, experiment)
            find = select(_model.id).where(_model.model_id == model.model_id)
            if transaction.first(find) is not None:
                raise AlreadyExistsError(f"The logged model {model.model_id!r} exists already.")
            row = transaction.add(schema.logged_model, {**_row(model), "experiment": number})
            _PARAMS.add(transaction, row, model.params)
            _TAGS.add(transaction, row, model.tags)
            return model

        return self._database.write(work)

    def get_logged_model(self, model_id: str) -> LoggedModel:
        validation.check_model_id(model_id)
        return self._database.read(lambda transaction: _held(transaction, model_id)[1])

    def update_logged_model(self, model_id: str, *, changes: LoggedModelChanges) -> LoggedModel:
        validation.check_model_id(model_id)
        points = [replace(point, model_id=model_id) for point in changes.log_metrics]
        origins = self._origins.ensure([origin_of(point) for point in points]) if points else {}

        def work(transaction: Transaction) -> LoggedModel:
            _lock(transaction, model_id)
            number, old = _held(transaction, model_id)
            new = changed_logged_model(old, changes)
            if new != old:
                transaction.execute(
                    update(schema.logged_model).where(_model.id == number).values(**_row(new))
                )
                _TAGS.change(transaction, number, old.tags, new.tags)
                _PARAMS.change(transaction, number, old.params, new.params)
            if points:
                write_model_metrics(transaction, None, points, origins)
                return _held(transaction, model_id)[1]
            return new

        return self._database.write(work)

    def delete_logged_model(self, model_id: str) -> None:
        validation.check_model_id(model_id)

        def work(transaction: Transaction) -> None:
            matched = transaction.execute(
                update(schema.logged_model)
                .where(_model.model_id == model_id, _model.is_deleted == 0)
                .values(is_deleted=1)
            )
            if not matched:
                raise _no_such(model_id)

        self._database.write(work)

    def search_logged_models(self, query: LoggedModelQuery) -> Page[LoggedModel]:
        def work(transaction: Transaction) -> Page[LoggedModel]:
            return search_page(
                transaction,
                subject=Subject.LOGGED_MODELS,
                query=query,
                load=lambda numbers: load_logged_models(
                    transaction, transaction.among(_model.id, numbers)
                ),
                within=[_model.is_deleted == 0, _within(transaction, query.experiment_ids)],
                measured_on=tuple((d.dataset_name, d.dataset_digest) for d in query.datasets),
            )

        return self._database.read(work)


def load_logged_models(
    transaction: Transaction, condition: ColumnElement[bool]
) -> dict[int, LoggedModel]:
    """Return the logged models that match, by internal id, in four statements."""
    both = schema.logged_model.join(schema.experiment, _model.experiment == _experiment.id)
    rows = transaction.rows(select(*_COLUMNS).select_from(both).where(condition))
    if not rows:
        return {}
    numbers = [row[0] for row in rows]
    params = _PARAMS.of(transaction, numbers)
    tags = _TAGS.of(transaction, numbers)
    metrics = _metrics(transaction, numbers)
    return {
        row[0]: LoggedModel(
            experiment_id=row[1],
            model_id=row[2],
            name=row[3],
            artifact_location=row[4],
            creation_timestamp=row[5],
            last_updated_timestamp=row[6],
            status=LoggedModelStatus.from_number(row[7]),
            status_message=row[8],
            model_type=row[9],
            source_run_id=row[10],
            lifecycle_stage=LifecycleStage.DELETED if row[11] else LifecycleStage.ACTIVE,
            params=params[row[0]],
            tags=tags[row[0]],
            metrics=tuple(metrics.get(row[0], ())),
        )
        for row in rows
    }


def _metrics(transaction: Transaction, numbers: Sequence[int]) -> dict[int, list[Metric]]:
    both = schema.logged_model_metric.join(schema.origin, _metric.origin == _origin.id)
    rows = transaction.rows(
        select(
            _metric.model,
            _metric.key,
            _metric.value,
            _metric.infinity,
            _metric.timestamp,
            _metric.step,
            _origin.model_id,
            _origin.dataset_name,
            _origin.dataset_digest,
            _metric.run_id,
        )
        .select_from(both)
        .where(transaction.among(_metric.model, numbers))
    )
    found: dict[int, list[Metric]] = {}
    for model, key, value, infinity, *others in rows:
        found.setdefault(model, []).append(Metric(key, join_double(value, infinity), *others))
    for points in found.values():
        points.sort(key=lambda point: str((point.key, point.dataset_name, point.dataset_digest)))
    return found


def _experiment_of(transaction: Transaction, experiment_id: str) -> tuple[int, Experiment]:
    query = select(
        _experiment.id, _experiment.name, _experiment.artifact_location, _experiment.is_deleted
    ).where(_experiment.experiment_id == experiment_id)
    row = transaction.first(query)
    if row is None:
        raise NotFoundError(f"There is no experiment with the id {experiment_id!r}.")
    number, name, location, is_deleted = row
    stage = LifecycleStage.DELETED if is_deleted else LifecycleStage.ACTIVE
    return number, Experiment(
        experiment_id=experiment_id, name=name, artifact_location=location, lifecycle_stage=stage
    )


def _within(
    transaction: Transaction, experiment_ids: tuple[str, ...] | None
) -> ColumnElement[bool]:
    wanted = select(_experiment.id)
    if experiment_ids is None:
        wanted = wanted.where(_experiment.is_deleted == 0)
    else:
        wanted = wanted.where(transaction.among(_experiment.experiment_id, experiment_ids))
    return _model.experiment.in_(wanted)


def _lock(transaction: Transaction, model_id: str) -> None:
    transaction.first(transaction.locking(select(_model.id).where(_model.model_id == model_id)))


def _held(transaction: Transaction, model_id: str) -> tuple[int, LoggedModel]:
    found = load_logged_models(
        transaction, (_model.model_id == model_id) & (_model.is_deleted == 0)
    )
    if not found:
        raise _no_such(model_id)
    return next(iter(found.items()))


def _no_such(model_id: str) -> NotFoundError:
    return NotFoundError(f"There is no logged model with the id {model_id!r}.")


def _row(model: LoggedModel) -> dict[str, Any]:
    return {
        "model_id": model.model_id,
        "name": model.name,
        "artifact_location": model.artifact_location,
        "creation_timestamp": model.creation_timestamp,
        "last_updated_timestamp": model.last_updated_timestamp,
        "status": model.status.number,
        "status_message": model.status_message,
        "model_type": model.model_type,
        "source_run_id": model.source_run_id,
        "is_deleted": int(model.lifecycle_stage is LifecycleStage.DELETED),
    }
