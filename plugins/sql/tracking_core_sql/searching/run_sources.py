"""Tests of a filter that an index answers, and how many runs pass each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from tracking_core.entities import ViewType
from tracking_core.search import Comparison, FieldKind, Membership, NullTest, Operator
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.conditions import Group, Term, Tree, condition, terms_of
from tracking_core_sql.searching.planning import late
from tracking_core_sql.searching.run_fields import TABLES, Scope, value_in

_run = schema.run.c

MOST_COUNTED = 2_000
"""That many runs are sorted in a few milliseconds; more aren't counted."""

_MOST_TESTS_COUNTED = 8
_INDEXED_OPERATORS = {
    FieldKind.METRIC: (
        Operator.EQUAL,
        Operator.LESS,
        Operator.LESS_OR_EQUAL,
        Operator.GREATER,
        Operator.GREATER_OR_EQUAL,
    ),
    FieldKind.PARAM: (Operator.EQUAL,),
    FieldKind.TAG: (Operator.EQUAL,),
}


@dataclass(frozen=True)
class Source:
    """The test of a filter that runs are found by, and what remains of the filter.

    Attributes:
        test: Has an index.
        rest: The filter without it.
    """

    test: Comparison | Membership | NullTest
    rest: Tree | None

    def table(self) -> FromClause:
        """Return the table of the values, under a name of its own."""
        return TABLES[self.test.field.kind].alias("source")

    def conditions(
        self, transaction: Transaction, scope: Scope, table: FromClause
    ) -> list[ColumnElement[bool]]:
        """Return the conditions that a row of the table passes the test."""
        keys = sorted(scope.keys.get(self.test.field.key, {}).values())
        is_key = table.c.key == keys[0] if len(keys) == 1 else transaction.among(table.c.key, keys)
        if isinstance(self.test, NullTest):
            return [is_key]
        return [is_key, value_in(self.test.field.kind, table).test(transaction, self.test)]


def sources(tree: Tree | None, scope: Scope) -> list[Source]:
    """Return the tests that all runs found must pass and that have an index."""
    if tree is None:
        return []
    terms = tree.terms if isinstance(tree, Group) and tree.is_all else (tree,)
    found = []
    for place, term in enumerate(terms):
        if not isinstance(term, Term) or not _is_indexed(term):
            continue
        if not scope.keys.get(term.leaf.field.key):
            continue
        others = (*terms[:place], *terms[place + 1 :])
        found.append(Source(term.leaf, Group(True, others) if others else None))
    return found[:_MOST_TESTS_COUNTED]


def _is_indexed(term: Term) -> bool:
    leaf, kind = term.leaf, term.leaf.field.kind
    if kind not in TABLES:
        return False
    if isinstance(leaf, NullTest):
        return leaf.negated is not term.is_negated
    if term.is_negated:
        return False
    if isinstance(leaf, Membership):
        return not leaf.negated
    return leaf.operator in _INDEXED_OPERATORS[kind]


def counted(
    transaction: Transaction, found: Sequence[Source], scope: Scope
) -> list[tuple[int, Source]]:
    """Return how many rows pass each test, up to a bound, in one statement; the fewest first."""
    if not found:
        return []

    def build() -> tuple[Select[Any], None]:
        columns = []
        for number, source in enumerate(found):
            table = source.table()
            rows = select(table.c.run).where(*source.conditions(transaction, scope, table))
            limited = rows.limit(MOST_COUNTED).subquery(f"s{number}")
            columns.append(select(func.count()).select_from(limited).scalar_subquery())
        return select(*columns), None

    tests = tuple(source.test for source in found)
    rows, _ = transaction.rows_of(("counts", scope.identity(), tests), build)
    return sorted(zip(rows[0], found, strict=True), key=lambda pair: pair[0])


def from_filter(
    transaction: Transaction,
    source: Source,
    scope: Scope,
    view_type: ViewType,
) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Return the tables and the conditions that find runs by the index of a test."""
    table = source.table()
    # Its names are those of the experiments, so that these needn't be named.
    conditions = source.conditions(transaction, scope, table)
    conditions += map(late, scope.stage(transaction, view_type))
    conditions += run_conditions(transaction, source.rest, scope, table.c.run)
    return table.outerjoin(schema.run, _run.id == table.c.run), conditions


def run_conditions(
    transaction: Transaction, tree: Tree | None, scope: Scope, run: ColumnElement[int]
) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter on runs that are joined to what has their numbers."""
    if tree is None:
        return []
    terms = tree.terms if isinstance(tree, Group) and tree.is_all else (tree,)
    conditions = []
    for term in terms:
        found = condition(transaction, term, lambda field: scope.place_of(field, run))
        looks_at_run = any(t.leaf.field.kind is FieldKind.ATTRIBUTE for t in terms_of(term))
        conditions.append(late(found) if looks_at_run else found)
    return conditions
