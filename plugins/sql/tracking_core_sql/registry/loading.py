"""From rows to registered models and versions, however many, in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, select, true, union_all

from tracking_core.entities import (
    LoggedModel,
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.errors import NotFoundError
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.keyed_texts import KeyedTexts
from tracking_core_sql.logged_models import load_logged_models

STAGES = tuple(ModelVersionStage)
"""The column `stage` holds a place in this."""
STATUSES = tuple(ModelVersionStatus)
"""The column `status` holds a place in this."""
MODEL_TAGS = KeyedTexts(schema.registered_model_tag, "model")
VERSION_TAGS = KeyedTexts(schema.model_version_tag, "version")

_model, _version = schema.registered_model.c, schema.model_version.c
_alias, _logged = schema.registered_model_alias.c, schema.logged_model.c
_MODEL_COLUMNS = (
    _model.id,
    _model.name,
    _model.creation_timestamp,
    _model.last_updated_timestamp,
    _model.description,
)
_VERSION_COLUMNS = (
    _version.id,
    _version.model,
    _model.name,
    _version.version,
    _version.creation_timestamp,
    _version.last_updated_timestamp,
    _version.description,
    _version.user_id,
    _version.stage,
    _version.source,
    _version.run_id,
    _version.run_link,
    _version.status,
    _version.status_message,
    _version.model_id,
)


def load_models(
    transaction: Transaction, condition: ColumnElement[bool]
) -> dict[int, RegisteredModel]:
    """Return the registered models that match, by internal id, with their latest versions."""
    rows = transaction.rows(select(*_MODEL_COLUMNS).where(condition))
    if not rows:
        return {}
    numbers = [row[0] for row in rows]
    tags = MODEL_TAGS.of(transaction, numbers)
    aliases: dict[int, dict[str, int]] = {}
    for model, alias, version in _aliases(transaction, numbers):
        aliases.setdefault(model, {})[alias] = version
    latest: dict[str, list[ModelVersion]] = {}
    for version in load_versions(transaction, _is_newest(transaction, numbers)).values():
        latest.setdefault(version.name, []).append(version)
    return {
        number: RegisteredModel(
            name=name,
            creation_timestamp=created,
            last_updated_timestamp=updated,
            description=description,
            latest_versions=tuple(sorted(latest.get(name, ()), key=lambda v: v.version)),
            tags=tags[number],
            aliases=aliases.get(number, {}),
        )
        for number, name, created, updated, description in rows
    }


def load_versions(
    transaction: Transaction, condition: ColumnElement[bool]
) -> dict[int, ModelVersion]:
    """Return the versions that match, by internal id, with what their logged models have."""
    both = schema.model_version.join(schema.registered_model, _version.model == _model.id)
    rows = transaction.rows(select(*_VERSION_COLUMNS).select_from(both).where(condition))
    if not rows:
        return {}
    tags = VERSION_TAGS.of(transaction, [row[0] for row in rows])
    aliases: dict[tuple[int, int], list[str]] = {}
    for model, alias, version in _aliases(transaction, sorted({row[1] for row in rows})):
        aliases.setdefault((model, version), []).append(alias)
    logged = _logged_models(transaction, {row[-1] for row in rows} - {None})
    return {
        row[0]: _version_of(
            row, tags[row[0]], sorted(aliases.get((row[1], row[3]), ())), logged.get(row[-1])
        )
        for row in rows
    }


def load_version(
    transaction: Transaction, model: int, name: str, version: int
) -> tuple[int, ModelVersion]:
    """Return one version of a registered model, and its internal id.

    Raises:
        NotFoundError: There is none of this number.
    """
    found = load_versions(
        transaction,
        and_(_version.model == model, _version.version == version, _version.is_deleted == 0),
    )
    if not found:
        raise NotFoundError(f"There is no version {version} of the registered model {name!r}.")
    return next(iter(found.items()))


def _version_of(
    row: Sequence[Any], tags: dict[str, str], aliases: list[str], made_from: LoggedModel | None
) -> ModelVersion:
    _, _, name, version, created, updated, description, user, stage, source, *others = row
    run_id, run_link, status, message, model_id = others
    return ModelVersion(
        name=name,
        version=version,
        creation_timestamp=created,
        last_updated_timestamp=updated,
        description=description,
        user_id=user,
        current_stage=STAGES[stage],
        source=source,
        run_id=run_id,
        run_link=run_link,
        status=STATUSES[status],
        status_message=message,
        tags=tags,
        aliases=tuple(aliases),
        model_id=model_id,
        params=made_from.params if made_from else {},
        metrics=made_from.metrics if made_from else (),
    )


def _aliases(transaction: Transaction, models: Sequence[int]) -> Sequence[Any]:
    query = select(_alias.model, _alias.alias, _alias.version)
    return transaction.rows(query.where(transaction.among(_alias.model, models)))


def _logged_models(transaction: Transaction, model_ids: set[str]) -> dict[str, LoggedModel]:
    if not model_ids:
        return {}
    is_wanted = transaction.among(_logged.model_id, sorted(model_ids))
    found = load_logged_models(transaction, and_(is_wanted, _logged.is_deleted == 0))
    return {model.model_id: model for model in found.values()}


def _is_newest(transaction: Transaction, models: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a version is the newest of its stage; models may have many."""
    other = schema.model_version.alias("other")
    stage = union_all(*(select(literal(n).label("stage")) for n in range(len(STAGES)))).subquery()
    newest = (
        select(other.c.id)
        .where(
            other.c.model == _model.id,
            other.c.is_deleted == 0,
            other.c.stage == stage.c.stage,
        )
        .order_by(other.c.version.desc())
        .limit(1)
        .correlate(schema.registered_model, stage)
        .scalar_subquery()
    )
    # One look into the index for each stage, not one at each version.
    found = (
        select(newest.label("id"))
        .select_from(schema.registered_model.join(stage, true()))
        .where(transaction.among(_model.id, models))
        .subquery("newest")
    )
    return _version.id.in_(select(found.c.id))
