"""One upgrade at a time: who comes second waits, and a killed one keeps nobody waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tracking_core.errors import StoreUnavailableError
from tracking_core_sql.database.faults import is_busy

LOCK_NAME = "tracking_schema_upgrade"

# Any number will do that others don't use: the ASCII of "trackdb1".
_POSTGRESQL_LOCK = 0x747261636B646231

# Asked again and again: one that waits inside the database holds a snapshot, and for those
# PostgreSQL's CREATE INDEX CONCURRENTLY waits in turn.
_TRIES = {
    "postgresql": (
        f"SELECT pg_try_advisory_lock({_POSTGRESQL_LOCK})",
        f"SELECT pg_advisory_unlock({_POSTGRESQL_LOCK})",
    ),
    # GET_LOCK's names are the server's, not the database's.
    "mysql": (
        f"SELECT GET_LOCK(CONCAT('{LOCK_NAME}:', MD5(DATABASE())), 0)",
        f"SELECT RELEASE_LOCK(CONCAT('{LOCK_NAME}:', MD5(DATABASE())))",
    ),
    "mssql": (
        f"DECLARE @got int; EXEC @got = sp_getapplock @Resource = '{LOCK_NAME}',"
        " @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0;"
        " SELECT CASE WHEN @got >= 0 THEN 1 ELSE 0 END",
        f"EXEC sp_releaseapplock @Resource = '{LOCK_NAME}', @LockOwner = 'Session'",
    ),
}
_PAUSE = 0.2


def silent(text: str) -> None:
    """Tell nobody of the progress."""


@contextmanager
def alone(
    connection: Connection, *, patience: float, progress: Callable[[str], None]
) -> Iterator[None]:
    """Hold the database's upgrade lock during the block, on a connection that commits by itself.

    The lock is the session's, so that the end of the process frees it. On sqlite the block is one
    transaction that writes; readers go on beside it, and an error or a kill undoes it.

    Raises:
        StoreUnavailableError: Another upgrade holds it, for longer than these seconds.
        DBAPIError: Others write to the sqlite file for longer than that.
    """
    if connection.dialect.name == "sqlite":
        _begin(connection, patience, progress)
        try:
            yield
        except BaseException:
            if not connection.invalidated:
                connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
        return
    name = "mysql" if connection.dialect.name == "mariadb" else connection.dialect.name
    take, release = _TRIES[name]
    deadline = time.monotonic() + patience
    told = False
    while not connection.exec_driver_sql(take).scalar():
        if not told:
            progress("Another upgrade is under way; waiting for it.")
            told = True
        if time.monotonic() > deadline:
            raise StoreUnavailableError(
                f"Another upgrade of this database has been under way for {patience:.0f} s; try"
                " again when it is done."
            )
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.exec_driver_sql(release)


def _begin(connection: Connection, patience: float, progress: Callable[[str], None]) -> None:
    """Begin to write to a sqlite file, where who writes is alone."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except DBAPIError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
        progress("Others write to the file; waiting for them.")
        time.sleep(_PAUSE)
