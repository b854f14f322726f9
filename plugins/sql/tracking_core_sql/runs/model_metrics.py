"""Points that were measured on a logged model become its metrics too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from tracking_core.entities import Metric
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.runs.origins import Origin, origin_of
from tracking_core_sql.runs.points import rank
from tracking_core_sql.values import join_double, split_double

_LATEST_NAMES = ("run_id", "value", "infinity", "step", "timestamp")
_NAMES = ("model", "key", "origin", *_LATEST_NAMES)


def write_model_metrics(
    transaction: Transaction,
    run_id: str | None,
    points: Sequence[Metric],
    origins: Mapping[Origin, int],
) -> None:
    """Keep the latest of these points for those of their logged models that are there.

    Args:
        transaction: Where to write.
        run_id: The run that logged them; None: each point tells its own.
        points: The points, each with the id of its model.
        origins: The numbers of what they were measured on.
    """
    model = schema.logged_model.c
    model_ids = sorted({point.model_id for point in points if point.model_id is not None})
    statement = select(model.model_id, model.id).where(transaction.among(model.model_id, model_ids))
    # In one order for all, so that no two batches wait for each other.
    models = dict(transaction.rows(transaction.locking(statement.order_by(model.id))))
    if not models:
        return
    known = schema.logged_model_metric.c
    found = transaction.rows(
        select(
            known.model,
            known.key,
            known.origin,
            known.value,
            known.infinity,
            known.step,
            known.timestamp,
        ).where(
            transaction.among(known.model, sorted(models.values())),
            transaction.among(known.key, sorted({point.key for point in points})),
        )
    )
    ranks = {tuple(row[:3]): rank(row[5], row[6], join_double(row[3], row[4])) for row in found}
    rows: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for point in points:
        if point.model_id not in models:
            continue
        place = (models[point.model_id], point.key, origins[origin_of(point)])
        own = rank(point.step, point.timestamp, point.value)
        if place not in ranks or own >= ranks[place]:
            ranks[place] = own
            value = split_double(point.value)
            run = point.run_id if run_id is None else run_id
            rows[place] = (*place, run, *value, point.step, point.timestamp)
    written = [rows[place] for place in sorted(rows)]
    transaction.upsert(schema.logged_model_metric, _NAMES, written, update=_LATEST_NAMES)
