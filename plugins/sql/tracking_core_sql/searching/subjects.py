"""Where the fields of each subject lie: the table of columns that all searches use.

Adding an attribute is adding a row, as in `tracking_core.search.vocabulary`. Fields of runs depend
on the experiments that are searched; theirs are in `run_fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Table,
    and_,
    case,
    exists,
    false,
    or_,
    select,
)

from tracking_core.entities import (
    LifecycleStage,
    LoggedModelStatus,
    ModelVersionStage,
    ModelVersionStatus,
)
from tracking_core.search import Field, FieldKind, Subject
from tracking_core_sql import schema
from tracking_core_sql.searching.places import Here, Many, Nowhere, Place, Referred, row_by_key
from tracking_core_sql.searching.values import Coded, Double, Text, Whole, can_be_key, is_storable

MeasuredOn = Sequence[tuple[str, str | None]]

LIFECYCLE = {0: LifecycleStage.ACTIVE.value, 1: LifecycleStage.DELETED.value}
VERSION_STAGES = {number: stage.value for number, stage in enumerate(ModelVersionStage)}
VERSION_STATUSES = {number: status.value for number, status in enumerate(ModelVersionStatus)}
LOGGED_MODEL_STATUSES = {status.number: status.value for status in LoggedModelStatus}

_PROMPT_TAG = "mlflow.prompt.is_prompt"


@dataclass(frozen=True)
class Fields:
    """The fields of a subject, as far as a query can name them.

    Attributes:
        table: Has a row for each of what is searched, with a column `id`.
        place: Returns where a field lies.
        measured_on: For logged models: the data sets whose metrics count.
        is_measured: For logged models: the condition that one has a metric on those.
    """

    table: FromClause
    place: Callable[[Field], Place]
    is_measured: ColumnElement[bool] | None = None


def fields_of(subject: Subject, *, measured_on: MeasuredOn = ()) -> Fields:
    """Return the fields of a subject other than runs."""
    if subject is Subject.LOGGED_MODELS:
        return _logged_models(measured_on)
    return _FIELDS[subject]


def text(column: ColumnElement[Any]) -> Here:
    """Return the place of text in a column."""
    return Here(Text(column), _is_nullable(column))


def whole(column: ColumnElement[Any]) -> Here:
    """Return the place of an integer in a column."""
    return Here(Whole(column), _is_nullable(column))


def _is_nullable(column: ColumnElement[Any]) -> bool:
    return not isinstance(column, Column) or bool(column.nullable)


def _fields(table: Table, attributes: dict[str, Place], **keyed: Callable[[str], Place]) -> Fields:
    def place(field: Field) -> Place:
        if field.kind is FieldKind.ATTRIBUTE:
            return attributes[field.key]
        return keyed[field.kind.value](field.key)

    return Fields(table, place)


def _referred(table: FromClause, name: str, reference: ColumnElement[int]) -> Referred:
    """Return the place of text in the row of another table that a column refers to."""
    return Referred(
        table,
        lambda t: t.c.id == reference,
        lambda t: Text(t.c[name]),
        "id",
        reference=reference,
    )


def _registry_tag(table: Table, owner: str, owner_id: ColumnElement[int], key: str) -> Place:
    default = "false" if key == _PROMPT_TAG else None
    return row_by_key(table, owner, owner_id, key, default=default)


_e = schema.experiment.c
_m = schema.registered_model.c
_v = schema.model_version.c
_l = schema.logged_model.c
_point = schema.logged_model_metric.c
_origin = schema.origin.c

_FIELDS = {
    Subject.EXPERIMENTS: _fields(
        schema.experiment,
        {
            "name": text(_e.name),
            "experiment_id": text(_e.experiment_id),
            "artifact_location": text(_e.artifact_location),
            "lifecycle_stage": Here(Coded(_e.is_deleted, LIFECYCLE)),
            "creation_time": whole(_e.creation_time),
            "last_update_time": whole(_e.last_update_time),
        },
        tag=lambda key: row_by_key(schema.experiment_tag, "experiment", _e.id, key),
    ),
    Subject.REGISTERED_MODELS: _fields(
        schema.registered_model,
        {
            "name": text(_m.name),
            "description": text(_m.description),
            "creation_timestamp": whole(_m.creation_timestamp),
            "last_updated_timestamp": whole(_m.last_updated_timestamp),
        },
        tag=lambda key: _registry_tag(schema.registered_model_tag, "model", _m.id, key),
    ),
    Subject.MODEL_VERSIONS: _fields(
        schema.model_version,
        {
            "name": _referred(schema.registered_model, "name", _v.model),
            "version_number": whole(_v.version),
            "run_id": text(_v.run_id),
            "source_path": text(_v.source),
            "description": text(_v.description),
            "user_id": text(_v.user_id),
            "current_stage": Here(Coded(_v.stage, VERSION_STAGES)),
            "status": Here(Coded(_v.status, VERSION_STATUSES)),
            "model_id": text(_v.model_id),
            "creation_timestamp": whole(_v.creation_timestamp),
            "last_updated_timestamp": whole(_v.last_updated_timestamp),
        },
        tag=lambda key: _registry_tag(schema.model_version_tag, "version", _v.id, key),
    ),
}

_LOGGED_MODEL_ATTRIBUTES: dict[str, Place] = {
    "model_id": text(_l.model_id),
    "name": text(_l.name),
    "experiment_id": _referred(schema.experiment, "experiment_id", _l.experiment),
    "model_type": text(_l.model_type),
    "status": Here(Coded(_l.status, LOGGED_MODEL_STATUSES)),
    "source_run_id": text(_l.source_run_id),
    "artifact_location": text(_l.artifact_location),
    "creation_timestamp": whole(_l.creation_timestamp),
    "last_updated_timestamp": whole(_l.last_updated_timestamp),
}


def _logged_models(measured_on: MeasuredOn) -> Fields:
    counts = is_measured_on(measured_on)

    def place(field: Field) -> Place:
        if field.kind is FieldKind.METRIC:
            return logged_metric(field.key, counts)
        if field.kind is FieldKind.PARAM:
            return row_by_key(schema.logged_model_param, "model", _l.id, field.key)
        if field.kind is FieldKind.TAG:
            return row_by_key(schema.logged_model_tag, "model", _l.id, field.key)
        return _LOGGED_MODEL_ATTRIBUTES[field.key]

    is_measured = None
    if counts is not None:
        tables = schema.logged_model_metric.join(schema.origin)
        query = select(_point.model).select_from(tables).where(_point.model == _l.id, counts)
        inner = (schema.logged_model_metric, schema.origin)
        is_measured = exists(query.correlate_except(*inner))
    return Fields(schema.logged_model, place, is_measured)


def is_measured_on(datasets: MeasuredOn) -> ColumnElement[bool] | None:
    """Return the condition that an origin is one of the data sets; None: any point counts."""
    if not datasets:
        return None
    return or_(
        false(),
        *(
            _origin.dataset_name == name
            if digest is None
            else and_(_origin.dataset_name == name, _origin.dataset_digest == digest)
            for name, digest in datasets
            if is_storable(name + (digest or ""))
        ),
    )


def logged_metric(key: str, *counts: ColumnElement[bool] | None) -> Place:
    """Return the place of a logged model's metric, of which only the points count that do."""
    if not can_be_key(key):
        return Nowhere()
    wanted = [each for each in counts if each is not None]
    inner: tuple[FromClause, ...] = (schema.logged_model_metric,)
    tables: FromClause = schema.logged_model_metric
    if wanted:
        inner = (schema.logged_model_metric, schema.origin)
        tables = schema.logged_model_metric.join(schema.origin)
    return Many(
        tables,
        inner,
        and_(_point.model == _l.id, _point.key == key, *wanted),
        Double(_point.value, _point.infinity),
        latest=(
            _point.timestamp.desc(),
            _point.step.desc(),
            case((_point.value.is_(None), 1), else_=0),
            _point.value.desc(),
            _point.infinity.desc(),
        ),
    )
