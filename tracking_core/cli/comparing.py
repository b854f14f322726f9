"""Runs side by side: what is the same, what differs, where the extremes are."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

from tracking_core.cli.documents import Document, run_document
from tracking_core.cli.output import (
    Cell,
    Column,
    cell_width,
    how_long,
    is_terminal,
    note,
    number,
    print_table,
    printable,
    when,
)
from tracking_core.cli.run_tables import metric_keys, param_keys, status_cell
from tracking_core.entities import Run

_WIDEST_VALUE = 24


class ParamRow(NamedTuple):
    """One param of all runs; None where a run hasn't got it."""

    key: str
    values: list[str | None]
    differs: bool


class MetricRow(NamedTuple):
    """One metric of all runs; which end is better, only the reader knows.

    Attributes:
        key: The metric.
        values: By run; None where a run hasn't got it.
        differs: Whether they are not all the same.
        smallest: Positions of the smallest value, none if all are the same.
        greatest: Positions of the greatest value, likewise.
    """

    key: str
    values: list[float | None]
    differs: bool
    smallest: list[int]
    greatest: list[int]


class Comparison(NamedTuple):
    """Runs and the rows of their comparison."""

    runs: list[Run]
    params: list[ParamRow]
    metrics: list[MetricRow]


def compared(runs: Sequence[Run], *, only_differences: bool = False) -> Comparison:
    """Compare runs."""
    params, metrics = [], []
    for key in param_keys(runs):
        texts = [run.data.params.get(key) for run in runs]
        params.append(ParamRow(key, texts, len(set(texts)) > 1))
    for key in metric_keys(runs):
        metrics.append(_metric_row(key, [run.data.metrics.get(key) for run in runs]))
    if only_differences:
        params = [row for row in params if row.differs]
        metrics = [row for row in metrics if row.differs]
    return Comparison(list(runs), params, metrics)


def comparison_document(comparison: Comparison) -> Document:
    """Return what `runs compare --json` prints."""
    ids = [run.info.run_id for run in comparison.runs]
    headers = []
    for run in comparison.runs:
        document = run_document(run)
        headers.append({k: v for k, v in document.items() if k not in ("params", "metrics")})
    return {
        "runs": headers,
        "params": {
            row.key: {"values": dict(zip(ids, row.values, strict=True)), "differs": row.differs}
            for row in comparison.params
        },
        "metrics": {
            row.key: {
                "values": dict(zip(ids, row.values, strict=True)),
                "differs": row.differs,
                "min": [ids[i] for i in row.smallest],
                "max": [ids[i] for i in row.greatest],
            }
            for row in comparison.metrics
        },
    }


def print_comparison(comparison: Comparison) -> None:
    """Print the comparison, on a terminal in as many tables as its width asks for."""
    if not comparison.runs:
        note("No run matches.")
        return
    marks = _marks()
    width = shutil.get_terminal_size().columns if is_terminal() else None
    blocks = _blocks(comparison, width)
    for block in blocks:
        if block is not blocks[0]:
            click.echo()
        _print_block(comparison, block, marks, narrow=width is not None)
    note(f"{marks[0]} differs   {marks[1].strip()} min   {marks[2].strip()} max")


def _metric_row(key: str, values: list[float | None]) -> MetricRow:
    numbers = {value for value in values if value is not None and not math.isnan(value)}
    kinds = {"NaN" if value is not None and math.isnan(value) else value for value in values}
    smallest: list[int] = []
    greatest: list[int] = []
    if len(numbers) > 1:
        smallest = [i for i, value in enumerate(values) if value == min(numbers)]
        greatest = [i for i, value in enumerate(values) if value == max(numbers)]
    return MetricRow(key, values, len(kinds) > 1, smallest, greatest)


def _marks() -> tuple[str, str, str]:
    """Return the marks for a difference, the smallest and the greatest."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    if is_terminal() and encoding == "utf8":
        return "≠", " ▼", " ▲"
    return "*", " (min)", " (max)"


def _blocks(comparison: Comparison, width: int | None) -> list[list[int]]:
    """Divide the runs into as many as fit side by side."""
    everyone = list(range(len(comparison.runs)))
    if width is None:
        return [everyone]
    keys = [row.key for row in comparison.params] + [row.key for row in comparison.metrics]
    left = max(min(_WIDEST_VALUE, max(map(cell_width, keys), default=0)), len("duration")) + 5
    blocks: list[list[int]] = []
    room = 0
    for i in everyone:
        needed = min(_WIDEST_VALUE, _run_width(comparison, i)) + 2
        if not blocks or needed > room:
            blocks.append([])
            room = width - left
        blocks[-1].append(i)
        room -= needed
    return blocks


def _run_width(comparison: Comparison, i: int) -> int:
    run = comparison.runs[i]
    return max(
        cell_width(printable(run.info.run_name)),
        len(_brief("")),
        *(cell_width(printable(row.values[i] or "")) for row in comparison.params),
        *(len(number(row.values[i] or 0.0)) + 2 for row in comparison.metrics),
    )


def _print_block(
    comparison: Comparison, block: list[int], marks: tuple[str, str, str], *, narrow: bool
) -> None:
    different, smallest, greatest = marks
    runs = [comparison.runs[i] for i in block]
    ids = [run.info.run_id for run in runs]
    if narrow:
        ids = _short([run.info.run_id for run in comparison.runs], block)
    columns = [
        Column("", keep=True),
        Column("RUN", keep=True),
        *(Column(i, keep=True) for i in ids),
    ]
    rows: list[list[str | Cell]] = [
        ["", "name", *(run.info.run_name for run in runs)],
        ["", "status", *(status_cell(run) for run in runs)],
        ["", "started", *((_brief if narrow else str)(when(run.info.start_time)) for run in runs)],
        ["", "duration", *(how_long(run.info.start_time, run.info.end_time) for run in runs)],
    ]
    nothing = Cell("-", "dim")
    if comparison.params:
        rows.append([""] * len(columns))
        rows.append(["", Cell("PARAMS", "bold"), *[""] * len(runs)])
    for param in comparison.params:
        style = "yellow" if param.differs else ""
        rows.append(
            [
                Cell(different if param.differs else "", style),
                param.key,
                *(nothing if (v := param.values[i]) is None else Cell(v, style) for i in block),
            ]
        )
    if comparison.metrics:
        rows.append([""] * len(columns))
        rows.append(["", Cell("METRICS", "bold"), *[""] * len(runs)])
    for metric in comparison.metrics:
        cells: list[str | Cell] = []
        for i in block:
            value = metric.values[i]
            if value is None:
                cells.append(nothing)
            elif i in metric.smallest:
                cells.append(Cell(number(value) + smallest, "cyan"))
            elif i in metric.greatest:
                cells.append(Cell(number(value) + greatest, "magenta"))
            else:
                cells.append(number(value))
        rows.append([Cell(different if metric.differs else "", "yellow"), metric.key, *cells])
    print_table(columns, rows, empty="")


def _brief(moment: str) -> str:
    """Return a time without its year and seconds, in the width that every such time takes."""
    return f"{moment[5:16]:<11}"


def _short(ids: list[str], block: list[int]) -> list[str]:
    length = 8
    while len({i[:length] for i in ids}) < len(set(ids)):
        length += 1
    return [ids[i][:length] for i in block]
