"""Read-only transactions in an MLflow database."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Select, inspect, select
from sqlalchemy.exc import DBAPIError

from tracking_core.config import Uri
from tracking_core.errors import (
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core_sql.stock.engine import WORKSPACE, engine_of, has_log, unguarded_state
from tracking_core_sql.stock.exactness import exactly
from tracking_core_sql.stock.recognise import is_mlflow_database, revision_of
from tracking_core_sql.stock.tables import Tables, reflect

T = TypeVar("T")

DEFAULT_WORKSPACE = "default"
_LISTED = 5000
"""So many values a statement names; every database takes more."""
_ATTEMPTS = 3


class Reading:
    """A read-only transaction: all that is read in it is of one moment.

    Attributes:
        tables: The tables that are there.
        workspace: The workspace whose experiments and registered models are read.
    """

    def __init__(self, connection: Connection, tables: Tables, workspace: str) -> None:
        self._connection = connection
        self.tables = tables
        self.workspace = workspace

    def rows(self, statement: Select[Any]) -> Sequence[Any]:
        """Return all rows of a query."""
        return self._connection.execute(statement).all()

    def rows_among(
        self, statement: Select[Any], column: ColumnElement[Any], values: Iterable[Any]
    ) -> Iterator[Any]:
        """Yield the rows whose column has one of the values, in a few statements."""
        listed = list(values)
        for start in range(0, len(listed), _LISTED):
            among = column.in_(listed[start : start + _LISTED])
            yield from self._connection.execute(statement.where(among)).all()

    def exactly(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        """Return the condition that a column has this very text."""
        return exactly(self._connection.dialect.name, column, text)

    def in_workspace(self, statement: Select[Any], table: str) -> Select[Any]:
        """Return the query restricted to the workspace, if the database has such a thing."""
        if not self.tables.has_column(table, "workspace"):
            return statement
        return statement.where(self.tables[table].c.workspace == self.workspace)


class StockDatabase:
    """A database of MLflow's.

    Any thread may use it, and after a fork both sides.
    """

    def __init__(self, uri: Uri) -> None:
        self.uri = uri
        self._workspace = uri.query.get(WORKSPACE)
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._process = 0
        self._tables: Tables | None = None

    def read(self, work: Callable[[Reading], T]) -> T:
        """Return what the work returns; it may be called more than once.

        Raises:
            InvalidValueError: The database isn't one of MLflow's; or it has several workspaces, and
                the URI names none.
            NotFoundError: There is no such file.
            StoreUnavailableError: The database can't be reached.
            UnsupportedError: Its tables are of a version that can't be read.
        """
        failure: DBAPIError | None = None
        for _ in range(_ATTEMPTS):
            before = unguarded_state(self.uri)
            try:
                result = self._read(work)
            except DBAPIError as error:
                # The server closed an idle connection, as it does when it restarts.
                is_stale = error.connection_invalidated
                if not is_stale and unguarded_state(self.uri) == before:
                    raise self._failure(error) from error
                failure = error
                continue
            if unguarded_state(self.uri) == before:
                return result
            failure = None
        if failure is not None:
            raise self._failure(failure) from failure
        raise StoreUnavailableError(
            f"The MLflow database {self.uri} was opened by a writer at each try; try again."
        )

    def close(self) -> None:
        """Close all connections; calling it again does nothing."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose(close=self._process == os.getpid())
            self._engine = None

    def _read(self, work: Callable[[Reading], T]) -> T:
        with self._connected().connect() as connection, connection.begin():
            if has_log(self.uri):
                connection.detach()
            tables = self._tables
            if tables is None or revision_of(connection) != tables.revision:
                tables = self._tables = self._look(connection)
            return work(Reading(connection, tables, self._workspace or DEFAULT_WORKSPACE))

    def _connected(self) -> Engine:
        with self._lock:
            if self._engine is not None and self._process != os.getpid():
                # Its connections are the parent's, who goes on using them.
                self._engine.dispose(close=False)
                self._engine = None
            if self._engine is None:
                self._engine = engine_of(self.uri)
                self._process = os.getpid()
            return self._engine

    def _look(self, connection: Connection) -> Tables:
        if is_mlflow_database(inspect(connection)) is None:
            raise InvalidValueError(
                f"The database {self.uri} isn't one of MLflow's: it lacks the tables experiments,"
                " runs and alembic_version."
            )
        revision = revision_of(connection)
        tables = reflect(connection, revision=revision, place=str(self.uri))
        self._check_workspace(Reading(connection, tables, DEFAULT_WORKSPACE))
        return tables

    def _check_workspace(self, reading: Reading) -> None:
        found = {DEFAULT_WORKSPACE}
        for name in ("experiments", "registered_models"):
            if reading.tables.has_column(name, "workspace"):
                column = reading.tables[name].c.workspace
                found |= {row[0] for row in reading.rows(select(column).distinct())}
        names = ", ".join(sorted(found))
        if self._workspace is None and len(found) > 1:
            raise InvalidValueError(
                f"The MLflow database {self.uri} holds the workspaces {names}; say which one to"
                f" read with ?{WORKSPACE}=NAME at the end of the URI."
            )
        if self._workspace is not None and self._workspace not in found:
            raise NotFoundError(
                f"The MLflow database {self.uri} has no workspace {self._workspace!r}; it has:"
                f" {names}."
            )

    def _failure(self, error: DBAPIError) -> TrackingError:
        cause = str(error.orig).strip().partition("\n")[0]
        if self.uri.password:
            cause = cause.replace(self.uri.password, "***")
        if "file is not a database" in cause:
            return InvalidValueError(f"The file of {self.uri} is no sqlite database.")
        if "readonly" in cause:
            return StoreUnavailableError(
                f"MLflow was interrupted while it wrote to {self.uri}, which has to be undone"
                " first, and reading it can't do that; open it once with MLflow and try again."
            )
        return StoreUnavailableError(f"The MLflow database {self.uri} can't be read: {cause}.")
