"""Whether a database is MLflow's."""

from __future__ import annotations

from sqlalchemy import Connection, Inspector, inspect, text
from sqlalchemy.exc import SQLAlchemyError

_TABLES = ("alembic_version", "experiments", "runs")


def is_mlflow_database(database: Connection | Inspector) -> str | None:
    """Return what a database of MLflow is called in a sentence, or None if it isn't one.

    Only looks: `an MLflow database (schema revision 97727af70f4d)`.
    """
    inspector = database if isinstance(database, Inspector) else inspect(database)
    if not all(inspector.has_table(name) for name in _TABLES):
        return None
    columns = {column["name"] for column in inspector.get_columns("runs")}
    if not {"run_uuid", "experiment_id"} <= columns:
        return None
    bind = inspector.bind
    if isinstance(bind, Connection):
        revision = revision_of(bind)
    else:
        with bind.connect() as connection:
            revision = revision_of(connection)
    return f"an MLflow database (schema revision {revision or 'unknown'})"


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the schema; None if the database doesn't tell."""
    try:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SQLAlchemyError:
        return None
