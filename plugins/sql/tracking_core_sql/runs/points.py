"""Writing points: each batch adds a block to each of its metrics, and small blocks become one.

A metric has sealed blocks, which are not touched again, and behind them a tail of small ones. When
tail and new points come to `FULL_BLOCK` points, all of them become one block, in the transaction
that adds the points; so a point is written at most twice. Metrics that were logged together fill up
together: only some of them are merged at once, the others in the batches to come.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, delete, select

from tracking_core.entities import Metric
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction, constant
from tracking_core_sql.runs.among_keys import among, listed
from tracking_core_sql.runs.blocks import Points, decode, encode
from tracking_core_sql.runs.origins import Origin
from tracking_core_sql.values import join_double, split_double

FULL_BLOCK = 1024
"""Points that make a block worth sealing; it may have up to twice as many."""

_LARGE_BATCH = FULL_BLOCK // 2
"""So many points of one batch are sealed as they come, if nothing waits before them."""

_LEAST_MERGED = 8 * FULL_BLOCK
"""Points that one batch may merge in any case: enough to be worth the statements that it takes."""

_BLOCK_NAMES = (
    "run",
    "key",
    "number",
    "points",
    "first_step",
    "first_timestamp",
    "last_step",
    "last_timestamp",
    "data",
)
_LATEST_NAMES = ("value", "infinity", "step", "timestamp", "origin", "points", "sealed")
_METRIC_NAMES = ("run", "key", *_LATEST_NAMES)


class Block(NamedTuple):
    """A block of points as it lies in its columns, without run, key and number."""

    size: int
    first_step: int
    first_timestamp: int
    last_step: int
    last_timestamp: int
    data: bytes


class NewPoints(NamedTuple):
    """The points of a batch that belong to one metric.

    Attributes:
        key: The number of the metric's name.
        points: The points.
        latest: The place of the latest of them.
        blocks: The points, packed.
    """

    key: int
    points: Points
    latest: int
    blocks: list[Block]


def pack_by_key(
    metrics: Iterable[Metric], keys: Mapping[str, int], origins: Mapping[Origin, int]
) -> list[NewPoints]:
    """Return the points of a batch by metric, in the order of the keys' numbers."""
    by_key: dict[str, list[Metric]] = {}
    for metric in metrics:
        known = by_key.get(metric.key)
        if known is None:
            by_key[metric.key] = [metric]
        else:
            known.append(metric)
    packed = [_pack(keys[name], found, origins) for name, found in by_key.items()]
    packed.sort(key=_key_of)
    return packed


def _key_of(new: NewPoints) -> int:
    return new.key


def _pack(key: int, metrics: Sequence[Metric], origins: Mapping[Origin, int]) -> NewPoints:
    if len(metrics) == 1 and len(origins) == 1:
        (metric,) = metrics
        step, timestamp, value = metric.step, metric.timestamp, metric.value
        points = Points((step,), (timestamp,), (value,))
        block = Block(1, step, timestamp, step, timestamp, encode(points))
        return NewPoints(key, points, 0, [block])
    numbers: list[int] | None = None
    if len(origins) > 1:
        numbers = [origins[m.model_id, m.dataset_name, m.dataset_digest] for m in metrics]  # type: ignore[index]
        if not any(numbers):
            numbers = None
    points = Points(
        [m.step for m in metrics],
        [m.timestamp for m in metrics],
        [m.value for m in metrics],
        numbers,
    )
    return NewPoints(key, points, _latest(points), pack(points))


def rank(step: int, timestamp: int, value: float) -> tuple[int, int, bool, float]:
    """Return what makes a point later than others; of equal ones the last logged is latest."""
    is_number = not math.isnan(value)
    return (step, timestamp, is_number, value if is_number else 0.0)


def _latest(points: Points) -> int:
    steps = points.steps
    last = len(steps) - 1
    greatest = max(steps)
    if steps[last] == greatest and (not last or steps.index(greatest) == last):
        return last
    places = [place for place, step in enumerate(steps) if step == greatest]
    ranks = [(rank(greatest, points.timestamps[i], points.values[i]), i) for i in places]
    return max(ranks)[1]


def pack(points: Points) -> list[Block]:
    """Return points in blocks, each of FULL_BLOCK to twice as many if there are so many."""
    count = len(points.steps)
    parts = count // FULL_BLOCK
    if parts < 2:
        return [_block(points)]
    ends = [count * part // parts for part in range(parts + 1)]
    steps, timestamps, values, origins = points
    return [
        _block(
            Points(
                steps[start:end],
                timestamps[start:end],
                values[start:end],
                None if origins is None else _without_none(origins[start:end]),
            )
        )
        for start, end in pairwise(ends)
    ]


def _without_none(origins: Sequence[int]) -> Sequence[int] | None:
    return origins if any(origins) else None


def _block(points: Points) -> Block:
    steps, timestamps = points.steps, points.timestamps
    count = len(steps)
    if count == 1:
        step, timestamp = steps[0], timestamps[0]
        return Block(1, step, timestamp, step, timestamp, encode(points))
    first, last = min(steps), max(steps)
    # Steps mostly grow; then the first and the last point tell the times.
    if steps[0] == first and steps[-1] == last and first < last and _is_alone(steps, first, last):
        return Block(count, first, timestamps[0], last, timestamps[-1], encode(points))
    places = list(zip(steps, timestamps, strict=True))
    return Block(count, *min(places), *max(places), encode(points))


def _is_alone(steps: Sequence[int], first: int, last: int) -> bool:
    return steps.count(first) == 1 and steps.count(last) == 1


def write_points(transaction: Transaction, run: int, batch: Sequence[NewPoints]) -> None:
    """Add points to the metrics of a run, whose row this transaction holds."""
    dialect = transaction.dialect
    keys = listed(dialect, [new.key for new in batch])
    found = transaction.rows(_known(dialect), {"run": run, "keys": keys})
    known = {row[0]: row for row in found}
    tails = _take_tails(transaction, run, _due(batch, known))
    blocks: list[tuple[Any, ...]] = []
    latest: list[tuple[Any, ...]] = []
    for new in batch:
        key, points, place, packed = new
        row = known.get(key)
        stored, sealed = (0, 0) if row is None else (row[6], row[7])
        number, total = stored, stored + len(points.steps)
        tail = tails.get(key)
        if tail is not None:
            packed, number, sealed = pack(_joined([*tail, points])), sealed, total
        elif sealed == stored and len(points.steps) >= _LARGE_BATCH:
            sealed = total
        for block in packed:
            blocks.append((run, key, number, *block))
            number += block.size
        step, timestamp, value = points.steps[place], points.timestamps[place], points.values[place]
        if row is None or rank(step, timestamp, value) >= rank(
            row[3], row[4], join_double(row[1], row[2])
        ):
            origin = (points.origins[place] or None) if points.origins else None
            latest.append((run, key, *split_double(value), step, timestamp, origin, total, sealed))
        else:
            latest.append((run, key, *row[1:6], total, sealed))
    transaction.insert(schema.metric_block, _BLOCK_NAMES, blocks)
    transaction.upsert(schema.metric, _METRIC_NAMES, latest, update=_LATEST_NAMES)


def _due(batch: Sequence[NewPoints], known: Mapping[int, Any]) -> dict[int, int]:
    """Return those keys whose tail is to be merged now, and where it begins."""
    waiting = []
    for new in batch:
        row = known.get(new.key)
        if row is not None and row[6] > row[7]:
            tail = row[6] - row[7]
            if tail + len(new.points.steps) >= FULL_BLOCK:
                waiting.append((tail, new.key, row[7]))
    if len(waiting) < 2:
        return {key: sealed for _, key, sealed in waiting}
    waiting.sort(reverse=True)
    most = max(_LEAST_MERGED, 2 * sum(len(new.points.steps) for new in batch))
    due: dict[int, int] = {}
    for tail, key, sealed in waiting:
        most -= tail
        if due and most < 0:
            break
        due[key] = sealed
    return due


def _take_tails(
    transaction: Transaction, run: int, due: Mapping[int, int]
) -> dict[int, list[Points]]:
    """Return the points of the tails of these keys, and delete their blocks."""
    if not due:
        return {}
    dialect = transaction.dialect
    keys = sorted(due)
    tails: dict[int, list[Points]] = {key: [] for key in keys}
    parameters = {"run": run, "keys": listed(dialect, keys)}
    for key, data in transaction.rows(_tails(dialect), parameters):
        tails[key].append(decode(data))
    transaction.execute(_DELETE_TAIL, [{"r": run, "k": key, "n": due[key]} for key in keys])
    return tails


def _joined(parts: Sequence[Points]) -> Points:
    steps: list[int] = []
    timestamps: list[int] = []
    values: list[float] = []
    for part in parts:
        steps += part.steps
        timestamps += part.timestamps
        values += part.values
    if all(part.origins is None for part in parts):
        return Points(steps, timestamps, values)
    origins: list[int] = []
    for part in parts:
        origins += part.origins or [0] * len(part.steps)
    return Points(steps, timestamps, values, origins)


_metric, _block_columns = schema.metric.c, schema.metric_block.c


@functools.cache
def _known(dialect: str) -> Select[Any]:
    return constant(
        select(
            _metric.key,
            _metric.value,
            _metric.infinity,
            _metric.step,
            _metric.timestamp,
            _metric.origin,
            _metric.points,
            _metric.sealed,
        ).where(_metric.run == bindparam("run"), among(dialect, _metric.key, "keys"))
    )


@functools.cache
def _tails(dialect: str) -> Select[Any]:
    block = _block_columns
    return constant(
        select(block.key, block.data)
        .select_from(schema.metric)
        .join(schema.metric_block, (block.run == _metric.run) & (block.key == _metric.key))
        .where(
            _metric.run == bindparam("run"),
            among(dialect, _metric.key, "keys"),
            block.number >= _metric.sealed,
        )
        .order_by(block.key, block.number)
    )


_DELETE_TAIL = delete(schema.metric_block).where(
    _block_columns.run == bindparam("r"),
    _block_columns.key == bindparam("k"),
    _block_columns.number >= bindparam("n"),
)
