"""What a command prints: a JSON document, or a table for people."""

from __future__ import annotations

import datetime
import math
import shutil
import sys
import textwrap
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import click

from tracking_core.cli.documents import dumps
from tracking_core.cli.session import Session

if TYPE_CHECKING:
    from tracking_core.artifacts.transfer import TransferState

T = TypeVar("T")

_GAP = 2
_FEW = 3
_SECONDS_BETWEEN = 0.1
_SHORTEST_ID = 8
_NARROWEST_TEXT = 14


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: Its head.
        align: Numbers stand to the right.
        identifier: Whether it holds ids, which may be shortened to what is unique.
        keep: Whether it stays where others have to go for lack of room.
    """

    title: str
    align: Literal["left", "right"] = "left"
    identifier: bool = False
    keep: bool = False


class Cell(NamedTuple):
    """A cell with a style for terminals; what it means stands in its text too."""

    text: str
    style: str = ""


class Layout(NamedTuple):
    """How a table fits a width.

    Attributes:
        columns: Positions of the columns that are shown.
        widths: Their widths.
        rows: All rows, ids shortened if they had to be.
    """

    columns: list[int]
    widths: list[int]
    rows: list[list[Cell]]


def answer(session: Session, document: object, show: Callable[[], None]) -> None:
    """Print the document if JSON is asked for, and else call what prints it for people."""
    if session.as_json:
        click.echo(dumps(document))
    else:
        show()


def is_terminal() -> bool:
    """Tell whether someone is looking at what is printed."""
    return sys.stdout.isatty()


def note(text: str) -> None:
    """Tell a person something that is no part of the result: on stderr, and on a terminal only."""
    if sys.stderr.isatty():
        click.secho(textwrap.fill(text, shutil.get_terminal_size().columns), dim=True, err=True)


def progress(items: Sequence[T], *, title: str) -> AbstractContextManager[Iterable[T]]:
    """Return the items, for a loop that shows how far it is: on a terminal only."""
    if not sys.stderr.isatty() or len(items) < _FEW:
        return nullcontext(items)
    return click.progressbar(items, label=title, file=sys.stderr)


@contextmanager
def transfer_progress(title: str) -> Iterator[Callable[[TransferState], None] | None]:
    """Return what shows how far a transfer is in one line: None if there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    shown_at = 0.0

    def show(state: TransferState) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= _SECONDS_BETWEEN:
            shown_at = time.monotonic()
            text = (
                f"{printable(title)}: {state.files_done} of {state.files_total} files,"
                f" {size(state.bytes_done)} of {size(state.bytes_total)}"
            )
            click.echo(
                f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}", nl=False, err=True
            )

    try:
        yield show
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def print_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str | Cell]], *, empty: str
) -> None:
    """Print a table: on a terminal, so that it fits; elsewhere plain and whole.

    Args:
        columns: The columns.
        rows: A text or cell for each column.
        empty: What to say on a terminal if there are no rows.
    """
    cells = [[_clean(cell) for cell in row] for row in rows]
    if not is_terminal():
        _print_plain(columns, cells)
    elif not cells:
        note(empty)
    else:
        _print_fitted(columns, cells)


def print_fields(fields: Iterable[tuple[str, str | Cell]]) -> None:
    """Print names and values, one below the other; what is empty is left out.

    On a terminal long values are wrapped between words; a word that is longer stays whole, so that
    it can be copied.
    """
    given = [(title, _clean(value)) for title, value in fields if value not in ("", Cell(""))]
    indent = " " * (max((len(title) for title, _ in given), default=0) + _GAP)
    for title, (text, style) in given:
        first = f"{title:<{len(indent)}}"
        if is_terminal():
            text = textwrap.fill(
                text,
                shutil.get_terminal_size().columns,
                initial_indent=first,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        else:
            text = first + text
        click.secho(text, fg=style or None)


def arranged(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> Layout:
    """Fit a table into a width: shorten ids, then long texts, then leave columns out."""
    table = [list(row) for row in rows]
    shown = list(range(len(columns)))
    widths = _natural_widths(columns, table)
    if _total(widths) > width:
        for position in (i for i in shown if columns[i].identifier):
            _shorten_ids(table, position)
        widths = _natural_widths(columns, table)
    while _total(widths) > width:
        narrowed = _narrowed(columns, shown, widths, width)
        if narrowed is not None:
            return Layout(shown, narrowed, table)
        dispensable = [place for place, i in enumerate(shown) if not columns[i].keep]
        if not dispensable or len(shown) == 1:
            break
        del shown[dispensable[-1]], widths[dispensable[-1]]
    return Layout(shown, widths, table)


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def when(milliseconds: int | None) -> str:
    """Return a time of this machine's time zone, for people."""
    if milliseconds is None:
        return ""
    try:
        moment = datetime.datetime.fromtimestamp(milliseconds / 1000)
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def moment(milliseconds: int | None) -> str:
    """Return a time for a column: how long ago on a terminal, where room is short."""
    if milliseconds is None or not is_terminal():
        return when(milliseconds)
    seconds = time.time() - milliseconds / 1000
    if seconds < 0:
        return when(milliseconds)
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f}{unit} ago"
    return f"{seconds:.0f}s ago"


def how_long(start: int | None, end: int | None) -> str:
    """Return a duration, for people; empty while it goes on."""
    if start is None or end is None or end < start:
        return ""
    seconds = (end - start) / 1000
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d {hours % 24}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {seconds:02}s"


def size(count: int | None) -> str:
    """Return a number of bytes, for people."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def number(value: float) -> str:
    """Return a metric's value, for people."""
    if math.isnan(value):
        return "NaN"
    return f"{value:.6g}"


def printable(text: str) -> str:
    """Return a text in one line, without what would steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _clean(cell: str | Cell) -> Cell:
    cell = cell if isinstance(cell, Cell) else Cell(cell)
    return cell._replace(text=printable(cell.text))


def _print_plain(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    titles = [Cell(column.title) for column in columns]
    widths = _natural_widths(columns, rows)
    for row in [titles, *rows]:
        parts = [
            _padded(cell.text, width, column.align)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        click.echo((" " * _GAP).join(parts).rstrip())


def _print_fitted(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    # Local, because only a table on a terminal needs it.
    from rich.console import Console
    from rich.text import Text

    layout = arranged(columns, rows, shutil.get_terminal_size().columns)
    # Lines rather than rich's Table, whose versions disagree on how wide padded columns are.
    console = Console(highlight=False, soft_wrap=True)
    titles = [Cell(column.title, "bold") for column in columns]
    for row in [titles, *layout.rows]:
        line = Text()
        for position, width in zip(layout.columns, layout.widths, strict=True):
            text = Text(row[position].text, style=row[position].style)
            text.truncate(width, overflow="ellipsis")
            text.align(columns[position].align, width)
            line.append_text(text).append(" " * _GAP)
        line.rstrip()
        console.print(line)
    hidden = [printable(c.title) for i, c in enumerate(columns) if i not in layout.columns]
    if hidden:
        named = ", ".join(hidden[:6]) + (", ..." if len(hidden) > 6 else "")
        note(f"No room for {len(hidden)} more: {named}. A wider terminal or --json shows them.")


def _natural_widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    return [
        max([cell_width(column.title), *(cell_width(row[i].text) for row in rows)])
        for i, column in enumerate(columns)
    ]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _narrowed(
    columns: Sequence[Column], shown: Sequence[int], widths: Sequence[int], width: int
) -> list[int] | None:
    """Take room from the widest texts; None if they would become too narrow to read."""
    narrowed = list(widths)
    while (excess := _total(narrowed) - width) > 0:
        texts = [
            place
            for place, i in enumerate(shown)
            if columns[i].align == "left" and not columns[i].identifier
        ]
        place = max(texts, key=lambda place: narrowed[place], default=None)
        if place is None:
            return None
        least = max(_NARROWEST_TEXT, cell_width(columns[shown[place]].title))
        others = [narrowed[p] for p in texts if p != place and narrowed[p] < narrowed[place]]
        target = max([least, *others]) if others else least
        if narrowed[place] <= least:
            return None
        narrowed[place] = max(narrowed[place] - excess, min(target, narrowed[place] - 1))
    return narrowed


def _shorten_ids(rows: Sequence[list[Cell]], position: int) -> None:
    texts = {row[position].text for row in rows}
    length = _SHORTEST_ID
    while len({text[:length] for text in texts}) < len(texts):
        length += 1
    for row in rows:
        row[position] = row[position]._replace(text=row[position].text[:length])


def _padded(text: str, width: int, align: str) -> str:
    blanks = " " * (width - cell_width(text))
    return blanks + text if align == "right" else text + blanks
