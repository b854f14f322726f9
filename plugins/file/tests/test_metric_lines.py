from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tracking_core.entities import Metric, latest_metrics
from tracking_core_file.metric_lines import (
    TORN_END,
    decode_field,
    encode_field,
    format_point,
    latest_point,
    parse_points,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.text(
    st.sampled_from("a %20\t\n%2F%%0A\u2028é")
)
POINTS = st.builds(
    Metric,
    key=st.just("m"),
    value=st.floats(),
    timestamp=st.integers(0, 2**63 - 1),
    step=st.integers(-(2**63), 2**63 - 1),
    dataset_name=st.none() | TEXT,
    dataset_digest=st.none() | TEXT,
)


def shown(points: Any) -> list[str]:
    return [repr(point) for point in points]  # NaN isn't equal to itself, its text is


@given(st.lists(POINTS))
def test_what_is_written_is_read_back(points: list[Metric]) -> None:
    content = b"".join(map(format_point, points))
    found, broken = parse_points("m", content)
    assert (shown(found), broken) == (shown(points), 0)
    latest, _ = latest_point("m", content)
    expected = latest_metrics(points).get("m")
    assert repr(latest) == repr(expected)


@given(POINTS)
def test_mlflow_finds_three_or_five_fields_in_each_line(point: Metric) -> None:
    line = format_point(point).decode()
    assert line.endswith("\n")
    assert len(line[:-1].splitlines()) == 1
    assert len(line.strip().split(" ")) in (3, 5)


@given(POINTS, POINTS, st.data())
def test_half_a_line_costs_itself_alone(first: Metric, second: Metric, data: Any) -> None:
    line = format_point(first)
    torn = line[: data.draw(st.integers(1, len(line) - 1))]
    assert parse_points("m", torn) == ([], 1)
    found, broken = parse_points("m", torn + TORN_END + format_point(second))
    assert (shown(found), broken) == (shown([second]), 1)


@given(TEXT)
def test_a_field_holds_any_text_and_no_white_space(text: str) -> None:
    field = encode_field(text)
    assert decode_field(field) == text
    assert field
    assert not any(map(str.isspace, field))


def test_no_text_is_a_field_of_its_own() -> None:
    assert decode_field(encode_field(None)) is None
    assert decode_field(encode_field("")) == ""
    assert len({encode_field(None), encode_field(""), encode_field("None")}) == 3


@given(st.text(st.sampled_from("ab%25F0 é")))
def test_a_field_of_others_is_changed_only_if_it_could_be_ours(field: str) -> None:
    decoded = decode_field(field)
    assert decoded == field or encode_field(decoded) == field


def test_what_mlflow_writes_is_read_with_its_steps_and_spaces() -> None:
    content = b"1000 1.5 7 wine abc\n1001 nan 8 red wine abc\n1002 -inf 9\n1003 0.25\n"
    points, broken = parse_points("m", content)
    assert broken == 0
    assert [point.step for point in points] == [7, 8, 9, 0]
    assert [point.dataset_name for point in points] == ["wine", "red wine", None, None]
    assert math.isnan(points[1].value)
    assert points[2].value == -math.inf


def test_line_ends_of_windows_are_read() -> None:
    points, broken = parse_points("m", b"1000 1.5 7\r\n1000 1.5 7 wine abc\r\n")
    assert broken == 0
    assert [p.step for p in points] == [7, 7]
    assert points[1].dataset_digest == "abc"


def test_lines_that_are_no_points_are_counted() -> None:
    points, broken = parse_points(
        "m", b"x 1.5 7\n1000 1.5 7\n1000\n1 2 3 4\n\xff \xff \xff\n1 2 3 \xff d\n"
    )
    assert len(points) == 1
    assert broken == 5
