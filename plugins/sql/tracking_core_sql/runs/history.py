"""Reading points: only those blocks are read that can hold what is asked for.

The order is (step, timestamp), and points of the same place come as they were logged. A block tells
its least and its greatest place, so that windows and pages pass over blocks without reading them,
however late or early points were logged.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import le
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select

from tracking_core.entities import Metric
from tracking_core.errors import CorruptDataError
from tracking_core.search.page import Page
from tracking_core.stores.applying import select_points
from tracking_core.stores.requests import MetricHistoryQuery
from tracking_core.stores.validation import MAX_INT64, MIN_INT64
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction, constant
from tracking_core_sql.runs.among_keys import among, listed
from tracking_core_sql.runs.blocks import decode
from tracking_core_sql.runs.origins import Origins

Place = tuple[int, int]


class Window(NamedTuple):
    """What of a history is asked for.

    Attributes:
        first: The least step.
        last: The greatest step.
        place: Where the page before ended; None for the first.
        ties: How many points of that very place came already.
        most: The size of the page; None: all.
    """

    first: int
    last: int
    place: Place | None
    ties: int
    most: int | None


def window_of(query: MetricHistoryQuery) -> Window:
    """Return the window of a query.

    Raises:
        InvalidValueError: The page token isn't one of this query.
    """
    first = MIN_INT64 if query.first_step is None else max(query.first_step, MIN_INT64)
    last = MAX_INT64 if query.last_step is None else min(query.last_step, MAX_INT64)
    if query.page_token is None:
        return Window(first, last, None, 0, query.max_results)
    select_points((), query)  # which refuses tokens of other queries
    step, timestamp, ties, _ = query.page_token.split(":", 3)
    return Window(first, last, (int(step), int(timestamp)), int(ties), query.max_results)


def read_blocks(
    transaction: Transaction, run: int, key: int, window: Window
) -> Sequence[tuple[int, bytes]]:
    """Return the blocks (number and bytes) that can hold points of a page, as they were logged.

    They hold at least one point more than the page, if there is one.
    """
    first = window.first if window.place is None else max(window.first, window.place[0])
    within = {"run": run, "key": key, "first": first, "last": window.last}
    if window.most is None:
        return transaction.rows(_WINDOW, within)
    needed = _needed(transaction.rows(_PLACES, within), window, window.most)
    if not needed:
        return []
    dialect = transaction.dialect
    parameters = {"run": run, "key": key, "numbers": listed(dialect, needed)}
    return transaction.rows(_numbered(dialect), parameters)


def _needed(blocks: Sequence[Any], window: Window, most: int) -> list[int]:
    """Return the numbers of the blocks that hold the page and the point behind it."""
    begin = (window.first, MIN_INT64)
    if window.place is not None:
        begin = max(begin, window.place)
    seen = window.ties + most + 1
    limit = (window.last, MAX_INT64)
    reachable = []
    for number, points, first_step, first_timestamp, last_step, last_timestamp in blocks:
        first, last = (first_step, first_timestamp), (last_step, last_timestamp)
        if last >= begin:
            reachable.append((last, first, points, number))
    # All points of these blocks are of the page or before it, if they begin in the window.
    for last, first, points, _ in sorted(reachable):
        if first >= begin and last <= limit:
            seen -= points
            if seen <= 0:
                limit = last
                break
    return [number for _, first, _, number in reachable if first <= limit]


def points_of(
    blocks: Iterable[tuple[int, bytes]],
    key: str,
    *,
    run_id: str,
    origins: Origins,
    with_run_id: bool = False,
) -> tuple[list[Place], list[Metric]]:
    """Return the points of these blocks, and their places, in order.

    Args:
        blocks: Their numbers and bytes, in the order of their numbers.
        key: The metric.
        run_id: Its run.
        origins: What the points were measured on.
        with_run_id: Whether the points tell their run.

    Raises:
        CorruptDataError: One of the blocks can't be read.
    """
    steps: list[int] = []
    timestamps: list[int] = []
    values: list[float] = []
    numbers: list[int] | None = None
    for number, data in blocks:
        try:
            part = decode(data)
        except CorruptDataError as error:
            raise CorruptDataError(
                f"The history of the metric {key!r} of the run {run_id!r} is damaged behind its"
                f" first {number} points. {error}"
            ) from error
        if part.origins is not None and numbers is None:
            numbers = [0] * len(steps)
        steps += part.steps
        timestamps += part.timestamps
        values += part.values
        if numbers is not None:
            numbers += part.origins or repeat(0, len(part.steps))
    places = list(zip(steps, timestamps, strict=True))
    if numbers is None:
        columns = (repeat(key), values, timestamps, steps)
        if not with_run_id:
            points = list(map(Metric, *columns))
        else:
            none = repeat(None)
            points = list(map(Metric, *columns, none, none, none, repeat(run_id)))
    else:
        named = origins.named(numbers)
        shown = run_id if with_run_id else None
        points = [
            Metric(key, value, timestamp, step, *named[number], shown)
            for value, timestamp, step, number in zip(
                values, timestamps, steps, numbers, strict=True
            )
        ]
    if all(map(le, places, places[1:])):
        return places, points
    order = sorted(range(len(places)), key=places.__getitem__)
    return [places[i] for i in order], [points[i] for i in order]


def page_of(
    places: Sequence[Place], points: Sequence[Metric], window: Window, key: str
) -> Page[Metric]:
    """Return the page of a window out of points that begin and end beyond it."""
    low = bisect_left(places, (window.first, MIN_INT64))
    high = bisect_left(places, (window.last + 1, MIN_INT64))
    start = low
    if window.place is not None:
        start = max(low, bisect_left(places, window.place)) + window.ties
    end = high if window.most is None else start + window.most
    items = tuple(points[start : min(end, high)])
    if end >= high:
        return Page(items)
    step, timestamp = places[end - 1]
    ties = end - bisect_left(places, (step, timestamp))
    return Page(items, f"{step}:{timestamp}:{ties}:{key}")


_block = schema.metric_block.c
_OF_METRIC = (_block.run == bindparam("run"), _block.key == bindparam("key"))
_IN_WINDOW = (_block.last_step >= bindparam("first"), _block.first_step <= bindparam("last"))
_WINDOW = constant(
    select(_block.number, _block.data).where(*_OF_METRIC, *_IN_WINDOW).order_by(_block.number)
)
_PLACES = constant(
    select(
        _block.number,
        _block.points,
        _block.first_step,
        _block.first_timestamp,
        _block.last_step,
        _block.last_timestamp,
    )
    .where(*_OF_METRIC, *_IN_WINDOW)
    .order_by(_block.number)
)


@functools.cache
def _numbered(dialect: str) -> Select[Any]:
    return constant(
        select(_block.number, _block.data)
        .where(*_OF_METRIC, among(dialect, _block.number, "numbers"))
        .order_by(_block.number)
    )


@functools.cache
def _of_runs(dialect: str) -> Select[Any]:
    return constant(
        select(_block.run, _block.number, _block.data)
        .where(among(dialect, _block.run, "runs"), among(dialect, _block.key, "keys"), *_IN_WINDOW)
        .order_by(_block.run, _block.number)
    )


def read_blocks_of_runs(
    transaction: Transaction, runs: Sequence[int], keys: Sequence[int], window: Window
) -> dict[int, list[tuple[int, bytes]]]:
    """Return the blocks of a window by run; each of the keys belongs to some of the runs."""
    dialect = transaction.dialect
    parameters = {
        "runs": listed(dialect, runs),
        "keys": listed(dialect, keys),
        "first": window.first,
        "last": window.last,
    }
    found: dict[int, list[tuple[int, bytes]]] = {run: [] for run in runs}
    for run, number, data in transaction.rows(_of_runs(dialect), parameters):
        found[run].append((number, data))
    return found
