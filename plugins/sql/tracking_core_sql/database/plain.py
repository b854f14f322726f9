"""sqlite's short way: constant statements and texts go to the driver itself.

SQLAlchemy takes 40 to 60 us for a statement that sqlite answers in 8, most of it to describe a
result that is a few numbers. On sqlite, where nothing waits for a network, that is most of a call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, Executable, LargeBinary
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, StatementError

E = TypeVar("E", bound=Executable)

_DIALECT = sqlite.dialect()
# By the number of the object, which is kept, so that no other gets its number.
_constants: dict[int, _Constant] = {}
# Whoever watches a page asks the same again and again, and SQLAlchemy takes longer to build it
# than sqlite to answer.
_kept: dict[Hashable, Kept] = {}
_MOST_KEPT = 256
# Characters of a query and its values; a list of a hundred thousand ids is seldom asked twice.
_LARGEST_KEPT = 20_000


class _Constant:
    """A statement that is made once, and its text for sqlite, made when it is first asked for."""

    __slots__ = ("_is_compiled", "defaults", "names", "sql", "statement")

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._is_compiled = False
        self.sql: str | None = None
        self.names: tuple[str, ...] = ()
        self.defaults: dict[str, Any] = {}

    def compile(self) -> str | None:
        """Return the text; None: SQLAlchemy has work to do on its values."""
        if not self._is_compiled:
            compiled: Any = self.statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
            text = str(compiled)
            if "POSTCOMPILE" not in text and not _has_processors(compiled):
                self.names = tuple(compiled.positiontup or ())
                self.defaults = {
                    name: compiled.params[name]
                    for name in self.names
                    if not compiled.binds[name].required
                }
                self.sql = text
            self._is_compiled = True
        return self.sql


def constant(statement: E) -> E:
    """Declare that a statement is made once, for all calls; its values are parameters."""
    _constants[id(statement)] = _Constant(statement)
    return statement


def text_of(
    statement: Executable, parameters: Mapping[str, Any] | None
) -> tuple[str, Sequence[Any]] | None:
    """Return a constant statement's text and its values in order; None: SQLAlchemy has to."""
    found = _constants.get(id(statement))
    if found is None:
        return None
    sql = found.sql or found.compile()
    if sql is None:
        return None
    if not found.defaults:
        return sql, [parameters[name] for name in found.names] if parameters else ()
    values = {**found.defaults, **(parameters or {})}
    return sql, [values[name] for name in found.names]


class Executed(Protocol):
    """What is known of a statement that was executed."""

    @property
    def rowcount(self) -> int:
        """How many rows it matched."""

    @property
    def lastrowid(self) -> int | None:
        """The id of the row that it inserted."""


class Kept(NamedTuple):
    """A query that was built, and what it was built with.

    Attributes:
        sql: Its text.
        values: Its values in order.
        extra: What reads its rows.
    """

    sql: str
    values: tuple[Any, ...]
    extra: Any


def kept(key: Hashable) -> Kept | None:
    """Return the query that was built from this; None: none was, of late."""
    try:
        return _kept.get(key)
    except TypeError:  # not everything that can be searched for can be a key
        return None


def keep(key: Hashable, statement: Executable, extra: Any) -> Kept | None:
    """Keep a query that was built from this; None: SQLAlchemy has work to do on its values."""
    compiled: Any = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
    text = str(compiled)
    if "POSTCOMPILE" in text or _changes_results(compiled):
        return None
    parameters = compiled.params
    values = tuple(_bound(compiled, name, parameters[name]) for name in compiled.positiontup or ())
    found = Kept(text, values, extra)
    size = len(text) + sum(len(each) for each in values if isinstance(each, (str, bytes)))
    if size > _LARGEST_KEPT:
        return found
    if len(_kept) >= _MOST_KEPT:
        _kept.clear()
    try:
        _kept[key] = found
    except TypeError:
        return found
    return found


def execute(
    connection: Connection, driver: sqlite3.Connection, sql: str, values: Sequence[Any] = ()
) -> Executed:
    """Execute a text that returns no rows, and tell of faults as SQLAlchemy does.

    Raises:
        DBAPIError: sqlite's error is its cause.
    """
    if _is_watched(connection):
        return connection.exec_driver_sql(sql, tuple(values))
    try:
        return driver.execute(sql, values)
    except sqlite3.Error as error:
        raise _told(connection, driver, sql, values, error) from error


def execute_many(
    connection: Connection, driver: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Execute a text for each of the rows; as `execute`."""
    if _is_watched(connection):
        connection.exec_driver_sql(sql, [tuple(row) for row in rows])
        return
    try:
        driver.executemany(sql, rows)
    except sqlite3.Error as error:
        raise _told(connection, driver, sql, (), error) from error


def commit(connection: Connection, driver: sqlite3.Connection) -> None:
    """Commit; as `execute`, but nobody is told: who is interrupted can ask the driver for it."""
    try:
        driver.execute("COMMIT")
    except sqlite3.Error as error:
        raise _told(connection, driver, "COMMIT", (), error) from error


def rows_of(
    connection: Connection, driver: sqlite3.Connection, sql: str, values: Sequence[Any] = ()
) -> Sequence[Any]:
    """Return all rows of a query; as `execute`."""
    if _is_watched(connection):
        return connection.exec_driver_sql(sql, tuple(values)).all()
    try:
        # No name for the cursor: a traceback would keep it, and it what the connection sees.
        return driver.execute(sql, values).fetchall()
    except sqlite3.Error as error:
        raise _told(connection, driver, sql, values, error) from error


def first_of(
    connection: Connection, driver: sqlite3.Connection, sql: str, values: Sequence[Any] = ()
) -> Any | None:
    """Return the first row of a query, or None; as `execute`."""
    if _is_watched(connection):
        return connection.exec_driver_sql(sql, tuple(values)).first()
    try:
        return driver.execute(sql, values).fetchone()
    except sqlite3.Error as error:
        raise _told(connection, driver, sql, values, error) from error


def _is_watched(connection: Connection) -> bool:
    """Tell whether someone listens to SQLAlchemy's statements, as who traces or logs them does.

    They are told all that SQLAlchemy has to tell, so that it has to execute them.
    """
    told = connection.engine.dispatch  # nobody else has the connection
    return bool(
        told.before_cursor_execute
        or told.after_cursor_execute
        or connection.dialect.dispatch.handle_error
    )


def _told(
    connection: Connection,
    driver: sqlite3.Connection,
    sql: str,
    values: Sequence[Any],
    error: sqlite3.Error,
) -> StatementError:
    """Return sqlite's error as SQLAlchemy's; a connection that can't be used is let go of."""
    is_lost = connection.dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if is_lost and not connection.invalidated:
        connection.invalidate()
    return DBAPIError.instance(
        sql,
        tuple(values),
        error,
        sqlite3.Error,
        dialect=connection.dialect,
        connection_invalidated=is_lost,
    )


def _has_processors(compiled: Any) -> bool:
    """Tell whether a value has to be changed on its way in or out."""
    into = [bind.type for bind in compiled.binds.values()]
    return _changes_results(compiled) or any(
        type_.dialect_impl(_DIALECT).bind_processor(_DIALECT) is not None for type_ in into
    )


def _changes_results(compiled: Any) -> bool:
    return any(
        # Bytes come out of sqlite as bytes.
        not isinstance(column.type, LargeBinary)
        and column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) is not None
        for column in getattr(compiled, "_result_columns", ())
    )


def _bound(compiled: Any, name: str, value: Any) -> Any:
    """Return a value as SQLAlchemy would hand it to the driver."""
    process = compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return value if process is None else process(value)
