"""Messages about logged models."""

from __future__ import annotations

from tracking_core.entities import LoggedModel, LoggedModelStatus
from tracking_core.wire.messages.artifacts import FileInfoMessage
from tracking_core.wire.messages.base import Filled, KeyValue, Message, pairs, text_by_key
from tracking_core.wire.messages.enums import logged_model_status, logged_model_status_name
from tracking_core.wire.messages.metrics import MetricMessage


class LoggedModelInfoMessage(Message, kw_only=True):
    """mlflow.LoggedModelInfo."""

    model_id: str | None = None
    experiment_id: str | None = None
    name: str | None = None
    creation_timestamp_ms: int | None = None
    last_updated_timestamp_ms: int | None = None
    artifact_uri: str | None = None
    status: str | int | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    status_message: str | None = None
    tags: tuple[KeyValue, ...] = ()


class LoggedModelDataMessage(Message, kw_only=True):
    """mlflow.LoggedModelData."""

    params: tuple[KeyValue, ...] = ()
    metrics: tuple[MetricMessage, ...] = ()


class LoggedModelMessage(Message, kw_only=True):
    """mlflow.LoggedModel."""

    info: LoggedModelInfoMessage | None = None
    data: LoggedModelDataMessage | None = None

    @classmethod
    def of(cls, model: LoggedModel) -> LoggedModelMessage:
        """Return what the wire says of a logged model."""
        return cls(
            info=LoggedModelInfoMessage(
                model_id=model.model_id,
                experiment_id=model.experiment_id,
                name=model.name,
                creation_timestamp_ms=model.creation_timestamp,
                last_updated_timestamp_ms=model.last_updated_timestamp,
                artifact_uri=model.artifact_location,
                status=logged_model_status_name(model.status),
                model_type=model.model_type,
                source_run_id=model.source_run_id,
                status_message=model.status_message,
                tags=pairs(model.tags),
            ),
            data=LoggedModelDataMessage(
                params=pairs(model.params),
                metrics=tuple(map(MetricMessage.of, model.metrics)),
            ),
        )

    def entity(self) -> LoggedModel:
        """Return the logged model."""
        info = self.info or LoggedModelInfoMessage()
        data = self.data or LoggedModelDataMessage()
        status = info.status
        return LoggedModel(
            model_id=info.model_id or "",
            experiment_id=info.experiment_id or "",
            name=info.name or "",
            artifact_location=info.artifact_uri or "",
            creation_timestamp=info.creation_timestamp_ms or 0,
            last_updated_timestamp=info.last_updated_timestamp_ms or 0,
            status=LoggedModelStatus.PENDING if status is None else logged_model_status(status),
            status_message=info.status_message,
            model_type=info.model_type or None,
            source_run_id=info.source_run_id or None,
            tags=text_by_key(info.tags),
            params=text_by_key(data.params),
            metrics=tuple(metric.entity() for metric in data.metrics),
        )


class CreateLoggedModel(Message, kw_only=True):
    """The request of logged-models (POST)."""

    experiment_id: Filled
    name: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    params: tuple[KeyValue, ...] = ()
    tags: tuple[KeyValue, ...] = ()


class LoggedModelFound(Message, kw_only=True):
    """The answer with one logged model."""

    model: LoggedModelMessage | None = None


class GetLoggedModel(Message, kw_only=True):
    """The request of logged-models/{model_id} (GET and DELETE)."""

    model_id: Filled


class FinalizeLoggedModel(Message, kw_only=True):
    """The request of logged-models/{model_id} (PATCH)."""

    model_id: Filled
    status: str | int


class SetLoggedModelTags(Message, kw_only=True):
    """The request of logged-models/{model_id}/tags."""

    model_id: Filled
    tags: tuple[KeyValue, ...] = ()


class DeleteLoggedModelTag(Message, kw_only=True):
    """The request of logged-models/{model_id}/tags/{tag_key}."""

    model_id: Filled
    tag_key: Filled


class LogLoggedModelParams(Message, kw_only=True):
    """The request of logged-models/{model_id}/params."""

    model_id: Filled
    params: tuple[KeyValue, ...] = ()


class DatasetFilterMessage(Message, kw_only=True):
    """mlflow.SearchLoggedModels.Dataset."""

    dataset_name: Filled
    dataset_digest: str | None = None


class LoggedModelOrder(Message, kw_only=True):
    """mlflow.SearchLoggedModels.OrderBy."""

    field_name: Filled
    ascending: bool | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchLoggedModels(Message, kw_only=True):
    """The request of logged-models/search."""

    experiment_ids: tuple[str, ...] = ()
    filter: str | None = None
    datasets: tuple[DatasetFilterMessage, ...] = ()
    max_results: int | None = None
    order_by: tuple[LoggedModelOrder, ...] = ()
    page_token: str | None = None


class LoggedModelsFound(Message, kw_only=True):
    """Its answer."""

    models: tuple[LoggedModelMessage, ...] = ()
    next_page_token: str | None = None


class ListLoggedModelArtifacts(Message, kw_only=True):
    """The request of logged-models/{model_id}/artifacts/directories."""

    model_id: Filled
    artifact_directory_path: str | None = None
    page_token: str | None = None


class LoggedModelArtifacts(Message, kw_only=True):
    """Its answer."""

    root_uri: str | None = None
    files: tuple[FileInfoMessage, ...] = ()
    next_page_token: str | None = None
