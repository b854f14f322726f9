"""Databases to upgrade, and a look at what lies in them from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Connection, Engine

from tracking_core.config import Settings, Uri
from tracking_core_sql.database.address import engine_url
from tracking_core_sql.database.creation import create
from tracking_core_sql.database.options import options_of
from tracking_core_sql.database.sqlite import roll_back_what_is_interrupted
from tracking_core_sql.migrations import upgrade as upgrading
from tracking_core_sql.migrations.upgrade import Upgraded

LATER = Path(__file__).parent / "later"


@pytest.fixture
def engine(database_uri: str) -> Iterator[Engine]:
    """The database, empty."""
    engine = engine_of(database_uri)
    yield engine
    engine.dispose()


@pytest.fixture
def created(engine: Engine) -> Engine:
    """The database as the first write makes it."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    make_tables(engine)
    return engine


@pytest.fixture
def quiet() -> Callable[[str], None]:
    return lambda text: None


def engine_of(uri: str) -> Engine:
    """Return SQLAlchemy's own engine for a database, without what `Database` does for it."""
    parsed = Uri.parse(uri)
    engine = sqlalchemy.create_engine(engine_url(parsed, options_of(parsed, Settings())))
    if engine.dialect.name == "sqlite":
        roll_back_what_is_interrupted(engine)
    return engine


def make_tables(engine: Engine) -> None:
    """Do what the first write does to an empty database."""
    with by_itself(engine) as connection:
        create(connection, Uri.parse("sqlite:///x"))


def upgrade(engine: Engine, **options: Any) -> Upgraded:
    """Upgrade a database on a connection that commits by itself."""
    with by_itself(engine) as connection:
        return upgrading.upgrade(connection, **options)


def by_itself(engine: Engine) -> Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def shape(engine: Engine) -> dict[str, object]:
    """Return all tables as the database itself describes them, and drop nothing from it."""
    with engine.connect() as connection:
        return _SHAPES[engine.dialect.name](connection)


def drop_everything(engine: Engine) -> None:
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    metadata.drop_all(engine)


def _sqlite(connection: Connection) -> dict[str, object]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows}


def _mysql(connection: Connection) -> dict[str, object]:
    names = [row[0] for row in connection.exec_driver_sql("SHOW TABLES")]
    found: dict[str, object] = {}
    for name in names:
        sql: str = connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1]
        # Indexes are told in the order in which they were made.
        found[name] = sorted(line.rstrip(",") for line in sql.splitlines())
    return found


def _postgresql(connection: Connection) -> dict[str, object]:
    found: dict[str, object] = {}
    for what, query in {
        "columns": "SELECT c.relname, a.attname, a.attnum, format_type(atttypid, atttypmod),"
        " attnotnull, attstorage, pg_get_expr(adbin, adrelid), collname FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = attrelid"
        " LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum"
        " LEFT JOIN pg_collation l ON l.oid = attcollation"
        " WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace ORDER BY 1, 3",
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes"
        " WHERE schemaname = 'public' ORDER BY 1, 2",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    }.items():
        found[what] = [tuple(row) for row in connection.exec_driver_sql(query)]
    return found


_SHAPES = {"sqlite": _sqlite, "mysql": _mysql, "postgresql": _postgresql}
