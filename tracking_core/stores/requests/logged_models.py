"""Requests about logged models."""

from __future__ import annotations

import msgspec
from msgspec.structs import force_setattr

from tracking_core.entities import LoggedModelStatus, Metric
from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation
from tracking_core.stores.requests.base import UNSET, Query, Request, UnsetType, check_times
from tracking_core.stores.requests.random_name import random_name
from tracking_core.stores.requests.runs import checked_metric


class NewLoggedModel(Request, frozen=True, kw_only=True):
    """A logged model to create.

    Attributes:
        experiment_id: An active experiment.
        name: None: a random one.
        source_run_id: The run that makes it.
        model_type: Free text.
        tags: Values by key.
        params: Values by key.
        status: How it begins.
        model_id: None: the store makes one; else it needs Capability.CHOSEN_IDS.
        artifact_location: None: below the experiment's location.
        creation_timestamp: None: now.
    """

    experiment_id: str
    name: str | None = None
    source_run_id: str | None = None
    model_type: str | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    params: dict[str, str] = msgspec.field(default_factory=dict)
    status: LoggedModelStatus = LoggedModelStatus.PENDING
    model_id: str | None = None
    artifact_location: str | None = None
    creation_timestamp: int | None = None

    def __post_init__(self) -> None:
        validation.check_experiment_id(self.experiment_id)
        if self.name is None:
            force_setattr(self, "name", random_name())
        validation.check_logged_model_name(self.name)
        if self.source_run_id is not None:
            validation.check_run_id(self.source_run_id)
        if self.model_id is not None:
            validation.check_model_id(self.model_id)
        force_setattr(self, "tags", validation.check_tags(self.tags))
        force_setattr(self, "params", validation.check_tags(self.params, what="param"))
        check_times(self, "creation_timestamp")


class LoggedModelChanges(Request, frozen=True, kw_only=True):
    """What to change of a logged model; what is UNSET stays.

    Attributes:
        status: The new status.
        status_message: Why.
        artifact_location: The new root of its files.
        set_tags: Values by key.
        delete_tags: Keys; a key that isn't there is an error.
        log_params: Values by key; a second value for a key is an error.
        last_updated_timestamp: When it was changed; UNSET: now, if something changes. Given, it is
            kept in any case, and needs Capability.CHOSEN_IDS.
        log_metrics: Points that runs logged for it, each with its `run_id`, for copies: the run's
            own history isn't touched, and needn't be there any more. As always the latest for each
            key and data set counts. They need Capability.CHOSEN_IDS.
    """

    status: LoggedModelStatus | UnsetType = UNSET
    status_message: str | UnsetType | None = UNSET
    artifact_location: str | UnsetType = UNSET
    set_tags: dict[str, str] = msgspec.field(default_factory=dict)
    delete_tags: tuple[str, ...] = ()
    log_params: dict[str, str] = msgspec.field(default_factory=dict)
    last_updated_timestamp: int | UnsetType = UNSET
    log_metrics: tuple[Metric, ...] = ()

    def __post_init__(self) -> None:
        check_times(self, "last_updated_timestamp")
        for point in self.log_metrics:
            if point.run_id is None:
                raise InvalidValueError(
                    f"The point of the metric {validation.shown(point.key)} has no run_id; tell"
                    " which run logged it."
                )
            validation.check_run_id(point.run_id)
        force_setattr(self, "log_metrics", tuple(map(checked_metric, self.log_metrics)))
        force_setattr(self, "set_tags", validation.check_tags(self.set_tags))
        force_setattr(self, "log_params", validation.check_tags(self.log_params, what="param"))
        for key in self.delete_tags:
            validation.check_key(key, what="tag key")


class DatasetFilter(Request, frozen=True, kw_only=True):
    """Which metrics of logged models a filter or order looks at.

    Attributes:
        dataset_name: The data set's name.
        dataset_digest: Its digest; None: any.
    """

    dataset_name: str
    dataset_digest: str | None = None


class LoggedModelQuery(Query, frozen=True, kw_only=True):
    """Which logged models to find.

    Attributes:
        experiment_ids: Where to look; None: in every active experiment.
        datasets: Metrics of other data sets are not looked at; empty: all are.
    """

    experiment_ids: tuple[str, ...] | None = None
    datasets: tuple[DatasetFilter, ...] = ()
    max_results: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        for experiment_id in self.experiment_ids or ():
            validation.check_experiment_id(experiment_id)
