"""Messages about registered models and their versions."""

from __future__ import annotations

from tracking_core.entities import (
    Metric,
    ModelVersion,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.stores import validation
from tracking_core.wire.messages.base import Filled, KeyValue, Message, pairs, text_by_key
from tracking_core.wire.messages.enums import stage, version_status
from tracking_core.wire.messages.metrics import MetricMessage


class ModelParamMessage(Message, kw_only=True):
    """mlflow.ModelParam."""

    name: str | None = None
    value: str | None = None


class ModelVersionMessage(Message, kw_only=True):
    """mlflow.ModelVersion; its number is text."""

    name: str | None = None
    version: str | None = None
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None
    user_id: str | None = None
    current_stage: str | None = None
    description: str | None = None
    source: str | None = None
    run_id: str | None = None
    status: str | int | None = None
    status_message: str | None = None
    tags: tuple[KeyValue, ...] = ()
    run_link: str | None = None
    aliases: tuple[str, ...] = ()
    model_id: str | None = None
    model_params: tuple[ModelParamMessage, ...] = ()
    model_metrics: tuple[MetricMessage, ...] = ()

    @classmethod
    def of(cls, version: ModelVersion) -> ModelVersionMessage:
        """Return what the wire says of a model version."""
        return cls(
            name=version.name,
            version=str(version.version),
            creation_timestamp=version.creation_timestamp,
            last_updated_timestamp=version.last_updated_timestamp,
            user_id=version.user_id,
            current_stage=version.current_stage.value,
            description=version.description,
            source=version.source,
            # MLflow's clients expect it, empty where there is none.
            run_id=version.run_id or "",
            status=version.status.value,
            status_message=version.status_message,
            tags=pairs(version.tags),
            run_link=version.run_link or "",
            aliases=version.aliases,
            model_id=version.model_id,
            model_params=tuple(
                ModelParamMessage(name=name, value=value) for name, value in version.params.items()
            ),
            model_metrics=tuple(map(MetricMessage.of, version.metrics)),
        )

    def entity(self) -> ModelVersion:
        """Return the model version."""
        status = self.status
        metrics: tuple[Metric, ...] = tuple(metric.entity() for metric in self.model_metrics)
        return ModelVersion(
            name=self.name or "",
            version=validation.check_version(self.version),
            creation_timestamp=self.creation_timestamp or 0,
            last_updated_timestamp=self.last_updated_timestamp or 0,
            description=self.description or "",
            user_id=self.user_id or None,
            current_stage=stage(self.current_stage or "None"),
            source=self.source or "",
            run_id=self.run_id or None,
            run_link=self.run_link or None,
            status=ModelVersionStatus.READY if status is None else version_status(status),
            status_message=self.status_message or None,
            tags=text_by_key(self.tags),
            aliases=tuple(sorted(self.aliases)),
            model_id=self.model_id or None,
            params={each.name or "": each.value or "" for each in self.model_params},
            metrics=metrics,
        )


class AliasMessage(Message, kw_only=True):
    """mlflow.RegisteredModelAlias."""

    alias: str | None = None
    version: str | None = None


class RegisteredModelMessage(Message, kw_only=True):
    """mlflow.RegisteredModel."""

    name: str | None = None
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None
    user_id: str | None = None
    description: str | None = None
    latest_versions: tuple[ModelVersionMessage, ...] = ()
    tags: tuple[KeyValue, ...] = ()
    aliases: tuple[AliasMessage, ...] = ()

    @classmethod
    def of(cls, model: RegisteredModel) -> RegisteredModelMessage:
        """Return what the wire says of a registered model."""
        return cls(
            name=model.name,
            creation_timestamp=model.creation_timestamp,
            last_updated_timestamp=model.last_updated_timestamp,
            description=model.description,
            latest_versions=tuple(map(ModelVersionMessage.of, model.latest_versions)),
            tags=pairs(model.tags),
            aliases=tuple(
                AliasMessage(alias=alias, version=str(version))
                for alias, version in model.aliases.items()
            ),
        )

    def entity(self) -> RegisteredModel:
        """Return the registered model."""
        return RegisteredModel(
            name=self.name or "",
            creation_timestamp=self.creation_timestamp or 0,
            last_updated_timestamp=self.last_updated_timestamp or 0,
            description=self.description or "",
            latest_versions=tuple(
                sorted((v.entity() for v in self.latest_versions), key=lambda each: each.version)
            ),
            tags=text_by_key(self.tags),
            aliases={
                each.alias or "": validation.check_version(each.version)
                for each in sorted(self.aliases, key=lambda each: each.alias or "")
            },
        )


class CreateRegisteredModel(Message, kw_only=True):
    """The request of registered-models/create."""

    name: Filled
    tags: tuple[KeyValue, ...] = ()
    description: str | None = None
    deployment_job_id: str | None = None


class RegisteredModelFound(Message, kw_only=True):
    """The answer with one registered model."""

    registered_model: RegisteredModelMessage | None = None


class GetRegisteredModel(Message, kw_only=True):
    """The request of registered-models/get and /delete."""

    name: Filled


class RenameRegisteredModel(Message, kw_only=True):
    """The request of registered-models/rename."""

    name: Filled
    new_name: str | None = None


class UpdateRegisteredModel(Message, kw_only=True):
    """The request of registered-models/update."""

    name: Filled
    description: str | None = None
    deployment_job_id: str | None = None


class SearchModels(Message, kw_only=True):
    """The request of registered-models/search and model-versions/search."""

    filter: str | None = None
    max_results: int | None = None
    order_by: tuple[str, ...] = ()
    page_token: str | None = None


class RegisteredModelsFound(Message, kw_only=True):
    """The answer of registered-models/search."""

    registered_models: tuple[RegisteredModelMessage, ...] = ()
    next_page_token: str | None = None


class GetLatestVersions(Message, kw_only=True):
    """The request of registered-models/get-latest-versions."""

    name: Filled
    stages: tuple[str, ...] = ()


class ModelVersionsFound(Message, kw_only=True):
    """The answer of get-latest-versions and of model-versions/search."""

    model_versions: tuple[ModelVersionMessage, ...] = ()
    next_page_token: str | None = None


class CreateModelVersion(Message, kw_only=True):
    """The request of model-versions/create."""

    name: Filled
    source: Filled
    run_id: str | None = None
    tags: tuple[KeyValue, ...] = ()
    run_link: str | None = None
    description: str | None = None
    model_id: str | None = None


class ModelVersionFound(Message, kw_only=True):
    """The answer with one model version."""

    model_version: ModelVersionMessage | None = None


class GetModelVersion(Message, kw_only=True):
    """The request of model-versions/get, /delete and /get-download-uri."""

    name: Filled
    version: Filled


class UpdateModelVersion(GetModelVersion, kw_only=True):
    """The request of model-versions/update."""

    description: str | None = None


class TransitionStage(GetModelVersion, kw_only=True):
    """The request of model-versions/transition-stage."""

    stage: Filled
    archive_existing_versions: bool


class DownloadUri(Message, kw_only=True):
    """The answer of model-versions/get-download-uri."""

    artifact_uri: str | None = None


class SetRegisteredModelTag(Message, kw_only=True):
    """The request of registered-models/set-tag."""

    name: Filled
    key: Filled
    value: str


class DeleteRegisteredModelTag(Message, kw_only=True):
    """The request of registered-models/delete-tag."""

    name: Filled
    key: Filled


class SetModelVersionTag(GetModelVersion, kw_only=True):
    """The request of model-versions/set-tag."""

    key: Filled
    value: str


class DeleteModelVersionTag(GetModelVersion, kw_only=True):
    """The request of model-versions/delete-tag."""

    key: Filled


class GetAlias(Message, kw_only=True):
    """The request of registered-models/alias (GET and DELETE)."""

    name: Filled
    alias: Filled


class SetAlias(GetAlias, kw_only=True):
    """The request of registered-models/alias (POST)."""

    version: Filled
