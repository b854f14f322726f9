"""Pages of runs, found along an index whatever the number of runs and the depth of the page.

A page is found in one of three ways, which is decided here, not by a database's planner: that
knows how values are spread over a table, but not how those of one key are.

- *Along the order*: from an index on what is ordered by, asking the filter of each run, until the
  page is full (`along_order`).
- *From the filter*: from the index of the test that the fewest runs pass; all of them are sorted
  (`run_sources`).
- *All*: each run of the experiments is looked at, and what matches is sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from tracking_core.entities import ViewType
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.along_order import Along, is_along_order
from tracking_core_sql.searching.conditions import Tree, condition
from tracking_core_sql.searching.orders import OrderTerm, scalars
from tracking_core_sql.searching.pages import PlaceInOrder, order_terms, page_statement
from tracking_core_sql.searching.planning import go_by_index
from tracking_core_sql.searching.run_fields import Scope
from tracking_core_sql.searching.run_sources import (
    MOST_COUNTED,
    Source,
    counted,
    from_filter,
    sources,
)
from tracking_core_sql.searching.values import Scalar

_run = schema.run.c


def find_runs(
    transaction: Transaction,
    *,
    scope: Scope,
    view_type: ViewType,
    tree: Tree | None,
    place: PlaceInOrder,
    limit: int,
) -> list[tuple[int, list[Scalar]]]:
    """Return the numbers of the next runs, in order, and what they are ordered by.

    Args:
        transaction: Where to look.
        scope: The experiments.
        view_type: Which lifecycle stages.
        tree: The filter; None matches everything.
        place: The order, and where the page before ended.
        limit: How many to return.
    """
    order = place.ordering.order
    go_by_index(transaction, is_wanted=True)
    counts = counted(transaction, sources(tree, scope), scope)
    is_along = is_along_order(order, scope)
    if is_along and not (counts and is_filter_first(counts[0][0], limit)):
        return Along(transaction, scope, view_type, tree, order, place.end).find(limit)
    if not counts:
        go_by_index(transaction, is_wanted=False)

    def build() -> tuple[Select[Any], list[OrderTerm]]:
        tables, conditions = _matching(transaction, scope, view_type, tree, counts)
        terms = order_terms(place.ordering, lambda each: scope.place(each.field).sorted())
        return (
            page_statement(transaction, tables, _run.id, conditions, terms, place.end, limit),
            terms,
        )

    first = counts[0][1].test if counts else None
    asked = (scope.identity(), view_type, tree, tuple(order), place.end, limit)
    rows, terms = transaction.rows_of(("page", first, *asked), build)
    return [(row[0], scalars(terms, row[1:])) for row in rows]


def count_found(
    transaction: Transaction, *, scope: Scope, view_type: ViewType, tree: Tree | None
) -> int:
    """Return how many runs match."""
    go_by_index(transaction, is_wanted=True)
    counts = counted(transaction, sources(tree, scope), scope)
    if not counts:
        go_by_index(transaction, is_wanted=False)
    tables, conditions = _matching(transaction, scope, view_type, tree, counts)
    row = transaction.first(select(func.count()).select_from(tables).where(*conditions))
    return int(row[0]) if row is not None else 0


def _matching(
    transaction: Transaction,
    scope: Scope,
    view_type: ViewType,
    tree: Tree | None,
    counts: Sequence[tuple[int, Source]],
) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Return the tables and the conditions that find all runs that match."""
    if counts:
        return from_filter(transaction, counts[0][1], scope, view_type)
    conditions = scope.view(transaction, view_type)
    if tree is not None:
        conditions.append(condition(transaction, tree, scope.place))
    return schema.run, conditions


def is_filter_first(fewest: int, limit: int) -> bool:
    """Tell whether to go from the filter rather than along the order.

    Along the order, more than `limit` runs are looked at, and all of them where few match; from
    the filter, all that pass the test. If no test is known to be passed by few, many match.
    """
    return fewest < MOST_COUNTED or limit > MOST_COUNTED
