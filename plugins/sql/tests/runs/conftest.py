"""Runs to log to, and a count of what a call asks of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy

from tracking_core.stores import NewExperiment, NewRun
from tracking_core_sql.store import SqlStore


@pytest.fixture
def experiment_id(store: SqlStore) -> str:
    """An experiment."""
    return store.create_experiment(NewExperiment(name="an experiment")).experiment_id


@pytest.fixture
def new_run(store: SqlStore, experiment_id: str) -> Callable[[], str]:
    """Makes runs and returns their ids."""
    return lambda: store.create_run(NewRun(experiment_id=experiment_id)).info.run_id


@pytest.fixture
def run_id(new_run: Callable[[], str]) -> str:
    """A run."""
    return new_run()


@pytest.fixture
def statements() -> Callable[[], object]:
    """Collects the statements that are executed in a `with` block."""

    @contextmanager
    def collecting() -> Iterator[list[str]]:
        seen: list[str] = []

        def see(_1: object, _2: object, statement: str, *_3: object) -> None:
            if " tracking_" in statement:  # how transactions begin and end is not of the call
                seen.append(statement)

        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", see)
        try:
            yield seen
        finally:
            sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", see)

    return collecting
