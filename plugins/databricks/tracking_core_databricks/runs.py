"""Experiments and runs of a workspace, as far as they differ from those of a stock server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from tracking_core.entities import Experiment
from tracking_core.errors import InvalidValueError, NotFoundError
from tracking_core.search import Page
from tracking_core.stores import (
    UNSET,
    Batch,
    ExperimentChanges,
    ExperimentQuery,
    NewExperiment,
    check_params,
)
from tracking_core.stores.validation import shown
from tracking_core_databricks.paging import gathered
from tracking_core_rest.stock import StockRuns

T = TypeVar("T")

_MOST_EXPERIMENTS_FOUND = 1_000
_MOST_BYTES = 900_000
"""Of a batch; the workspace takes 1 MB, with what stands around the values."""

_AROUND_A_VALUE = 120
_ALIAS = "/Workspace"


class WorkspaceRuns(StockRuns):
    """Experiments and runs of a workspace, by MLflow's endpoints.

    An experiment's name is its path in the workspace; the directory must be there.
    """

    def create_experiment(self, new: NewExperiment) -> Experiment:
        name = checked_path(new.name)
        try:
            return super().create_experiment(replace(new, name=name))
        except NotFoundError as error:
            directory = name.rpartition("/")[0]
            raise NotFoundError(
                f"The experiment {shown(name)} can't be made, as the workspace has no directory"
                f" {shown(directory)} ({str(error).rstrip('.')}); make it there, or choose a path"
                " in one that is there, such as /Shared/NAME."
            ) from error

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        try:
            path = checked_path(name)
        except InvalidValueError:
            return None  # none can have it
        return super().get_experiment_by_name(path)

    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        if changes.name is not UNSET:
            changes = replace(changes, name=checked_path(changes.name))
        return super().update_experiment(experiment_id, changes=changes)

    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        return gathered(super().search_experiments, query, most=_MOST_EXPERIMENTS_FOUND)

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        if batch.idempotency_key is not None or _size_of(batch) <= _MOST_BYTES:
            super().log_batch(run_id, batch=batch)
            return
        # In parts, of which the params go first: none may contradict when others are through.
        params = [(param.key, param.value) for param in batch.params]
        check_params(self.get_run(run_id).data.params, params, owner=f"run {run_id!r}")
        for some_params in _portions(batch.params):
            super().log_batch(run_id, batch=Batch(params=some_params))
        for some_tags in _portions(batch.tags):
            super().log_batch(run_id, batch=Batch(tags=some_tags))
        for some_metrics in _portions(batch.metrics):
            super().log_batch(run_id, batch=Batch(metrics=some_metrics))


def checked_path(name: str) -> str:
    """Return an experiment's name as a workspace has it.

    `/Workspace/Shared/x` is the same place as `/Shared/x`, but found under the latter name only.

    Raises:
        InvalidValueError: It is no path.
    """
    path = name
    if path.startswith((f"{_ALIAS}/Users/", f"{_ALIAS}/Shared/", f"{_ALIAS}/Repos/")):
        path = path[len(_ALIAS) :]
    if path.startswith("/") and not path.endswith("/") and "//" not in path:
        return path
    last = name.strip("/").rpartition("/")[2] or "NAME"
    raise InvalidValueError(
        f"The experiment name {shown(name)} is no path in a Databricks workspace; write"
        f" {shown(f'/Shared/{last}')} or {shown(f'/Users/YOU@EXAMPLE.ORG/{last}')}."
    )


def _size_of(batch: Batch) -> int:
    return sum(map(_bytes_of, (*batch.params, *batch.tags, *batch.metrics)))


def _bytes_of(value: Any) -> int:
    text = getattr(value, "value", "")
    # As JSON: what is escaped is longer.
    size = len(msgspec.json.encode(text)) if isinstance(text, str) else 0
    return size + len(value.key.encode()) + _AROUND_A_VALUE


def _portions(values: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Yield the values in parts that a request may hold."""
    part: list[T] = []
    size = 0
    for value in values:
        own = _bytes_of(value)
        if part and size + own > _MOST_BYTES:
            yield tuple(part)
            part, size = [], 0
        part.append(value)
        size += own
    if part:
        yield tuple(part)
