"""Databases of MLflow's releases, each test with copies of its own."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from benchmarks.peers import Peer, PeerEnvironment, PeerError, make_environment
from tracking_core.config import Settings, Uri
from tracking_core_sql.stock.store import StockMlflowStore
from tracking_core_sql.stock.tables import _COLUMNS

DATABASES = Path(__file__).parent / "databases"
MAKE = DATABASES / "make.py"
RELEASES = ("1.0.0", "1.8.0", "1.30.1", "2.9.2", "2.22.1", "3.1.4", "3.17.2")
SERVERS = {
    "postgresql": ("postgresql+psycopg", "postgres", "postgres"),
    "mysql": ("mysql+pymysql", "root", "mysql"),
}
MLFLOW_WITH_DRIVERS = Peer(
    "mlflow-with-drivers",
    ("mlflow==3.17.2", "psycopg[binary]", "pymysql"),
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    },
)


def unpack_to(directory: Path, release: str) -> Path:
    """Make a file of the database of a release, in a directory of its own."""
    path = directory / f"mlflow-{release}" / "mlflow.db"
    path.parent.mkdir()
    with gzip.open(DATABASES / f"mlflow-{release}.db.gz") as packed, path.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return path


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[[str], Path]:
    """Return what makes a file of the database of a release."""
    return lambda release: unpack_to(tmp_path, release)


@pytest.fixture
def open_store() -> Iterator[Callable[[str], StockMlflowStore]]:
    """Return what opens a store, which is closed at the end."""
    opened: list[StockMlflowStore] = []

    def opening(uri: str) -> StockMlflowStore:
        opened.append(StockMlflowStore(Uri.parse(uri), Settings()))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.fixture
def store(
    unpack: Callable[[str], Path], open_store: Callable[[str], StockMlflowStore]
) -> StockMlflowStore:
    """The database of a release that has everything."""
    return open_store(f"mlflow+sqlite:///{unpack('3.17.2')}")


@pytest.fixture(scope="session")
def stock_mlflow_with_drivers(stock_mlflow: PeerEnvironment) -> PeerEnvironment:
    """Stock MLflow that can speak to database servers."""
    try:
        return make_environment(MLFLOW_WITH_DRIVERS)
    except PeerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no stock MLflow with drivers here: {error}")


@contextlib.contextmanager
def new_database(kind: str) -> Iterator[str]:
    """SQLAlchemy's URI of a new, empty database on a server, which goes at the end."""
    driver, user, administration = SERVERS[kind]
    engine = sqlalchemy.create_engine(
        f"{driver}://{user}@127.0.0.1/{administration}", isolation_level="AUTOCOMMIT"
    )
    name = f"tc_stock_{uuid.uuid4().hex[:16]}"
    creation, deletion = _DATABASES[kind]
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(creation.format(name))
    except sqlalchemy.exc.OperationalError as error:
        engine.dispose()
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {kind} here: {error.orig}")
    try:
        yield f"{driver}://{user}@127.0.0.1/{name}"
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(deletion.format(name))
        engine.dispose()


_DATABASES = {
    "postgresql": ("CREATE DATABASE {}", "DROP DATABASE {} WITH (FORCE)"),
    "mysql": ("CREATE DATABASE {} CHARACTER SET utf8mb4", "DROP DATABASE {}"),
}


@pytest.fixture(params=SERVERS)
def server_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLAlchemy's URI of a new, empty database on each kind of server in turn."""
    with new_database(request.param) as uri:
        yield uri


@contextlib.contextmanager
def serve(path: Path, kind: str) -> Iterator[str]:
    """The tables of a sqlite file that matter, on a server."""
    metadata = sqlalchemy.MetaData()
    source = sqlalchemy.create_engine(f"sqlite:///{path}")
    metadata.reflect(source, only=lambda name, _: name in _COLUMNS or name == "alembic_version")
    for table in metadata.tables.values():
        table.constraints -= {
            each
            for each in table.constraints
            if not isinstance(each, sqlalchemy.PrimaryKeyConstraint)
        }
        for column in table.columns:
            column.autoincrement = False
            column.server_default = None
            column.foreign_keys.clear()
            if isinstance(column.type, sqlalchemy.Float):
                column.type = sqlalchemy.Double()
    with new_database(kind) as uri:
        destination = sqlalchemy.create_engine(uri)
        metadata.create_all(destination)
        with source.connect() as reading, destination.begin() as writing:
            for table in metadata.tables.values():
                rows = [dict(row) for row in reading.execute(table.select()).mappings()]
                if rows:
                    writing.execute(table.insert(), rows)
        source.dispose()
        destination.dispose()
        yield uri
