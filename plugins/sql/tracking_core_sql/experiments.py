"""Experiments: creating, changing, finding them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Select, or_, select, update

from tracking_core.config import join_uri, path_to_file_uri
from tracking_core.entities import Experiment, LifecycleStage, ViewType
from tracking_core.errors import NotFoundError
from tracking_core.search import Page, Subject
from tracking_core.stores import RunStore, validation
from tracking_core.stores.applying import (
    changed,
    check_experiment_free,
    check_experiment_writable,
    experiment_of,
)
from tracking_core.stores.requests import (
    ExperimentChanges,
    ExperimentQuery,
    NewExperiment,
    new_id,
)
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction
from tracking_core_sql.keyed_texts import KeyedTexts
from tracking_core_sql.searching.pages import count, search_page
from tracking_core_sql.searching.values import is_storable

_experiment = schema.experiment.c
_COLUMNS = (
    _experiment.id,
    _experiment.experiment_id,
    _experiment.name,
    _experiment.artifact_location,
    _experiment.is_deleted,
    _experiment.creation_time,
    _experiment.last_update_time,
)
_TAGS = KeyedTexts(schema.experiment_tag, "experiment")


class SqlExperiments(RunStore):
    """Experiments, each call one transaction of a few statements."""

    _database: Database
    _artifact_root: str

    def create_experiment(self, new: NewExperiment) -> Experiment:
        return self._database.write(lambda transaction: self._create(transaction, new))

    def get_experiment(self, experiment_id: str) -> Experiment:
        validation.check_experiment_id(experiment_id)
        return self._database.read(
            lambda transaction: _held(transaction, experiment_id, locking=False)[1]
        )

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        if not is_storable(name):
            return None

        def find(transaction: Transaction) -> Experiment | None:
            found = _load(transaction, _experiment.name == name)
            return next(iter(found.values()), None)

        return self._database.read(find)

    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        validation.check_experiment_id(experiment_id)

        def work(transaction: Transaction) -> Experiment:
            number, old = _held(transaction, experiment_id, locking=True)
            check_experiment_writable(old, changes)
            new = changed(old, changes)
            if new == old:
                return old
            if new.name != old.name:
                others = _load(transaction, _experiment.name == new.name)
                check_experiment_free(new, others.values())
            _write(transaction, number, old, new)
            return new

        return self._database.write(work)

    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        return self._database.read(
            lambda transaction: search_page(
                transaction,
                subject=Subject.EXPERIMENTS,
                query=query,
                load=lambda numbers: _numbered(transaction, numbers),
                within=_in_view(query.view_type),
            )
        )

    def count_experiments(self, query: ExperimentQuery) -> int:
        return self._database.read(
            lambda transaction: count(
                transaction,
                subject=Subject.EXPERIMENTS,
                query=query,
                load=lambda numbers: _numbered(transaction, numbers),
                within=_in_view(query.view_type),
            )
        )

    def _create(self, transaction: Transaction, new: NewExperiment) -> Experiment:
        made = experiment_of(new, experiment_id=new_id(), artifact_root=self._artifact_root)
        taken = or_(_experiment.name == made.name, _experiment.experiment_id == made.experiment_id)
        check_experiment_free(made, _load(transaction, taken).values())
        number = transaction.add(schema.experiment, _row(made))
        if new.experiment_id is None:
            made = self._with_short_id(transaction, number, new, made)
        _TAGS.add(transaction, number, made.tags)
        return made

    def _with_short_id(
        self, transaction: Transaction, number: int, new: NewExperiment, made: Experiment
    ) -> Experiment:
        """Give a new experiment its number as id, unless somebody chose that for another."""
        short = str(number)
        taken = select(_experiment.id).where(_experiment.experiment_id == short)
        if transaction.first(taken) is not None:
            return made
        location = new.artifact_location or join_uri(self._artifact_root, short)
        transaction.execute(
            update(schema.experiment)
            .where(_experiment.id == number)
            .values(experiment_id=short, artifact_location=location)
        )
        return replace(made, experiment_id=short, artifact_location=location)


def default_artifact_root(database_path: str | None) -> str:
    """Return where artifacts go if no setting says so: `mlartifacts`, beside a sqlite file.

    Args:
        database_path: The sqlite file; None for a server: then it is in the working directory.
    """
    folder = os.path.dirname(os.path.abspath(database_path)) if database_path else os.getcwd()
    return path_to_file_uri(os.path.join(folder, "mlartifacts"))


def _held(transaction: Transaction, experiment_id: str, *, locking: bool) -> tuple[int, Experiment]:
    """Return an experiment by its id, its row locked if that is asked for."""
    found = _load(transaction, _experiment.experiment_id == experiment_id, locking=locking)
    if not found:
        raise NotFoundError(f"There is no experiment with the id {experiment_id!r}.")
    return next(iter(found.items()))


def _in_view(view: ViewType) -> list[ColumnElement[bool]]:
    if view is ViewType.ALL:
        return []
    return [_experiment.is_deleted == int(view is ViewType.DELETED_ONLY)]


def _numbered(transaction: Transaction, numbers: Sequence[int]) -> Mapping[int, Experiment]:
    return _load(transaction, transaction.among(_experiment.id, numbers))


def _load(
    transaction: Transaction, condition: ColumnElement[bool], *, locking: bool = False
) -> dict[int, Experiment]:
    """Return the experiments that match, by internal id, in two statements."""
    statement: Select[Any] = select(*_COLUMNS).where(condition)
    rows = transaction.rows(transaction.locking(statement) if locking else statement)
    tags = _TAGS.of(transaction, [row[0] for row in rows])
    return {
        number: Experiment(
            experiment_id=experiment_id,
            name=name,
            artifact_location=location,
            lifecycle_stage=LifecycleStage.DELETED if is_deleted else LifecycleStage.ACTIVE,
            tags=tags[number],
            creation_time=created,
            last_update_time=updated,
        )
        for number, experiment_id, name, location, is_deleted, created, updated in rows
    }


def _row(experiment: Experiment) -> dict[str, Any]:
    return {
        "experiment_id": experiment.experiment_id,
        "name": experiment.name,
        "artifact_location": experiment.artifact_location,
        "is_deleted": int(experiment.lifecycle_stage is LifecycleStage.DELETED),
        "creation_time": experiment.creation_time,
        "last_update_time": experiment.last_update_time,
    }


def _write(transaction: Transaction, number: int, old: Experiment, new: Experiment) -> None:
    transaction.execute(
        update(schema.experiment).where(_experiment.id == number).values(**_row(new))
    )
    _TAGS.change(transaction, number, old.tags, new.tags)
