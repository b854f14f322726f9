"""Metric points."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec


class Metric(msgspec.Struct, frozen=True, gc=False):
    """One point of a metric.

    Attributes:
        key: The metric's name.
        value: A float; NaN and the infinities are legal.
        timestamp: Milliseconds since the epoch.
        step: Any 64-bit integer, negative too.
        model_id: The logged model that the point was measured on.
        dataset_name: The data set that it was measured on.
        dataset_digest: That data set's digest.
        run_id: The run, where points of several runs come together.
    """

    key: str
    value: float
    timestamp: int
    step: int = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


def _recency(metric: Metric) -> tuple[int, int, bool, float]:
    # NaN has no order: it ranks below every number, so that a real value wins a tie.
    is_number = not math.isnan(metric.value)
    return (metric.step, metric.timestamp, is_number, metric.value if is_number else 0.0)


def latest_metrics(points: Iterable[Metric]) -> dict[str, Metric]:
    """Return the latest point of each key: the greatest (step, timestamp, value)."""
    latest: dict[str, Metric] = {}
    for point in points:
        known = latest.get(point.key)
        if known is None or _recency(point) >= _recency(known):
            latest[point.key] = point
    return latest
