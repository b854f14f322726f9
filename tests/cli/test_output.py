"""How tables fit a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.cli.output import (
    Cell,
    Column,
    arranged,
    cell_width,
    how_long,
    number,
    printable,
    when,
)

ID = Column("RUN", identifier=True, keep=True)
NAME = Column("NAME", keep=True)
METRIC = Column("accuracy", "right")
LONG = Column("ABOUT")


def rows(*table: tuple[str, ...]) -> list[list[Cell]]:
    return [[Cell(text) for text in row] for row in table]


def test_a_table_with_room_stays_as_it_is() -> None:
    layout = arranged([ID, NAME], rows(("a" * 32, "svm")), 80)
    assert layout.widths == [32, 4]
    assert layout.rows[0][0].text == "a" * 32


def test_ids_are_shortened_to_what_is_unique_before_anything_else_goes() -> None:
    table = rows(("aaaaaaaaaab" + "0" * 21, "svm"), ("aaaaaaaaaac" + "0" * 21, "forest"))
    layout = arranged([ID, NAME], table, 30)
    assert [row[0].text for row in layout.rows] == ["aaaaaaaaaab", "aaaaaaaaaac"]
    assert layout.columns == [0, 1]


def test_long_texts_give_room_before_columns_go() -> None:
    layout = arranged([NAME, LONG, METRIC], rows(("svm", "x" * 100, "0.9")), 60)
    assert layout.columns == [0, 1, 2]
    assert sum(layout.widths) + 4 == 60


def test_the_last_columns_go_and_what_must_stay_stays() -> None:
    columns = [ID, NAME, *[METRIC] * 10]
    layout = arranged(columns, rows(("a" * 32, "svm", *["0.123456"] * 10)), 60)
    assert layout.columns == [0, 1, 2, 3, 4, 5]
    narrow = arranged(columns, rows(("a" * 32, "svm", *["0.123456"] * 10)), 5)
    assert narrow.columns == [0, 1]


@given(
    st.lists(st.lists(st.text(max_size=60), min_size=4, max_size=4), max_size=5),
    st.integers(60, 200),
)
def test_no_table_of_short_heads_is_wider_than_the_terminal(
    table: list[list[str]], width: int
) -> None:
    columns = [NAME, LONG, Column("STAGE"), Column("CHANGED")]
    cells = [[Cell(printable(text)) for text in row] for row in table]
    layout = arranged(columns, cells, width)
    assert sum(layout.widths) + 2 * (len(layout.widths) - 1) <= width
    assert layout.columns[0] == 0


@given(st.text())
def test_whatever_a_name_holds_it_takes_one_line_and_steers_nothing(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert "\x1b" not in shown


def test_wide_letters_take_two_columns_and_accents_none() -> None:
    assert cell_width("abc") == 3
    assert cell_width("数字") == 4
    assert cell_width("e\u0301") == 1


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0, 1500, "1.5s"),
        (0, 61_000, "1m 01s"),
        (0, 3_600_000 + 120_000, "1h 02m"),
        (0, 90_000_000, "1d 1h"),
        (5, None, ""),
        (5, 1, ""),
    ],
)
def test_durations_are_short(start: int, end: int | None, text: str) -> None:
    assert how_long(start, end) == text


def test_times_that_no_calendar_has_are_shown_as_they_are() -> None:
    assert when(2**62) == str(2**62)
    assert when(None) == ""


def test_numbers_are_short_and_nan_is_named() -> None:
    assert [number(v) for v in (0.1 + 0.2, 5.0, float("nan"), float("-inf"), 1e-9)] == [
        "0.3",
        "5",
        "NaN",
        "-inf",
        "1e-09",
    ]
