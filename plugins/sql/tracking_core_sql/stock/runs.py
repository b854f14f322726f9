"""The runs of an MLflow database: one, a page of them, how many, and their histories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import ColumnElement, and_, func, or_, select

from tracking_core.entities import Experiment, LifecycleStage, Metric, Run, RunInfo, RunInputs
from tracking_core.errors import NotFoundError
from tracking_core.search import decode_page_token, query_digest, select_page
from tracking_core.search.ast import Subject
from tracking_core.search.page import Page
from tracking_core.stores import (
    EVERYTHING,
    MetricHistoryQuery,
    Projection,
    RunQuery,
    select_points,
)
from tracking_core.stores.validation import check_run_id
from tracking_core_sql.stock.experiments import StockExperiments, experiments, stages_of_view
from tracking_core_sql.stock.inputs import dataset_inputs
from tracking_core_sql.stock.loading import header_statement, headers, values_by_key, with_data
from tracking_core_sql.stock.needs import needs_of
from tracking_core_sql.stock.points import history, latest_points
from tracking_core_sql.stock.prefilter import prefilter
from tracking_core_sql.stock.reading import Reading
from tracking_core_sql.stock.values import experiment_number


class StockRuns(StockExperiments):
    """Reads runs.

    A search reads the headers of the runs in its experiments, the parts that its filter and order
    name, and then all of those on the page: a dozen statements, however many runs there are. The
    reference evaluator decides; the database only leaves out what certainly isn't found.
    """

    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        check_run_id(run_id)

        def find(reading: Reading) -> Run:
            run = Run(info=_info(reading, run_id))
            return with_data(reading, [run], projection)[0]

        return self._database.read(find)

    def search_runs(self, query: RunQuery) -> Page[Run]:
        return self._database.read(lambda reading: _page(reading, query))

    def count_runs(self, query: RunQuery) -> int:
        if query.filter is not None:
            return super().count_runs(query)

        def count(reading: Reading) -> int:
            each = reading.tables["runs"].c
            condition = _where(each, _experiments_asked_for(reading, query), query)
            statement = select(func.count(each.run_uuid)).where(condition)
            return int(reading.rows(statement)[0][0])

        return self._database.read(count)

    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        check_run_id(run_id)

        def find(reading: Reading) -> Page[Metric]:
            _check_there(reading, [run_id])
            condition, limit = _part_of_history(reading.tables["metrics"].c, query)
            found = history(reading, [run_id], query.key, condition=condition, limit=limit)
            return select_points(found.get(run_id, []), query)

        return self._database.read(find)

    def metric_histories(
        self, run_ids: Sequence[str], *, query: MetricHistoryQuery
    ) -> list[Metric]:
        for run_id in run_ids:
            check_run_id(run_id)
        whole = replace(query, max_results=None, page_token=None)

        def find(reading: Reading) -> dict[str, list[Metric]]:
            _check_there(reading, run_ids)
            condition, _ = _part_of_history(reading.tables["metrics"].c, whole)
            return history(reading, list(dict.fromkeys(run_ids)), query.key, condition=condition)

        found = self._database.read(find)
        return [
            replace(point, run_id=run_id)
            for run_id in run_ids
            for point in select_points(found.get(run_id, []), whole).items
        ]


def _info(reading: Reading, run_id: str) -> RunInfo:
    """Return the header of a run.

    Raises:
        NotFoundError: It isn't there.
    """
    each = reading.tables["runs"].c
    rows = reading.rows(header_statement(reading).where(each.run_uuid == run_id))
    theirs = experiments(reading, {row.experiment_id for row in rows}, tags=False)
    for run in headers(rows, {each.experiment_id: each for each in theirs}):
        # A collation may find another spelling of the id.
        if run.info.run_id == run_id:
            return run.info
    raise _not_there(run_id)


def _check_there(reading: Reading, run_ids: Sequence[str]) -> None:
    """Check that runs are there.

    Raises:
        NotFoundError: One of them isn't.
    """
    run, experiment = reading.tables["runs"].c, reading.tables["experiments"]
    statement = select(run.run_uuid).join(
        experiment, experiment.c.experiment_id == run.experiment_id
    )
    statement = reading.in_workspace(statement, "experiments")
    found = {row[0] for row in reading.rows_among(statement, run.run_uuid, set(run_ids))}
    for run_id in run_ids:
        if run_id not in found:
            raise _not_there(run_id)


def _not_there(run_id: str) -> NotFoundError:
    return NotFoundError(f"There is no run with the id {run_id!r}.")


# --- searching ---


def _page(reading: Reading, query: RunQuery) -> Page[Run]:
    asked_for = _experiments_asked_for(reading, query)
    each = reading.tables["runs"].c
    conditions = [_where(each, asked_for, query)]
    if query.filter is not None:
        conditions += prefilter(reading, query.filter)
    elif not query.order_by:
        conditions += _around_page(reading, conditions[0], query)
    statement = header_statement(reading).where(*conditions)
    found = headers(reading.rows(statement), asked_for)
    page = select_page(
        _with_needed(reading, found, query),
        subject=Subject.RUNS,
        expression=query.filter,
        order_by=query.order_by,
        max_results=query.max_results,
        page_token=query.page_token,
    )
    bare = [Run(info=run.info) for run in page.items]
    return Page(tuple(with_data(reading, bare, query.projection)), page.next_page_token)


def _experiments_asked_for(reading: Reading, query: RunQuery) -> dict[str, Experiment]:
    if query.experiment_ids is None:
        column = reading.tables["experiments"].c.lifecycle_stage
        condition = func.coalesce(column, "") != LifecycleStage.DELETED.value
        found = experiments(reading, condition=condition, tags=False)
    else:
        numbers = {experiment_number(each) for each in query.experiment_ids} - {None}
        found = experiments(reading, (n for n in numbers if n is not None), tags=False)
    return {each.experiment_id: each for each in found}


def _where(runs: Any, asked_for: dict[str, Experiment], query: RunQuery) -> ColumnElement[bool]:
    """Return the condition that a run is in one of the experiments, and seen by the query."""
    active, deleted = (
        [int(each.experiment_id) for each in asked_for.values() if each.lifecycle_stage is wanted]
        for wanted in LifecycleStage
    )
    stages = stages_of_view(runs.lifecycle_stage, query.view_type)
    in_active: ColumnElement[bool] = runs.experiment_id.in_(active)
    if stages is not None:
        in_active = and_(in_active, stages)
    if not deleted or not query.view_type.includes(LifecycleStage.DELETED):
        return in_active
    return or_(in_active, runs.experiment_id.in_(deleted))


def _around_page(
    reading: Reading, condition: ColumnElement[bool], query: RunQuery
) -> list[ColumnElement[bool]]:
    """Return conditions that leave the runs around a page of the default order."""
    time = reading.tables["runs"].c.start_time
    timed = select(time).where(condition, time.is_not(None))
    conditions = []
    if query.page_token is not None:
        digest = query_digest(Subject.RUNS, None, ())
        first = decode_page_token(query.page_token, digest=digest)[0]
        if first is None:
            return [time.is_(None)]
        if not isinstance(first, int):
            return []
        # Where the page before ended there may be more runs of that very time.
        conditions = [or_(time <= first, time.is_(None))]
        timed = timed.where(time < first)
    last = reading.rows(timed.order_by(time.desc()).offset(query.max_results).limit(1))
    if last:
        conditions.append(time >= last[0][0])
    return conditions


def _with_needed(reading: Reading, runs: list[Run], query: RunQuery) -> Iterable[Run]:
    """Return the runs with what the query's filter and order look at."""
    needs = needs_of(query.filter, query.order_by)
    ids = [run.info.run_id for run in runs]
    metrics = latest_points(reading, ids, keys=needs.metrics) if needs.metrics else {}
    params = values_by_key(reading, "params", ids, keys=needs.params)
    tags = values_by_key(reading, "tags", ids, keys=needs.tags)
    datasets = dataset_inputs(reading, ids) if needs.datasets else {}
    if not (metrics or params or tags or datasets):
        return runs
    return (
        Run(
            info=run.info,
            data=replace(
                run.data,
                latest_metrics=tuple(metrics.get(run.info.run_id, ())),
                params=params.get(run.info.run_id, {}),
                tags=tags.get(run.info.run_id, {}),
            ),
            inputs=RunInputs(tuple(datasets.get(run.info.run_id, ()))),
        )
        for run in runs
    )


# --- histories ---


def _part_of_history(
    points: Any, query: MetricHistoryQuery
) -> tuple[ColumnElement[bool] | None, int | None]:
    """Return a condition and a limit that leave at least the points of a query's page."""
    if "step" not in points:
        return None, None
    conditions = []
    if query.first_step is not None:
        conditions.append(points.step >= query.first_step)
    if query.last_step is not None:
        conditions.append(points.step <= query.last_step)
    limit = None if query.max_results is None else query.max_results + 1
    if query.page_token is not None:
        step, timestamp, ties = _place_of_token(query.page_token)
        later = and_(points.step == step, points.timestamp >= timestamp)
        conditions.append(or_(points.step > step, later))
        if limit is not None:
            limit += ties
    return (and_(*conditions) if conditions else None), limit


def _place_of_token(token: str) -> tuple[int, int, int]:
    """Return where the page of a history begins; whether the token is one, `select_points` says."""
    parts = token.split(":", 3)[:3]
    try:
        step, timestamp, ties = map(int, parts)
    except ValueError:
        return 0, 0, 0
    return step, timestamp, ties
