"""What is logged to runs: points, params, tags, inputs and outputs."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, select, update

from tracking_core.entities import Metric, Run, RunInputs, RunOutputs
from tracking_core.search.page import Page
from tracking_core.stores import RunStore, validation
from tracking_core.stores.applying import (
    changed_tags,
    check_params,
    with_inputs,
    with_outputs,
)
from tracking_core.stores.requests import RUN_NAME_TAG, Batch, MetricHistoryQuery
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction, constant
from tracking_core_sql.keys import Keys
from tracking_core_sql.runs.among_keys import among, listed
from tracking_core_sql.runs.history import (
    page_of,
    points_of,
    read_blocks,
    read_blocks_of_runs,
    window_of,
)
from tracking_core_sql.runs.inputs import (
    ensure_datasets,
    read_inputs,
    read_outputs,
    write_inputs,
    write_outputs,
)
from tracking_core_sql.runs.locking import (
    RunNumbers,
    Runs,
    hold_header,
    hold_run,
    no_such_run,
)
from tracking_core_sql.runs.model_metrics import write_model_metrics
from tracking_core_sql.runs.origins import NO_ORIGIN, Origin, Origins, origin_of
from tracking_core_sql.runs.points import pack_by_key, write_points
from tracking_core_sql.values import split_text

_VALUE_NAMES = ("run", "key", "head", "rest")
_NO_ORIGINS: Mapping[Origin, int] = {NO_ORIGIN: 0}


class SqlRunData(RunStore):
    """Logging to runs and reading histories: each call one transaction of a few statements."""

    _database: Database
    _keys: Keys
    _runs: Runs
    _origins: Origins

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        def prepare(numbers: RunNumbers) -> Callable[[Transaction], None]:
            return self._logging(run_id, numbers, batch)

        self._runs.write(run_id, prepare)

    def delete_tag(self, run_id: str, *, key: str) -> None:
        validation.check_key(key, what="tag key")

        def prepare(numbers: RunNumbers) -> Callable[[Transaction], None]:
            def work(transaction: Transaction) -> None:
                hold_run(transaction, numbers.run)
                named = {"r": numbers.run, "e": numbers.experiment, "name": key}
                if not transaction.execute(_DELETE_TAG, named):
                    owner = f"run {run_id!r}"
                    changed_tags({}, set_tags={}, delete_tags=[key], owner=owner)

            return work

        self._runs.write(run_id, prepare)

    def log_inputs(self, run_id: str, *, inputs: RunInputs) -> None:
        validation.check_inputs(inputs)

        def prepare(numbers: RunNumbers) -> Callable[[Transaction], None]:
            described = [used.dataset for used in inputs.dataset_inputs]
            datasets = ensure_datasets(self._database, numbers.experiment, described)

            def work(transaction: Transaction) -> None:
                held = hold_header(transaction, numbers.run)
                old = read_inputs(transaction, numbers.run)
                new = with_inputs(Run(info=held.info, inputs=old), inputs).inputs
                write_inputs(transaction, numbers.run, old, new, datasets)

            return work

        self._runs.write(run_id, prepare)

    def log_outputs(self, run_id: str, *, outputs: RunOutputs) -> None:
        validation.check_outputs(outputs)

        def prepare(numbers: RunNumbers) -> Callable[[Transaction], None]:
            def work(transaction: Transaction) -> None:
                held = hold_header(transaction, numbers.run)
                old = read_outputs(transaction, numbers.run)
                new = with_outputs(Run(info=held.info, outputs=old), outputs).outputs
                write_outputs(transaction, numbers.run, old, new)

            return work

        self._runs.write(run_id, prepare)

    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        validation.check_run_id(run_id)

        def read(transaction: Transaction) -> Sequence[tuple[int, bytes]]:
            row = transaction.first(_FIND_METRIC, {"run_id": run_id, "name": query.key})
            if row is None:
                raise no_such_run(run_id)
            window = window_of(query)
            if row[1] is None:
                return []
            return read_blocks(transaction, row[0], row[1], window)

        blocks = self._database.read(read)
        places, points = points_of(blocks, query.key, run_id=run_id, origins=self._origins)
        return page_of(places, points, window_of(query), query.key)

    def metric_histories(
        self, run_ids: Sequence[str], *, query: MetricHistoryQuery
    ) -> list[Metric]:
        for run_id in run_ids:
            validation.check_run_id(run_id)
        whole = MetricHistoryQuery(
            key=query.key, first_step=query.first_step, last_step=query.last_step
        )
        window = window_of(whole)

        def read(transaction: Transaction) -> dict[str, list[tuple[int, bytes]]]:
            found = transaction.rows(
                select(_run.run_id, _run.id, _key.id)
                .select_from(_METRIC_OF_RUN)
                .where(transaction.among(_run.run_id, dict.fromkeys(run_ids))),
                {"name": query.key},
            )
            known = {row[0]: row[1] for row in found}
            for run_id in run_ids:
                if run_id not in known:
                    raise no_such_run(run_id)
            keys = sorted({row[2] for row in found if row[2] is not None})
            blocks = read_blocks_of_runs(transaction, sorted(known.values()), keys, window)
            return {run_id: blocks[number] for run_id, number in known.items()}

        if not run_ids:
            return []
        blocks = self._database.read(read)
        points: list[Metric] = []
        for run_id in run_ids:
            places, own = points_of(
                blocks[run_id], query.key, run_id=run_id, origins=self._origins, with_run_id=True
            )
            points += page_of(places, own, window, query.key).items
        return points

    def _logging(
        self, run_id: str, numbers: RunNumbers, batch: Batch
    ) -> Callable[[Transaction], None]:
        """Return the work that logs a batch; what can be done before is done already."""
        run, metrics = numbers.run, batch.metrics
        params = {param.key: param.value for param in batch.params}
        tags = {tag.key: tag.value for tag in batch.tags}
        names = {point.key for point in metrics}
        keys = self._keys.ensure(numbers.experiment, names.union(params, tags))
        told = _origins_of(metrics)
        origins = self._origins.ensure([NO_ORIGIN, *told]) if told else _NO_ORIGINS
        packed = pack_by_key(metrics, keys, origins) if metrics else []
        of_models = [point for point in metrics if point.model_id is not None] if told else []
        digest = None if batch.idempotency_key is None else _digest(batch.idempotency_key)

        def work(transaction: Transaction) -> None:
            hold_run(transaction, run)
            if digest is not None:
                if transaction.first(_IS_LOGGED, {"run": run, "digest": digest}) is not None:
                    return
                transaction.insert(schema.batch, ("run", "digest"), [(run, digest)])
            if params:
                _write_params(transaction, run_id, run, params, keys)
            if packed:
                write_points(transaction, run, packed)
            if of_models:
                write_model_metrics(transaction, run_id, of_models, origins)
            if tags:
                rows = sorted((run, keys[key], *split_text(value)) for key, value in tags.items())
                transaction.upsert(schema.tag, _VALUE_NAMES, rows, update=("head", "rest"))
            if RUN_NAME_TAG in tags:
                transaction.execute(_RENAME, {"r": run, "name": tags[RUN_NAME_TAG]})

        return work


def _origins_of(metrics: Iterable[Metric]) -> set[Origin]:
    return {
        origin_of(point)
        for point in metrics
        if not (point.model_id is None and point.dataset_name is None)
        or point.dataset_digest is not None
    }


def _digest(idempotency_key: str) -> str:
    return hashlib.sha256(idempotency_key.encode()).hexdigest()


def _write_params(
    transaction: Transaction,
    run_id: str,
    run: int,
    params: Mapping[str, str],
    keys: Mapping[str, int],
) -> None:
    names = {keys[name]: name for name in params}
    dialect = transaction.dialect
    parameters = {"run": run, "keys": listed(dialect, sorted(names))}
    found = transaction.rows(_params(dialect), parameters)
    known = {names[key]: head + rest for key, head, rest in found}
    check_params(known, params.items(), owner=f"run {run_id!r}")
    new = [
        (run, key, *split_text(params[name]))
        for key, name in sorted(names.items())
        if name not in known
    ]
    transaction.insert(schema.param, _VALUE_NAMES, new)


_run, _key, _param, _tag = schema.run.c, schema.key.c, schema.param.c, schema.tag.c
_METRIC_OF_RUN = schema.run.outerjoin(
    schema.key, and_(_key.experiment == _run.experiment, _key.name == bindparam("name"))
)
_FIND_METRIC = constant(
    select(_run.id, _key.id).select_from(_METRIC_OF_RUN).where(_run.run_id == bindparam("run_id"))
)
_IS_LOGGED = constant(
    select(schema.batch.c.run).where(
        schema.batch.c.run == bindparam("run"), schema.batch.c.digest == bindparam("digest")
    )
)
_RENAME = constant(
    update(schema.run).where(_run.id == bindparam("r")).values(name=bindparam("name"))
)
_DELETE_TAG = delete(schema.tag).where(
    _tag.run == bindparam("r"),
    _tag.key
    == select(_key.id)
    .where(_key.experiment == bindparam("e"), _key.name == bindparam("name"))
    .scalar_subquery(),
)


@functools.cache
def _params(dialect: str) -> Select[Any]:
    return constant(
        select(_param.key, _param.head, _param.rest).where(
            _param.run == bindparam("run"), among(dialect, _param.key, "keys")
        )
    )
