"""What the work of a transaction is done with."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Executable,
    Float,
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    Table,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

from tracking_core_sql.database import plain

Row = Sequence[Any]
X = TypeVar("X")


class Transaction:
    """A transaction in progress; everything that a piece of work asks of the database goes here.

    On PostgreSQL, where each statement waits for the network, rows to insert are kept back until
    something is asked, and then go in one statement.

    Attributes:
        dialect: `sqlite`, `postgresql`, `mysql` (MariaDB too) or `mssql`: of this connection, which
            for a database that isn't there yet is an empty sqlite in memory.
    """

    __slots__ = ("_connection", "_driver", "_kept", "dialect")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept: dict[str, tuple[str, tuple[Any, ...]]] = {}
        name = connection.dialect.name
        self.dialect = "mysql" if name == "mariadb" else name
        self._driver: sqlite3.Connection | None = None
        if name == "sqlite":
            self._driver = connection.connection.dbapi_connection  # type: ignore[assignment]

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection, inside its transaction, with everything written."""
        if self._kept:
            self._insert_kept("SELECT 1")
        return self._connection

    def finish(self) -> int | None:
        """Write everything; return the number by which PostgreSQL knows the transaction, if any."""
        if self.dialect != "postgresql":
            return None
        if self._kept:
            return self._insert_kept("SELECT txid_current()")
        number = self._connection.exec_driver_sql("SELECT txid_current_if_assigned()").scalar()
        return None if number is None else int(number)

    def _insert_kept(self, question: str) -> int:
        """Insert what was kept back, and return the answer to a question in the same statement."""
        inserts = ", ".join(
            f"insert_{number} AS ({sql})" for number, (sql, _) in enumerate(self._kept.values())
        )
        parameters = tuple(each for _, arrays in self._kept.values() for each in arrays)
        self._kept.clear()
        answer = self._connection.exec_driver_sql(f"WITH {inserts} {question}", parameters)
        return int(answer.scalar_one())

    def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        """Return all rows of a query, as tuples."""
        if self._driver is not None:
            text = plain.text_of(statement, parameters)
            if text is not None:
                return plain.rows_of(self._connection, self._driver, *text)
        result = self.connection.execute(statement, parameters)
        return result.all()

    def rows_of(
        self, key: Hashable, build: Callable[[], tuple[Executable, X]]
    ) -> tuple[Sequence[Any], X]:
        """Return all rows of a query, and what reads them.

        Args:
            key: All that the query depends on; on sqlite, one that was built of it is used again.
            build: Returns the query and what reads its rows.
        """
        if self._driver is None:
            statement, extra = build()
            return self.rows(statement), extra
        found = plain.kept((self.dialect, key))
        if found is None:
            statement, extra = build()
            found = plain.keep((self.dialect, key), statement, extra)
            if found is None:
                return self.rows(statement), extra
        rows = plain.rows_of(self._connection, self._driver, found.sql, found.values)
        return rows, found.extra

    def first(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Any | None:
        """Return the first row of a query, or None."""
        if self._driver is not None:
            text = plain.text_of(statement, parameters)
            if text is not None:
                return plain.first_of(self._connection, self._driver, *text)
        return self.connection.execute(statement, parameters).first()

    def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Execute an update or delete and return how many rows it matched."""
        if self._driver is not None and (parameters is None or isinstance(parameters, Mapping)):
            text = plain.text_of(statement, parameters)
            if text is not None:
                return plain.execute(self._connection, self._driver, *text).rowcount
        return self.connection.execute(statement, parameters).rowcount

    def plain_rows(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        """Return all rows of a query that is written for the driver, as the driver gives them."""
        if self._driver is not None:
            return plain.rows_of(self._connection, self._driver, sql, values)
        result = self.connection.exec_driver_sql(sql, tuple(values))
        rows: Sequence[Any] = result.cursor.fetchall()
        result.close()
        return rows

    def locking(self, statement: Select[Any]) -> Select[Any]:
        """Return the query so that it locks the rows it reads until the transaction ends.

        sqlite needs none: who writes is alone.
        """
        if self.dialect == "mssql":
            return statement.with_hint(None, "WITH (UPDLOCK, HOLDLOCK)")  # type: ignore[arg-type]
        return statement.with_for_update(key_share=True)

    def among(self, column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
        """Return the condition that a column has one of these values, however many they are."""
        listed = list(values)
        if self.dialect == "sqlite":
            each = func.json_each(json.dumps(listed)).table_valued("value")
            return column.in_(select(each.c.value))
        if self.dialect == "postgresql":
            array = postgresql.ARRAY(column.type)
            return column == func.any(bindparam(None, listed, type_=array, unique=True))
        return column.in_(listed)

    def add(self, table: Table, row: Mapping[str, Any]) -> int:
        """Insert one row and return its id.

        If another took one of its unique values meanwhile, the whole work is tried again, and so
        should look first whether they are free.
        """
        result = self.connection.execute(table.insert(), row)
        (number,) = result.inserted_primary_key or (0,)
        return int(number)

    def insert(self, table: Table, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert rows; `names` are the columns that their values belong to."""
        self._insert(table, names, rows, "")

    def insert_new(self, table: Table, names: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert those rows whose unique columns aren't taken; the others stay as they are."""
        self._insert(table, names, rows, "ignore")

    def upsert(
        self, table: Table, names: Sequence[str], rows: Sequence[Row], *, update: Sequence[str]
    ) -> None:
        """Insert rows; where one with this primary key is there, set these columns of it."""
        self._insert(table, names, rows, "update", update)

    def _insert(
        self,
        table: Table,
        names: Sequence[str],
        rows: Sequence[Row],
        conflict: str,
        update: Sequence[str] = (),
    ) -> None:
        if not rows:
            return
        if self._driver is not None:
            sql = _sqlite_insert(table, tuple(names), conflict, tuple(update))
            if len(rows) == 1:
                plain.execute(self._connection, self._driver, sql, rows[0])
            else:
                plain.execute_many(self._connection, self._driver, sql, rows)
            return
        columns = [table.c[name] for name in names]
        key = [column.name for column in table.primary_key]
        if self.dialect == "postgresql":
            types = [_postgresql_type(column) for column in columns]
            slots = ", ".join(f"%s::{type_}[]" for type_ in types)
            sql = f"INSERT INTO {table.name} ({_listed(names)}) SELECT * FROM unnest({slots})"
            if conflict == "ignore":
                sql += " ON CONFLICT DO NOTHING"
            elif conflict == "update":
                changes = ", ".join(f'"{name}" = excluded."{name}"' for name in update)
                sql += f" ON CONFLICT ({_listed(key)}) DO UPDATE SET {changes}"
            arrays = zip(types, zip(*rows, strict=True), strict=True)
            if table.name in self._kept:
                self._insert_kept("SELECT 1")
            self._kept[table.name] = (sql, tuple(_array(*each) for each in arrays))
            return
        if self.dialect == "mysql":
            slots = ", ".join(["%s"] * len(names))
            verb = "INSERT IGNORE" if conflict == "ignore" else "INSERT"
            quoted = ", ".join(f"`{name}`" for name in names)
            sql = f"{verb} INTO {table.name} ({quoted}) VALUES ({slots})"
            if conflict == "update":
                changes = ", ".join(f"`{name}` = VALUES(`{name}`)" for name in update)
                sql += f" ON DUPLICATE KEY UPDATE {changes}"
            self.connection.exec_driver_sql(sql, [tuple(row) for row in rows])
            return
        self._merge(table, names, rows, conflict, update)

    def insert_one(self, table: Table, row: Mapping[str, Any]) -> int | None:
        """Insert a row of sqlite and return its id; None: it isn't sqlite."""
        if self._driver is None:
            return None
        sql = _sqlite_insert(table, tuple(row), "", ())
        return plain.execute(self._connection, self._driver, sql, tuple(row.values())).lastrowid

    def _merge(
        self,
        table: Table,
        names: Sequence[str],
        rows: Sequence[Row],
        conflict: str,
        update: Sequence[str],
    ) -> None:
        """Insert by SQL Server's MERGE."""
        parameters = [dict(zip(names, row, strict=True)) for row in rows]
        if not conflict:
            self.connection.execute(table.insert(), parameters)
            return
        key = [column.name for column in table.primary_key]
        source = ", ".join(f":{name} AS [{name}]" for name in names)
        on = " AND ".join(f"t.[{name}] = s.[{name}]" for name in key)
        sql = f"MERGE {table.name} WITH (HOLDLOCK) AS t USING (SELECT {source}) AS s ON {on}"
        if conflict == "update":
            sql += (
                f" WHEN MATCHED THEN UPDATE SET {', '.join(f't.[{n}] = s.[{n}]' for n in update)}"
            )
        sql += (
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(f'[{n}]' for n in names)})"
            f" VALUES ({', '.join(f's.[{n}]' for n in names)});"
        )
        self.connection.execute(text(sql), parameters)


@functools.cache
def _sqlite_insert(
    table: Table, names: tuple[str, ...], conflict: str, update: tuple[str, ...]
) -> str:
    slots = ", ".join("?" * len(names))
    verb = "INSERT OR IGNORE" if conflict == "ignore" else "INSERT"
    sql = f"{verb} INTO {table.name} ({_listed(names)}) VALUES ({slots})"
    if conflict == "update":
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in update)
        key = _listed(column.name for column in table.primary_key)
        sql += f" ON CONFLICT ({key}) DO UPDATE SET {changes}"
    return sql


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _array(type_: str, values: Iterable[Any]) -> str:
    """Return PostgreSQL's text of an array; psycopg looks at each value three times as long."""
    if type_ == "bytea":
        texts = ("NULL" if v is None else f'"\\\\x{v.hex()}"' for v in values)
    elif type_ == "text":
        texts = ("NULL" if v is None else f'"{_escaped(v)}"' for v in values)
    else:
        texts = ("NULL" if v is None else repr(v) for v in values)
    return "{" + ",".join(texts) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _postgresql_type(column: Column[Any]) -> str:
    kind = column.type
    if isinstance(kind, SmallInteger):
        return "smallint"
    if isinstance(kind, BigInteger):
        return "bigint"
    if isinstance(kind, Integer):
        return "integer"
    if isinstance(kind, Float):
        return "float8"
    if isinstance(kind, LargeBinary):
        return "bytea"
    return "text"
