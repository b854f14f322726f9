"""Requests about experiments."""

from __future__ import annotations

import msgspec
from msgspec.structs import force_setattr

from tracking_core.entities import LifecycleStage, ViewType
from tracking_core.stores import validation
from tracking_core.stores.requests.base import UNSET, Query, Request, UnsetType, check_times


class NewExperiment(Request, frozen=True, kw_only=True):
    """An experiment to create.

    Attributes:
        name: Must not be taken, by a deleted experiment neither.
        artifact_location: Where its runs put artifacts; None: the store decides.
        tags: Values by key.
        experiment_id: None: the store makes one; else it needs Capability.CHOSEN_IDS.
        creation_time: None: now.
        last_update_time: None: now.
    """

    name: str
    artifact_location: str | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    experiment_id: str | None = None
    creation_time: int | None = None
    last_update_time: int | None = None

    def __post_init__(self) -> None:
        validation.check_experiment_name(self.name)
        if self.artifact_location is not None:
            validation.check_artifact_location(self.artifact_location)
        force_setattr(self, "tags", validation.check_tags(self.tags))
        if self.experiment_id is not None:
            validation.check_experiment_id(self.experiment_id)
        check_times(self, "creation_time", "last_update_time")


class ExperimentChanges(Request, frozen=True, kw_only=True):
    """What to change of an experiment; what is UNSET stays.

    Attributes:
        name: The new name.
        lifecycle_stage: `DELETED` to delete, `ACTIVE` to restore.
        artifact_location: The new root, for runs to come.
        set_tags: Values by key.
        delete_tags: Keys; a key that isn't there is an error.
        last_update_time: When it was changed; UNSET: now, if something changes. Given, it is kept
            in any case, and needs Capability.CHOSEN_IDS.
    """

    name: str | UnsetType = UNSET
    lifecycle_stage: LifecycleStage | UnsetType = UNSET
    artifact_location: str | UnsetType = UNSET
    set_tags: dict[str, str] = msgspec.field(default_factory=dict)
    delete_tags: tuple[str, ...] = ()
    last_update_time: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_times(self, "last_update_time")
        if self.name is not UNSET:
            validation.check_experiment_name(self.name)
        if self.artifact_location is not UNSET:
            validation.check_artifact_location(self.artifact_location)
        force_setattr(self, "set_tags", validation.check_tags(self.set_tags))
        for key in self.delete_tags:
            validation.check_key(key, what="tag key")


class ExperimentQuery(Query, frozen=True, kw_only=True):
    """Which experiments to find."""

    view_type: ViewType = ViewType.ACTIVE_ONLY
