"""The two backends of a copy, and what they have been asked to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from tracking_core.client.copying.files import Files
from tracking_core.client.copying.ledger import Ledger
from tracking_core.client.copying.sameness import Sameness, shortened
from tracking_core.client.copying.threads import each_done
from tracking_core.entities import Run, ViewType
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptDataError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)
from tracking_core.stores import BackendStore, Capability, RunQuery

T = TypeVar("T")
R = TypeVar("R")

_PAGE = 500

ONES_OWN_FAULT = (
    AlreadyExistsError,
    ConflictError,
    CorruptDataError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)
"""Errors that one entity meets and the next needn't; others end the copy."""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """What all parts of a copy work on.

    Attributes:
        source: Where from.
        destination: Where to.
        sameness: When entities are equal.
        ledger: Where everyone notes what was done.
        files: The artifacts, if they are copied too.
        dry_run: Whether nothing may be written.
        workers: How many threads work.
    """

    source: BackendStore
    destination: BackendStore
    sameness: Sameness
    ledger: Ledger
    files: Files | None
    dry_run: bool
    workers: int

    @property
    def keeps_keys(self) -> bool:
        """Whether the destination takes idempotency keys."""
        return Capability.IDEMPOTENCY_KEYS in self.destination.capabilities

    def each_done(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield the results of work done by the copy's threads."""
        return each_done(work, items, workers=self.workers, stop=self.ledger.stop)

    def do_all(self, work: Callable[[T], object], items: Iterable[T]) -> None:
        """Have the copy's threads do the work for each of the items."""
        for _ in self.each_done(work, items):
            pass


def page_size(store: BackendStore, wanted: int) -> int:
    """Return how many to ask for at a time."""
    return min(wanted, store.limits.page_size or wanted)


def runs_of(store: BackendStore, experiment_id: str) -> Iterator[Run]:
    """Yield all runs of an experiment, whole but for their histories."""
    query = RunQuery(
        experiment_ids=(experiment_id,),
        view_type=ViewType.ALL,
        max_results=page_size(store, _PAGE),
    )
    return store.runs.iterate_runs(query)


def lacking(
    source: Mapping[str, T], destination: Mapping[str, T], *, what: str, conflicts: list[str]
) -> dict[str, T]:
    """Return what the destination lacks of a mapping; what contradicts the source is a conflict."""
    for key, value in destination.items():
        if key not in source:
            conflicts.append(f"{what} {key!r} is {shortened(value)}, and nothing in the source")
        elif source[key] != value:
            conflicts.append(
                f"{what} {key!r} is {shortened(value)}, and {shortened(source[key])} in the source"
            )
    return {key: value for key, value in source.items() if key not in destination}


def contradictions(
    source: Mapping[str, object], destination: Mapping[str, object], *names: str
) -> list[str]:
    """Return a text for each of the fields that differ; one that isn't compared doesn't."""
    return [
        f"{name} is {shortened(destination[name])}, and {shortened(source[name])} in the source"
        for name in names
        if name in source and name in destination and source[name] != destination[name]
    ]
