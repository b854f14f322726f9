"""Experiments: named groups of runs."""

from __future__ import annotations

import msgspec

from tracking_core.entities.lifecycle import LifecycleStage


class ExperimentTag(msgspec.Struct, frozen=True, gc=False):
    """A tag of an experiment."""

    key: str
    value: str


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A named group of runs.

    Attributes:
        experiment_id: Unique in its store.
        name: Unique in its store, deleted experiments included.
        artifact_location: The URI under which its runs put their artifacts.
        lifecycle_stage: In use or deleted.
        tags: Values by key.
        creation_time: Milliseconds since the epoch.
        last_update_time: Likewise.
    """

    experiment_id: str
    name: str
    artifact_location: str = ""
    lifecycle_stage: LifecycleStage = LifecycleStage.ACTIVE
    tags: dict[str, str] = {}
    creation_time: int | None = None
    last_update_time: int | None = None
