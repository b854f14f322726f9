"""Where a field of what is searched lies, and how a test of it becomes a condition.

Each condition is true or false, never unknown, so that NOT and OR mean what they say. What lies in
another table is asked for by a scalar subquery by primary key: no database rewrites that into a
join, whose order it would choose by statistics that are missing or wrong.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from tracking_core.search import Comparison
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.values import Scalar, Test, Text, Value, can_be_key, text_test

Join = tuple[FromClause, ColumnElement[bool]]

RANK_VALUE, RANK_NAN, RANK_LACKING = 0, 1, 2


@dataclass(frozen=True)
class Sorted:
    """What sorts by a field.

    Attributes:
        value: In columns that sort it; None if everything lacks it.
        rank: 0 where there is a value, 1 for NaN, 2 where it is lacking; None: always 0.
        join: The outer join that the columns need.
    """

    value: Value | None
    rank: ColumnElement[int] | None = None
    join: Join | None = None


class Place(ABC):
    """Where a field lies."""

    @abstractmethod
    def passes(self, transaction: Transaction, test: Test) -> ColumnElement[bool]:
        """Return the condition that the field is there and passes the test."""

    @abstractmethod
    def is_there(self) -> ColumnElement[bool]:
        """Return the condition that the field isn't lacking."""

    @abstractmethod
    def sorted(self) -> Sorted:
        """Return what sorts by the field."""


@dataclass(frozen=True)
class Here(Place):
    """In the table of what is searched."""

    value: Value
    is_nullable: bool = False

    def passes(self, transaction: Transaction, test: Test) -> ColumnElement[bool]:
        return and_(self.is_there(), self.value.test(transaction, test))

    def is_there(self) -> ColumnElement[bool]:
        return self.value.columns[0].is_not(None) if self.is_nullable else true()

    def sorted(self) -> Sorted:
        rank = None
        if self.is_nullable:
            rank = case((self.value.columns[0].is_(None), RANK_LACKING), else_=RANK_VALUE)
        return Sorted(self.value.sorting(), rank)


@dataclass(frozen=True)
class Beside(Place):
    """In a row of another table, of which there is at most one.

    Attributes:
        table: The other table.
        link: Returns the condition that a row of it, or of an alias, is the one.
        value_of: Returns the value in it.
        marker: A column of it that is never NULL.
        default: What the value is where there is no row.
    """

    table: FromClause
    link: Callable[[FromClause], ColumnElement[bool]]
    value_of: Callable[[FromClause], Value]
    marker: str
    default: str | None = None

    def passes(self, transaction: Transaction, test: Test) -> ColumnElement[bool]:
        found = self._found(self.value_of(self.table).test(transaction, test))
        if self.default is not None and _default_passes(self.default, test):
            return or_(found, ~self._found(true()))
        return found

    def is_there(self) -> ColumnElement[bool]:
        return self._found(true()) if self.default is None else true()

    def sorted(self) -> Sorted:
        table = self.table.alias()
        value = self.value_of(table)
        join = (table, self.link(table))
        if self.default is not None:
            column = func.coalesce(value.columns[0], self.default, type_=value.columns[0].type)
            return Sorted(Text(column), None, join)
        ranks: list[Any] = [(table.c[self.marker].is_(None), RANK_LACKING)]
        if value.is_nan is not None:
            ranks.append((value.is_nan, RANK_NAN))
        return Sorted(value.sorting(), case(*ranks, else_=RANK_VALUE), join)

    def _found(self, test: ColumnElement[bool]) -> ColumnElement[bool]:
        # The test isn't a condition of the subquery: an index for it might be taken for a better
        # way to the row than its key.
        query = select(case((test, 1))).select_from(self.table).where(self.link(self.table))
        return query.correlate_except(self.table).scalar_subquery().is_not(None)


@dataclass(frozen=True)
class Referred(Beside):
    """In the row of another table that a column refers to, and which is always there.

    Attributes:
        reference: That column.
    """

    reference: ColumnElement[int] = field(kw_only=True)

    def _found(self, test: ColumnElement[bool]) -> ColumnElement[bool]:
        # Many rows refer to one: an index on the column finds them.
        return self.reference.in_(select(self.table.c[self.marker]).where(test))


@dataclass(frozen=True)
class Many(Place):
    """In any number of rows of other tables; whoever has one that passes, passes.

    Attributes:
        tables: The other tables, joined.
        inner: Each of them.
        link: The condition that a row is one of them.
        value: The value in a row; of a row without a value it is NULL.
        latest: Columns that sort the newest row first, by which the field is sorted.
    """

    tables: FromClause
    inner: tuple[FromClause, ...]
    link: ColumnElement[bool]
    value: Value
    is_nullable: bool = False
    latest: tuple[ColumnElement[Any], ...] = ()

    def passes(self, transaction: Transaction, test: Test) -> ColumnElement[bool]:
        return self._exists(self._filled(), self.value.test(transaction, test))

    def is_there(self) -> ColumnElement[bool]:
        return self._exists(self._filled())

    def sorted(self) -> Sorted:
        columns = [self._newest(column) for column in self.value.sorting().columns]
        is_nan = self.value.is_nan
        rank = literal(RANK_VALUE) if is_nan is None else case((is_nan, RANK_NAN), else_=RANK_VALUE)
        return Sorted(self.value.over(columns), func.coalesce(self._newest(rank), RANK_LACKING))

    def _filled(self) -> ColumnElement[bool]:
        return self.value.columns[0].is_not(None) if self.is_nullable else true()

    def _exists(self, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        query = select(literal(1)).select_from(self.tables).where(self.link, *conditions)
        return exists(query.correlate_except(*self.inner))

    def _newest(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        query = select(column).select_from(self.tables).where(self.link)
        query = query.order_by(*self.latest).limit(1)
        return query.correlate_except(*self.inner).scalar_subquery()


@dataclass(frozen=True)
class Nowhere(Place):
    """A name that nothing has ever had."""

    def passes(self, transaction: Transaction, test: Test) -> ColumnElement[bool]:
        return false()

    def is_there(self) -> ColumnElement[bool]:
        return false()

    def sorted(self) -> Sorted:
        return Sorted(None)


def _default_passes(default: str, test: Test) -> bool:
    if isinstance(test, Comparison):
        return text_test(test.operator, str(test.value))(default)
    return (default in test.values) is not test.negated


def row_by_key(
    table: FromClause,
    owner: str,
    owner_id: ColumnElement[int],
    key: str,
    value_columns: Sequence[str] = ("value",),
    *,
    default: str | None = None,
) -> Place:
    """Return the place of a text by its key in a table of rows (owner, key, value)."""
    if not can_be_key(key):
        return Nowhere()
    return Beside(
        table,
        lambda t: and_(t.c[owner] == owner_id, t.c.key == key),
        lambda t: Text(*(t.c[name] for name in value_columns)),
        owner,
        default,
    )


__all__ = [
    "Beside",
    "Here",
    "Join",
    "Many",
    "Nowhere",
    "Place",
    "Referred",
    "Scalar",
    "Sorted",
    "row_by_key",
]
