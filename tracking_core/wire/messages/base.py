"""What all messages share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeAlias

import msgspec

from tracking_core.errors import InvalidValueError

Filled: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
"""Text that must be there: MLflow takes an empty one for a missing one."""

Number: TypeAlias = float | str
"""A double; JSON has no NaN and no infinity, for which protobuf's JSON has three words."""


class Message(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of the messages: what isn't set is left out, as protobuf leaves it out.

    Every field but those that a request needs has a default, and no field's default is a value
    that must be seen, such as a step of 0.
    """


class KeyValue(Message, kw_only=False):
    """A tag or a param: of runs, experiments, models, versions. Made by the thousand."""

    key: str | None = None
    value: str | None = None


class Empty(Message, kw_only=True):
    """A request or an answer that says nothing."""


def number_of(value: float) -> Number:
    """Return a double as JSON can hold it."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def float_of(number: Number | None) -> float:
    """Return the double that JSON held; a missing one is 0, as in protobuf.

    Raises:
        InvalidValueError: It is text that no double has.
    """
    if number is None:
        return 0.0
    try:
        return float(number)
    except ValueError:
        raise InvalidValueError(f"{number!r} is not a number.") from None


def pairs(values: Mapping[str, str]) -> tuple[KeyValue, ...]:
    """Return tags or params as the wire has them."""
    return tuple([KeyValue(key, value) for key, value in values.items()])


def text_by_key(values: Iterable[KeyValue]) -> dict[str, str]:
    """Return tags or params by key; the last of equal keys wins."""
    return {each.key or "": each.value or "" for each in values}
