"""Runs: their header, their data, their status."""

from __future__ import annotations

import enum
import functools

import msgspec

from tracking_core.entities.dataset import RunInputs, RunOutputs
from tracking_core.entities.lifecycle import LifecycleStage
from tracking_core.entities.metric import Metric


class Param(msgspec.Struct, frozen=True, gc=False):
    """A parameter of a run; set once."""

    key: str
    value: str


class RunTag(msgspec.Struct, frozen=True, gc=False):
    """A tag of a run; may be changed and deleted."""

    key: str
    value: str


class RunStatus(str, enum.Enum):
    """How far a run has come; `number` is its code on MLflow's wire and in `meta.yaml`."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    def __str__(self) -> str:
        return self.value

    @property
    def number(self) -> int:
        """MLflow's integer code, 1 to 5."""
        return _STATUS_NUMBERS[self]

    @classmethod
    def from_number(cls, number: int) -> RunStatus:
        """Return the status of MLflow's integer code.

        Raises:
            KeyError: No status has this number.
        """
        return _STATUSES_BY_NUMBER[number]

    @property
    def is_terminated(self) -> bool:
        """Whether the run has ended, one way or another."""
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)

    @staticmethod
    def to_string(status: RunStatus) -> str:
        """Return the name of a status, as MLflow's class does."""
        return status.value

    @staticmethod
    def from_string(name: str) -> RunStatus:
        """Return the status of a name, as MLflow's class does."""
        return RunStatus(name)


_STATUS_NUMBERS = {
    RunStatus.RUNNING: 1,
    RunStatus.SCHEDULED: 2,
    RunStatus.FINISHED: 3,
    RunStatus.FAILED: 4,
    RunStatus.KILLED: 5,
}
_STATUSES_BY_NUMBER = {number: status for status, number in _STATUS_NUMBERS.items()}


class SourceType(str, enum.Enum):
    """What kind of thing started a run."""

    NOTEBOOK = "NOTEBOOK"
    JOB = "JOB"
    PROJECT = "PROJECT"
    LOCAL = "LOCAL"
    UNKNOWN = "UNKNOWN"

    def __str__(self) -> str:
        return self.value


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The header of a run.

    Attributes:
        run_id: Unique in its store.
        experiment_id: The experiment that it belongs to.
        run_name: What people call it; not unique.
        user_id: Who started it.
        status: How far it has come.
        start_time: Milliseconds since the epoch.
        end_time: Likewise; None while it goes on.
        artifact_uri: Where its artifacts are.
        lifecycle_stage: `deleted` also while its experiment is deleted.
        deleted_time: When it was deleted itself; None if it wasn't.
    """

    run_id: str
    experiment_id: str
    run_name: str = ""
    user_id: str = ""
    status: RunStatus = RunStatus.RUNNING
    start_time: int | None = None
    end_time: int | None = None
    artifact_uri: str = ""
    lifecycle_stage: LifecycleStage = LifecycleStage.ACTIVE
    deleted_time: int | None = None


class RunData(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What was logged to a run.

    Attributes:
        latest_metrics: The latest point of each metric, in order of key.
        params: Values by key.
        tags: Values by key.
    """

    latest_metrics: tuple[Metric, ...] = ()
    params: dict[str, str] = {}
    tags: dict[str, str] = {}

    @functools.cached_property
    def metrics(self) -> dict[str, float]:
        """The latest value of each metric by key."""
        return {metric.key: metric.value for metric in self.latest_metrics}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run: header, data, inputs and outputs."""

    info: RunInfo
    data: RunData = RunData()
    inputs: RunInputs = RunInputs()
    outputs: RunOutputs = RunOutputs()
