"""Requests and answers as bytes: protobuf's JSON as senders write it, in and out.

Most bodies are decoded straight into their message. What else protobuf's JSON allows goes a longer
way: names in camelCase, `null` for what isn't set, and a document that was encoded twice, as old
clients did.

Source: https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from tracking_core.errors import InvalidValueError
from tracking_core.wire.messages.base import Message

M = TypeVar("M", bound=Message)

MAX_DEPTH = 64
"""The deepest JSON that is looked at; MLflow's messages are five deep."""

_SEE = "See the API docs for more information about request parameters."
_CAMEL_NAME = re.compile(rb'"[a-z]+[A-Z]\w*"\s*:')
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_TOO_SHORT = re.compile(r"Expected `str` of length >= 1")
_PLACE = re.compile(r" - at `\$([^`]*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """Return a message as JSON."""
    return _encoder.encode(message)


def decode_body(body: bytes, kind: type[M], within: Mapping[str, str] | None = None) -> M:
    """Return the message that a body holds.

    Args:
        body: JSON; empty for a message that says nothing.
        kind: What it should be.
        within: Fields that the path of the request gives, which win.

    Raises:
        InvalidValueError: It isn't JSON, lacks what is required, or holds what a field can't be.
    """
    if not within and body[:1] == b"{" and not _CAMEL_NAME.search(body):
        try:
            found: M = _decoder(kind).decode(body)
            return found
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the longer way says what is wrong, or finds that nothing is
    document = _parsed(body)
    if isinstance(document, str):
        document = _parsed(document.encode())
    if not isinstance(document, dict):
        raise InvalidValueError(
            f"The request's body is JSON of type {type(document).__name__}, not an object."
        )
    return _converted({**_named(document, kind), **(within or {})}, kind)


def decode_query(
    query: Sequence[tuple[str, str]], kind: type[M], within: Mapping[str, str] | None = None
) -> M:
    """Return the message that the parameters of a URL hold; a repeated one makes a list.

    Raises:
        InvalidValueError: One is missing, given twice, or can't be what it should be.
    """
    lists = _lists(kind)
    document: dict[str, Any] = {}
    for name, value in query:
        name = _snake(name)
        if name in lists:
            document.setdefault(name, []).append(value)
        elif name in document and document[name] != value:
            raise InvalidValueError(f"The parameter {name!r} is given twice; give it once.")
        else:
            document[name] = value
    return _converted({**document, **(within or {})}, kind)


def decode_answer(body: bytes, kind: type[M]) -> M:
    """Return the message that a server's answer holds.

    Raises:
        InvalidValueError: It isn't one.
    """
    return decode_body(body or b"{}", kind)


def query_of(message: Message) -> dict[str, str | list[str]]:
    """Return a message as the parameters of a URL."""
    found: dict[str, str | list[str]] = {}
    for name, value in msgspec.to_builtins(message).items():
        if isinstance(value, (list, tuple)):
            found[name] = [str(each) for each in value]
        elif isinstance(value, bool):
            found[name] = "true" if value else "false"
        else:
            found[name] = str(value)
    return found


@cache
def _decoder(kind: type[M]) -> msgspec.json.Decoder[M]:
    return msgspec.json.Decoder(kind, strict=False)


def _parsed(body: bytes) -> Any:
    if not body:
        return {}
    if _depth(body) > MAX_DEPTH:
        raise InvalidValueError(
            f"The request's body is nested more than {MAX_DEPTH} levels deep; none of the API's"
            " messages is."
        )
    try:
        # Not msgspec's: two fields of one name would be one of them, and nobody told.
        document = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"The request's body isn't JSON: {error}.") from None
    if b"\\u" in body or not body.isascii():
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InvalidValueError(
                "The request's body holds a lone surrogate, which isn't valid Unicode."
            ) from None
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice!r} stands there twice")
    return found


def _depth(body: bytes) -> int:
    """Return an upper bound of how deep JSON is nested: brackets in texts count too."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    in_text = is_escaped = False
    for byte in body:
        if in_text:
            if is_escaped:
                is_escaped = False
            elif byte == 0x5C:
                is_escaped = True
            elif byte == 0x22:
                in_text = False
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _named(document: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return an object with its fields' names as the message has them, and without nulls."""
    children = _children(kind)
    found: dict[str, Any] = {}
    for given, value in document.items():
        name = _snake(given)
        if name in found:
            raise InvalidValueError(
                f"The field {name!r} stands in the request twice, once as {given!r}; write it once."
            )
        if value is None:
            continue
        child = children.get(name)
        if child is not None and isinstance(value, dict):
            value = _named(value, child)
        elif child is not None and isinstance(value, list):
            value = [_named(each, child) if isinstance(each, dict) else each for each in value]
        found[name] = value
    return found


def _snake(name: str) -> str:
    return _CAMEL_HUMP.sub(r"_\1", name).lower() if not name.islower() else name


@cache
def _children(kind: Any) -> dict[str, Any]:
    """Return the message that each field holds, one or a list of them."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return {}
    found = {}
    for name, hint in get_type_hints(kind).items():
        for part in (hint, *get_args(hint)):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                found[name] = part
    return found


@cache
def _lists(kind: Any) -> frozenset[str]:
    return frozenset(
        name for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple
    )


def _converted(document: dict[str, Any], kind: type[M]) -> M:
    try:
        return msgspec.convert(document, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidValueError(_sentence(str(error), document)) from None


def _sentence(told: str, document: Any) -> str:
    """Say what is wrong with a request as MLflow says it, which its users' tests read."""
    found = _PLACE.search(told)
    place = found.group(1) if found else ""
    told = told[: found.start()] if found else told
    names = [step.group(1) or f"[{step.group(2)}]" for step in _STEP.finditer(place)]
    missing = _MISSING.search(told)
    if missing or _TOO_SHORT.search(told):
        names += [missing.group(1)] if missing else []
        path = ".".join(names).replace(".[", "[")
        return f"Missing value for required parameter '{path}'. {_SEE}"
    path = ".".join(names).replace(".[", "[") or "body"
    value = document
    for name in names:
        try:
            value = value[int(name[1:-1])] if name.startswith("[") else value[name]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    shown = json.dumps(value, default=str)
    if len(shown) > 200:
        shown = shown[:199] + "…"
    return (
        f"Invalid value {shown} for parameter '{path}' supplied:  Hint: Value was of type"
        f" '{type(value).__name__}'. {told}. {_SEE}"
    )
