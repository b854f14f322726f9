"""Runs out of rows: each table is read once for all runs of a page.

Rows are read as the driver gives them, and put to their runs key after key in order of the names,
which sorts the metrics of all runs at once.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from tracking_core.stores import Projection
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.planning import go_by_index
from tracking_core_sql.searching.run_fields import KnownExperiment
from tracking_core_sql.values import join_double

Rows = Sequence[tuple[Any, ...]]

_STATUSES = {status.number: status for status in RunStatus}
_HEADER = (
    "id",
    "run_id",
    "experiment",
    "name",
    "user_id",
    "status",
    "start_time",
    "end_time",
    "artifact_uri",
    "is_deleted",
    "deleted_time",
)
_METRIC = ("run", "key", "value", "infinity", "timestamp", "step", "origin")
_VALUE = ("run", "key", "head", "rest")
_DATASET = ("name", "digest", "source_type", "source", "schema", "profile")
# More runs than this are quicker read with all others.
_MOST_BY_INDEX = 2_000
_NO_INPUTS, _NO_OUTPUTS = RunInputs(), RunOutputs()


class KeyNames:
    """The names of the numbers of metrics, params and tags, which never change."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, transaction: Transaction, numbers: Iterable[int]) -> dict[int, str]:
        """Return the name of each number, asking for the unknown ones in one statement."""
        missing = [number for number in numbers if number not in self._known]
        if missing:
            rows = read_rows(transaction, schema.key, ("id", "name"), {"id": missing})
            self._known.update((number, name) for number, name in rows)
        return self._known


def load_runs(
    transaction: Transaction,
    numbers: Sequence[int],
    *,
    projection: Projection,
    experiments: Mapping[int, KnownExperiment],
    keys: Mapping[str, Collection[int]],
    names: KeyNames,
) -> dict[int, Run]:
    """Return runs by number, in at most eight statements.

    Args:
        transaction: Where they are.
        numbers: Those of the runs.
        projection: What to read of them.
        experiments: Their experiments, by number.
        keys: The numbers of each name that the projection names.
        names: The names of numbers.
    """
    go_by_index(transaction, is_wanted=len(numbers) <= _MOST_BY_INDEX)
    headers = read_rows(transaction, schema.run, _HEADER, {"id": numbers})
    metrics: dict[int, list[Metric]] = {number: [] for number in numbers}
    params: dict[int, dict[str, str]] = {number: {} for number in numbers}
    tags: dict[int, dict[str, str]] = {number: {} for number in numbers}

    def logged(table: Table, columns: Sequence[str], wanted: Collection[str] | None) -> Rows:
        within: dict[str, Sequence[int]] = {"run": numbers}
        if wanted is not None:
            within["key"] = [number for name in wanted for number in keys.get(name, ())]
        return read_rows(transaction, table, columns, within)

    points = logged(schema.metric, _METRIC, projection.metrics)
    origins = _origins(transaction, {row[6] for row in points if row[6]})
    for name, rows in _by_name(transaction, points, names):
        _add_metrics(metrics, name, rows, origins)
    for table, texts, wanted in (
        (schema.param, params, projection.params),
        (schema.tag, tags, projection.tags),
    ):
        for name, rows in _by_name(transaction, logged(table, _VALUE, wanted), names):
            for run, _, head, rest in rows:
                texts[run][name] = head + rest if rest else head
    inputs: Mapping[int, RunInputs] = {}
    outputs: Mapping[int, RunOutputs] = {}
    if projection.inputs:
        inputs, outputs = _inputs_and_outputs(transaction, numbers)
    return {
        row[0]: Run(
            info=_info(row, experiments[row[2]]),
            data=RunData(
                latest_metrics=tuple(metrics[row[0]]), params=params[row[0]], tags=tags[row[0]]
            ),
            inputs=inputs.get(row[0], _NO_INPUTS),
            outputs=outputs.get(row[0], _NO_OUTPUTS),
        )
        for row in headers
    }


def read_rows(
    transaction: Transaction,
    table: Table,
    columns: Sequence[str],
    within: Mapping[str, Sequence[int]],
) -> Rows:
    """Return some columns of the rows whose numbers are among these, as plain tuples.

    The statement is put together here: it is SQLAlchemy's way through a hundred thousand rows and
    lists of numbers that would cost more than the database's.
    """
    if not all(within.values()):
        return []
    dialect = transaction.dialect
    if dialect == "sqlite":
        lists = [list(numbers) for numbers in within.values()]
        alone = tuple(len(numbers) == 1 for numbers in lists)
        sql = _sqlite_query(table, tuple(columns), tuple(within), alone)
        values = [each[0] if len(each) == 1 else json.dumps(each) for each in lists]
        return transaction.plain_rows(sql, values)
    quote = transaction.connection.dialect.identifier_preparer.quote
    conditions = []
    parameters: list[Any] = []
    for name, numbers in within.items():
        column = quote(name)
        if dialect == "postgresql":
            conditions.append(f"{column} = ANY(%s::bigint[])")
            parameters.append(list(numbers))
        else:
            # Whole numbers only, so that they may stand in the text.
            conditions.append(f"{column} IN ({','.join(map(str, map(int, numbers)))})")
    listed = ", ".join(map(quote, columns))
    sql = f"SELECT {listed} FROM {quote(table.name)} WHERE {' AND '.join(conditions)}"
    return transaction.plain_rows(sql, parameters)


@functools.cache
def _sqlite_query(
    table: Table, columns: tuple[str, ...], within: tuple[str, ...], alone: tuple[bool, ...]
) -> str:
    listed = ", ".join(f'"{name}"' for name in columns)
    conditions = " AND ".join(
        f'"{name}" = ?' if is_alone else f'"{name}" IN (SELECT value FROM json_each(?))'
        for name, is_alone in zip(within, alone, strict=True)
    )
    return f'SELECT {listed} FROM "{table.name}" WHERE {conditions}'


def _by_name(
    transaction: Transaction, rows: Rows, names: KeyNames
) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Return the rows of each key, whose number is their second column, in order of the names."""
    by_key: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        try:
            by_key[row[1]].append(row)
        except KeyError:
            by_key[row[1]] = [row]
    known = names.of(transaction, by_key)
    return sorted(((known[key], rows) for key, rows in by_key.items()), key=_first)


def _first(pair: tuple[str, object]) -> str:
    return pair[0]


def _add_metrics(
    metrics: Mapping[int, list[Metric]],
    name: str,
    rows: Rows,
    origins: Mapping[int, Sequence[str | None]],
) -> None:
    for run, _, value, infinity, timestamp, step, origin in rows:
        if value is None or infinity:
            value = join_double(value, infinity)
        if origin:
            metrics[run].append(Metric(name, value, timestamp, step, *origins[origin]))
        else:
            metrics[run].append(Metric(name, value, timestamp, step))


def _origins(transaction: Transaction, numbers: Collection[int]) -> dict[int, Sequence[str | None]]:
    columns = ("id", "model_id", "dataset_name", "dataset_digest")
    rows = read_rows(transaction, schema.origin, columns, {"id": sorted(numbers)})
    return {row[0]: row[1:] for row in rows}


def _info(row: Sequence[Any], experiment: KnownExperiment) -> RunInfo:
    is_deleted = row[9] or experiment.is_deleted
    return RunInfo(
        run_id=row[1],
        experiment_id=experiment.experiment_id,
        run_name=row[3],
        user_id=row[4],
        status=_STATUSES[row[5]],
        start_time=row[6],
        end_time=row[7],
        artifact_uri=row[8],
        lifecycle_stage=LifecycleStage.DELETED if is_deleted else LifecycleStage.ACTIVE,
        deleted_time=row[10],
    )


def _inputs_and_outputs(
    transaction: Transaction, numbers: Sequence[int]
) -> tuple[dict[int, RunInputs], dict[int, RunOutputs]]:
    used_columns = ("run", "position", "dataset", "tags")
    used = read_rows(transaction, schema.run_dataset, used_columns, {"run": numbers})
    ids = sorted({row[2] for row in used})
    described = read_rows(transaction, schema.dataset, ("id", *_DATASET), {"id": ids})
    datasets = {row[0]: Dataset(*row[1:]) for row in described}
    inputs_of: dict[int, list[DatasetInput]] = {}
    for run, _, dataset, its_tags in sorted(used):
        tags = tuple(InputTag(*pair) for pair in json.loads(its_tags))
        inputs_of.setdefault(run, []).append(DatasetInput(datasets[dataset], tags))
    model_columns = ("run", "is_output", "position", "model_id", "step")
    read: dict[int, list[LoggedModelInput]] = {}
    made: dict[int, list[LoggedModelOutput]] = {}
    models = read_rows(transaction, schema.run_model, model_columns, {"run": numbers})
    for run, is_output, _, model_id, step in sorted(models):
        if is_output:
            made.setdefault(run, []).append(LoggedModelOutput(model_id, step))
        else:
            read.setdefault(run, []).append(LoggedModelInput(model_id))
    inputs = {
        run: RunInputs(tuple(inputs_of.get(run, ())), tuple(read.get(run, ())))
        for run in inputs_of.keys() | read.keys()
    }
    return inputs, {run: RunOutputs(tuple(models)) for run, models in made.items()}
