"""One database: reading and writing in transactions that are whole or not there."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, StaticPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from tracking_core.config import Settings, Uri
from tracking_core_sql.database import faults, forks
from tracking_core_sql.database.address import sqlite_path
from tracking_core_sql.database.creation import create, properties_of
from tracking_core_sql.database.options import options_of
from tracking_core_sql.database.server import Server
from tracking_core_sql.database.sqlite import SqliteFile
from tracking_core_sql.database.transaction import Transaction
from tracking_core_sql.migrations import revisions
from tracking_core_sql.schema import metadata

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0


class Database:
    """A database, whose tables are made by the first write.

    `read` and `write` take the work to do as a function of the transaction. It may be called more
    than once, when the database asks for a second try, and in another thread, when the work of
    several callers is committed together; so it must change nothing outside.

    Any thread may call, and after a fork both sides may go on.

    Raises (of both):
        TrackingError: What the work raised; or the database can't be reached, read or written to,
            in a sentence without the password.
    """

    def __init__(self, uri: Uri, settings: Settings) -> None:
        self.uri = uri
        self.settings = settings
        self._options = options_of(uri, settings)
        is_sqlite = uri.scheme.partition("+")[0] == "sqlite"
        self._path = sqlite_path(uri) if is_sqlite else None
        self._place: SqliteFile | Server
        if self._path is not None:
            self._place = SqliteFile(self._path, self._options)
        else:
            self._place = Server(uri, self._options)
        self._properties: dict[str, str] = {}
        self._is_writable = False
        self._was_reached = False
        self._lock = threading.Lock()
        self._empty: Engine | None = None
        forks.remember(self)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returns, which sees the database as it is at one moment."""

        def attempt() -> T:
            if not self._properties and not self._look():
                with forks.no_fork(), self._empty_engine().connect() as connection:
                    return work(Transaction(connection))
            with self._place.reading() as connection:
                return work(Transaction(connection))

        return self._persistently(attempt)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returns, once all that it did is durable; or nothing is done."""

        def attempt() -> T:
            if not self._is_writable:
                self._create()
            return self._place.write(work)

        return self._persistently(attempt)

    def has(self, revision: str) -> bool:
        """Tell whether the database has what a revision added, or has no tables yet.

        One that is older is looked at again, for it may have been upgraded meanwhile.
        """

        def attempt() -> bool:
            if not self._properties and not self._look():
                return True
            if revisions.is_before(self._properties, revision):
                self._look()
            return not revisions.is_before(self._properties, revision)

        return self._persistently(attempt)

    def close(self) -> None:
        """Close all connections; calling it again does nothing."""
        self._place.close()
        with self._lock:
            empty, self._empty = self._empty, None
        if empty is not None:
            empty.dispose()

    def after_fork(self) -> None:
        """Make the lock anew, which another thread may have held."""
        self._lock = threading.Lock()

    def _persistently(self, attempt: Callable[[], T]) -> T:
        """Try until it succeeds, or fails by what doesn't pass, or the time is over."""
        start = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            try:
                result = attempt()
            except SQLAlchemyError as error:
                elapsed = time.monotonic() - start
                # Who never got an answer has the wrong address; sqlite has waited by itself.
                is_hopeless = faults.is_busy(error) or not self._was_reached
                if is_hopeless or not faults.passes(error) or elapsed > self._options.retry_seconds:
                    raise faults.told(error, self.uri, path=self._path, seconds=elapsed) from error
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._was_reached = True
                return result

    def _look(self) -> bool:
        """Learn of the database's schema; tell whether it has one."""
        if isinstance(self._place, SqliteFile) and not self._place.exists():
            return False
        with self._place.looking() as connection:
            found = properties_of(connection, self.uri)
        self._was_reached = True
        if found:
            revisions.require(found, uri=self.uri, writing=False)
            self._properties = found
        return bool(found)

    def _create(self) -> None:
        if not self._properties and not self._look():
            with self._place.alone() as connection:
                self._properties = create(connection, self.uri)
        revisions.require(self._properties, uri=self.uri, writing=True)
        self._is_writable = True

    def _empty_engine(self) -> Engine:
        with self._lock:
            if self._empty is None:
                self._empty = create_engine(
                    "sqlite://",
                    poolclass=StaticPool,
                    connect_args={"check_same_thread": False},
                )
                metadata.create_all(self._empty)
            return self._empty
