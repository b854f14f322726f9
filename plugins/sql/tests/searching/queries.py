"""Random filters and orders of every subject, made of what is there and what nearly is."""

# ruff: noqa: RUF001 - look-alikes are what is tested

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from plugins.sql.tests.searching.entities import KEYS, LARGEST, LONG, NUMBERS, PROMPT, TEXTS, TIMES
from tracking_core.search import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Operator,
    Or,
    OrderBy,
    Subject,
    vocabulary,
)
from tracking_core.search.vocabulary import ValueType

_ALPHABET = "".join(sorted(set("".join(TEXTS)))) + "%%%___\\\\\0"
_keys = st.sampled_from([*KEYS, PROMPT, "unknown", "a\0", "\ud800", "common" * 50])
_texts = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(["%", "%%", "_", "__", "x%", "%x", "%k%", "%ſ", LONG + "%", LONG + "_"]),
    st.sampled_from(["\ud800", "a\0", "r000a", "R000a", "m-001"]),
    st.text(_ALPHABET, max_size=4),
)
_numbers = st.one_of(
    st.sampled_from([*NUMBERS, *TIMES, -1, 2**53 + 1, -(2**53) - 1, 2**63, -(2**63), -(2**63) - 1]),
    st.sampled_from([10**400, -(10**400), 2**64, int(LARGEST) + 1, int(LARGEST), 0.5, 1.5, -0.5]),
    st.sampled_from([math.nan, math.inf, -math.inf, 9.3e18, -9.3e18, 2**53 + 0.0]),
)


@st.composite
def _fields(draw: Any, subject: Subject) -> tuple[Field, ValueType]:
    words = vocabulary(subject)
    kind = draw(st.sampled_from(list(words.parts)))
    part = words.parts[kind]
    key = draw(st.sampled_from(sorted(part.columns)) if part.columns else _keys)
    field = Field(kind, key)
    return field, words.column(field).type


@st.composite
def _tests(draw: Any, subject: Subject) -> Expression:
    field, kind = draw(_fields(subject))
    values = _texts if kind is ValueType.TEXT else _numbers
    shape = draw(st.sampled_from(["comparison", "comparison", "comparison", "in", "null"]))
    if shape == "null":
        return NullTest(field, draw(st.booleans()))
    if shape == "in":
        listed = draw(st.lists(values, min_size=1, max_size=5))
        return Membership(field, tuple(listed), draw(st.booleans()))
    return Comparison(field, draw(st.sampled_from(kind.operators)), draw(values))


def expressions(subject: Subject) -> st.SearchStrategy[Expression]:
    """Filters, nested a few levels deep."""

    def extend(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        terms = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(terms.map(And), terms.map(Or), inner.map(Not))

    return st.recursive(_tests(subject), extend, max_leaves=6)


@st.composite
def orders(draw: Any, subject: Subject) -> tuple[OrderBy, ...]:
    """Orders by up to three fields."""
    fields = draw(
        st.lists(
            _fields(subject).filter(lambda found: found[0].kind is not FieldKind.DATASET),
            max_size=3,
        )
    )
    on = st.sampled_from([(None, None), ("d", None), ("d", "1"), ("unknown", "\0")])
    found = []
    for field, _ in fields:
        dataset = (None, None)
        if subject is Subject.LOGGED_MODELS and field.kind is FieldKind.METRIC:
            dataset = draw(on)
        found.append(OrderBy(field, draw(st.booleans()), *dataset))
    return tuple(found)


LIKES = (Operator.LIKE, Operator.ILIKE)
