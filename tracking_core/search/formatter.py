"""The meaning of filters and orders back to text, which the parser reads as the same meaning."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from tracking_core.errors import InvalidValueError
from tracking_core.search.ast import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Or,
    OrderBy,
    Subject,
)
from tracking_core.search.vocabulary import Stock, Vocabulary, vocabulary

MAX_DEPTH = 200
"""The deepest expression that is formatted or evaluated; no parsed one is deeper."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Words that stock MLflow's parser takes for SQL, even after a dot.
_SQL_WORDS = {"as", "case", "from", "in", "using", "values"}


def format_filter(expression: Expression | None, subject: Subject) -> str:
    """Return a filter that parses to this expression; for None, an empty one.

    Raises:
        InvalidValueError: The subject lacks a field, or the expression is nested too deeply.
    """
    return "" if expression is None else _formatted(expression, vocabulary(subject), 0)


def format_order_by(order_by: Iterable[OrderBy], subject: Subject) -> list[str]:
    """Return the clauses that parse to this order.

    Raises:
        InvalidValueError: The subject lacks a field, or a key is limited to a data set, for which
            a clause has no words.
    """
    words = vocabulary(subject)
    clauses = []
    for order in order_by:
        name = _field(order.field, words)
        if order.dataset_name is not None or order.dataset_digest is not None:
            raise InvalidValueError(
                f"The order by {name} on data set {order.dataset_name!r} can't be written as text."
            )
        clauses.append(f"{name} {'ASC' if order.ascending else 'DESC'}")
    return clauses


def is_mlflow_filter(expression: Expression | None, subject: Subject) -> bool:
    """Tell whether stock MLflow's grammar has this filter, with the same meaning.

    If so, stock MLflow reads the text of `format_filter` as we do. It has no OR, NOT, nor
    parentheses, IN and NULL tests for some fields only, and no way to write some values.
    """
    words = vocabulary(subject)
    if expression is None:
        return True
    terms = expression.terms if isinstance(expression, And) else (expression,)
    return all(_is_mlflow_test(term, words) for term in terms)


def _formatted(expression: Expression, words: Vocabulary, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise InvalidValueError(f"The filter is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(expression, Comparison):
        value = _value(expression.value, words)
        return f"{_field(expression.field, words)} {expression.operator.value} {value}"
    if isinstance(expression, Membership):
        values = ", ".join(_value(value, words) for value in expression.values)
        how = "NOT IN" if expression.negated else "IN"
        return f"{_field(expression.field, words)} {how} ({values})"
    if isinstance(expression, NullTest):
        how = "IS NOT NULL" if expression.negated else "IS NULL"
        return f"{_field(expression.field, words)} {how}"
    if isinstance(expression, Not):
        term = _formatted(expression.term, words, depth + 1)
        return f"NOT ({term})" if isinstance(expression.term, (And, Or)) else f"NOT {term}"
    # An AND within an AND keeps its parentheses, since it is another expression without them.
    binds_looser = (And, Or) if isinstance(expression, And) else Or
    joint = " AND " if isinstance(expression, And) else " OR "
    return joint.join(
        f"({_formatted(term, words, depth + 1)})"
        if isinstance(term, binds_looser)
        else _formatted(term, words, depth + 1)
        for term in expression.terms
    )


def _field(field: Field, words: Vocabulary) -> str:
    words.column(field)
    part = words.parts[field.kind]
    key = field.key
    if not key:
        raise InvalidValueError(f"A {field.kind.value} with an empty key can't be searched for.")
    if part.column is None:
        return key if field.kind is FieldKind.ATTRIBUTE else f"{part.prefixes[0]}.{key}"
    if not _PLAIN_KEY.fullmatch(key) or key.lower() in _SQL_WORDS:
        key = f'"{key}"' if _needs_double_quotes(key, words) else "`" + key.replace("`", "``") + "`"
    return f"{part.prefixes[0]}.{key}"


def _needs_double_quotes(key: str, words: Vocabulary) -> bool:
    """Tell whether stock MLflow reads this key in double quotes only."""
    return (
        "`" in key
        and '"' not in key
        and "\\" not in key
        and '"' in words.stock_quotes
        and not (key.startswith("`") and key.endswith("`"))
    )


def _value(value: int | float | str, words: Vocabulary) -> str:
    if isinstance(value, str):
        quote = '"' if "'" in value and '"' not in value and '"' in words.stock_quotes else "'"
        # Backslashes before a quote or at the end are doubled, others stand for themselves.
        escaped = re.sub(rf"(\\+)({quote}|\Z)", r"\1\1\2", value) if "\\" in value else value
        return f"{quote}{escaped.replace(quote, quote * 2)}{quote}"
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return repr(value).replace("e+", "e")  # stock MLflow knows no plus there
    return str(int(value))


def _is_mlflow_test(term: Expression, words: Vocabulary) -> bool:
    if not isinstance(term, (Comparison, Membership, NullTest)):
        return False
    column = words.column(term.field)
    stock = column.stock
    if not _is_mlflow_key(term.field, words):
        return False
    if isinstance(term, NullTest):
        return Stock.NULLS in stock
    if isinstance(term, Membership):
        # It reads lists as Python's, where backslashes mean something and lines must not break.
        return Stock.LISTS in stock and all(
            isinstance(value, str)
            and "\\" not in value
            and _is_mlflow_text(value, words)
            and not _BREAKS_LISTS.search(value)
            for value in term.values
        )
    if Stock.COMPARE not in stock:
        return False
    if isinstance(term.value, str):
        return _is_mlflow_text(term.value, words)
    # It cuts the fraction off what a version is compared with.
    return math.isfinite(term.value) and not (column.quoted_numbers and term.value % 1)


_BREAKS_LISTS = re.compile("[\n\r\0\ud800-\udfff]")


def _is_mlflow_text(value: str, words: Vocabulary) -> bool:
    if "'" in value and ('"' in value or '"' not in words.stock_quotes):
        return False
    return not value.endswith("\\")


def _is_mlflow_key(field: Field, words: Vocabulary) -> bool:
    if words.parts[field.kind].column is None:
        return True
    key = field.key
    return "\n" not in key and ("`" not in key or _needs_double_quotes(key, words))
