"""The experiments of an MLflow database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, select

from tracking_core.entities import Experiment, LifecycleStage, ViewType
from tracking_core.errors import NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import ExperimentQuery, select_experiments
from tracking_core.stores.validation import check_experiment_id
from tracking_core_sql.stock.reading import Reading, StockDatabase
from tracking_core_sql.stock.refusing import RefusesWrites
from tracking_core_sql.stock.values import experiment_number, is_storable, stage

_COLUMNS = "experiment_id name artifact_location lifecycle_stage creation_time last_update_time"


class StockExperiments(RefusesWrites):
    """Reads experiments."""

    _database: StockDatabase

    def get_experiment(self, experiment_id: str) -> Experiment:
        check_experiment_id(experiment_id)
        number = experiment_number(experiment_id)
        found = [] if number is None else self._database.read(lambda r: experiments(r, [number]))
        if not found:
            raise NotFoundError(f"There is no experiment with the id {experiment_id!r}.")
        return found[0]

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        if not is_storable(name):
            return None

        def find(reading: Reading) -> list[Experiment]:
            return experiments(reading, condition=reading.tables["experiments"].c.name == name)

        # A collation may find other spellings too.
        return next((each for each in self._database.read(find) if each.name == name), None)

    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        def find(reading: Reading) -> list[Experiment]:
            return experiments(reading, condition=_of_view(reading, query.view_type))

        return select_experiments(self._database.read(find), query)


def experiments(
    reading: Reading,
    numbers: Iterable[int] | None = None,
    *,
    condition: ColumnElement[bool] | None = None,
    tags: bool = True,
) -> list[Experiment]:
    """Return the experiments of the workspace.

    Args:
        reading: Where from.
        numbers: Of which ids; None: of any.
        condition: On the columns of the table.
        tags: Whether tags are wanted.
    """
    tables = reading.tables
    statement = reading.in_workspace(tables.select("experiments", _COLUMNS), "experiments")
    if condition is not None:
        statement = statement.where(condition)
    if numbers is None:
        rows = list(reading.rows(statement))
    else:
        rows = list(reading.rows_among(statement, tables["experiments"].c.experiment_id, numbers))
    found_tags: dict[int, dict[str, str]] = defaultdict(dict)
    if tags and rows and "experiment_tags" in tables:
        each = tables["experiment_tags"].c
        wanted = [row.experiment_id for row in rows]
        for number, key, value in reading.rows_among(
            select(each.experiment_id, each.key, each.value), each.experiment_id, wanted
        ):
            found_tags[number][key] = value or ""
    return [
        Experiment(
            experiment_id=str(row.experiment_id),
            name=row.name,
            artifact_location=row.artifact_location or "",
            lifecycle_stage=stage(row.lifecycle_stage),
            tags=found_tags.get(row.experiment_id, {}),
            creation_time=row.creation_time,
            last_update_time=row.last_update_time,
        )
        for row in rows
    ]


def stages_of_view(column: ColumnElement[str], view_type: ViewType) -> ColumnElement[bool] | None:
    """Return the condition that a stage belongs to a view; None if each does."""
    if view_type is ViewType.ALL:
        return None
    if view_type is ViewType.DELETED_ONLY:
        return column == LifecycleStage.DELETED.value
    return func.coalesce(column, "") != LifecycleStage.DELETED.value


def _of_view(reading: Reading, view_type: ViewType) -> ColumnElement[bool] | None:
    return stages_of_view(reading.tables["experiments"].c.lifecycle_stage, view_type)
