"""How databases are told to go about a query, where they can't know better than its author.

Their planners guess from statistics of whole columns, which a new database doesn't have yet and
which say nothing of one key's values among all. A wrong guess costs a hundred times the query.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, text

from tracking_core_sql.database import Transaction

_SCANS = ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin", "material")


def go_by_index(transaction: Transaction, *, is_wanted: bool) -> None:
    """Have PostgreSQL use indexes and nested loops, or what it thinks best, until told again."""
    if transaction.dialect == "postgresql":
        transaction.rows(_BY_INDEX if is_wanted else _FREELY)


def _settings(**values: str) -> Any:
    return text(
        "SELECT " + ", ".join(f"set_config('{name}', '{v}', true)" for name, v in values.items())
    )


# Compiling a query takes it longer than these run.
_BY_INDEX = _settings(jit="off", **{f"enable_{scan}": "off" for scan in _SCANS})
_FREELY = _settings(jit="off", **{f"enable_{scan}": "on" for scan in _SCANS})


def late(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition so that an outer join before it stays one, whose order is fixed."""
    return case((condition, 1), else_=0) == 1


def beginning_with(
    transaction: Transaction, statement: Select[Any], table: FromClause, index: str | None
) -> Select[Any]:
    """Have MySQL and MariaDB join the tables as they are written, the first by this index."""
    if transaction.dialect != "mysql":
        return statement
    statement = statement.prefix_with("STRAIGHT_JOIN")
    if index is None:
        return statement
    return statement.with_hint(table, f"FORCE INDEX ({index})")
