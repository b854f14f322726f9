"""Orders as columns, and the condition that something comes after the end of a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, literal, or_, true

from tracking_core.errors import InvalidValueError
from tracking_core.search import Operator
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.places import RANK_LACKING, RANK_NAN, RANK_VALUE, Join, Sorted
from tracking_core_sql.searching.values import Scalar, Whole, is_storable


@dataclass(frozen=True)
class OrderTerm:
    """One key of an order, in columns: a rank if there is one, then those of the value."""

    sorted: Sorted
    is_ascending: bool
    number: int

    @property
    def join(self) -> Join | None:
        """The outer join that the columns need."""
        return self.sorted.join

    @property
    def width(self) -> int:
        """How many columns it takes in a row."""
        value = self.sorted.value
        return (self.sorted.rank is not None) + (0 if value is None else len(value.columns))

    def labelled(self) -> list[ColumnElement[Any]]:
        """Return the columns with names that are the order's own."""
        columns = [] if self.sorted.rank is None else [self.sorted.rank]
        if self.sorted.value is not None:
            columns += self.sorted.value.columns
        return [column.label(f"o{self.number}_{n}") for n, column in enumerate(columns)]

    def over(self, table: FromClause) -> OrderTerm:
        """Return the term in the columns of a table that holds them by those names."""
        names = [f"o{self.number}_{n}" for n in range(self.width)]
        columns = [table.c[name] for name in names]
        rank = None if self.sorted.rank is None else columns.pop(0)
        value = None if self.sorted.value is None else self.sorted.value.over(columns)
        return OrderTerm(Sorted(value, rank), self.is_ascending, self.number)

    def clauses(self) -> list[ColumnElement[Any]]:
        """Return what stands in ORDER BY."""
        rank = self.sorted.rank
        clauses: list[ColumnElement[Any]] = [] if rank is None else [rank.asc()]
        value = self.sorted.value
        for column in () if value is None else value.clauses():
            clauses.append(column.asc() if self.is_ascending else column.desc())
        return clauses

    def scalar(self, fields: Sequence[Any]) -> Scalar:
        """Return the value out of the columns of a row, for a page token."""
        value = self.sorted.value
        if value is None:
            return None
        if self.sorted.rank is not None:
            if fields[0] != RANK_VALUE:
                return math.nan if fields[0] == RANK_NAN else None
            fields = fields[1:]
        return value.scalar(fields)

    def beyond(
        self, transaction: Transaction, end: Scalar
    ) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions that it comes after the value `end`, and that it is equal."""
        value = self.sorted.value
        end_rank = _rank(end)
        if value is None:
            return false(), true() if end_rank == RANK_LACKING else false()
        rank = literal(RANK_VALUE) if self.sorted.rank is None else self.sorted.rank
        if end_rank != RANK_VALUE:
            return rank > end_rank, rank == end_rank
        further = Operator.GREATER if self.is_ascending else Operator.LESS
        after = value.compare(transaction, further, end)
        equal = value.compare(transaction, Operator.EQUAL, end)
        if self.sorted.rank is None:
            return after, equal
        return or_(rank > RANK_VALUE, and_(rank == RANK_VALUE, after)), and_(
            rank == RANK_VALUE, equal
        )

    def not_before(self, transaction: Transaction, end: Scalar) -> ColumnElement[bool]:
        """Return a condition that all integers that come after `end`, or are equal, fulfil."""
        value = self.sorted.value
        if not isinstance(value, Whole) or self.sorted.rank is not None:
            return true()
        return value.not_before(transaction, end, self.is_ascending)


def after(
    transaction: Transaction, terms: Sequence[OrderTerm], ends: Sequence[Scalar]
) -> ColumnElement[bool]:
    """Return the condition that something comes after what has these values."""
    found: ColumnElement[bool] = false()
    for term, end in reversed(list(zip(terms, ends, strict=True))):
        beyond, equal = term.beyond(transaction, end)
        found = or_(beyond, and_(equal, found))
    # Said on its own, so that a range of an index is walked in its order, not two put together.
    return and_(terms[0].not_before(transaction, ends[0]), found)


def scalars(terms: Sequence[OrderTerm], fields: Sequence[Any]) -> list[Scalar]:
    """Return the values of an order's columns in a row, for a page token."""
    values = []
    start = 0
    for term in terms:
        values.append(term.scalar(fields[start : start + term.width]))
        start += term.width
    return values


def check_storable(ends: Sequence[Scalar]) -> None:
    """Check the values of a page token.

    Raises:
        InvalidValueError: A database can't hold one of them, so that no page can have ended there.
    """
    if not all(is_storable(end) for end in ends if isinstance(end, str)):
        raise InvalidValueError(
            "The page token can't be read;"
            " pass the next_page_token of the page before, or none for the first page."
        )


def _rank(value: Scalar) -> int:
    if value is None:
        return RANK_LACKING
    return RANK_NAN if value != value else RANK_VALUE
