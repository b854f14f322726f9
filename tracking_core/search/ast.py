"""What a filter means, as a value: the abstract syntax tree that every store gets.

Meaning (the evaluator in `tracking_core.search.evaluator` is the authority):

- A comparison with a metric, param, tag or attribute that the entity lacks is false, for `!=` too.
- `NOT` is the complement: it matches exactly what its term doesn't.
- Text compares by code point; `LIKE` is case-sensitive, `ILIKE` is not; `%` is any text, `_` any
  one character, a backslash before either (or before a backslash) makes it ordinary.
- NaN equals nothing, itself included, and is neither less nor greater than anything.
"""

from __future__ import annotations

import enum

import msgspec


class Subject(str, enum.Enum):
    """What is searched."""

    RUNS = "runs"
    EXPERIMENTS = "experiments"
    REGISTERED_MODELS = "registered models"
    MODEL_VERSIONS = "model versions"
    LOGGED_MODELS = "logged models"


class FieldKind(str, enum.Enum):
    """The part of an entity that a field lies in."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAM = "param"
    TAG = "tag"
    DATASET = "dataset"


class Operator(str, enum.Enum):
    """How a field is compared with a value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"


class Field(msgspec.Struct, frozen=True):
    """A name in a filter or an order, its aliases resolved (`created` is `start_time`)."""

    kind: FieldKind
    key: str


class Comparison(msgspec.Struct, frozen=True, tag="comparison"):
    """`field operator value`; the value is a number where the field is one, else text."""

    field: Field
    operator: Operator
    value: int | float | str


class Membership(msgspec.Struct, frozen=True, tag="in"):
    """`field IN (values)`; `NOT IN` when negated, which a lacking field fails too."""

    field: Field
    values: tuple[int | float | str, ...]
    negated: bool = False


class NullTest(msgspec.Struct, frozen=True, tag="null"):
    """`field IS NULL`; `field IS NOT NULL` when negated."""

    field: Field
    negated: bool = False


class And(msgspec.Struct, frozen=True, tag="and"):
    """All of the terms; at least two."""

    terms: tuple[Expression, ...]


class Or(msgspec.Struct, frozen=True, tag="or"):
    """Any of the terms; at least two."""

    terms: tuple[Expression, ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """The complement of the term."""

    term: Expression


Expression = Comparison | Membership | NullTest | And | Or | Not
"""A parsed filter. An absent filter is None, and matches everything."""


class OrderBy(msgspec.Struct, frozen=True):
    """One key of an order. NaN comes after the numbers and lacking fields last, in both directions.

    Attributes:
        field: What to order by.
        ascending: Direction.
        dataset_name: For a logged model's metric: of which data set.
        dataset_digest: Likewise.
    """

    field: Field
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None
