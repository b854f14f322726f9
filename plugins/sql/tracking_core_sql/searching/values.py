"""Values as they lie in columns, and the comparisons of each kind of value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, false, literal, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from tracking_core.search import Comparison, Membership, Operator, compile_like
from tracking_core.stores import validation
from tracking_core_sql.database import Transaction
from tracking_core_sql.schema import HEAD_LENGTH
from tracking_core_sql.searching.numbers import (
    double_condition,
    exact_double,
    exact_integer,
    integer_condition,
)
from tracking_core_sql.searching.patterns import ANY, matches, parts_of
from tracking_core_sql.values import LARGEST_DOUBLE, MINUS_ZERO, join_double, split_text

Scalar = int | float | str | None
Test = Comparison | Membership

_LIKES = (Operator.LIKE, Operator.ILIKE)


class Value(ABC):
    """One value in one or two columns; conditions on it hold where it isn't lacking.

    Attributes:
        columns: The columns, in the order that sorts the value.
    """

    columns: tuple[ColumnElement[Any], ...]

    @abstractmethod
    def compare(
        self, transaction: Transaction, operator: Operator, literal: Any
    ) -> ColumnElement[bool]:
        """Return the condition that the value compares so."""

    @abstractmethod
    def among(
        self, transaction: Transaction, literals: Sequence[Any], *, negated: bool
    ) -> ColumnElement[bool]:
        """Return the condition that the value is, or negated: isn't, one of these."""

    @abstractmethod
    def scalar(self, fields: Sequence[Any]) -> Scalar:
        """Return the value out of what its columns hold."""

    @abstractmethod
    def over(self, columns: Sequence[ColumnElement[Any]]) -> Value:
        """Return the same kind of value in other columns."""

    def not_before(
        self, transaction: Transaction, end: Any, is_ascending: bool
    ) -> ColumnElement[bool]:
        """Return a condition that holds for `end` and all that comes after it, for an index."""
        further = Operator.GREATER_OR_EQUAL if is_ascending else Operator.LESS_OR_EQUAL
        return self.compare(transaction, further, end)

    def sorting(self) -> Value:
        """Return a value whose columns sort it."""
        return self

    def clauses(self) -> Sequence[ColumnElement[Any]]:
        """Return what to sort by."""
        return self.columns

    @property
    def is_nan(self) -> ColumnElement[bool] | None:
        """The condition that it is NaN; None if it can't be."""
        return None

    def test(self, transaction: Transaction, test: Test) -> ColumnElement[bool]:
        """Return the condition that the value passes a test."""
        if isinstance(test, Comparison):
            return self.compare(transaction, test.operator, test.value)
        return self.among(transaction, test.values, negated=test.negated)


class _ByteForByte(ColumnElement[Any]):
    """Text as what it is sorted by.

    MariaDB, sorting by several columns, takes text that ends in spaces for equal to the same
    without, collation or not. Elsewhere it is the text itself.
    """

    inherit_cache = True
    __visit_name__ = "byte_for_byte"

    def __init__(self, text: ColumnElement[str]) -> None:
        self.text = text
        self.type = text.type

    _traverse_internals = [("text", InternalTraversal.dp_clauseelement)]  # noqa: RUF012


@compiles(_ByteForByte)
def _plain(element: _ByteForByte, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.text, **options))


@compiles(_ByteForByte, "mysql")
@compiles(_ByteForByte, "mariadb")
def _binary(element: _ByteForByte, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.text, **options)} AS BINARY)"


class Text(Value):
    """Text in a column, or in two, `head` and `rest`; that of an id can't end in spaces."""

    def __init__(self, *columns: ColumnElement[str], is_id: bool = False) -> None:
        self.columns = columns
        self._is_id = is_id

    def compare(
        self, transaction: Transaction, operator: Operator, literal: str
    ) -> ColumnElement[bool]:
        if operator in _LIKES:
            return self._like(transaction, literal, ignore_case=operator is Operator.ILIKE)
        if operator is Operator.NOT_EQUAL:
            return ~self.compare(transaction, Operator.EQUAL, literal)
        if not is_storable(literal):
            return false()
        column = self.columns[0]
        if len(self.columns) == 1:
            return _OPERATIONS[operator](column, literal, transaction.dialect)
        rest = self.columns[1]
        begin, end = split_text(literal)
        same_head = _same(column, begin, transaction.dialect)
        if operator is Operator.EQUAL:
            return and_(same_head, _same(rest, end, transaction.dialect))
        further = column > begin if operator is Operator.GREATER else column < begin
        beyond = _OPERATIONS[operator](rest, end, transaction.dialect)
        return or_(further, and_(same_head, beyond))

    def among(
        self, transaction: Transaction, literals: Sequence[str], *, negated: bool
    ) -> ColumnElement[bool]:
        found = self._among(transaction, [each for each in literals if is_storable(each)])
        return ~found if negated else found

    def scalar(self, fields: Sequence[Any]) -> Scalar:
        return "".join(fields)

    def not_before(
        self, transaction: Transaction, end: str, is_ascending: bool
    ) -> ColumnElement[bool]:
        begin = split_text(end)[0] if len(self.columns) == 2 else end
        column = self.columns[0]
        return column >= begin if is_ascending else column <= begin

    def over(self, columns: Sequence[ColumnElement[Any]]) -> Text:
        return Text(*columns, is_id=self._is_id)

    def clauses(self) -> Sequence[ColumnElement[Any]]:
        # An id may be sorted by its index.
        return self.columns if self._is_id else [_ByteForByte(each) for each in self.columns]

    def _among(self, transaction: Transaction, literals: list[str]) -> ColumnElement[bool]:
        column = self.columns[0]
        is_split = len(self.columns) == 2
        longest = HEAD_LENGTH if is_split else getattr(column.type, "length", None) or math.inf
        # A cast to a list of bounded text would cut longer ones, which might then be equal.
        short = [each for each in dict.fromkeys(literals) if len(each) <= longest]
        conditions = []
        if len(short) == 1:
            conditions.append(self.compare(transaction, Operator.EQUAL, short[0]))
        elif short:
            found = transaction.among(column, short)
            if transaction.dialect == "mssql":
                # It ignores spaces at the end.
                found = and_(found, transaction.among(column + "|", [f"{e}|" for e in short]))
            conditions.append(and_(found, self.columns[1] == "") if is_split else found)
        if is_split:
            long = {each for each in literals if len(each) > longest}
            conditions += [self.compare(transaction, Operator.EQUAL, e) for e in sorted(long)]
        return or_(false(), *conditions)

    def _like(
        self, transaction: Transaction, pattern: str, *, ignore_case: bool
    ) -> ColumnElement[bool]:
        if not is_storable(pattern):
            return false()
        parts = parts_of(pattern)
        if all(part is ANY for part in parts) and parts:
            return true()
        is_plain = not parts or (len(parts) == 1 and isinstance(parts[0], str))
        if is_plain and not ignore_case:
            return self.compare(transaction, Operator.EQUAL, str(parts[0]) if parts else "")

        def match(text: ColumnElement[str]) -> ColumnElement[bool]:
            return matches(text, parts, ignore_case=ignore_case, dialect=transaction.dialect)

        if len(self.columns) == 1:
            return match(self.columns[0])
        head, rest = self.columns
        is_prefix = len(parts) == 2 and isinstance(parts[0], str) and parts[1] is ANY
        if is_prefix and len(str(parts[0])) <= HEAD_LENGTH:
            return match(head)
        return or_(and_(rest == "", match(head)), and_(rest != "", match(head + rest)))


class Whole(Value):
    """An integer in a column."""

    def __init__(self, column: ColumnElement[int]) -> None:
        self.columns = (column,)

    def compare(
        self, transaction: Transaction, operator: Operator, literal: int | float
    ) -> ColumnElement[bool]:
        return integer_condition(self.columns[0], operator, literal)

    def among(
        self, transaction: Transaction, literals: Sequence[int | float], *, negated: bool
    ) -> ColumnElement[bool]:
        exact = {exact_integer(each) for each in literals} - {None}
        found = transaction.among(self.columns[0], sorted(exact)) if exact else false()
        return ~found if negated else found

    def scalar(self, fields: Sequence[Any]) -> Scalar:
        whole: int = fields[0]
        return whole

    def over(self, columns: Sequence[ColumnElement[Any]]) -> Whole:
        return Whole(columns[0])


class Double(Value):
    """A double in the columns `value` and `infinity`; NaN isn't lacking."""

    def __init__(self, value: ColumnElement[float], infinity: ColumnElement[int]) -> None:
        self.columns = (value, infinity)

    @property
    def is_nan(self) -> ColumnElement[bool]:
        return self.columns[0].is_(None)

    def compare(
        self, transaction: Transaction, operator: Operator, literal: int | float
    ) -> ColumnElement[bool]:
        value, infinity = self.columns
        return double_condition(value, infinity, operator, literal)

    def among(
        self, transaction: Transaction, literals: Sequence[int | float], *, negated: bool
    ) -> ColumnElement[bool]:
        value = self.columns[0]
        exact = {exact_double(each) for each in literals} - {None}
        extreme = [each for each in exact if each is not None and abs(each) >= LARGEST_DOUBLE]
        ordinary = sorted(each for each in exact if each not in extreme and each is not None)
        conditions = [self.compare(transaction, Operator.EQUAL, each) for each in sorted(extreme)]
        if ordinary:
            # sqlite's JSON doesn't round to the nearest double, so that these go one by one.
            is_list = transaction.dialect == "sqlite"
            found = value.in_(ordinary) if is_list else transaction.among(value, ordinary)
            conditions.append(and_(value.is_not(None), found))
        found = or_(false(), *conditions)
        return ~found if negated else found

    def scalar(self, fields: Sequence[Any]) -> Scalar:
        return join_double(fields[0], fields[1])

    def sorting(self) -> Double:
        # Beside a zero it tells the sign, which sorts nothing.
        value, infinity = self.columns
        return Double(value, case((infinity == MINUS_ZERO, 0), else_=infinity))

    def over(self, columns: Sequence[ColumnElement[Any]]) -> Double:
        return Double(*columns)


class Coded(Value):
    """Text of a few kinds, which stands in a column as a number.

    Comparisons are made here, with each kind, and asked of the database by number.
    """

    def __init__(self, column: ColumnElement[int], texts: Mapping[int, str]) -> None:
        self.columns = (column,)
        self._texts = texts

    def compare(
        self, transaction: Transaction, operator: Operator, literal: str
    ) -> ColumnElement[bool]:
        return self._where(transaction, text_test(operator, literal))

    def among(
        self, transaction: Transaction, literals: Sequence[str], *, negated: bool
    ) -> ColumnElement[bool]:
        wanted = frozenset(literals)
        return self._where(transaction, lambda text: (text in wanted) is not negated)

    def scalar(self, fields: Sequence[Any]) -> Scalar:
        return self._texts[fields[0]]

    def over(self, columns: Sequence[ColumnElement[Any]]) -> Coded:
        return Coded(columns[0], self._texts)

    def sorting(self) -> Coded:
        places = {text: place for place, text in enumerate(sorted(self._texts.values()))}
        whens = {number: places[text] for number, text in self._texts.items()}
        column = case(whens, value=self.columns[0], else_=-1) if whens else literal(-1, Integer)
        return Coded(column, {place: text for text, place in places.items()})

    def _where(
        self, transaction: Transaction, passes: Callable[[str], bool]
    ) -> ColumnElement[bool]:
        numbers = [number for number, text in self._texts.items() if passes(text)]
        if len(numbers) == len(self._texts):
            return true()
        if len(numbers) > 20:
            return transaction.among(self.columns[0], numbers)
        return self.columns[0].in_(numbers) if numbers else false()


def is_storable(text: str) -> bool:
    """Tell whether a database can hold a text: no NUL, no lone surrogates."""
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def can_be_key(text: str) -> bool:
    """Tell whether a metric, param or tag can have this name."""
    return len(text) <= validation.MAX_KEY_LENGTH and is_storable(text)


def text_test(operator: Operator, literal: str) -> Callable[[str], bool]:
    """Return the function that compares a text of Python's."""
    if operator in _LIKES:
        return compile_like(literal, ignore_case=operator is Operator.ILIKE)
    return {
        Operator.EQUAL: literal.__eq__,
        Operator.NOT_EQUAL: literal.__ne__,
        Operator.LESS: literal.__gt__,
        Operator.GREATER: literal.__lt__,
    }[operator]


def _same(column: ColumnElement[str], text: str, dialect: str) -> ColumnElement[bool]:
    if dialect == "mssql":
        # It ignores spaces at the end, so that they are counted besides.
        return and_(column == text, column + "|" == text + "|")
    return column == text


_OPERATIONS: dict[Operator, Callable[[ColumnElement[str], str, str], ColumnElement[bool]]] = {
    Operator.EQUAL: _same,
    Operator.LESS: lambda column, text, _: column < text,
    Operator.GREATER: lambda column, text, _: column > text,
}
