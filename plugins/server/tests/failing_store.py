"""A backend that fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracking_core.config import Settings, Uri
from tracking_core.entities import Experiment, Run
from tracking_core.stores import EVERYTHING, NewExperiment, Projection
from tracking_core.stores.memory import MemoryStore


class FailingStore(MemoryStore):
    """The memory store, but for a call that is made first of all.

    Attributes:
        first: Called before some of the methods; it may raise.
        is_closed: Whether it was closed.
    """

    def __init__(self, first: Callable[[], Any] = lambda: None) -> None:
        super().__init__(Uri.parse("memory:"), Settings())
        self.first = first
        self.is_closed = False

    def ensure_experiment(self, new: NewExperiment) -> Experiment:
        self.first()
        return super().ensure_experiment(new)

    def get_experiment(self, experiment_id: str) -> Experiment:
        self.first()
        return super().get_experiment(experiment_id)

    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        self.first()
        return super().get_run(run_id, projection=projection)

    def close(self) -> None:
        self.is_closed = True
        super().close()


def raising(error: BaseException) -> Callable[[], None]:
    """Return a function that raises this."""

    def raise_it() -> None:
        raise error

    return raise_it
