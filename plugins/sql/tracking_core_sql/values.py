"""How single values lie in columns, so that every database holds and orders them alike."""

from __future__ import annotations

import math
import sys

from tracking_core_sql.schema import HEAD_LENGTH

LARGEST_DOUBLE = sys.float_info.max
MINUS_ZERO = -2
"""What `infinity` is beside the value 0.0 that was -0.0: sqlite and MariaDB drop its sign."""


def split_text(text: str) -> tuple[str, str]:
    """Return the columns `head` and `rest` of a text."""
    return text[:HEAD_LENGTH], text[HEAD_LENGTH:]


def split_double(value: float) -> tuple[float | None, int]:
    """Return the columns `value` and `infinity` of a double."""
    if math.isnan(value):
        return None, 0
    if math.isinf(value):
        sign = 1 if value > 0 else -1
        return sign * LARGEST_DOUBLE, sign
    if value == 0.0 and math.copysign(1.0, value) < 0:
        return 0.0, MINUS_ZERO
    return value, 0


def join_double(value: float | None, infinity: int) -> float:
    """Return the double of the columns `value` and `infinity`."""
    if value is None:
        return math.nan
    if not infinity:
        return value
    return -0.0 if infinity == MINUS_ZERO else math.inf * infinity
