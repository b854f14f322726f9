"""What a database is, as `tracking db status` tells it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy import Connection, func, inspect, select, text

from tracking_core_sql import schema
from tracking_core_sql.migrations.revisions import HEAD, compatibility, found_properties
from tracking_core_sql.stock.recognise import is_mlflow_database

State = Literal["empty", "mlflow", "unfinished", "tracking"]

# Where the database has an estimate, it is taken for tables of more rows than this.
_MANY = 100_000


class TableSize(NamedTuple):
    """How large a table is.

    Attributes:
        name: The table.
        rows: Its rows.
        is_estimate: Whether the rows are the database's estimate.
        size: Bytes, with its indexes; None where the database doesn't tell.
    """

    name: str
    rows: int
    is_estimate: bool
    size: int | None


class Status(NamedTuple):
    """What a database is.

    Attributes:
        state: `tracking`: it has our tables; `unfinished`: some of them; `mlflow`: MLflow's;
            `empty`: neither.
        revision: The revision of its tables; empty if it has none.
        readable: Whether this version can read it.
        writable: Whether this version can write to it.
        hint: What to do, or what will happen, as a sentence; empty if all is well.
        tables: Their sizes.
    """

    state: State
    revision: str
    readable: bool
    writable: bool
    hint: str
    tables: tuple[TableSize, ...]


def status(connection: Connection, *, sized: bool = True) -> Status:
    """Return what a database is, without changing anything."""
    state = state_of(connection)
    if state == "mlflow":
        hint = "This is a database of MLflow; name another for tracking."
        return Status(state, "", False, False, hint, ())
    if state == "empty":
        hint = "There are no tables yet; the first write makes them, or `tracking db upgrade`."
        return Status(state, "", True, True, hint, ())
    if state == "unfinished":
        hint = "Making the tables was interrupted; the next write finishes it, or an upgrade."
        return Status(state, "", True, True, hint, ())
    can = compatibility(found_properties(connection))
    hint = f"{can.hint[0].upper()}{can.hint[1:]}." if can.hint else ""
    if not hint and can.is_older:
        hint = f"`tracking db upgrade` brings it to {HEAD}; until then all works as it is."
    return Status(
        state, can.revision, can.readable, can.writable, hint, sizes(connection) if sized else ()
    )


def state_of(connection: Connection) -> State:
    """Return whose tables there are."""
    names = set(inspect(connection).get_table_names())
    if "revision" in found_properties(connection):
        return "tracking"
    if names.intersection(schema.metadata.tables):
        return "unfinished"
    return "mlflow" if is_mlflow_database(connection) else "empty"


def sizes(connection: Connection) -> tuple[TableSize, ...]:
    """Return the sizes of our tables that are there, the largest first."""
    there = set(inspect(connection).get_table_names())
    names = [name for name in schema.metadata.tables if name in there]
    estimates, bytes_ = _told(connection)
    found = []
    for name in names:
        rows = estimates.get(name, 0)
        is_estimate = rows > _MANY
        if not is_estimate:
            table = schema.metadata.tables[name]
            rows = connection.scalar(select(func.count()).select_from(table)) or 0
        found.append(TableSize(name, rows, is_estimate, bytes_.get(name)))
    return tuple(sorted(found, key=lambda size: (-(size.size or 0), -size.rows, size.name)))


def _told(connection: Connection) -> tuple[dict[str, int], dict[str, int]]:
    """Return the estimates of rows, and the bytes, that the database itself keeps."""
    query = _QUERIES.get(connection.dialect.name)
    if query is None:
        return {}, {}
    if connection.dialect.name == "sqlite":
        # Not every build of sqlite has the table that tells.
        if not connection.scalar(text("SELECT sqlite_compileoption_used('ENABLE_DBSTAT_VTAB')")):
            return {}, {}
        return {}, {name: int(size) for name, size in connection.execute(text(query))}
    rows = list(connection.execute(text(query)))
    return {n: int(r or 0) for n, r, _ in rows}, {n: int(b or 0) for n, _, b in rows}


_QUERIES = {
    "sqlite": "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat AS s JOIN sqlite_master AS m"
    " ON m.name = s.name WHERE s.aggregate = TRUE GROUP BY m.tbl_name",
    "postgresql": "SELECT relname, reltuples::bigint, pg_total_relation_size(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
    "mysql": "SELECT table_name, table_rows, data_length + index_length"
    " FROM information_schema.tables WHERE table_schema = DATABASE()",
    "mssql": "SELECT OBJECT_NAME(object_id), SUM(CASE WHEN index_id < 2 THEN row_count END),"
    " SUM(used_page_count) * 8192 FROM sys.dm_db_partition_stats GROUP BY object_id",
}
_QUERIES["mariadb"] = _QUERIES["mysql"]
