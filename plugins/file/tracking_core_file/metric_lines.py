"""Points of metrics as lines of text.

`<timestamp> <value> <step>`, and behind it ` <dataset name> <dataset digest>` where there is one;
very old files have no step. MLflow splits lines at single spaces, so white space in a name is
percent-encoded; names with bare spaces, which MLflow writes and can't read, are read too.

A line is whole if a line feed ends it and no space stands before that: an append that finds half a
line at the end of the file puts both there, so that no prefix of a number is taken for a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from tracking_core.entities import Metric

TORN_END = b" \n"
"""What is written behind half a line, to mark it as such."""

_EMPTY = "%00"
_NONE = "%FF"
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_ESCAPES = re.compile(r"(?:%[0-9A-F]{2})+")


def format_point(point: Metric) -> bytes:
    """Return the line of a point in a run's file."""
    if point.dataset_name is None and point.dataset_digest is None:
        return b"%d %s %d\n" % (point.timestamp, repr(point.value).encode(), point.step)
    name, digest = encode_field(point.dataset_name), encode_field(point.dataset_digest)
    return f"{point.timestamp} {point.value!r} {point.step} {name} {digest}\n".encode()


def parse_points(key: str, content: bytes) -> tuple[list[Metric], int]:
    """Return the points of a file in their order, and how many lines are torn or broken."""
    points: list[Metric] = []
    broken = _each(content, lambda *fields: points.append(Metric(key, *fields)))
    return points, broken


def latest_point(key: str, content: bytes) -> tuple[Metric | None, int]:
    """Return the latest point of a file, and how many lines are torn or broken."""
    best: tuple[int, int, bool, float] | None = None
    latest: tuple[float, int, int, str | None, str | None, str | None] | None = None

    def see(
        value: float,
        timestamp: int,
        step: int,
        model_id: str | None = None,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        nonlocal best, latest
        if best is not None and step < best[0]:
            return
        is_number = not math.isnan(value)
        place = (step, timestamp, is_number, value if is_number else 0.0)
        if best is None or place >= best:
            best = place
            latest = (value, timestamp, step, model_id, name, digest)

    broken = _each(content, see)
    return (None if latest is None else Metric(key, *latest)), broken


def _each(content: bytes, see: Callable[..., None]) -> int:
    lines = content.split(b"\n")
    broken = 1 if lines.pop() else 0
    for line in lines:
        fields = line.split(b" ")
        try:
            if len(fields) == 3:
                see(float(fields[1]), int(fields[0]), int(fields[2]))
            elif len(fields) >= 5 and fields[-1].strip():
                name, digest = (decode_field(f.decode().rstrip("\r")) for f in _dataset(fields))
                see(float(fields[1]), int(fields[0]), int(fields[2]), None, name, digest)
            elif len(fields) == 2:
                see(float(fields[1]), int(fields[0]), 0)
            elif line.strip():
                broken += 1
        except ValueError:
            broken += 1
    return broken


def _dataset(fields: list[bytes]) -> tuple[bytes, bytes]:
    return b" ".join(fields[3:-1]), fields[-1]


def encode_field(text: str | None) -> str:
    """Return text (or None) as a field without white space, to be split at spaces by anyone."""
    if text is None:
        return _NONE
    if text.isidentifier():
        return text
    return "".join(map(_encode_character, range(len(text)), text, [text] * len(text))) or _EMPTY


def _encode_character(position: int, character: str, text: str) -> str:
    # A per cent sign stays readable where it can't be taken for the begin of an escape.
    if (
        character.isspace()
        or not character.isprintable()
        or (character == "%" and _ESCAPE.match(text, position))
    ):
        return "".join(f"%{byte:02X}" for byte in character.encode())
    return character


def decode_field(field: str) -> str | None:
    """Return the text that `encode_field` made this field of; any other as it is."""
    if "%" not in field:
        return field
    if field == _NONE:
        return None
    if field == _EMPTY:
        return ""
    try:
        text = _ESCAPES.sub(_decode_escapes, field)
    except UnicodeDecodeError:
        return field
    return text if encode_field(text) == field else field


def _decode_escapes(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8")
