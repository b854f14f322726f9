"""Any message of the wire, for hypothesis; made from the types of its fields."""

from __future__ import annotations

import math
import typing
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from tracking_core.wire.endpoints import ENDPOINTS
from tracking_core.wire.messages.base import Filled, Message, Number, number_of

INT64 = st.integers(-(2**63), 2**63 - 1)
# Words that a lax reader could take for something else than text.
TEXT = st.text(max_size=12) | st.sampled_from(["null", "true", "1", "NaN", "[]", "a b&c=d%20+é/"])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    ["NaN", "Infinity", "-Infinity"]
)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Filled: TEXT.filter(bool),
    Number: NUMBERS,
    str: TEXT,
    int: INT64,
    bool: st.booleans(),
    # In a request a double that JSON has no number for is text, as `LoggedMetric.of` writes it.
    float: NUMBERS,
}

REQUESTS = sorted({each.request for each in ENDPOINTS}, key=lambda kind: kind.__name__)
RESPONSES = sorted({each.response for each in ENDPOINTS}, key=lambda kind: kind.__name__)
MESSAGES = sorted({*REQUESTS, *RESPONSES}, key=lambda kind: kind.__name__)


@cache
def messages(kind: type[Message]) -> st.SearchStrategy[Any]:
    """Return a strategy for messages of one kind."""
    hints = get_type_hints(kind, include_extras=True)
    needed: dict[str, st.SearchStrategy[Any]] = {}
    other: dict[str, st.SearchStrategy[Any]] = {}
    for field in msgspec.structs.fields(kind):
        (needed if field.required else other)[field.name] = _of(hints[field.name])
    return st.fixed_dictionaries(needed, optional=other).map(lambda values: kind(**values))


def _of(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Message):
        return messages(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is tuple:
        return st.lists(_of(parts[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_of(parts[0]), _of(parts[1]), max_size=3)
    # Optional fields are left out rather than None.
    parts = tuple(part for part in parts if part is not type(None))
    if set(parts) == {float, str}:
        return NUMBERS
    if len(parts) == 1:
        return _of(parts[0])
    if set(parts) == {str, int}:  # an enum: a name or a number
        return st.sampled_from(["ACTIVE_ONLY", "FINISHED", "LOGGED_MODEL_READY", 1, 2, 3])
    assert origin is typing.Union, hint
    return st.one_of(*map(_of, parts))


def as_read(message: Message) -> Any:
    """Return a message so that it can be compared: numbers as numbers, NaN equal to itself."""
    return _comparable(message)


def _comparable(value: Any) -> Any:
    if isinstance(value, Message):
        doubles = {
            name
            for name, hint in get_type_hints(type(value)).items()
            if float in (hint, *get_args(hint))
        }
        return (
            type(value).__name__,
            {
                name: _double(found)
                if name in doubles and found is not None
                else _comparable(found)
                for name in value.__struct_fields__
                for found in [getattr(value, name)]
            },
        )
    if isinstance(value, (tuple, list)):
        return [_comparable(each) for each in value]
    return value


def _double(value: float | str) -> str:
    number = float(value)
    return repr(number) if math.isfinite(number) else str(number_of(number))
