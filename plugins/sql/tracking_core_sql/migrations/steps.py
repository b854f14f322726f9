"""What revisions are made of: steps that look first whether they are done.

An upgrade that was interrupted is run again from the beginning of its revision: MySQL commits each
change of a table by itself, and PostgreSQL makes an index beside its readers and writers only
outside of transactions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from tracking_core_sql.migrations.exclusion import silent
from tracking_core_sql.schema import schema_property

# A change that waits for a table holds up all who come after it, so it soon gives up for a while.
_LOCK_TIMEOUTS = {
    "postgresql": ("SET lock_timeout = '2s'", "RESET lock_timeout"),
    "mysql": ("SET lock_wait_timeout = 2", "SET lock_wait_timeout = DEFAULT"),
}
_TRIES = 200
_PAUSE = 1.0
_ROWS_AT_ONCE = 5000


class Steps:
    """The steps of one revision, on the connection that Alembic upgrades."""

    def __init__(self) -> None:
        self._context = op.get_context()
        self._progress: Callable[[str], None] = self._context.opts.get("progress", silent)

    @property
    def dialect(self) -> str:
        """The database: `sqlite`, `postgresql`, `mysql` (MariaDB too) or `mssql`."""
        name = self._context.dialect.name
        return "mysql" if name == "mariadb" else name

    def create_table(self, name: str, *parts: Any, clustered: bool = False) -> None:
        """Create a table, whose rows lie in the order of its primary key if it is clustered."""
        if not self._context.as_sql and self._inspector().has_table(name):
            return
        op.create_table(
            name,
            *parts,
            sqlite_with_rowid=not clustered,
            sqlite_autoincrement="id" in [getattr(part, "name", None) for part in parts],
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mariadb_engine="InnoDB",
            mariadb_charset="utf8mb4",
        )

    def store_as_it_is(self, table: str, column: str) -> None:
        """Let PostgreSQL not try to compress a column whose bytes are compressed already."""
        if self.dialect == "postgresql":
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")

    def add_column(self, table: str, column: sa.Column[Any]) -> None:
        """Add a column that may be NULL or has a `server_default`, so that nothing is copied."""
        if not self._context.as_sql and column.name in self._columns(table):
            return
        self._patiently(lambda: op.add_column(table, column))

    def drop_column(self, table: str, name: str) -> None:
        """Drop a column: breaking, so `ask_for` comes first."""
        if not self._context.as_sql and name not in self._columns(table):
            return
        self._patiently(lambda: op.drop_column(table, name))

    def create_index(self, name: str, table: str, columns: Sequence[str | sa.TextClause]) -> None:
        """Create an index while others read and write."""
        if not self._context.as_sql:
            if name in {index["name"] for index in self._inspector().get_indexes(table)}:
                if not self._is_half_made(name):
                    return
                op.drop_index(name, table, postgresql_concurrently=True)
            self._progress(f"Indexing {table} ({name}).")
        if self._is_online():  # it waits for transactions that are older, and holds up nobody
            op.create_index(name, table, list(columns), postgresql_concurrently=True)
        else:
            self._patiently(lambda: op.create_index(name, table, list(columns)))

    def fill(self, table: str, column: str, value: sa.ColumnElement[Any], *, by: str) -> None:
        """Set a column where it is NULL, a part of the table at a time, so that others go on.

        Args:
            table: The table.
            column: What is set.
            value: An expression over the table's other columns.
            by: A column of integers that an index begins with.
        """
        key: sa.ColumnClause[int] = sa.column(by, sa.BigInteger())
        target = sa.table(table, sa.column(column), key)
        empty = sa.column(column).is_(None)
        change = target.update().values({column: value}).where(empty)
        if self._context.as_sql:
            op.execute(change)
            return
        connection = op.get_bind()
        query = sa.select(sa.func.min(key)).select_from(target).where(empty)
        low, done = connection.scalar(query), 0
        while low is not None:
            high = low + _ROWS_AT_ONCE
            done += connection.execute(change.where(key >= low, key < high)).rowcount
            self._progress(f"Filling {table}.{column}: {done:,} rows.")
            low = connection.scalar(query.where(key >= high))

    def ask_for(self, *, reader: int, writer: int) -> None:
        """Refuse code of lower levels from now on: the first step of a revision that breaks it."""
        for name, level in (("minimum_reader", reader), ("minimum_writer", writer)):
            op.execute(
                schema_property.update()
                .where(schema_property.c.name == name)
                .values(value=str(level))
            )

    def _is_online(self) -> bool:
        """Tell whether an index can be made beside writers; in a new table there are none."""
        return self.dialect == "postgresql" and self._context.get_current_revision() is not None

    def _is_half_made(self, index: str) -> bool:
        """Tell whether an index is what an interrupted CREATE INDEX CONCURRENTLY leaves."""
        if self.dialect != "postgresql":
            return False
        valid = op.get_bind().scalar(
            sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"),
            {"name": index},
        )
        return valid is False

    def _patiently(self, change: Callable[[], None]) -> None:
        """Change a table in a moment when nobody uses it, rather than let all queue behind."""
        if self._context.as_sql or self.dialect not in _LOCK_TIMEOUTS:
            change()
            return
        connection = op.get_bind()
        limit, unlimit = _LOCK_TIMEOUTS[self.dialect]
        connection.exec_driver_sql(limit)
        try:
            for remaining in reversed(range(_TRIES)):
                try:
                    change()
                    return
                except sa.exc.OperationalError as error:
                    if not _is_lock_timeout(error) or not remaining:
                        raise
                    self._progress("The table is in use; trying again.")
                    time.sleep(_PAUSE)
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql(unlimit)

    def _inspector(self) -> sa.Inspector:
        return sa.inspect(op.get_bind())

    def _columns(self, table: str) -> set[str]:
        return {column["name"] for column in self._inspector().get_columns(table)}


def _is_lock_timeout(error: sa.exc.OperationalError) -> bool:
    cause = error.orig
    # PostgreSQL's lock_not_available, MySQL's ER_LOCK_WAIT_TIMEOUT.
    return getattr(cause, "sqlstate", "") == "55P03" or (
        bool(cause and cause.args) and cause.args[0] == 1205  # type: ignore[union-attr]
    )
