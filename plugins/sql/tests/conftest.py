"""Where the tests of the SQL backend keep their databases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy

from tracking_core.config import Settings, Uri
from tracking_core_sql.store import SqlStore

_SERVERS = {
    "postgresql": ("postgresql+psycopg", "postgres", "postgres"),
    "mariadb": ("mysql+pymysql", "root", "mysql"),
}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database_name(request: pytest.FixtureRequest) -> str:
    """Which database a test runs against: each in turn."""
    name: str = request.param
    return name


@contextmanager
def new_database(kind: str) -> Iterator[str]:
    """Make an empty database on a server of this machine, for the time of the block."""
    driver, user, administration = _SERVERS[kind]
    engine = sqlalchemy.create_engine(
        f"{driver}://{user}@127.0.0.1/{administration}", isolation_level="AUTOCOMMIT"
    )
    name = f"tc_test_{uuid.uuid4().hex[:16]}"
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except sqlalchemy.exc.OperationalError as error:
        engine.dispose()
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {kind} here: {error.orig}")
    yield f"{driver.partition('+')[0]}://{user}@127.0.0.1/{name}"
    with engine.connect() as connection:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    engine.dispose()


@pytest.fixture
def database_uri(database_name: str, tmp_path: Path) -> Iterator[str]:
    """The URI of a new, empty database, which goes with the test."""
    if database_name == "sqlite":
        yield f"sqlite:///{tmp_path}/runs.db"
        return
    with new_database(database_name) as uri:
        yield uri


@pytest.fixture(scope="session")
def _shared_databases() -> Iterator[Callable[[str], str]]:
    with ExitStack() as stack:
        uris: dict[str, str] = {}

        def shared(kind: str) -> str:
            if kind not in uris:
                uris[kind] = stack.enter_context(new_database(kind))
            return uris[kind]

        yield shared


@pytest.fixture
def shared_database_uri(
    database_name: str, tmp_path: Path, _shared_databases: Callable[[str], str]
) -> str:
    """The URI of a database for tests that look only at what they have made themselves."""
    if database_name == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    return _shared_databases(database_name)


@pytest.fixture
def store(database_uri: str) -> Iterator[SqlStore]:
    """A store on the database, closed at the end."""
    with SqlStore(Uri.parse(database_uri), Settings()) as store:
        yield store
