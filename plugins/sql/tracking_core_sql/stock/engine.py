"""From the URI of an MLflow database to an engine that can only read."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from tracking_core.config import Uri
from tracking_core.errors import InvalidValueError, MissingDependencyError, NotFoundError

WORKSPACE = "workspace"
"""What the URI's query calls the workspace to read."""

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_WAIT_SECONDS = 60
_WAL = b"\x02\x02"


def engine_of(uri: Uri) -> Engine:
    """Return an engine whose every transaction is read-only and sees one moment of the database.

    Raises:
        InvalidValueError: The URI names no file, or no database that MLflow uses.
        MissingDependencyError: The database's driver isn't installed.
    """
    kind = uri.scheme.removeprefix("mlflow+").partition("+")[0]
    if kind == "sqlite":
        return _sqlite(uri)
    if kind not in _DRIVERS:
        raise InvalidValueError(
            f"The URI {uri} names no database of MLflow that can be read; its scheme must be"
            " mlflow+sqlite, mlflow+postgresql or mlflow+mysql."
        )
    url = URL.create(
        _DRIVERS[kind],
        username=uri.username,
        password=uri.password,
        host=uri.host.strip("[]") or None,
        port=uri.port,
        database=unquote(uri.path).lstrip("/") or None,
        query={name: value for name, value in uri.query.items() if name != WORKSPACE},
    )
    try:
        if kind in ("postgresql", "postgres"):
            return create_engine(
                url,
                isolation_level="REPEATABLE READ",
                execution_options={"postgresql_readonly": True},
            )
        engine = create_engine(url)
    except ModuleNotFoundError as error:
        extra = "postgresql" if kind.startswith("postgres") else "mysql"
        raise MissingDependencyError(
            f"Reading {uri} needs {error.name}, which isn't installed:"
            f" pip install 'tracking-core-sql[{extra}]'."
        ) from error
    event.listen(engine, "connect", _read_only_mysql)
    return engine


def _read_only_mysql(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _sqlite(uri: Uri) -> Engine:
    path = _sqlite_path(uri)

    def connect() -> sqlite3.Connection:
        if not path.exists():
            raise NotFoundError(f"There is no file {path}, so there is no MLflow database to read.")
        # autocommit, so that the transactions are those that `begin` begins
        return sqlite3.connect(
            f"file:{quote(str(path))}?{_mode(path)}",
            uri=True,
            timeout=_WAIT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    event.listen(engine, "begin", _begin)

    def connected(_: object, record: ConnectionPoolEntry) -> None:
        record.info["file"] = _identity(path)

    def checked_out(_: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError("Another file has taken this one's place.")

    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", checked_out)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _sqlite_path(uri: Uri) -> Path:
    path = uri.path.removeprefix("/")
    if uri.host or not path:
        raise InvalidValueError(
            f"The URI {uri} names no file; write mlflow+sqlite:///mlflow.db for a file in the"
            " working directory and mlflow+sqlite:////data/mlflow.db for one elsewhere."
        )
    # MLflow takes the path as it is written.
    literal = Path(path).absolute()
    return literal if literal.exists() else Path(unquote(path)).absolute()


def _mode(path: Path) -> str:
    return "mode=ro" if _unguarded_state(path) is None else "mode=ro&immutable=1"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


def has_log(uri: Uri) -> bool:
    """Tell whether this is a sqlite file with a write-ahead log.

    No connection to it may be kept: the log would stay when its last writer goes.
    """
    return _is_sqlite(uri) and _has_log(_sqlite_path(uri))


def unguarded_state(uri: Uri) -> tuple[int, int] | None:
    """Return what changes if a sqlite file is written to that is read without locks.

    None if locks guard it. With a write-ahead log that nobody has open, sqlite would make files
    beside it to lock it, even to read.
    """
    return _unguarded_state(_sqlite_path(uri)) if _is_sqlite(uri) else None


def _is_sqlite(uri: Uri) -> bool:
    return uri.scheme.removeprefix("mlflow+").partition("+")[0] == "sqlite"


def _has_log(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(20)[18:20] == _WAL
    except OSError:
        return False  # sqlite says why


def _unguarded_state(path: Path) -> tuple[int, int] | None:
    if not _has_log(path) or path.with_name(path.name + "-wal").exists():
        return None
    found = path.stat()
    return (found.st_mtime_ns, found.st_size)
