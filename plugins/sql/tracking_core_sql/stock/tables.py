"""The tables of an MLflow database, as far as this version of it has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnClause,
    ColumnElement,
    Connection,
    Float,
    Select,
    String,
    TableClause,
    column,
    inspect,
    null,
    select,
    table,
)
from sqlalchemy.types import TypeEngine

from tracking_core.errors import UnsupportedError

_TYPES: dict[str, TypeEngine[Any]] = {
    "experiment_id": BigInteger(),
    "creation_time": BigInteger(),
    "last_update_time": BigInteger(),
    "last_updated_time": BigInteger(),
    "creation_timestamp_ms": BigInteger(),
    "last_updated_timestamp_ms": BigInteger(),
    "start_time": BigInteger(),
    "end_time": BigInteger(),
    "deleted_time": BigInteger(),
    "timestamp": BigInteger(),
    "step": BigInteger(),
    "metric_timestamp_ms": BigInteger(),
    "metric_step": BigInteger(),
    "version": BigInteger(),
    "is_nan": Boolean(),
}
# Others are text. A double's own type is given where one is: `value` is text in most tables.
_DOUBLES = {
    ("metrics", "value"),
    ("latest_metrics", "value"),
    ("logged_model_metrics", "metric_value"),
}

# By table: the columns that must be there, and those that some versions lack.
_COLUMNS: dict[str, tuple[str, str]] = {
    "experiments": (
        "experiment_id name artifact_location lifecycle_stage",
        "creation_time last_update_time workspace",
    ),
    "experiment_tags": ("experiment_id key value", ""),
    "runs": (
        "run_uuid name user_id status start_time end_time lifecycle_stage artifact_uri"
        " experiment_id",
        "deleted_time",
    ),
    "tags": ("run_uuid key value", ""),
    "params": ("run_uuid key value", ""),
    "metrics": ("run_uuid key value timestamp", "step is_nan"),
    "latest_metrics": ("run_uuid key value timestamp", "step is_nan"),
    "datasets": (
        "dataset_uuid name digest dataset_source_type dataset_source dataset_schema"
        " dataset_profile",
        "",
    ),
    "inputs": ("input_uuid source_type source_id destination_type destination_id", "step"),
    "input_tags": ("input_uuid name value", ""),
    "logged_models": (
        "model_id experiment_id name artifact_location creation_timestamp_ms"
        " last_updated_timestamp_ms status lifecycle_stage model_type source_run_id"
        " status_message",
        "",
    ),
    "logged_model_tags": ("model_id tag_key tag_value", ""),
    "logged_model_params": ("model_id param_key param_value", ""),
    "logged_model_metrics": (
        "model_id metric_name metric_timestamp_ms metric_step metric_value run_id dataset_name"
        " dataset_digest",
        "",
    ),
    "registered_models": (
        "name creation_time last_updated_time description",
        "workspace",
    ),
    "registered_model_tags": ("name key value", "workspace"),
    "registered_model_aliases": ("name alias version", "workspace"),
    "model_versions": (
        "name version creation_time last_updated_time description user_id current_stage source"
        " run_id status status_message",
        "run_link workspace",
    ),
    "model_version_tags": ("name version key value", "workspace"),
}

_RUNS = ("experiments", "runs", "tags", "params", "metrics")
_REGISTRY = ("registered_models", "model_versions")
_LOGGED_MODELS = (
    "logged_models",
    "logged_model_tags",
    "logged_model_params",
    "logged_model_metrics",
)


class Tables:
    """The tables and columns that a database has, of those that are read.

    Attributes:
        revision: Of the schema, by which a change of it is noticed.
    """

    def __init__(self, found: dict[str, TableClause], revision: str | None) -> None:
        self.revision = revision
        self._found = found

    def __getitem__(self, name: str) -> TableClause:
        return self._found[name]

    def __contains__(self, name: str) -> bool:
        return name in self._found

    @property
    def has_registry(self) -> bool:
        """Whether there is a model registry, which came with 1.4."""
        return all(name in self._found for name in _REGISTRY)

    @property
    def has_logged_models(self) -> bool:
        """Whether there are logged models, which came with 3.0."""
        return all(name in self._found for name in _LOGGED_MODELS)

    def column(self, table_name: str, name: str) -> ColumnElement[Any]:
        """Return a column, or NULL under its name where this version lacks it."""
        columns = self._found[table_name].c
        if name in columns:
            return columns[name]
        lacking: ColumnElement[Any] = null().label(name)
        return lacking

    def select(self, table_name: str, names: str, *more: ColumnElement[Any]) -> Select[Any]:
        """Return a query for columns of a table, their names separated by spaces, and for more."""
        columns = [self.column(table_name, name) for name in names.split()]
        statement: Any = select(*columns, *more).select_from(self._found[table_name])
        return cast("Select[Any]", statement)

    def has_column(self, table_name: str, name: str) -> bool:
        """Tell whether this version has a table and the column in it."""
        return table_name in self._found and name in self._found[table_name].c


def reflect(connection: Connection, *, revision: str | None, place: str) -> Tables:
    """Look which tables and columns there are.

    Raises:
        UnsupportedError: One that every known version has is missing; `place` says where.
    """
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    reflected = inspector.get_multi_columns(filter_names=sorted(there & _COLUMNS.keys()))
    found = {
        str(name): {each["name"] for each in columns} for (_, name), columns in reflected.items()
    }
    missing = [name for name in _RUNS if name not in found]
    for name, columns in found.items():
        missing += [f"{name}.{each}" for each in _COLUMNS[name][0].split() if each not in columns]
    if missing:
        raise UnsupportedError(
            f"The MLflow database {place} has the schema revision {revision}, in which"
            f" {_listed(missing)} is missing: it is of an MLflow that this version can't read;"
            " upgrade tracking-core-sql."
        )
    return Tables({name: _table(name, columns) for name, columns in found.items()}, revision)


def _table(name: str, columns: Iterable[str]) -> TableClause:
    known = " ".join(_COLUMNS[name]).split()
    return table(name, *(_column(name, each) for each in known if each in columns))


def _column(table_name: str, name: str) -> ColumnClause[Any]:
    kind: TypeEngine[Any]
    if (table_name, name) in _DOUBLES:
        kind = Float(53)
    elif (table_name, name) == ("logged_models", "status"):
        kind = BigInteger()
    else:
        kind = _TYPES.get(name) or String()
    return column(name, kind)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
