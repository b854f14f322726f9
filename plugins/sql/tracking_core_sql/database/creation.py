"""Making the tables, by one process of many, and looking at databases that are there."""

from __future__ import annotations

from sqlalchemy import Connection

from tracking_core.config import Uri
from tracking_core.errors import InvalidStateError
from tracking_core_sql.migrations import revisions
from tracking_core_sql.migrations.exclusion import alone, silent
from tracking_core_sql.schema import metadata
from tracking_core_sql.stock.recognise import is_mlflow_database

_PATIENCE = 60.0


def properties_of(connection: Connection, uri: Uri) -> dict[str, str]:
    """Return what a database says of its schema; nothing if it has no tables of ours yet.

    Raises:
        InvalidStateError: It is MLflow's.
    """
    found = revisions.found_properties(connection)
    if "revision" in found:
        return found
    foreign = is_mlflow_database(connection)
    if foreign is not None:
        raise InvalidStateError(
            f"{uri} is {foreign}, which this backend leaves alone: read it where it is as"
            f" mlflow+{uri}, or copy it by `tracking copy mlflow+{uri} NEW_URI`."
        )
    return {}


def create(connection: Connection, uri: Uri) -> dict[str, str]:
    """Make the tables unless they are there, and return what the database says of its schema.

    The connection commits by itself. Interrupted, it goes on where it was; the rows that say that
    it is complete come last.
    """
    with alone(connection, patience=_PATIENCE, progress=silent):
        return _create(connection, uri)


def _create(connection: Connection, uri: Uri) -> dict[str, str]:
    found = properties_of(connection, uri)
    if found:
        return found
    metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        # Blocks are compressed already.
        connection.exec_driver_sql(
            "ALTER TABLE tracking_metric_block ALTER COLUMN data SET STORAGE EXTERNAL"
        )
    revisions.stamp(connection)
    return revisions.found_properties(connection)
