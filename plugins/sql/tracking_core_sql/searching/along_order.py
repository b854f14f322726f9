"""The next runs along an order, from an index on what it begins with.

The filter is asked of each run until the page is full, so that the cost depends on how many of
them match, not on how many there are or how deep the page is. Runs that have NaN, and those that
lack the value, come after the others: three stretches, of which the later ones are searched only
if the page isn't full. Each experiment has names of its own, so that each is searched for itself
and the database merges what it finds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, false, select, union_all

from tracking_core.entities import ViewType
from tracking_core.search import FieldKind, OrderBy
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.conditions import Tree
from tracking_core_sql.searching.orders import OrderTerm, after, scalars
from tracking_core_sql.searching.places import Sorted
from tracking_core_sql.searching.planning import beginning_with, late
from tracking_core_sql.searching.run_fields import TABLES, Scope, value_in
from tracking_core_sql.searching.run_sources import run_conditions
from tracking_core_sql.searching.values import Scalar, Value

_run = schema.run.c

# More experiments than this are searched by looking at all their runs.
MOST_BRANCHES = 16
# Pages as large as this are mostly everything.
_MOST_BOUNDED = 5_000

_INDEXES = {
    "start_time": "tracking_run_by_start_time",
    "end_time": "tracking_run_by_end_time",
    "run_name": "tracking_run_by_name",
}


def is_along_order(order: Sequence[OrderBy], scope: Scope) -> bool:
    """Tell whether an index has the runs in the order, but for ties."""
    if len(scope.experiments) > MOST_BRANCHES:
        return False
    if len(scope.experiments) > 1 and any(each.field.key == "experiment_id" for each in order):
        return False
    first = order[0].field
    return first.kind in TABLES or (first.kind is FieldKind.ATTRIBUTE and first.key in _INDEXES)


@dataclass(frozen=True)
class Along:
    """A search for the next runs along an order.

    Attributes:
        transaction: Where to look.
        scope: The experiments.
        view_type: Which lifecycle stages.
        tree: The filter.
        order: The whole order.
        end: Where the page before ended.
    """

    transaction: Transaction
    scope: Scope
    view_type: ViewType
    tree: Tree | None
    order: Sequence[OrderBy]
    end: Sequence[Scalar] | None

    def find(self, limit: int) -> list[tuple[int, list[Scalar]]]:
        """Return the numbers of the next runs, and what they are ordered by."""
        found: list[tuple[int, list[Scalar]]] = []
        end = self.end
        for stretch in self._stretches():
            found += self._in_stretch(stretch, end, limit - len(found))
            if len(found) == limit:
                break
            end = None
        return found

    def _stretches(self) -> list[str]:
        """Return the parts of the order that are left: values, NaN, what lacks a value."""
        first = self.order[0].field
        stretches = ["value"]
        if first.kind is FieldKind.METRIC:
            stretches.append("nan")
        if first.kind in TABLES or first.key == "end_time":
            stretches.append("lacking")
        if self.end is None:
            return stretches
        if self.end[0] is None:
            return stretches[stretches.index("lacking") :] if "lacking" in stretches else []
        if self.end[0] != self.end[0]:
            return stretches[stretches.index("nan") :] if "nan" in stretches else []
        return stretches

    def _in_stretch(
        self, stretch: str, end: Sequence[Scalar] | None, limit: int
    ) -> list[tuple[int, list[Scalar]]]:
        field = self.order[0].field
        if field.kind in TABLES and stretch != "lacking" and not self.scope.keys.get(field.key):
            return []
        asked = (self.scope.identity(), self.view_type, self.tree, tuple(self.order))
        rows, terms = self.transaction.rows_of(
            ("along", stretch, *asked, None if end is None else tuple(end), limit),
            lambda: self._statement(stretch, end, limit),
        )
        return [(row[0], [*_FIRST[stretch], *scalars(terms, row[1:])]) for row in rows]

    def _statement(
        self, stretch: str, end: Sequence[Scalar] | None, limit: int
    ) -> tuple[Select[Any], list[OrderTerm]]:
        """Return the query of a stretch, and what its rows are ordered by."""
        found = [
            branch
            for scope in self.scope.each()
            if (branch := self._branch(stretch, scope, end)) is not None
        ]
        if not found:
            return select(_run.id).where(false()), []
        self._bound(found, limit)
        terms = found[0].terms
        statement = found[0].statement(self.transaction, limit)
        if len(found) > 1:
            parts = [each.statement(self.transaction, limit).subquery() for each in found]
            union = union_all(*(select(*part.c) for part in parts)).subquery("merged")
            merged = [clause for term in terms for clause in term.over(union).clauses()]
            statement = select(*union.c).order_by(*merged).limit(limit)
        return statement, terms

    def _bound(self, branches: Sequence[Branch], limit: int) -> None:
        """Limit the branches to what the page can hold, where the index alone tells that.

        MySQL and MariaDB sort all rows where an index has only the first part of the order.
        """
        first = self.order[0]
        value = branches[0].value
        is_whole = first.field.key == "start_time" and not first.ascending and len(self.order) == 2
        if self.transaction.dialect != "mysql" or value is None or is_whole:
            return
        if limit > _MOST_BOUNDED:
            return
        parts = [each.first_values(self.transaction, first.ascending, limit) for each in branches]
        statement = parts[0]
        if len(parts) > 1:
            subqueries = [part.subquery() for part in parts]
            union = union_all(*(select(*each.c) for each in subqueries)).subquery("merged")
            statement = select(*union.c)
        rows = self.transaction.rows(statement)
        values = sorted((row[0] for row in rows), reverse=not first.ascending)
        if len(values) >= limit:
            last = values[limit - 1]
            for each in branches:
                column = each.values[0]
                each.conditions.append(column <= last if first.ascending else column >= last)

    def _branch(self, stretch: str, scope: Scope, end: Sequence[Scalar] | None) -> Branch | None:
        """Return the search for the next runs of one experiment; None if there can't be any."""
        transaction, first = self.transaction, self.order[0]
        table: FromClause = schema.run
        run: ColumnElement[int] = _run.id
        index: str | None = _INDEXES["start_time"]
        conditions = scope.view(transaction, self.view_type)
        value: Value | None = None
        if first.field.kind in TABLES and stretch == "lacking":
            conditions.append(~scope.place(first.field).is_there())
        elif first.field.kind in TABLES:
            number = scope.key(first.field.key)
            if number is None:
                return None
            table = TABLES[first.field.kind].alias("ordered")
            run, index = table.c.run, f"{TABLES[first.field.kind].name}_by_value"
            # Its names are those of the experiment, which needn't be named.
            conditions = [table.c.key == number]
            conditions += map(late, scope.stage(transaction, self.view_type))
            value = value_in(first.field.kind, table)
            if value.is_nan is not None:
                conditions.append(value.is_nan if stretch == "nan" else ~value.is_nan)
        else:
            index = _INDEXES[first.field.key]
            place = scope.attribute(first.field)
            value = place.value
            if place.is_nullable:
                is_there = place.is_there()
                conditions.append(is_there if stretch == "value" else ~is_there)
        terms = [
            OrderTerm(scope.place(order.field).sorted(), order.ascending, number)
            for number, order in enumerate(self.order[1:], 1)
        ]
        value = value if stretch == "value" else None
        if value is not None:
            terms.insert(0, OrderTerm(Sorted(value.sorting()), first.ascending, 0))
        conditions += run_conditions(transaction, self.tree, scope, run)
        if end is not None:
            if value is not None:
                # Said besides, so that the index is entered there.
                conditions.append(value.not_before(transaction, end[0], first.ascending))
            behind = after(transaction, terms, end if value is not None else end[1:])
            conditions.append(behind if table is schema.run else late(behind))
        return Branch(table, index, run, conditions, terms, value)


@dataclass(frozen=True)
class Branch:
    """A search in one experiment.

    Attributes:
        table: Where it begins.
        index: By which index.
        run: The number of the run in a row of the table.
        conditions: What the rows must fulfil.
        terms: What sorts them.
        value: What the index sorts them by; None: they have none.
    """

    table: FromClause
    index: str | None
    run: ColumnElement[int]
    conditions: list[ColumnElement[bool]]
    terms: list[OrderTerm]
    value: Value | None

    @property
    def values(self) -> tuple[ColumnElement[Any], ...]:
        """The columns that the index sorts by."""
        return () if self.value is None else self.value.columns

    def statement(self, transaction: Transaction, limit: int) -> Select[Any]:
        """Return the query of the runs' numbers and what they are ordered by."""
        labelled = [column for term in self.terms for column in term.labelled()]
        clauses = [clause for term in self.terms for clause in term.clauses()]
        query = select(self.run.label("id"), *labelled).select_from(self._source())
        query = query.where(*self.conditions).order_by(*clauses).limit(limit)
        return beginning_with(transaction, query, self.table, self.index)

    def first_values(self, transaction: Transaction, is_ascending: bool, limit: int) -> Select[Any]:
        """Return the query of the values of the first rows."""
        column = self.values[0]
        query = select(column.label("value")).select_from(self._source()).where(*self.conditions)
        query = query.order_by(column.asc() if is_ascending else column.desc()).limit(limit)
        return beginning_with(transaction, query, self.table, self.index)

    def _source(self) -> FromClause:
        source = self.table
        if source is not schema.run:
            source = source.outerjoin(schema.run, _run.id == self.run)
        for term in self.terms:
            if term.join is not None:
                source = source.outerjoin(*term.join)
        return source


_FIRST: dict[str, list[Scalar]] = {"value": [], "nan": [math.nan], "lacking": [None]}
