"""The model registry of an MLflow database, which came with 1.4."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec.structs import replace
from sqlalchemy import ColumnElement, func

from tracking_core.entities import (
    LoggedModel,
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.errors import CorruptDataError, NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import (
    ModelVersionQuery,
    RegisteredModelQuery,
    name_asked_for,
    newest_of_each_stage,
    select_model_versions,
    select_registered_models,
    with_aliases,
)
from tracking_core.stores.validation import check_registered_model_name, check_version
from tracking_core_sql.stock.logged_models import logged_models
from tracking_core_sql.stock.reading import Reading, StockDatabase
from tracking_core_sql.stock.refusing import RefusesWrites
from tracking_core_sql.stock.values import is_storable

E = TypeVar("E", ModelVersionStage, ModelVersionStatus)

_MODEL = "name creation_time last_updated_time description"
_VERSION = (
    "name version creation_time last_updated_time description user_id current_stage source run_id"
    " run_link status status_message"
)
_DELETED = "Deleted_Internal"
"""The stage of deleted versions, whose rows MLflow keeps so that no number comes again."""
_LOGGED_MODEL_URI = re.compile(r"models:/(m-[0-9a-f]{32})/?")


class StockRegistry(RefusesWrites):
    """Reads registered models and their versions."""

    _database: StockDatabase

    def get_registered_model(self, name: str) -> RegisteredModel:
        check_registered_model_name(name)
        found = self._database.read(lambda reading: _models(reading, name))
        return _named(found, name)

    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        name = _name_asked_for(query)
        found = self._database.read(lambda reading: _models(reading, name))
        return select_registered_models(found, query)

    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        check_registered_model_name(name)

        def find(reading: Reading) -> ModelVersion:
            model = _named(_models(reading, name, versions=False), name)
            number = check_version(version)
            for each in _versions(reading, name, [model]):
                if each.version == number:
                    return each
            raise NotFoundError(f"There is no version {number} of the registered model {name!r}.")

        return self._database.read(find)

    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        name = _name_asked_for(query)

        def find(reading: Reading) -> list[ModelVersion]:
            return _versions(reading, name, _models(reading, name, versions=False))

        return select_model_versions(self._database.read(find), query)


def _name_asked_for(query: RegisteredModelQuery | ModelVersionQuery) -> str | None:
    name = name_asked_for(query.filter)
    return name if name is not None and is_storable(name) else None


def _named(models: Iterable[RegisteredModel], name: str) -> RegisteredModel:
    for model in models:
        if model.name == name:
            return model
    raise NotFoundError(f"There is no registered model {name!r}.")


def _models(reading: Reading, name: str | None, *, versions: bool = True) -> list[RegisteredModel]:
    """Return the registered models, or those of one name in any spelling."""
    tables = reading.tables
    rows = _rows(reading, "registered_models", _MODEL, name)
    tags: dict[str, dict[str, str]] = defaultdict(dict)
    if "registered_model_tags" in tables:
        for owner, key, value in _rows(reading, "registered_model_tags", "name key value", name):
            tags[owner][key] = value or ""
    aliases: dict[str, dict[str, int]] = defaultdict(dict)
    if "registered_model_aliases" in tables:
        columns = "name alias version"
        for owner, alias, version in _rows(reading, "registered_model_aliases", columns, name):
            aliases[owner][alias] = version
    found = [
        RegisteredModel(
            name=row.name,
            creation_timestamp=row.creation_time or 0,
            last_updated_timestamp=row.last_updated_time or row.creation_time or 0,
            description=row.description or "",
            tags=tags.get(row.name, {}),
            aliases=aliases.get(row.name, {}),
        )
        for row in rows
    ]
    if not versions:
        return found
    by_name: dict[str, list[ModelVersion]] = defaultdict(list)
    for version in _versions(reading, name, found):
        by_name[version.name].append(version)
    return [
        replace(model, latest_versions=newest_of_each_stage(by_name[model.name])) for model in found
    ]


def _versions(
    reading: Reading, name: str | None, models: Iterable[RegisteredModel]
) -> list[ModelVersion]:
    """Return the versions of registered models, as their logged models have them measured."""
    tables = reading.tables
    tags: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    if "model_version_tags" in tables:
        columns = "name version key value"
        for owner, number, key, value in _rows(reading, "model_version_tags", columns, name):
            tags[owner, number][key] = value or ""
    by_name = {model.name: model for model in models}
    stage = tables["model_versions"].c.current_stage
    rows = [
        row
        for row in _rows(
            reading,
            "model_versions",
            _VERSION,
            name,
            func.coalesce(stage, "") != _DELETED,
        )
        if row.name in by_name
    ]
    model_ids = {row: _model_id(row.source) for row in rows}
    wanted = {model_id for model_id in model_ids.values() if model_id is not None}
    logged: dict[str, LoggedModel] = {}
    if wanted and tables.has_logged_models:
        logged = logged_models(reading, wanted)
    found = []
    for row in rows:
        version = with_aliases(
            ModelVersion(
                name=row.name,
                version=row.version,
                creation_timestamp=row.creation_time or 0,
                last_updated_timestamp=row.last_updated_time or row.creation_time or 0,
                description=row.description or "",
                user_id=row.user_id,
                current_stage=_known(ModelVersionStage, row.current_stage or "None", row),
                source=row.source or "",
                run_id=row.run_id or None,
                run_link=row.run_link or None,
                status=_known(ModelVersionStatus, row.status or "READY", row),
                status_message=row.status_message,
                tags=tags.get((row.name, row.version), {}),
                model_id=model_ids[row],
            ),
            by_name[row.name].aliases,
        )
        model = logged.get(version.model_id or "")
        if model is not None:
            version = replace(version, params=model.params, metrics=model.metrics)
        found.append(version)
    return found


def _rows(
    reading: Reading,
    table: str,
    columns: str,
    name: str | None,
    *conditions: ColumnElement[bool],
) -> Iterable[Any]:
    statement = reading.in_workspace(
        reading.tables.select(table, columns).where(*conditions), table
    )
    if name is not None:
        statement = statement.where(reading.tables[table].c.name == name)
    return reading.rows(statement)


def _model_id(source: str | None) -> str | None:
    """Return the logged model that a version was made from: MLflow says so in its source alone."""
    match = _LOGGED_MODEL_URI.fullmatch(source or "")
    return match[1] if match else None


def _known(kind: type[E], value: str, row: Any) -> E:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise CorruptDataError(
            f"Version {row.version} of the registered model {row.name!r} is in {value!r}, which is"
            f" none of {known}."
        ) from None
