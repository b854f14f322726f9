"""The bytes of `tracking_metric_block.data`: points of one metric, packed by column.

All numbers are little-endian. The first byte is the format:

- 1: one point: step (int64), timestamp (int64), value (double).
- 2: one point, as 1, then its origin (int64; 0 for none).
- 3: columns: how many points (uint32), then the columns.
- 4: columns, as 3, but what follows the count is compressed by zlib.

The columns are steps, timestamps, values and, if a point has one, origins. A column of integers
begins with its kind (one byte) and its first number (int64). Kind 0: the constant difference of
neighbours follows (int64). Kinds 1, 2, 4, 8: the differences follow, each in so many bytes. Kind
9: the other numbers follow as they are (int64), for differences that don't fit into 64 bits. The
values are doubles of 8 bytes, shuffled: first the lowest byte of each, then the second of each, and
so on, which lets zlib find what exponents and short mantissas have in common.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate
from operator import sub
from typing import NamedTuple

from tracking_core.errors import CorruptDataError

MOST_POINTS = 1 << 16
"""The most points that a block may hold."""

_ONE, _ONE_WITH_ORIGIN, _PLAIN, _COMPRESSED = 1, 2, 3, 4
_POINT = struct.Struct("<Bqqd")
_POINT_WITH_ORIGIN = struct.Struct("<Bqqdq")
_HEAD = struct.Struct("<BI")
_COLUMN = struct.Struct("<Bq")
_INT64 = struct.Struct("<q")
_CONSTANT, _AS_THEY_ARE = 0, 9
_TYPES = {1: "b", 2: "h", 4: "i", 8: "q", _AS_THEY_ARE: "q"}
_MIN, _MAX = -(2**63), 2**63 - 1
# Smaller blocks wait to become a part of larger ones, and would be compressed twice.
_WORTH_COMPRESSING = 512
_IS_BIG_ENDIAN = sys.byteorder == "big"


class Points(NamedTuple):
    """Points of one metric in the order in which they were logged, by column.

    Attributes:
        steps: The step of each.
        timestamps: Its time.
        values: Its value.
        origins: The number of its origin, 0 for none; None if none has one.
    """

    steps: Sequence[int]
    timestamps: Sequence[int]
    values: Sequence[float]
    origins: Sequence[int] | None = None


def encode(points: Points) -> bytes:
    """Return the bytes of a block of 1 to MOST_POINTS points."""
    steps, timestamps, values, origins = points
    count = len(steps)
    if count == 1:
        if origins is None:
            return _POINT.pack(_ONE, steps[0], timestamps[0], values[0])
        return _POINT_WITH_ORIGIN.pack(
            _ONE_WITH_ORIGIN, steps[0], timestamps[0], values[0], origins[0]
        )
    doubles = array("d", values)
    if _IS_BIG_ENDIAN:
        doubles.byteswap()
    raw = doubles.tobytes()
    columns = b"".join(
        (
            _column(steps),
            _column(timestamps),
            *[raw[place::8] for place in range(8)],
            b"" if origins is None else _column(origins),
        )
    )
    if count >= _WORTH_COMPRESSING:
        compressed = zlib.compress(columns, 1)
        if len(compressed) < len(columns):
            return _HEAD.pack(_COMPRESSED, count) + compressed
    return _HEAD.pack(_PLAIN, count) + columns


def decode(data: bytes) -> Points:
    """Return the points of a block.

    Raises:
        CorruptDataError: These bytes are no block.
    """
    size = len(data)
    kind = data[0] if size else None
    if kind == _ONE and size == _POINT.size:
        _, step, timestamp, value = _POINT.unpack(data)
        return Points((step,), (timestamp,), (value,))
    if kind == _ONE_WITH_ORIGIN and size == _POINT_WITH_ORIGIN.size:
        _, step, timestamp, value, origin = _POINT_WITH_ORIGIN.unpack(data)
        return Points((step,), (timestamp,), (value,), (origin,))
    if kind not in (_PLAIN, _COMPRESSED):
        raise _corrupt(f"its format is {kind}" if kind not in (1, 2) else f"it has {size} bytes")
    if size < _HEAD.size:
        raise _corrupt(f"it has {size} bytes")
    _, count = _HEAD.unpack_from(data)
    if not 1 <= count <= MOST_POINTS:
        raise _corrupt(f"it tells of {count} points")
    columns = data[_HEAD.size :]
    if kind == _COMPRESSED:
        columns = _decompressed(columns, count)
    return _read_columns(columns, count)


def _read_columns(columns: bytes, count: int) -> Points:
    steps, place = _read_column(columns, 0, count)
    timestamps, place = _read_column(columns, place, count)
    end = place + 8 * count
    if len(columns) < end:
        raise _corrupt("it ends too early")
    raw = bytearray(8 * count)
    for number in range(8):
        raw[number::8] = columns[place + number * count : place + (number + 1) * count]
    doubles = array("d", raw)
    if _IS_BIG_ENDIAN:
        doubles.byteswap()
    origins = None
    if end < len(columns):
        origins, end = _read_column(columns, end, count)
        if end < len(columns):
            raise _corrupt("more follows its end")
    return Points(steps, timestamps, doubles.tolist(), origins)


def _column(numbers: Sequence[int]) -> bytes:
    first = numbers[0]
    differences = list(map(sub, numbers[1:], numbers))
    if not differences:
        return _COLUMN.pack(_CONSTANT, first) + _INT64.pack(0)
    least, greatest = min(differences), max(differences)
    if least < _MIN or greatest > _MAX:
        return _COLUMN.pack(_AS_THEY_ARE, first) + _bytes_of(array("q", numbers[1:]))
    if least == greatest:
        return _COLUMN.pack(_CONSTANT, first) + _INT64.pack(least)
    width = 1
    while not -(1 << (8 * width - 1)) <= least <= greatest < 1 << (8 * width - 1):
        width *= 2
    return _COLUMN.pack(width, first) + _bytes_of(array(_TYPES[width], differences))


def _bytes_of(numbers: array[int]) -> bytes:
    if _IS_BIG_ENDIAN:
        numbers.byteswap()
    return numbers.tobytes()


def _read_column(columns: bytes, place: int, count: int) -> tuple[Sequence[int], int]:
    """Return the numbers of the column that begins at a place, and where it ends."""
    start = place + _COLUMN.size
    if len(columns) < start:
        raise _corrupt("it ends too early")
    kind, first = _COLUMN.unpack_from(columns, place)
    if kind == _CONSTANT:
        end = start + _INT64.size
        if len(columns) < end:
            raise _corrupt("it ends too early")
        (difference,) = _INT64.unpack_from(columns, start)
        if not _MIN <= first + difference * (count - 1) <= _MAX:
            raise _corrupt("its numbers don't fit into 64 bits")
        if not difference:
            return [first] * count, end
        return range(first, first + difference * count, difference), end
    if kind not in _TYPES:
        raise _corrupt(f"it has a column of the kind {kind}")
    numbers = array(_TYPES[kind])
    end = start + numbers.itemsize * (count - 1)
    if len(columns) < end:
        raise _corrupt("it ends too early")
    numbers.frombytes(columns[start:end])
    if _IS_BIG_ENDIAN:
        numbers.byteswap()
    if kind == _AS_THEY_ARE:
        return [first, *numbers], end
    found = list(accumulate(numbers, initial=first))
    if min(found) < _MIN or max(found) > _MAX:
        raise _corrupt("its numbers don't fit into 64 bits")
    return found, end


def _decompressed(data: bytes, count: int) -> bytes:
    # What no honest block exceeds: four columns of int64 or double, and their heads.
    most = 32 * count + 64
    decompressor = zlib.decompressobj()
    try:
        columns = decompressor.decompress(data, most)
    except zlib.error as error:
        raise _corrupt(f"zlib says: {error}") from error
    if not decompressor.eof or decompressor.unused_data:
        raise _corrupt("its compressed part doesn't end where it should")
    return columns


def _corrupt(why: str) -> CorruptDataError:
    return CorruptDataError(f"A block of points can't be read: {why}; restore it from a backup.")
