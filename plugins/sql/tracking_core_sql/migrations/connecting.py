"""The connections of `tracking db`, which makes no file that isn't there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from tracking_core.config import Settings, Uri
from tracking_core.errors import InvalidValueError, NotFoundError
from tracking_core_sql.database import faults
from tracking_core_sql.database.address import sqlite_path
from tracking_core_sql.database.options import options_of
from tracking_core_sql.database.server import Server
from tracking_core_sql.database.sqlite import SqliteFile
from tracking_core_sql.plugin import SCHEMES

# An index takes as long as it takes.
_NO_TIMEOUT = {
    "postgresql": "SET statement_timeout = 0",
    "mysql": "SET max_statement_time = 0",
}


@contextmanager
def looking(uri: Uri, settings: Settings) -> Iterator[Connection]:
    """Open a connection that commits by itself, and on sqlite can't change anything.

    What the driver says becomes a sentence.

    Raises:
        InvalidValueError: It is the URI of something else.
        NotFoundError: There is no such sqlite file.
        TrackingError: The database doesn't answer, or refused.
    """
    with _open(uri, settings, changing=False) as connection:
        yield connection


@contextmanager
def changing(uri: Uri, settings: Settings) -> Iterator[Connection]:
    """Open a connection that commits by itself; raises what `looking` does."""
    with _open(uri, settings, changing=True) as connection:
        dialect = connection.dialect
        is_mysql = dialect.name == "mysql" and not getattr(dialect, "is_mariadb", False)
        if dialect.name != "sqlite" and not is_mysql:  # whose timeout is for SELECT alone
            name = "mysql" if dialect.name == "mariadb" else dialect.name
            if statement := _NO_TIMEOUT.get(name):
                connection.exec_driver_sql(statement)
        yield connection


@contextmanager
def _open(uri: Uri, settings: Settings, *, changing: bool) -> Iterator[Connection]:
    scheme = uri.scheme.partition("+")[0]
    if scheme not in SCHEMES:
        raise InvalidValueError(
            f"{uri} is no SQL database; name one, such as sqlite:///runs.db or"
            " postgresql://user@host/database."
        )
    path = sqlite_path(uri) if scheme == "sqlite" else None
    if path is not None and not os.path.exists(path):
        raise NotFoundError(
            f"There is no file {os.path.abspath(path)}; the first write to {uri} makes it."
        )
    options = options_of(uri, settings)
    place = SqliteFile(path, options) if path is not None else Server(uri, options)
    start = time.monotonic()
    try:
        with place.alone() if changing else place.looking() as connection:
            yield connection
    except SQLAlchemyError as error:
        seconds = time.monotonic() - start
        raise faults.told(error, uri, path=path, seconds=seconds) from error
    finally:
        place.close()
