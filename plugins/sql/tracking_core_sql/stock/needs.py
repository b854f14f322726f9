"""What a search has to look at: the parts of runs that a filter and an order name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tracking_core.search.ast import And, Expression, Field, FieldKind, Not, Or, OrderBy
from tracking_core_sql.stock.values import is_storable


class Needs(msgspec.Struct, frozen=True):
    """The keys and parts that decide whether and where a run is found.

    Attributes:
        metrics: Keys.
        params: Keys.
        tags: Keys.
        datasets: Whether data sets are looked at.
    """

    metrics: frozenset[str]
    params: frozenset[str]
    tags: frozenset[str]
    datasets: bool


def needs_of(expression: Expression | None, order_by: Iterable[OrderBy]) -> Needs:
    """Return what a filter and an order look at."""
    fields = {*_fields(expression), *(order.field for order in order_by)}

    def keys(kind: FieldKind) -> frozenset[str]:
        return frozenset(f.key for f in fields if f.kind is kind and is_storable(f.key))

    return Needs(
        keys(FieldKind.METRIC),
        keys(FieldKind.PARAM),
        keys(FieldKind.TAG),
        any(field.kind is FieldKind.DATASET for field in fields),
    )


def _fields(expression: Expression | None) -> Iterator[Field]:
    if expression is None:
        return
    if isinstance(expression, (And, Or)):
        for term in expression.terms:
            yield from _fields(term)
    elif isinstance(expression, Not):
        yield from _fields(expression.term)
    else:
        yield expression.field
