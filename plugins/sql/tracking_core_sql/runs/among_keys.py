"""Conditions on lists of numbers in statements that are made once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, select
from sqlalchemy.dialects import postgresql


def among(dialect: str, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that a column has one of the numbers of a parameter."""
    if dialect == "sqlite":
        each = func.json_each(bindparam(name)).table_valued("value")
        return column.in_(select(each.c.value))
    if dialect == "postgresql":
        return column == func.any(bindparam(name, type_=postgresql.ARRAY(BigInteger)))
    return column.in_(bindparam(name, expanding=True))


def listed(dialect: str, numbers: Sequence[int]) -> Any:
    """Return the value of that parameter."""
    return json.dumps(numbers) if dialect == "sqlite" else list(numbers)
