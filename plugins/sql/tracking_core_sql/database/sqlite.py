"""sqlite: many readers beside one writer, and the work of several threads committed together."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from tracking_core_sql.database import faults, forks, plain
from tracking_core_sql.database.file_systems import network_file_system
from tracking_core_sql.database.options import Options
from tracking_core_sql.database.transaction import Transaction

T = TypeVar("T")
_log = logging.getLogger(__name__)

# How long one BEGIN waits inside sqlite; then it is asked again, until the time is over.
_BUSY_MILLISECONDS = 10_000
_MOST_TOGETHER = 64
_MOST_IDLE = 8
# Statistics are made after so many commits, and then each time there are ten times as many.
_FIRST_ANALYSIS = 20
_LAST_ANALYSIS = 20_000


class _Job(Generic[T]):
    """A piece of work that waits for its commit."""

    __slots__ = ("error", "is_done", "result", "work")

    def __init__(self, work: Callable[[Transaction], T]) -> None:
        self.work = work
        self.is_done = False
        self.result: T | None = None
        self.error: BaseException | None = None

    def finish(self, error: BaseException | None = None) -> None:
        self.error = error
        self.is_done = True


class SqliteFile:
    """A sqlite file: connections that read, and one that writes for all threads of this process.

    Raises of its methods are sqlite's own; `Database` says them in sentences.
    """

    def __init__(self, path: str, options: Options) -> None:
        self.path = Path(path).absolute()
        self._options = options
        self._engine = self._new_engine()
        self._turn = threading.Lock()
        self._waiting: deque[_Job[Any]] = deque()
        self._writer: Connection | None = None
        # Open, each outside of a transaction; the last one used is the first to be used again.
        self._readers: deque[Connection] = deque()
        self._generation = 0
        self._commits = 0
        self._next_analysis = _FIRST_ANALYSIS
        forks.remember(self)

    def exists(self) -> bool:
        """Tell whether there is a file, and something in it."""
        try:
            return self.path.stat().st_size > 0
        except OSError:
            return False

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Open a connection that can't change anything, not even the journal's mode."""
        url = f"{self.path.as_uri()}?mode=ro"
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(url, uri=True), poolclass=QueuePool
        )
        with forks.no_fork():
            try:
                with engine.connect() as connection:
                    yield connection
            finally:
                engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection inside a transaction that sees one moment."""
        with forks.no_fork():
            # Before it is taken, so that whoever closes all meanwhile closes this one too.
            generation, is_sound = self._generation, False
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._engine.connect()
            try:
                driver = _driver_of(connection)
                plain.execute(connection, driver, "BEGIN")
                try:
                    yield connection
                finally:
                    if not connection.invalidated:
                        # sqlite ends a transaction by itself where a disk fails.
                        if driver.in_transaction:
                            plain.execute(connection, driver, "ROLLBACK")
                        is_sound = True
            finally:
                self._give_back(connection, generation, is_sound=is_sound)

    def _give_back(self, connection: Connection, generation: int, *, is_sound: bool) -> None:
        """Keep a reader for the next, unless all were closed since it was taken."""
        if generation != self._generation:
            if not connection.invalidated:
                connection.detach()  # its pool is gone, and would keep it open
            connection.close()
        elif is_sound and len(self._readers) < _MOST_IDLE:
            # Taking one out of the pool and giving it back costs as much as a query.
            self._readers.append(connection)
            if generation != self._generation:
                self._close_readers()
        else:
            connection.close()

    def _close_readers(self) -> None:
        with suppress(IndexError):  # another may take the last one
            while True:
                self._readers.pop().close()

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Give the connection that writes, outside of a transaction."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._turn, forks.no_fork():
            yield self._writing_connection()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returns, once it is committed; perhaps together with others'."""
        job = _Job(work)
        self._waiting.append(job)
        try:
            with self._turn:
                # Others may be before it, more than are committed together; or whoever took it
                # was interrupted.
                while not job.is_done:
                    if job not in self._waiting:
                        self._waiting.append(job)
                    with forks.no_fork():
                        self._commit_waiting()
        except BaseException:
            with suppress(ValueError):
                self._waiting.remove(job)
            raise
        if job.error is not None:
            raise job.error
        return cast("T", job.result)

    def close(self) -> None:
        """Close all connections."""
        with self._turn, forks.no_fork():
            writer, self._writer = self._writer, None
            if writer is not None:
                if self._commits > _FIRST_ANALYSIS:
                    self._analyse(writer)
                writer.close()
            # Who reads now closes its connection itself.
            self._generation += 1
            self._close_readers()
            self._engine.dispose()

    def after_fork(self) -> None:
        """Leave the parent's connections alone, and make new ones."""
        forks.keep_for_ever((self._writer, list(self._readers), self._engine, self._engine.pool))
        self._writer = None
        self._generation += 1
        self._readers = deque()
        self._turn = threading.Lock()
        self._waiting = deque()
        self._engine = self._new_engine()

    def _new_engine(self) -> Engine:
        engine = create_engine(
            f"sqlite:///{self.path}",
            isolation_level="AUTOCOMMIT",
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=-1,
            connect_args={"check_same_thread": False, "timeout": _BUSY_MILLISECONDS / 1000},
        )
        journal_mode = self._options.journal_mode
        synchronous = self._options.synchronous
        if journal_mode is None:
            journal_mode = "wal"
            kind = network_file_system(self.path)
            if kind is not None:
                journal_mode, synchronous = "delete", "full"
                _log.info("%s lies on %s: sqlite's WAL isn't used there.", self.path, kind)

        @event.listens_for(engine, "connect")
        def prepare(dbapi: Any, _: object) -> None:
            cursor = dbapi.cursor()
            # A file that can only be read keeps the mode it has.
            if journal_mode != "wal" or os.access(self.path.parent, os.W_OK):
                _patiently(cursor, f"PRAGMA journal_mode = {journal_mode}")
            cursor.execute(f"PRAGMA synchronous = {synchronous}")
            cursor.execute("PRAGMA journal_size_limit = 67108864")
            cursor.execute("PRAGMA cache_size = -16384")
            cursor.close()

        roll_back_what_is_interrupted(engine)
        return engine

    def _writing_connection(self) -> Connection:
        if self._writer is None:
            self._writer = self._engine.connect()
        return self._writer

    def _commit_waiting(self) -> None:
        jobs: list[_Job[Any]] = []
        while self._waiting and len(jobs) < _MOST_TOGETHER:
            jobs.append(self._waiting.popleft())
        try:
            self._commit(jobs)
        except BaseException as error:
            self._forget_transaction()
            mine = [job for job in jobs if not job.is_done]
            if not isinstance(error, Exception):
                # Whoever is interrupted leaves; the others take their turn again.
                self._waiting.extendleft(reversed(mine))
                raise
            if len(mine) == 1:
                mine[0].finish(error)
                return
            for job in mine:
                self._commit_alone(job)

    def _commit_alone(self, job: _Job[Any]) -> None:
        try:
            self._commit([job])
        except Exception as error:
            self._forget_transaction()
            job.finish(error)

    def _commit(self, jobs: list[_Job[Any]]) -> None:
        connection = self._writing_connection()
        driver = _driver_of(connection)
        self._begin(connection)
        failed: dict[int, Exception] = {}
        if len(jobs) == 1:
            jobs[0].result = jobs[0].work(Transaction(connection))
        else:
            for number, job in enumerate(jobs):
                plain.execute(connection, driver, "SAVEPOINT job")
                try:
                    job.result = job.work(Transaction(connection))
                except Exception as error:
                    if isinstance(error, DBAPIError) and faults.passes(error):
                        raise
                    failed[number] = error
                    plain.execute(connection, driver, "ROLLBACK TO job")
                plain.execute(connection, driver, "RELEASE job")
        try:
            plain.commit(connection, driver)
            _finish(jobs, failed)
        except BaseException as error:
            # Ctrl-C is felt when sqlite has committed: what is done mustn't be done again.
            if not isinstance(error, Exception) and not driver.in_transaction:
                _finish(jobs, failed)
            raise
        self._commits += 1
        if self._commits >= self._next_analysis:
            self._next_analysis = self._commits + min(9 * self._commits, _LAST_ANALYSIS)
            self._analyse(connection)

    def _begin(self, connection: Connection) -> None:
        deadline = time.monotonic() + self._options.retry_seconds
        while True:
            try:
                plain.execute(connection, _driver_of(connection), "BEGIN IMMEDIATE")
                return
            except DBAPIError as error:
                if not faults.is_busy(error) or time.monotonic() > deadline:
                    raise

    def _forget_transaction(self) -> None:
        writer = self._writer
        if writer is None:
            return
        try:
            if writer.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
                writer.exec_driver_sql("ROLLBACK")
        except Exception:
            _log.debug("The connection to %s is made anew.", self.path, exc_info=True)
            self._writer = None
            writer.invalidate()

    def _analyse(self, connection: Connection) -> None:
        """Look at some rows of each index, so that searches are planned by what is there."""
        try:
            connection.exec_driver_sql("PRAGMA analysis_limit = 400")
            connection.exec_driver_sql("ANALYZE")
        except DBAPIError:
            # Others are at work; the next time will do.
            _log.debug("No statistics of %s were made.", self.path, exc_info=True)


def roll_back_what_is_interrupted(engine: Engine) -> None:
    """Let an interrupted statement's locks go with its connection."""

    # sqlite keeps a closed connection, and its locks, as long as a traceback holds a cursor.
    @event.listens_for(engine, "invalidate")
    def roll_back(dbapi: sqlite3.Connection, _: object, __: object) -> None:
        with suppress(sqlite3.Error):  # it may be closed already
            dbapi.rollback()


def _finish(jobs: list[_Job[Any]], failed: dict[int, Exception]) -> None:
    for number, job in enumerate(jobs):
        job.finish(failed.get(number))


def _driver_of(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


def _patiently(cursor: Any, statement: str) -> None:
    """Execute what sqlite refuses at once, without waiting, while others open the file too."""
    deadline = time.monotonic() + _BUSY_MILLISECONDS / 1000
    while True:
        try:
            cursor.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
