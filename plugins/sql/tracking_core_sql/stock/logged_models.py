"""The logged models of an MLflow database, which came with 3.0."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, func, select

from tracking_core.entities import LifecycleStage, LoggedModel, LoggedModelStatus, Metric
from tracking_core.entities.metric import latest_metrics
from tracking_core.errors import CorruptDataError, NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import LoggedModelQuery, select_logged_models
from tracking_core.stores.validation import check_model_id
from tracking_core_sql.stock.experiments import experiments
from tracking_core_sql.stock.points import model_points
from tracking_core_sql.stock.reading import Reading, StockDatabase
from tracking_core_sql.stock.refusing import RefusesWrites
from tracking_core_sql.stock.values import experiment_number

_COLUMNS = (
    "model_id experiment_id name artifact_location creation_timestamp_ms last_updated_timestamp_ms"
    " status status_message model_type source_run_id"
)


class StockLoggedModels(RefusesWrites):
    """Reads logged models, each with its whole data: there are few in comparison with runs."""

    _database: StockDatabase

    def get_logged_model(self, model_id: str) -> LoggedModel:
        check_model_id(model_id)
        found = self._database.read(lambda reading: logged_models(reading, [model_id]))
        if model_id not in found:
            raise NotFoundError(f"There is no logged model with the id {model_id!r}.")
        return found[model_id]

    def search_logged_models(self, query: LoggedModelQuery) -> Page[LoggedModel]:
        def find(reading: Reading) -> Page[LoggedModel]:
            if query.experiment_ids is None:
                asked_for = experiments(reading, tags=False)
            else:
                numbers = (experiment_number(each) for each in query.experiment_ids)
                asked_for = experiments(reading, (n for n in numbers if n is not None), tags=False)
            column = reading.tables["logged_models"].c.experiment_id
            ids = [int(each.experiment_id) for each in asked_for]
            found = _loaded(reading, column, ids)
            return select_logged_models(found.values(), asked_for, query)

        return self._database.read(find)


def logged_models(reading: Reading, model_ids: Iterable[str]) -> dict[str, LoggedModel]:
    """Return those of the logged models that are in the workspace and not deleted."""
    found = _loaded(reading, reading.tables["logged_models"].c.model_id, model_ids)
    numbers = {int(each.experiment_id) for each in found.values()}
    there = {each.experiment_id for each in experiments(reading, numbers, tags=False)}
    return {i: each for i, each in found.items() if each.experiment_id in there}


def _loaded(
    reading: Reading, column: ColumnElement[Any], values: Iterable[Any]
) -> dict[str, LoggedModel]:
    tables = reading.tables
    model = tables["logged_models"].c
    statement = tables.select("logged_models", _COLUMNS).where(
        func.coalesce(model.lifecycle_stage, "") != LifecycleStage.DELETED.value
    )
    rows = list(reading.rows_among(statement, column, values))
    ids = [row.model_id for row in rows]
    tags = _texts(reading, "logged_model_tags", "tag_key", "tag_value", ids)
    params = _texts(reading, "logged_model_params", "param_key", "param_value", ids)
    metrics = _latest(reading, ids)
    return {
        row.model_id: LoggedModel(
            model_id=row.model_id,
            experiment_id=str(row.experiment_id),
            name=row.name,
            artifact_location=row.artifact_location or "",
            creation_timestamp=row.creation_timestamp_ms,
            last_updated_timestamp=row.last_updated_timestamp_ms,
            status=_status(row.status, row.model_id),
            status_message=row.status_message,
            model_type=row.model_type,
            source_run_id=row.source_run_id,
            tags=tags.get(row.model_id, {}),
            params=params.get(row.model_id, {}),
            metrics=metrics.get(row.model_id, ()),
        )
        for row in rows
    }


def _status(number: int, model_id: str) -> LoggedModelStatus:
    if number == 0:  # what MLflow calls unspecified
        return LoggedModelStatus.PENDING
    try:
        return LoggedModelStatus.from_number(number)
    except KeyError:
        raise CorruptDataError(
            f"The logged model {model_id!r} has the status {number}, which is none of 1 to 3."
        ) from None


def _texts(
    reading: Reading, table: str, key: str, value: str, model_ids: list[str]
) -> dict[str, dict[str, str]]:
    each = reading.tables[table].c
    found: dict[str, dict[str, str]] = defaultdict(dict)
    statement = select(each.model_id, each[key], each[value])
    for model_id, name, text in reading.rows_among(statement, each.model_id, model_ids):
        found[model_id][name] = text or ""
    return found


def _latest(reading: Reading, model_ids: list[str]) -> dict[str, tuple[Metric, ...]]:
    """Return the latest point of each metric and data set; MLflow keeps them all."""
    points: dict[str, dict[tuple[str, str | None, str | None], list[Metric]]]
    points = defaultdict(lambda: defaultdict(list))
    for point in model_points(reading, model_ids):
        place = (point.key, point.dataset_name, point.dataset_digest)
        points[point.model_id or ""][place].append(point)
    return {
        model_id: tuple(
            latest_metrics(by_place[place])[place[0]] for place in sorted(by_place, key=str)
        )
        for model_id, by_place in points.items()
    }
