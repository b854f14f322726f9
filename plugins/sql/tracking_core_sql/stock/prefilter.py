"""Leaving out, in the database, runs that a filter certainly doesn't find.

What is left is filtered again by the reference evaluator, so a condition here may let too much
through (a collation that ignores case does) but never too little.
"""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from tracking_core.search.ast import (
    And,
    Comparison,
    Expression,
    FieldKind,
    Membership,
    Operator,
)
from tracking_core_sql.stock.reading import Reading
from tracking_core_sql.stock.values import is_storable, stored

_EXACT_INTEGERS = 2**53


def prefilter(reading: Reading, expression: Expression) -> list[ColumnElement[bool]]:
    """Return conditions on the table of runs that hold for every run that a filter finds."""
    terms = expression.terms if isinstance(expression, And) else (expression,)
    found = (_condition(reading, term) for term in terms)
    return [condition for condition in found if condition is not None]


def _condition(reading: Reading, term: Expression) -> ColumnElement[bool] | None:
    if isinstance(term, And):
        return None
    if isinstance(term, Comparison):
        if term.field.kind is FieldKind.METRIC:
            return _metric(reading, term)
        if term.operator is Operator.EQUAL:
            return _text(reading, term, (term.value,))
    elif isinstance(term, Membership) and not term.negated:
        return _text(reading, term, term.values)
    return None


def _text(
    reading: Reading, term: Comparison | Membership, values: tuple[int | float | str, ...]
) -> ColumnElement[bool] | None:
    runs = reading.tables["runs"].c
    kind, key = term.field.kind, term.field.key
    if not all(is_storable(str(each)) for each in (key, *values)):
        return None
    if kind in (FieldKind.PARAM, FieldKind.TAG):
        # An empty text is what NULL reads as.
        if "" in values:
            return None
        each = reading.tables["params" if kind is FieldKind.PARAM else "tags"].c
        return _among(runs, select(each.run_uuid).where(each.key == key, each.value.in_(values)))
    if kind is FieldKind.ATTRIBUTE and key == "run_id":
        return runs.run_uuid.in_(values)
    return None


def _metric(reading: Reading, term: Comparison) -> ColumnElement[bool] | None:
    value = term.value
    if "latest_metrics" not in reading.tables or isinstance(value, str):
        return None
    if isinstance(value, int) and abs(value) > _EXACT_INTEGERS:
        return None
    if math.isnan(value) or not is_storable(term.field.key):
        return None
    each = reading.tables["latest_metrics"].c
    bound = stored(float(value))
    # `>` takes in the bound too: the largest double stands for infinity.
    conditions: dict[Operator, ColumnElement[bool]] = {
        Operator.EQUAL: each.value == bound,
        Operator.GREATER: each.value >= bound,
        Operator.GREATER_OR_EQUAL: each.value >= bound,
        Operator.LESS: each.value <= bound,
        Operator.LESS_OR_EQUAL: each.value <= bound,
    }
    condition = conditions.get(term.operator)
    if condition is None:
        return None
    chosen = select(each.run_uuid).where(each.key == term.field.key, condition)
    return _among(reading.tables["runs"].c, chosen)


def _among(runs: Any, chosen: Select[Any]) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = runs.run_uuid.in_(chosen)
    return condition
