"""Points of metrics: MLflow keeps those of runs and those of logged models in two tables."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import ColumnElement, and_, func, select

from tracking_core.entities import Metric, latest_metrics
from tracking_core_sql.stock.reading import Reading
from tracking_core_sql.stock.values import double

_POINT = "run_uuid key value timestamp step is_nan"


def latest_points(
    reading: Reading, run_ids: Iterable[str], *, keys: Iterable[str] | None = None
) -> dict[str, list[Metric]]:
    """Return the latest points of runs by run, in order of key.

    Args:
        reading: Where from.
        run_ids: The runs.
        keys: Of which metrics; None: of all.
    """
    name = "latest_metrics" if "latest_metrics" in reading.tables else "metrics"
    statement = reading.tables.select(name, _POINT)
    each = reading.tables[name].c
    if keys is not None:
        statement = statement.where(each.key.in_(sorted(keys)))
    if name == "metrics" and "step" in each:
        # Databases of 1.0 have no table of the latest points.
        last = (
            select(each.run_uuid, each.key, func.max(each.step).label("step"))
            .group_by(each.run_uuid, each.key)
            .subquery()
        )
        statement = statement.join(
            last,
            and_(
                last.c.run_uuid == each.run_uuid,
                last.c.key == each.key,
                last.c.step == each.step,
            ),
        )
    found: dict[str, list[Metric]] = defaultdict(list)
    for row in reading.rows_among(statement, each.run_uuid, run_ids):
        found[row[0]].append(_point(row))
    for run_id, points in found.items():
        latest = latest_metrics(points)
        found[run_id] = [latest[key] for key in sorted(latest)]
    return found


def history(
    reading: Reading,
    run_ids: Sequence[str],
    key: str,
    *,
    condition: ColumnElement[bool] | None = None,
    limit: int | None = None,
) -> dict[str, list[Metric]]:
    """Return points of one metric by run, in order.

    Args:
        reading: Where from.
        run_ids: The runs; with a limit, one.
        key: The metric.
        condition: On the columns of the table.
        limit: At most so many rows.
    """
    each = reading.tables["metrics"].c
    statement = (
        reading.tables.select("metrics", _POINT)
        .where(reading.exactly(each.key, key))
        # MLflow keeps no order of points of one step and time.
        .order_by(
            *(each[name] for name in ("step", "timestamp", "is_nan", "value") if name in each)
        )
    )
    if condition is not None:
        statement = statement.where(condition)
    if limit is not None:
        statement = statement.limit(limit)
    found: dict[str, list[Metric]] = defaultdict(list)
    for row in reading.rows_among(statement, each.run_uuid, run_ids):
        found[row[0]].append(_point(row))
    return found


def model_points(reading: Reading, model_ids: Iterable[str]) -> list[Metric]:
    """Return all points of logged models, with model and run."""
    names = (
        "metric_name metric_value metric_timestamp_ms metric_step model_id dataset_name"
        " dataset_digest run_id"
    )
    statement = reading.tables.select("logged_model_metrics", names)
    column = reading.tables["logged_model_metrics"].c.model_id
    points = [
        Metric(key, double(value), *rest)
        for key, value, *rest in reading.rows_among(statement, column, model_ids)
    ]
    # This table says 0 for NaN, which only the run's point tells apart.
    doubtful = {point.run_id or "" for point in points if point.value == 0}
    nan_places = _nan_places(reading, doubtful) if doubtful else ()
    return [
        replace(point, value=math.nan)
        if point.value == 0 and (point.run_id, point.key, point.step, point.timestamp) in nan_places
        else point
        for point in points
    ]


def _nan_places(reading: Reading, run_ids: Iterable[str]) -> set[tuple[str, str, int, int]]:
    each = reading.tables["metrics"].c
    statement = select(each.run_uuid, each.key, each.step, each.timestamp).where(each.is_nan)
    return {tuple(row) for row in reading.rows_among(statement, each.run_uuid, run_ids)}


def _point(row: Any) -> Metric:
    _, key, value, timestamp, step, is_nan = row
    return Metric(key, double(value, is_nan), timestamp or 0, step or 0)
