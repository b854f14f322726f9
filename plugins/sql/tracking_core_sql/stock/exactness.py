"""Comparing text by code point, also where a collation ignores case, accents and padding."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column


def exactly(dialect: str, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    """Return the condition that a column has this text; an index on it still serves."""
    equal = column == text
    if dialect not in ("mysql", "mariadb"):
        return equal
    utf8 = func.convert(column.op("USING")(literal_column("utf8mb4")))
    return and_(equal, func.hex(utf8) == text.encode().hex().upper())
