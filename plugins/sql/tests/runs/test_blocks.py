"""The bytes of blocks: what goes in comes out, and what isn't a block is told."""

from __future__ import annotations

import math
import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.errors import CorruptDataError
from tracking_core_sql.runs.blocks import MOST_POINTS, Points, decode, encode

INT64 = st.integers(-(2**63), 2**63 - 1)
NUMBERS = INT64 | st.integers(-300, 300) | st.sampled_from([-(2**63), 2**63 - 1, 0])


def bits(values: object) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)  # type: ignore[arg-type, misc]


@st.composite
def blocks(draw: st.DrawFn) -> Points:
    count = draw(st.integers(1, 40))

    def column(numbers: st.SearchStrategy[int]) -> list[int]:
        if draw(st.booleans()):
            first, step = draw(st.integers(-1000, 1000)), draw(st.integers(-5, 5))
            return [first + step * i for i in range(count)]
        return draw(st.lists(numbers, min_size=count, max_size=count))

    values = draw(st.lists(st.floats(), min_size=count, max_size=count))
    origins = column(st.integers(0, 2**40)) if draw(st.booleans()) else None
    return Points(column(NUMBERS), column(NUMBERS), values, origins)


def same(left: Points, right: Points) -> bool:
    return (
        list(left.steps) == list(right.steps)
        and list(left.timestamps) == list(right.timestamps)
        and bits(left.values) == bits(right.values)
        and (left.origins is None) == (right.origins is None)
        and list(left.origins or ()) == list(right.origins or ())
    )


@given(blocks())
def test_points_come_back_to_the_last_bit(points: Points) -> None:
    assert same(decode(encode(points)), points)


def test_a_large_block_comes_back() -> None:
    chance = random.Random(7)
    points = Points(
        list(range(MOST_POINTS)),
        sorted(chance.randrange(2**50) for _ in range(MOST_POINTS)),
        [chance.random() for _ in range(MOST_POINTS)],
    )
    assert same(decode(encode(points)), points)


@pytest.mark.parametrize(
    ("points", "data"),
    [
        (
            Points([3], [1700000000000], [0.5]),
            "0103000000000000000068e5cf8b010000000000000000e03f",
        ),
        (
            Points([-1], [0], [-0.0], [7]),
            "02ffffffffffffffff000000000000000000000000000000800700000000000000",
        ),
        (
            Points([1, 2, 3], [10, 30, 20], [0.0, 1.0, math.inf], [0, 5, 5]),
            "0303000000"
            "0001000000000000000100000000000000"
            "010a0000000000000014f6"
            "000000000000000000000000000000000000"
            "00f0f0003f7f"
            "0100000000000000000500",
        ),
    ],
    ids=["one", "one with an origin", "columns"],
)
def test_the_format_stays_as_it_was(points: Points, data: str) -> None:
    """Bytes that were written by the first version, which every later one must read."""
    assert encode(points).hex() == data
    assert same(decode(bytes.fromhex(data)), points)


def test_compressed_columns_of_the_first_version_can_be_read() -> None:
    places = range(600)
    points = Points(places, [1000 * i for i in places], [float(i % 3) for i in places])
    data = encode(points)
    assert data[:5].hex() == "0458020000"
    columns = zlib.decompress(data[5:])
    assert columns[:17].hex() == "0000000000000000000100000000000000"
    assert same(decode(data), points)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_told_to_be_damaged(data: bytes) -> None:
    try:
        points = decode(data)
    except CorruptDataError as error:
        assert str(error).startswith("A block of points can't be read: ")  # noqa: PT017
        return
    assert same(decode(encode(points)), points)


@given(blocks(), st.data())
def test_a_block_that_was_cut_or_changed_is_never_more_than_damaged(
    points: Points, data: st.DataObject
) -> None:
    good = bytearray(encode(points))
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(good), bytes(good[:place]), bytes(good) + b"x"):
        try:
            found = decode(bad)
        except CorruptDataError:
            continue
        for column in (found.steps, found.timestamps):
            assert -(2**63) <= min(column) <= max(column) < 2**63


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "its format is None"),
        (b"\x09abc", "its format is 9"),
        (b"\x01abc", "it has 4 bytes"),
        (b"\x03\x01", "it has 2 bytes"),
        (struct.pack("<BI", 3, 0), "it tells of 0 points"),
        (struct.pack("<BI", 3, 2**32 - 1), "it tells of 4294967295 points"),
        (struct.pack("<BI", 3, 2), "it ends too early"),
        (struct.pack("<BIBqB", 3, 2, 77, 0, 0), "it has a column of the kind 77"),
        (struct.pack("<BIBqq", 3, 3, 0, 1, 2**62), "its numbers don't fit into 64 bits"),
        (struct.pack("<BIBqb", 3, 2, 1, 2**63 - 1, 1), "its numbers don't fit into 64 bits"),
        (encode(Points([1, 2], [1, 2], [0.0, 0.0], [1, 2])) + b"x", "more follows its end"),
        (struct.pack("<BI", 4, 2) + b"no zlib", "zlib says"),
        (struct.pack("<BI", 4, 2) + zlib.compress(b"a") + b"x", "doesn't end where it should"),
        (struct.pack("<BI", 4, 2) + zlib.compress(bytes(10**6)), "doesn't end where it should"),
    ],
)
def test_what_is_wrong_with_a_block_stands_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(CorruptDataError, match=sentence) as caught:
        decode(data)
    assert str(caught.value).endswith("; restore it from a backup.")


def test_points_take_little_room() -> None:
    chance = random.Random(5)
    timestamps = [1_700_000_000_000]
    while len(timestamps) < 1024:
        timestamps.append(timestamps[-1] + chance.randrange(80, 400))
    values = [chance.random() for _ in timestamps]
    assert len(encode(Points(range(1024), timestamps, values))) <= 9 * 1024
    assert len(encode(Points(range(1024), timestamps, [0.125] * 1024))) <= 2 * 1024
    assert len(encode(Points([0] * 1024, [5] * 1024, [1.0] * 1024))) <= 100
