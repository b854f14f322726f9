"""Comparisons of columns with any number of Python's, exactly.

A literal may be a float where the column is an integer, an integer that no double equals, beyond
any range, infinite or NaN. So the bound is rewritten to the nearest one that the column can hold.
"""

from __future__ import annotations

import math

from sqlalchemy import ColumnElement, and_, false, or_, true

from tracking_core.search import Operator
from tracking_core_sql.values import LARGEST_DOUBLE

_LESS = (Operator.LESS, Operator.LESS_OR_EQUAL)
_GREATER = (Operator.GREATER, Operator.GREATER_OR_EQUAL)
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1


def integer_condition(
    column: ColumnElement[int], operator: Operator, number: int | float
) -> ColumnElement[bool]:
    """Return the condition on a column of integers; NULL is for the caller to rule out."""
    if number != number:
        return true() if operator is Operator.NOT_EQUAL else false()
    if operator in (Operator.EQUAL, Operator.NOT_EQUAL):
        whole = exact_integer(number)
        if whole is None:
            return false() if operator is Operator.EQUAL else true()
        return column == whole if operator is Operator.EQUAL else column != whole
    if number in (math.inf, -math.inf):
        return true() if (number > 0) is (operator in _LESS) else false()
    # Over integers `< x` is `<= ceil(x) - 1`.
    if operator in _LESS:
        bound = math.floor(number) if operator is Operator.LESS_OR_EQUAL else math.ceil(number) - 1
        if bound >= _LARGEST_INTEGER:
            return true()
        return column <= bound if bound >= _SMALLEST_INTEGER else false()
    bound = math.ceil(number) if operator is Operator.GREATER_OR_EQUAL else math.floor(number) + 1
    if bound <= _SMALLEST_INTEGER:
        return true()
    return column >= bound if bound <= _LARGEST_INTEGER else false()


def exact_integer(number: int | float) -> int | None:
    """Return the 64-bit integer that equals a number, or None."""
    if isinstance(number, float) and not number.is_integer():
        return None
    whole = int(number)
    return whole if _SMALLEST_INTEGER <= whole <= _LARGEST_INTEGER else None


def double_condition(
    value: ColumnElement[float],
    infinity: ColumnElement[int],
    operator: Operator,
    number: int | float,
) -> ColumnElement[bool]:
    """Return the condition on the two columns of a double; two-valued, though NaN is NULL."""
    if operator is Operator.NOT_EQUAL:
        if exact_double(number) is None:
            return true()
        return or_(value.is_(None), ~_equal(value, infinity, number))
    if number != number:
        return false()
    if operator is Operator.EQUAL:
        if exact_double(number) is None:
            return false()
        return and_(value.is_not(None), _equal(value, infinity, number))
    return and_(value.is_not(None), _beyond(value, infinity, operator, number))


def exact_double(number: int | float) -> float | None:
    """Return the double that equals a number, or None; for NaN too, which equals nothing."""
    if number != number:
        return None
    try:
        double = float(number)
    except OverflowError:
        return None
    return double if double == number else None


def _equal(
    value: ColumnElement[float], infinity: ColumnElement[int], number: int | float
) -> ColumnElement[bool]:
    if number in (math.inf, -math.inf):
        return infinity == (1 if number > 0 else -1)
    if abs(number) == LARGEST_DOUBLE:
        return and_(value == float(number), infinity == 0)
    return value == float(number)


def _beyond(
    value: ColumnElement[float],
    infinity: ColumnElement[int],
    operator: Operator,
    number: int | float,
) -> ColumnElement[bool]:
    """Compare numbers, NaN ruled out, by the bound among the doubles."""
    if operator in _GREATER:
        # The same, seen from the other side.
        is_strict = operator is Operator.GREATER
        return ~_beyond(
            value, infinity, Operator.LESS_OR_EQUAL if is_strict else Operator.LESS, number
        )
    bound, is_strict = _upper_bound(number, is_strict=operator is Operator.LESS)
    if bound == math.inf:
        return infinity != 1 if is_strict else true()
    if bound == -math.inf:
        return false() if is_strict else infinity == -1
    if bound == LARGEST_DOUBLE and not is_strict:
        return infinity != 1
    if bound == -LARGEST_DOUBLE and is_strict:
        return infinity == -1
    return value < bound if is_strict else value <= bound


def _upper_bound(number: int | float, *, is_strict: bool) -> tuple[float, bool]:
    """Return the double that bounds the doubles below a number."""
    try:
        double = float(number)
    except OverflowError:
        return (math.inf, True) if number > 0 else (-math.inf, False)
    if double == number:
        return double, is_strict
    # No double equals it, so that it doesn't matter on which side of it the bound lies.
    return double, double > number
