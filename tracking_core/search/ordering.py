"""The order of what is found: total, so that a page can begin where another ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tracking_core.errors import InvalidValueError
from tracking_core.search.ast import FieldKind, OrderBy, Subject
from tracking_core.search.vocabulary import (
    Entity,
    MeasuredOn,
    Scalar,
    ValueType,
    latest_measurement,
    vocabulary,
)

SortKey = tuple[Any, ...]

_VALUE, _NAN, _LACKING = 0, 1, 2


def effective_order(order_by: Sequence[OrderBy], subject: Subject) -> tuple[OrderBy, ...]:
    """Return the whole order: the default one if none is asked for, ties broken down to the id."""
    words = vocabulary(subject)
    if not order_by:
        return words.default_order
    asked = {order.field for order in order_by}
    return (*order_by, *(order for order in words.tie_break if order.field not in asked))


class Ordering:
    """A total order of a subject's entities.

    Numbers come in their direction, then NaN, then what lacks the field; text by code point.
    """

    def __init__(
        self, order_by: Sequence[OrderBy], subject: Subject, *, measured_on: MeasuredOn = ()
    ) -> None:
        self.order = effective_order(order_by, subject)
        words = vocabulary(subject)
        self._values_of: list[Callable[[Any], Scalar]] = []
        self._types: list[ValueType] = []
        self._ranks: list[Callable[[Any], SortKey]] = []
        for order in self.order:
            column = words.column(order.field, measured_on=measured_on)
            value_of = column.sorted_by
            if value_of is None:
                raise InvalidValueError(
                    f"The {order.field.kind.value} {order.field.key!r} can have several values,"
                    " so nothing can be ordered by it."
                )
            if order.dataset_name is not None:
                value_of = _on_dataset(order, subject, measured_on)
            self._values_of.append(value_of)
            self._types.append(column.type)
            self._ranks.append(_RANKS[column.type, order.ascending])
        self._pairs = list(zip(self._ranks, self._values_of, strict=True))

    def values(self, entity: Entity) -> tuple[Scalar, ...]:
        """Return what the entity is ordered by, for a page token; the last ones are its id."""
        return tuple(value_of(entity) for value_of in self._values_of)

    def key(self, entity: Entity) -> SortKey:
        """Return what sorts the entity among others."""
        return tuple([rank(value_of(entity)) for rank, value_of in self._pairs])

    def key_of_values(self, values: Sequence[Scalar]) -> SortKey:
        """Return the key of the entity that had these values.

        Raises:
            InvalidValueError: They aren't values of this order.
        """
        fits = len(values) == len(self._types) and all(
            value is None or isinstance(value, str) is (kind is ValueType.TEXT)
            for value, kind in zip(values, self._types, strict=True)
        )
        if not fits:
            raise InvalidValueError(
                "The page token doesn't belong to this order;"
                " pass the next_page_token of the page before, or none for the first page."
            )
        return tuple(rank(value) for rank, value in zip(self._ranks, values, strict=True))


def sort_key(
    order_by: Sequence[OrderBy], subject: Subject, *, measured_on: MeasuredOn = ()
) -> Callable[[Entity], SortKey]:
    """Return the key that sorts entities of the subject in this order.

    Raises:
        InvalidValueError: The subject lacks a field, or one has no order.
    """
    return Ordering(order_by, subject, measured_on=measured_on).key


def _on_dataset(
    order: OrderBy, subject: Subject, measured_on: MeasuredOn
) -> Callable[[Any], Scalar]:
    if subject is not Subject.LOGGED_MODELS or order.field.kind is not FieldKind.METRIC:
        raise InvalidValueError(
            f"Only metrics of logged models are measured on data sets; the"
            f" {order.field.kind.value} {order.field.key!r} of {subject.value} isn't."
        )
    key = order.field.key
    only = ((order.dataset_name or "", order.dataset_digest),)
    return lambda model: latest_measurement(model, key, measured_on, only)


class _Reversed:
    """Text that sorts backwards."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: _Reversed) -> bool:
        return other.text < self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def _number_up(value: float | None) -> SortKey:
    if value is None:
        return (_LACKING,)
    return (_VALUE, value) if not math.isnan(value) else (_NAN,)


def _number_down(value: float | None) -> SortKey:
    if value is None:
        return (_LACKING,)
    return (_VALUE, -value) if not math.isnan(value) else (_NAN,)


def _text_up(value: str | None) -> SortKey:
    return (_LACKING,) if value is None else (_VALUE, value)


def _text_down(value: str | None) -> SortKey:
    return (_LACKING,) if value is None else (_VALUE, _Reversed(value))


_RANKS: dict[tuple[ValueType, bool], Callable[[Any], SortKey]] = {
    (ValueType.NUMBER, True): _number_up,
    (ValueType.NUMBER, False): _number_down,
    (ValueType.TEXT, True): _text_up,
    (ValueType.TEXT, False): _text_down,
}
