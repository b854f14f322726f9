"""What a filter means: the reference that every store's own search is held against."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tracking_core.errors import InvalidValueError
from tracking_core.search.ast import (
    And,
    Comparison,
    Expression,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Operator,
    Or,
    Subject,
)
from tracking_core.search.formatter import MAX_DEPTH
from tracking_core.search.vocabulary import (
    Column,
    Entity,
    MeasuredOn,
    Scalar,
    ValueType,
    Vocabulary,
    is_measured_on,
    vocabulary,
)

Predicate = Callable[[Any], bool]


def compile_filter(
    expression: Expression | None, subject: Subject, *, measured_on: MeasuredOn = ()
) -> Callable[[Entity], bool]:
    """Return the function that tells whether an entity of the subject matches.

    Args:
        expression: A parsed filter; None matches everything.
        subject: What the function is called with.
        measured_on: For logged models: only metrics of these data sets (name, digest; None: any
            digest) are looked at, and a filter without metrics wants at least one of them.

    Raises:
        InvalidValueError: The subject lacks a field, a value is of the wrong type, or the
            expression is nested too deeply; none of which a parsed filter does.
    """
    words = vocabulary(subject)
    matches: Predicate
    matches = _everything if expression is None else _compiled(expression, words, measured_on, 0)
    if measured_on and subject is Subject.LOGGED_MODELS and not _looks_at_metrics(expression):
        return _all_of([lambda model: _has_metric_on(model, measured_on), matches])
    return matches


def compile_like(pattern: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """Return the function that tells whether text matches a pattern of LIKE (or ILIKE) as a whole.

    `%` is any text, `_` any one character; a backslash before either or before a backslash makes
    it ordinary. Takes time in proportion to the text, whatever the pattern.
    """
    segments = [""]
    for escaped, wildcard, plain in re.findall(r"\\([%_\\])|([%_])|([^%_\\]+|\\)", pattern):
        if wildcard == "%":
            segments.append("")
        else:
            segments[-1] += "." if wildcard else re.escape(escaped or plain)
    first, *middle = segments
    regex = first
    if middle:
        *middle, last = middle
        for number, segment in enumerate(part for part in middle if part):
            # A lookahead isn't tried again, so that the leftmost place of each segment is final.
            regex += f"(?=(?P<s{number}>.*?{segment}))(?P=s{number})"
        regex += f".*{last}"
    match = re.compile(regex, re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch
    return lambda text: match(text) is not None


def _everything(_: Entity) -> bool:
    return True


def _compiled(
    expression: Expression, words: Vocabulary, measured_on: MeasuredOn, depth: int
) -> Predicate:
    if depth > MAX_DEPTH:
        raise InvalidValueError(f"The filter is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(expression, And):
        return _all_of([_compiled(t, words, measured_on, depth + 1) for t in expression.terms])
    if isinstance(expression, Or):
        return _any_of([_compiled(t, words, measured_on, depth + 1) for t in expression.terms])
    if isinstance(expression, Not):
        term = _compiled(expression.term, words, measured_on, depth + 1)
        return lambda entity: not term(entity)
    column = words.column(expression.field, measured_on=measured_on)
    value_of = column.value_of
    if isinstance(expression, NullTest):
        return _null_test(column, negated=expression.negated)
    if not column.many:
        return _test(expression, column, value_of)
    matches = _test(expression, column, _itself)
    return lambda entity: any(map(matches, value_of(entity)))


def _itself(value: Scalar) -> Scalar:
    return value


def _test(
    expression: Comparison | Membership, column: Column, value_of: Callable[[Any], Any]
) -> Predicate:
    if isinstance(expression, Comparison):
        return _comparison(expression, column, value_of)
    return _membership(expression, column, value_of)


def _comparison(
    expression: Comparison, column: Column, value_of: Callable[[Any], Any]
) -> Predicate:
    value: Any = expression.value
    operator = expression.operator
    _check_value(expression, column, value)
    if operator not in column.type.operators:
        raise InvalidValueError(
            f"{operator.value} doesn't compare the {expression.field.kind.value}"
            f" {expression.field.key!r}, which is of type {column.type.value}."
        )
    if operator in (Operator.LIKE, Operator.ILIKE):
        like = compile_like(value, ignore_case=operator is Operator.ILIKE)
        return lambda entity: (v := value_of(entity)) is not None and like(v)
    # Spelled out, because a call for each comparison would cost as much as all the rest.
    predicates: dict[Operator, Predicate] = {
        Operator.EQUAL: lambda entity: bool(value_of(entity) == value),
        Operator.NOT_EQUAL: lambda entity: (v := value_of(entity)) is not None and v != value,
        Operator.LESS: lambda entity: (v := value_of(entity)) is not None and v < value,
        Operator.LESS_OR_EQUAL: lambda entity: (v := value_of(entity)) is not None and v <= value,
        Operator.GREATER: lambda entity: (v := value_of(entity)) is not None and v > value,
        Operator.GREATER_OR_EQUAL: lambda entity: (
            (v := value_of(entity)) is not None and v >= value
        ),
    }
    return predicates[operator]


def _membership(
    expression: Membership, column: Column, value_of: Callable[[Any], Any]
) -> Predicate:
    for value in expression.values:
        _check_value(expression, column, value)
    # NaN equals nothing, but a set would find it by its identity.
    values = frozenset(value for value in expression.values if value == value)
    if expression.negated:
        return lambda entity: (v := value_of(entity)) is not None and v not in values
    return lambda entity: value_of(entity) in values


def _null_test(column: Column, *, negated: bool) -> Predicate:
    value_of = column.value_of
    if column.many:
        if negated:
            return lambda entity: any(True for _ in value_of(entity))
        return lambda entity: not any(True for _ in value_of(entity))
    if negated:
        return lambda entity: value_of(entity) is not None
    return lambda entity: value_of(entity) is None


def _check_value(
    expression: Comparison | Membership, column: Column, value: int | float | str
) -> None:
    if isinstance(value, str) is not (column.type is ValueType.TEXT):
        field = expression.field
        raise InvalidValueError(
            f"The {field.kind.value} {field.key!r} is of type {column.type.value}"
            f" and can't be compared with {value!r}."
        )


def _all_of(terms: list[Predicate]) -> Predicate:
    if len(terms) == 2:
        first, second = terms
        return lambda entity: first(entity) and second(entity)
    if len(terms) == 3:
        first, second, third = terms
        return lambda entity: first(entity) and second(entity) and third(entity)
    return lambda entity: all(term(entity) for term in terms)


def _any_of(terms: list[Predicate]) -> Predicate:
    if len(terms) == 2:
        first, second = terms
        return lambda entity: first(entity) or second(entity)
    return lambda entity: any(term(entity) for term in terms)


def _looks_at_metrics(expression: Expression | None) -> bool:
    if expression is None:
        return False
    if isinstance(expression, (And, Or)):
        return any(_looks_at_metrics(term) for term in expression.terms)
    if isinstance(expression, Not):
        return _looks_at_metrics(expression.term)
    return expression.field.kind is FieldKind.METRIC


def _has_metric_on(model: Any, datasets: MeasuredOn) -> bool:
    return any(is_measured_on(metric, datasets) for metric in model.metrics)
