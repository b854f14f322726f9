"""What was deleted, removed for good: in small transactions, so that nobody waits long.

A run goes whole, in one transaction with others, unless it has very much: then its points go first,
metric by metric. The row of a run goes last, and that of an experiment after its runs, its models
and the names of its metrics: a purge that was interrupted is asked for again, and goes on.

Names of metrics, params and tags stay as long as their experiment, and origins of points for ever:
other processes remember their numbers, and blocks of points hold them. Data sets that no other run
used go with the run.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, select, union_all

from tracking_core.entities import Experiment, LifecycleStage, RunInfo
from tracking_core.stores import RunStore
from tracking_core.stores.applying import plan_purge
from tracking_core.stores.requests import PurgeReport, PurgeRequest
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction
from tracking_core_sql.runs.points import FULL_BLOCK

T = TypeVar("T")

MOST_RUNS = 500
"""Runs, models or experiments that one transaction removes, if they don't have too many rows."""
MOST_ROWS = 50_000

_run, _experiment, _model = schema.run.c, schema.experiment.c, schema.logged_model.c
_dataset, _run_dataset = schema.dataset.c, schema.run_dataset.c

_OF_RUNS = (
    schema.metric_block,
    schema.metric,
    schema.param,
    schema.tag,
    schema.batch,
    schema.run_dataset,
    schema.run_model,
)
_LONG = {
    schema.metric_block: schema.metric_block.c.key,
    schema.batch: schema.batch.c.digest,
    schema.param: schema.param.c.key,
    schema.tag: schema.tag.c.key,
}
"""Tables of which one run may have very many rows, and in which order these go."""
_OF_MODELS = (schema.logged_model_metric, schema.logged_model_param, schema.logged_model_tag)
_OF_EXPERIMENTS = (schema.experiment_tag, schema.key, schema.dataset)


class _Run(NamedTuple):
    """A run that is to go."""

    number: int
    run_id: str
    experiment: int


class SqlPurge(RunStore):
    """Purging, in transactions of some hundred runs each."""

    _database: Database

    def purge(self, request: PurgeRequest) -> PurgeReport:
        runs, experiments = self._database.read(lambda transaction: _plan(transaction, request))
        run_ids = self._purge_runs(runs)
        experiment_ids: list[str] = []
        for some in _groups(experiments):
            wanted = some
            while wanted:
                # What came into being since goes in the next round.
                run_ids += self._purge_runs(self._runs_of(wanted))
                self._purge_models(wanted)
                gone, wanted = self._database.write(functools.partial(_remove_experiments, wanted))
                experiment_ids += gone
        return PurgeReport(run_ids=tuple(run_ids), experiment_ids=tuple(experiment_ids))

    def _runs_of(self, experiments: Sequence[int]) -> list[_Run]:
        def work(transaction: Transaction) -> list[_Run]:
            within = transaction.among(_run.experiment, experiments)
            rows = transaction.rows(select(_run.id, _run.run_id, _run.experiment).where(within))
            return [_Run(*row) for row in rows]

        return sorted(self._database.read(work))

    def _purge_runs(self, runs: Sequence[_Run]) -> list[str]:
        """Remove those of the runs that are deleted, and return their ids."""
        gone: list[str] = []
        for some in _groups(runs):
            numbers = [run.number for run in some]
            rows = self._database.read(functools.partial(_count_rows, numbers))
            for together in _light_enough(some, rows):
                if rows.get(together[0].number, 0) > MOST_ROWS:
                    while self._database.write(functools.partial(_lighten, together[0])):
                        pass
                gone += self._database.write(functools.partial(_remove_runs, together))
        return gone

    def _purge_models(self, experiments: Sequence[int]) -> None:
        def find(transaction: Transaction) -> list[tuple[int, int]]:
            within = transaction.among(_model.experiment, experiments)
            rows = transaction.rows(select(_model.id, _model.experiment).where(within))
            return [(row[0], row[1]) for row in rows]

        for some in _groups(sorted(self._database.read(find))):
            self._database.write(functools.partial(_remove_models, some))


def _plan(transaction: Transaction, request: PurgeRequest) -> tuple[list[_Run], list[int]]:
    """Return the runs that the request names, and its experiments, once all may be purged."""
    columns = (_experiment.id, _experiment.experiment_id, _experiment.name, _experiment.is_deleted)
    wanted = dict.fromkeys(request.experiment_ids)
    experiments = {
        row[0]: Experiment(experiment_id=row[1], name=row[2], lifecycle_stage=_stage(row[3]))
        for row in transaction.rows(
            select(*columns).where(transaction.among(_experiment.experiment_id, wanted))
        )
    }
    both = schema.run.join(schema.experiment, _run.experiment == _experiment.id)
    columns_of_runs = (_run.id, _run.run_id, _run.experiment)
    rows = transaction.rows(
        select(*columns_of_runs, _run.is_deleted, _experiment.is_deleted, _experiment.experiment_id)
        .select_from(both)
        .where(transaction.among(_run.run_id, dict.fromkeys(request.run_ids)))
    )
    kept = [RunInfo(run_id=row[1], experiment_id=row[5]) for row in rows if not (row[3] or row[4])]
    plan_purge(request, kept, experiments.values())
    return sorted(_Run(*row[:3]) for row in rows), sorted(experiments)


def _stage(is_deleted: int) -> LifecycleStage:
    return LifecycleStage.DELETED if is_deleted else LifecycleStage.ACTIVE


def _groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), MOST_RUNS):
        yield items[start : start + MOST_RUNS]


def _count_rows(runs: Sequence[int], transaction: Transaction) -> dict[int, int]:
    """Return how many rows each run has, about: each full block of points counts as one."""
    counts = []
    for table in (schema.metric, schema.param, schema.tag, schema.batch):
        rows: ColumnElement[Any] = func.count()
        if table is schema.metric:
            rows = rows + func.sum(table.c.points) / FULL_BLOCK
        of_them = transaction.among(table.c.run, runs)
        counts.append(select(table.c.run, rows.label("rows")).where(of_them).group_by(table.c.run))
    found: dict[int, int] = {}
    for run, number in transaction.rows(union_all(*counts)):
        found[run] = found.get(run, 0) + int(number)
    return found


def _light_enough(runs: Sequence[_Run], rows: dict[int, int]) -> Iterator[list[_Run]]:
    """Yield runs that can be removed together; one with too many rows comes alone."""
    together: list[_Run] = []
    weight = 0
    for run in runs:
        own = rows.get(run.number, 0)
        if together and weight + own > MOST_ROWS:
            yield together
            together, weight = [], 0
        together.append(run)
        weight += own
    if together:
        yield together


def _hold(transaction: Transaction, runs: Sequence[_Run]) -> list[_Run]:
    """Lock the rows of runs, and return those that are there and deleted."""
    experiments = _hold_experiments(transaction, sorted({run.experiment for run in runs}))
    query = select(_run.id, _run.is_deleted).where(
        transaction.among(_run.id, [run.number for run in runs])
    )
    deleted = dict(transaction.rows(transaction.locking(query.order_by(_run.id))))
    return [
        run
        for run in runs
        if run.number in deleted and (deleted[run.number] or experiments[run.experiment])
    ]


def _hold_experiments(transaction: Transaction, experiments: Sequence[int]) -> dict[int, int]:
    """Lock the rows of experiments, and return which are deleted."""
    query = select(_experiment.id, _experiment.is_deleted).where(
        transaction.among(_experiment.id, experiments)
    )
    return dict(transaction.rows(transaction.locking(query.order_by(_experiment.id))))


def _lighten(run: _Run, transaction: Transaction) -> bool:
    """Remove some of what a run has, if it is very much; tell whether there may be more."""
    if not _hold(transaction, [run]):
        return False
    for table, order in _LONG.items():
        own = table.c.run == run.number
        query = select(order).where(own).order_by(order).limit(1).offset(MOST_ROWS)
        last = transaction.first(query)
        if last is not None:
            transaction.execute(delete(table).where(own, order <= last[0]))
            if table is schema.metric_block:
                metric = schema.metric.c
                transaction.execute(
                    delete(schema.metric).where(metric.run == run.number, metric.key <= last[0])
                )
            return True
    return False


def _remove_runs(runs: Sequence[_Run], transaction: Transaction) -> list[str]:
    """Remove runs and return their ids; who restores one meanwhile keeps it."""
    held = _hold(transaction, runs)
    numbers = [run.number for run in held]
    if numbers:
        used = select(_run_dataset.dataset).where(transaction.among(_run_dataset.run, numbers))
        datasets = sorted({row[0] for row in transaction.rows(used)})
        for table in _OF_RUNS:
            _remove(transaction, table, table.c.run, numbers)
        if datasets:
            is_used = exists().where(_run_dataset.dataset == _dataset.id)
            of_them = transaction.among(_dataset.id, datasets)
            transaction.execute(delete(schema.dataset).where(and_(of_them, ~is_used)))
        _remove(transaction, schema.run, _run.id, numbers)
    return [run.run_id for run in held]


def _remove_models(models: Sequence[tuple[int, int]], transaction: Transaction) -> None:
    """Remove those logged models, given with their experiments, whose experiment is deleted."""
    deleted = _hold_experiments(transaction, sorted({experiment for _, experiment in models}))
    numbers = [model for model, experiment in models if deleted.get(experiment)]
    if numbers:
        for table in _OF_MODELS:
            _remove(transaction, table, table.c.model, numbers)
        _remove(transaction, schema.logged_model, _model.id, numbers)


def _remove_experiments(
    experiments: Sequence[int], transaction: Transaction
) -> tuple[list[str], list[int]]:
    """Remove what is left of experiments.

    Returns:
        The ids of those that are gone; and the numbers of those that aren't empty.
    """
    deleted = _hold_experiments(transaction, experiments)
    numbers = [number for number in experiments if deleted.get(number)]
    filled: set[int] = set()
    for table in (schema.run, schema.logged_model):
        within = transaction.among(table.c.experiment, numbers)
        query = select(table.c.experiment).where(within).distinct()
        filled.update(row[0] for row in transaction.rows(query))
    numbers = [number for number in numbers if number not in filled]
    if not numbers:
        return [], sorted(filled)
    named = select(_experiment.experiment_id).where(transaction.among(_experiment.id, numbers))
    gone = [row[0] for row in transaction.rows(named)]
    for table in _OF_EXPERIMENTS:
        _remove(transaction, table, table.c.experiment, numbers)
    _remove(transaction, schema.experiment, _experiment.id, numbers)
    return gone, sorted(filled)


def _remove(
    transaction: Transaction, table: Table, column: ColumnElement[int], numbers: Sequence[int]
) -> None:
    transaction.execute(delete(table).where(transaction.among(column, numbers)))
