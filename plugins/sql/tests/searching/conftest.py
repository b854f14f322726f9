"""Databases with something to search for, made once for all tests of a module."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy

from plugins.sql.tests.searching.entities import World, Writer, make_world
from tracking_core.config import Settings, Uri
from tracking_core_sql import schema
from tracking_core_sql.database import Database
from tracking_core_sql.searching.runs import SqlRunSearch

_SERVERS = {
    "postgresql": ("postgresql", "postgresql+psycopg", "postgres", "postgres"),
    "mariadb": ("mysql", "mysql+pymysql", "root", "mysql"),
}


class Searches(SqlRunSearch):
    """The part of a store that searches runs."""

    def __init__(self, uri: str) -> None:
        self._database = Database(Uri.parse(uri), Settings())

    def close(self) -> None:
        self._database.close()


Searches.__abstractmethods__ = frozenset()


class Filled:
    """A database, what is in it, and what searches it."""

    # No dataclass: hypothesis would print all that is in it.
    def __init__(self, world: World, store: Searches, writer: Writer) -> None:
        self.world = world
        self.store = store
        self.writer = writer
        self.database = store._database


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def module_uri(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URI of an empty database of the module's, on each server in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('searching')}/runs.db"
        return
    scheme, driver, user, administration = _SERVERS[request.param]
    engine = sqlalchemy.create_engine(
        f"{driver}://{user}@127.0.0.1/{administration}", isolation_level="AUTOCOMMIT"
    )
    name = f"tc_searching_{uuid.uuid4().hex[:16]}"
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except sqlalchemy.exc.OperationalError as error:
        engine.dispose()
        pytest.skip(f"no {request.param} here: {error.orig}")
    yield f"{scheme}://{user}@127.0.0.1/{name}"
    with engine.connect() as connection:
        force = " WITH (FORCE)" if request.param == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    engine.dispose()


@pytest.fixture(scope="module")
def filled(module_uri: str) -> Iterator[Filled]:
    """A database with a world of awkward things."""
    world = make_world(1, size=60)
    with contextlib.closing(Searches(module_uri)) as store:
        database = store._database
        writer = database.write(lambda transaction: _written(transaction.connection, world))
        yield Filled(world, store, writer)


def _written(connection: sqlalchemy.Connection, world: World) -> Writer:
    schema.metadata.create_all(connection)
    writer = Writer(connection)
    writer.world(world)
    return writer
