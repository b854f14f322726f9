"""Registered models and their versions."""

from __future__ import annotations

import enum

import msgspec

from tracking_core.entities.metric import Metric


class ModelVersionStatus(str, enum.Enum):
    """Whether a version's registration is complete."""

    PENDING_REGISTRATION = "PENDING_REGISTRATION"
    FAILED_REGISTRATION = "FAILED_REGISTRATION"
    READY = "READY"

    def __str__(self) -> str:
        return self.value


class ModelVersionStage(str, enum.Enum):
    """MLflow's stages: out of favour since 2.9, still in use; aliases do more."""

    NONE = "None"
    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"

    def __str__(self) -> str:
        return self.value


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a registered model.

    Attributes:
        name: The registered model.
        version: 1, 2, 3, ... within the model; never used twice.
        creation_timestamp: Milliseconds since the epoch.
        last_updated_timestamp: Likewise.
        description: Markdown, for people.
        user_id: Who made it.
        current_stage: One of MLflow's stages.
        source: The URI of its files.
        run_id: The run that made them.
        run_link: A link to that run, where it is in another store.
        status: Whether registration is complete.
        status_message: Why not, if not.
        tags: Values by key.
        aliases: Names that point here, sorted.
        model_id: The logged model that it was made from.
        params: That model's params.
        metrics: That model's metrics.
    """

    name: str
    version: int
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0
    description: str = ""
    user_id: str | None = None
    current_stage: ModelVersionStage = ModelVersionStage.NONE
    source: str = ""
    run_id: str | None = None
    run_link: str | None = None
    status: ModelVersionStatus = ModelVersionStatus.READY
    status_message: str | None = None
    tags: dict[str, str] = {}
    aliases: tuple[str, ...] = ()
    model_id: str | None = None
    params: dict[str, str] = {}
    metrics: tuple[Metric, ...] = ()


class RegisteredModel(msgspec.Struct, frozen=True, kw_only=True):
    """A name in the registry, with versions.

    Attributes:
        name: Unique in its registry.
        creation_timestamp: Milliseconds since the epoch.
        last_updated_timestamp: Likewise.
        description: Markdown, for people.
        latest_versions: The newest version of each stage.
        tags: Values by key.
        aliases: Version by alias.
    """

    name: str
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0
    description: str = ""
    latest_versions: tuple[ModelVersion, ...] = ()
    tags: dict[str, str] = {}
    aliases: dict[str, int] = {}
