"""Requests about runs and what is logged to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec.structs import force_setattr

from tracking_core.entities import LifecycleStage, Metric, Param, RunStatus, RunTag, ViewType
from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation
from tracking_core.stores.requests.base import UNSET, Query, Request, UnsetType, check_times, now
from tracking_core.stores.requests.random_name import random_name

RUN_NAME_TAG = "mlflow.runName"
USER_TAG = "mlflow.user"


class NewRun(Request, frozen=True, kw_only=True):
    """A run to create. Its name and user stand in its tags too, as MLflow has it.

    Attributes:
        experiment_id: An active experiment.
        run_name: None: the tag `mlflow.runName`, or else a random one.
        user_id: None: the tag `mlflow.user`, or else empty.
        start_time: Milliseconds since the epoch; None: now.
        status: How the run begins.
        tags: Values by key.
        run_id: None: the store makes one; else it needs Capability.CHOSEN_IDS.
        artifact_uri: None: below the experiment's location.
        idempotency_key: The same key makes the same run: sent again, the run that is there is
            returned. The id follows from the key if none is given.
    """

    experiment_id: str
    run_name: str | None = None
    user_id: str | None = None
    start_time: int | None = None
    status: RunStatus = RunStatus.RUNNING
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    run_id: str | None = None
    artifact_uri: str | None = None
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        validation.check_experiment_id(self.experiment_id)
        tags = validation.check_tags(self.tags)
        name = self.run_name or tags.get(RUN_NAME_TAG) or random_name()
        tags[RUN_NAME_TAG] = validation.check_run_name(name)
        user = self.user_id or tags.get(USER_TAG) or ""
        if user:
            tags[USER_TAG] = validation.check_text(user, what="user id")
        force_setattr(self, "run_name", name)
        force_setattr(self, "user_id", user)
        force_setattr(self, "tags", tags)
        if self.start_time is None:
            force_setattr(self, "start_time", now())
        check_times(self, "start_time")
        if self.idempotency_key is not None and self.run_id is None:
            digest = hashlib.sha256(self.idempotency_key.encode()).hexdigest()
            force_setattr(self, "run_id", digest[:32])
        if self.run_id is not None:
            validation.check_run_id(self.run_id)


class RunChanges(Request, frozen=True, kw_only=True):
    """What to change of a run; what is UNSET stays.

    Attributes:
        status: The new status.
        start_time: Milliseconds since the epoch.
        end_time: Likewise; None takes it away.
        run_name: The new name; the tag `mlflow.runName` follows.
        lifecycle_stage: `DELETED` to delete, `ACTIVE` to restore.
        artifact_uri: The new root of its artifacts.
        deleted_time: With the stage `DELETED`: when it was deleted; UNSET: now. Given, it needs
            Capability.CHOSEN_IDS.
    """

    status: RunStatus | UnsetType = UNSET
    start_time: int | UnsetType = UNSET
    end_time: int | UnsetType | None = UNSET
    run_name: str | UnsetType = UNSET
    lifecycle_stage: LifecycleStage | UnsetType = UNSET
    artifact_uri: str | UnsetType = UNSET
    deleted_time: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.run_name is not UNSET:
            validation.check_run_name(self.run_name)
        check_times(self, "start_time", "end_time", "deleted_time")
        if self.deleted_time is not UNSET and self.lifecycle_stage is not LifecycleStage.DELETED:
            raise InvalidValueError(
                "deleted_time goes with lifecycle_stage=DELETED alone: it tells when the run was"
                " deleted."
            )


class Projection(Request, frozen=True, kw_only=True):
    """Which parts of a run's data to return; filters and orders see all of it regardless.

    Attributes:
        metrics: Keys, or None for all.
        params: Likewise.
        tags: Likewise.
        inputs: Whether to return inputs and outputs.
    """

    metrics: frozenset[str] | None = None
    params: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    inputs: bool = True

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.inputs and self.metrics is None and self.params is None and self.tags is None


EVERYTHING = Projection()
HEADER_ONLY = Projection(metrics=frozenset(), params=frozenset(), tags=frozenset(), inputs=False)


class RunQuery(Query, frozen=True, kw_only=True):
    """Which runs to find, and what of them to return.

    Attributes:
        experiment_ids: Where to look; None: in every active experiment. One that isn't there
            holds no runs.
        view_type: Which lifecycle stages.
        projection: Which parts of the data to return.
    """

    experiment_ids: tuple[str, ...] | None = None
    view_type: ViewType = ViewType.ACTIVE_ONLY
    projection: Projection = EVERYTHING

    def __post_init__(self) -> None:
        super().__post_init__()
        for experiment_id in self.experiment_ids or ():
            validation.check_experiment_id(experiment_id)


class Batch(Request, frozen=True, kw_only=True):
    """Metrics, params and tags of one run, logged together.

    Attributes:
        metrics: Points, in the order in which they were logged.
        params: Each key once, or more than once with the same value.
        tags: The last of equal keys wins.
        idempotency_key: Sent twice with one key, the batch is there once.
    """

    metrics: tuple[Metric, ...] = ()
    params: tuple[Param, ...] = ()
    tags: tuple[RunTag, ...] = ()
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "metrics", _checked_metrics(self.metrics))
        if self.params:
            force_setattr(self, "params", _checked_params(self.params))
        for tag in self.tags:
            validation.check_key(tag.key, what="tag key")
            validation.check_text(tag.value, what=f"value of tag {validation.shown(tag.key)}")
            if tag.key == RUN_NAME_TAG:
                validation.check_run_name(tag.value)

    def __len__(self) -> int:
        return len(self.metrics) + len(self.params) + len(self.tags)


class MetricHistoryQuery(Request, frozen=True, kw_only=True):
    """Which points of one metric to return, in the order (step, timestamp), ties as logged.

    Attributes:
        key: The metric.
        first_step: The smallest step, included; None: from the first.
        last_step: The greatest step, included; None: to the last.
        max_results: The size of a page; None: everything on one.
        page_token: From the page before; None for the first.
    """

    key: str
    first_step: int | None = None
    last_step: int | None = None
    max_results: int | None = None
    page_token: str | None = None

    def __post_init__(self) -> None:
        validation.check_key(self.key, what="metric key")
        if self.max_results is not None and self.max_results < 1:
            raise InvalidValueError(f"max_results is {self.max_results}; it must be at least 1.")


class PurgeRequest(Request, frozen=True, kw_only=True):
    """Deleted things to remove for good, with all that belongs to them.

    Attributes:
        run_ids: Runs in stage `deleted`.
        experiment_ids: Experiments in stage `deleted`; their runs go with them.
    """

    run_ids: tuple[str, ...] = ()
    experiment_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for run_id in self.run_ids:
            validation.check_run_id(run_id)
        for experiment_id in self.experiment_ids:
            validation.check_experiment_id(experiment_id)


class PurgeReport(Request, frozen=True, kw_only=True):
    """What a purge removed.

    Attributes:
        run_ids: Runs that are gone, those of purged experiments too.
        experiment_ids: Experiments that are gone.
    """

    run_ids: tuple[str, ...] = ()
    experiment_ids: tuple[str, ...] = ()


def checked_metric(metric: Metric) -> Metric:
    """Return a point with its value as a float.

    Raises:
        InvalidValueError: It can't be logged.
    """
    validation.check_key(metric.key, what="metric key")
    value = validation.check_metric_value(metric.value, key=metric.key)
    validation.check_timestamp(metric.timestamp)
    validation.check_int64(metric.step, what="step")
    for name in ("model_id", "dataset_name", "dataset_digest"):
        text = getattr(metric, name)
        if text is not None:
            validation.check_text(text, what=name.replace("_", " "))
    if metric.model_id is not None:
        validation.check_model_id(metric.model_id)
    return metric if value is metric.value else msgspec.structs.replace(metric, value=value)


def _checked_metrics(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Check points one by one; that one is sound, as nearly all are, is seen in a glance."""
    least, greatest = validation.MIN_INT64, validation.MAX_INT64
    keys: set[str] = set()
    checked = []
    for metric in metrics:
        key, step, timestamp = metric.key, metric.step, metric.timestamp
        is_sound = (
            type(key) is str
            and key in keys
            and type(metric.value) is float
            and type(step) is int
            and type(timestamp) is int
            and least <= step <= greatest
            and 0 <= timestamp <= greatest
            and metric.model_id is metric.dataset_name is metric.dataset_digest is None
        )
        if not is_sound:
            metric = checked_metric(metric)
            keys.add(key)
        checked.append(metric)
    return tuple(checked)


def _checked_params(params: Iterable[Param]) -> tuple[Param, ...]:
    values: dict[str, Param] = {}
    for param in params:
        validation.check_key(param.key, what="param key")
        validation.check_text(param.value, what=f"value of param {validation.shown(param.key)}")
        first = values.setdefault(param.key, param)
        if first.value != param.value:
            raise InvalidValueError(
                f"The param {validation.shown(param.key)} stands in one batch with two values,"
                f" {validation.shown(first.value)} and {validation.shown(param.value)};"
                " a param has one value."
            )
    return tuple(values.values())
