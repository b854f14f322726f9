"""Histories of metrics, page by page: their digest, and what of one another lacks."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tracking_core.client.copying.sameness import shortened
from tracking_core.entities import Metric
from tracking_core.errors import ConflictError
from tracking_core.stores import BackendStore, MetricHistoryQuery

PAGE = 100_000
"""Points held in memory at a time, for each thread and side."""

_encode = msgspec.msgpack.Encoder().encode
_PLAIN = _encode((None, None, None))


def history_pages(store: BackendStore, run_id: str, key: str) -> Iterator[Sequence[Metric]]:
    """Yield the points of a metric in the order of the contract."""
    size = min(PAGE, store.limits.page_size or PAGE)
    token: str | None = None
    while True:
        query = MetricHistoryQuery(key=key, max_results=size, page_token=token)
        page = store.runs.metric_history(run_id, query=query)
        if page.items:
            yield page.items
        token = page.next_page_token
        if token is None:
            return


def history_digest(pages: Iterable[Sequence[Metric]]) -> tuple[int, bytes]:
    """Return the number and a SHA-256 of the points, which doesn't depend on the pages."""
    count = 0
    columns = [hashlib.sha256() for _ in range(4)]
    for points in pages:
        number = len(points)
        count += number
        values = [point.value for point in points]
        if any(map(math.isnan, values)):
            # A NaN has many forms, which not every store can tell apart.
            values = [math.nan if math.isnan(value) else value for value in values]
        columns[0].update(struct.pack(f"<{number}d", *values))
        columns[1].update(struct.pack(f"<{number}q", *[point.step for point in points]))
        columns[2].update(struct.pack(f"<{number}q", *[point.timestamp for point in points]))
        contexts = [(p.model_id, p.dataset_name, p.dataset_digest) for p in points]
        if any(each != (None, None, None) for each in contexts):
            columns[3].update(b"".join(map(_encode, contexts)))
        else:
            columns[3].update(_PLAIN * number)
    return count, hashlib.sha256(b"".join(each.digest() for each in columns)).digest()


def all_points(pages: Iterable[Sequence[Metric]]) -> Iterator[tuple[int, Metric]]:
    """Yield the points with their offsets."""
    offset = 0
    for points in pages:
        yield from enumerate(points, offset)
        offset += len(points)


def missing_points(
    source: Iterable[Sequence[Metric]], destination: Iterable[Sequence[Metric]], *, entity: str
) -> Iterator[tuple[int, Metric]]:
    """Yield the source's points that the destination lacks, with their offsets in the source.

    Logging them after those that are there makes both histories equal, because points are in order
    of step and timestamp, and those of one step and timestamp as they were logged.

    Raises:
        ConflictError: The destination has a point that the source lacks, or has none of its place;
            `entity` says of what, as in `"metric 'loss' of the run 'abc'"`.
    """
    theirs = (point for points in destination for point in points)
    there = next(theirs, None)
    for offset, point in all_points(source):
        if there is None or _place(point) < _place(there):
            yield offset, point
        elif is_same_point(point, there):
            there = next(theirs, None)
        else:
            raise ConflictError(
                f"The {entity} is in the destination already and has other points, so it was left"
                f" as it is: {point_text(there)} in the destination, {point_text(point)} in the"
                " source."
            )
    if there is not None:
        raise ConflictError(
            f"The {entity} is in the destination already with a point that the source lacks, so it"
            f" was left as it is: {point_text(there)}."
        )


def first_difference(
    source: Iterable[Sequence[Metric]], destination: Iterable[Sequence[Metric]]
) -> tuple[str, str]:
    """Return the first two points that differ, as texts; empty ones if none does."""
    ours = (point for points in source for point in points)
    theirs = (point for points in destination for point in points)
    while True:
        one, other = next(ours, None), next(theirs, None)
        if one is None or other is None:
            if one is other:
                return "", ""
            return point_text(one), point_text(other)
        if not is_same_point(one, other):
            return point_text(one), point_text(other)


def is_same_point(one: Metric, other: Metric) -> bool:
    """Tell whether two points are equal; NaN equals itself here, and -0.0 isn't 0.0."""
    return (
        _place(one) == _place(other)
        and (
            math.isnan(other.value)
            if math.isnan(one.value)
            else one.value == other.value
            and math.copysign(1.0, one.value) == math.copysign(1.0, other.value)
        )
        and one.model_id == other.model_id
        and one.dataset_name == other.dataset_name
        and one.dataset_digest == other.dataset_digest
    )


def point_text(point: Metric | None) -> str:
    """Return what people see of a point."""
    if point is None:
        return "no further point"
    parts = [f"{point.value!r} at step {point.step}, time {point.timestamp}"]
    if point.model_id is not None:
        parts.append(f"model {point.model_id}")
    if point.dataset_name is not None or point.dataset_digest is not None:
        parts.append(f"data set {shortened((point.dataset_name, point.dataset_digest))}")
    return ", ".join(parts)


def _place(point: Metric) -> tuple[int, int]:
    return (point.step, point.timestamp)
