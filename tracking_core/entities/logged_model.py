"""Logged models: models that runs make, before anyone registers them."""

from __future__ import annotations

import enum

import msgspec

from tracking_core.entities.lifecycle import LifecycleStage
from tracking_core.entities.metric import Metric


class LoggedModelStatus(str, enum.Enum):
    """Whether a logged model's files are there; `number` as in MLflow's `meta.yaml`."""

    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"

    def __str__(self) -> str:
        return self.value

    @property
    def number(self) -> int:
        """MLflow's integer code, 1 to 3."""
        return ("PENDING", "READY", "FAILED").index(self.value) + 1

    @classmethod
    def from_number(cls, number: int) -> LoggedModelStatus:
        """Return the status of MLflow's integer code.

        Raises:
            KeyError: No status has this number.
        """
        return {1: cls.PENDING, 2: cls.READY, 3: cls.FAILED}[number]


class LoggedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was logged.

    Attributes:
        model_id: `m-` and 32 hexadecimal digits.
        experiment_id: The experiment that it belongs to.
        name: What people call it; not unique.
        artifact_location: The URI of its files.
        creation_timestamp: Milliseconds since the epoch.
        last_updated_timestamp: Likewise.
        status: Whether its files are there.
        status_message: Why not, if not.
        model_type: Free text, such as `classifier`.
        source_run_id: The run that made it.
        tags: Values by key.
        params: Values by key.
        metrics: The latest point for each metric and data set.
        lifecycle_stage: In use or deleted.
    """

    model_id: str
    experiment_id: str
    name: str
    artifact_location: str = ""
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0
    status: LoggedModelStatus = LoggedModelStatus.PENDING
    status_message: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    tags: dict[str, str] = {}
    params: dict[str, str] = {}
    metrics: tuple[Metric, ...] = ()
    lifecycle_stage: LifecycleStage = LifecycleStage.ACTIVE

    @property
    def model_uri(self) -> str:
        """The URI that loads this model."""
        return f"models:/{self.model_id}"
