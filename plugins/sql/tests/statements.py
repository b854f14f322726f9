"""What a call asks of the database, statement by statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy


@contextmanager
def collected_statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements, with their parameters, that are executed meanwhile."""
    seen: list[tuple[str, Any]] = []

    def see(_1: object, _2: object, statement: str, parameters: Any, *_3: object) -> None:
        if " tracking_" in statement:  # how transactions begin and end is not of the call
            seen.append((statement, parameters))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", see)
