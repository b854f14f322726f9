"""Runs as rows: their headers, then the parts of their data that someone needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Select, and_, select

from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)
from tracking_core.stores import RUN_NAME_TAG, Projection
from tracking_core_sql.stock.inputs import inputs_and_outputs
from tracking_core_sql.stock.points import latest_points
from tracking_core_sql.stock.reading import Reading
from tracking_core_sql.stock.values import run_status, stage

_COLUMNS = (
    "run_uuid experiment_id name user_id status start_time end_time artifact_uri lifecycle_stage"
    " deleted_time"
)


def header_statement(reading: Reading) -> Select[Any]:
    """Return the query for the headers of runs, to which conditions are added."""
    tables = reading.tables
    run, tag = tables["runs"].c, tables["tags"].c
    # Until 1.30 a run's name stood in this tag alone.
    named = and_(tag.run_uuid == run.run_uuid, reading.exactly(tag.key, RUN_NAME_TAG))
    return tables.select("runs", _COLUMNS, tag.value).outerjoin(tables["tags"], named)


def headers(rows: Iterable[Any], experiments: Mapping[str, Experiment]) -> list[Run]:
    """Return the runs of rows that `header_statement` found, without their data.

    Those whose experiment isn't among the given ones are left out.
    """
    found = []
    for row in rows:
        run_id, number, name, user, status, start, end, artifact_uri, own_stage, deleted, tag = row
        experiment = experiments.get(str(number))
        if experiment is None:
            continue
        in_bin = experiment.lifecycle_stage is LifecycleStage.DELETED
        found.append(
            Run(
                info=RunInfo(
                    run_id=run_id,
                    experiment_id=experiment.experiment_id,
                    run_name=name or tag or "",
                    user_id=user or "",
                    status=run_status(status, run_id),
                    start_time=start,
                    end_time=end,
                    artifact_uri=artifact_uri or "",
                    lifecycle_stage=LifecycleStage.DELETED if in_bin else stage(own_stage),
                    # MLflow deletes an experiment's runs with it and restores them with it.
                    deleted_time=None if in_bin else deleted,
                )
            )
        )
    return found


def with_data(reading: Reading, runs: Sequence[Run], projection: Projection) -> list[Run]:
    """Return the runs with the parts of their data that a projection names."""
    ids = [run.info.run_id for run in runs]
    metrics = (
        {}
        if projection.metrics == frozenset()
        else latest_points(reading, ids, keys=projection.metrics)
    )
    params = values_by_key(reading, "params", ids, keys=projection.params)
    tags = values_by_key(reading, "tags", ids, keys=projection.tags)
    edges = inputs_and_outputs(reading, ids) if projection.inputs else {}
    nothing = (RunInputs(), RunOutputs())
    found = []
    for run in runs:
        run_id = run.info.run_id
        latest = metrics.get(run_id, [])
        if projection.metrics is not None:
            latest = [point for point in latest if point.key in projection.metrics]
        inputs, outputs = edges.get(run_id, nothing)
        data = RunData(
            latest_metrics=tuple(latest),
            params=params.get(run_id, {}),
            tags=tags.get(run_id, {}),
        )
        found.append(replace(run, data=data, inputs=inputs, outputs=outputs))
    return found


def values_by_key(
    reading: Reading, table: str, run_ids: Sequence[str], *, keys: Iterable[str] | None = None
) -> dict[str, dict[str, str]]:
    """Return the params or tags of runs, by run; of some keys, or with None of all."""
    each = reading.tables[table].c
    wanted = None if keys is None else frozenset(keys)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    if wanted is not None and not wanted:
        return found
    statement = select(each.run_uuid, each.key, each.value)
    if wanted is not None:
        statement = statement.where(each.key.in_(sorted(wanted)))
    for run_id, key, value in reading.rows_among(statement, each.run_uuid, run_ids):
        # A collation may find other spellings of a key too.
        if wanted is None or key in wanted:
            found[run_id][key] = value or ""
    return found
