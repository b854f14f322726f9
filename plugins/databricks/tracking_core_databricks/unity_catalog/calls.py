"""The calls of Unity Catalog's model registry: their messages and their endpoints.

Where a message is MLflow's own, it is that one.

Source: mlflow/protos/databricks_uc_registry_messages.proto and _service.proto of MLflow 3.17.
"""

from __future__ import annotations

from tracking_core.entities import ModelVersion
from tracking_core.wire.endpoints import PREFIX, Endpoint
from tracking_core.wire.messages import registry as messages
from tracking_core.wire.messages.base import Empty, Filled, KeyValue, Message
from tracking_core.wire.messages.metrics import MetricMessage

_CATALOG = f"{PREFIX}/unity-catalog"
_MODELS = f"{_CATALOG}/registered-models"
_VERSIONS = f"{_CATALOG}/model-versions"


class CatalogVersion(Message, kw_only=True):
    """mlflow.ucmodelregistry.ModelVersion; its aliases say their version again, it has no stage."""

    name: str | None = None
    version: str | None = None
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None
    user_id: str | None = None
    description: str | None = None
    source: str | None = None
    run_id: str | None = None
    status: str | int | None = None
    status_message: str | None = None
    storage_location: str | None = None
    aliases: tuple[messages.AliasMessage, ...] = ()
    tags: tuple[KeyValue, ...] = ()
    model_id: str | None = None
    model_params: tuple[messages.ModelParamMessage, ...] = ()
    model_metrics: tuple[MetricMessage, ...] = ()

    def entity(self) -> ModelVersion:
        """Return the model version."""
        return messages.ModelVersionMessage(
            name=self.name,
            version=self.version,
            creation_timestamp=self.creation_timestamp,
            last_updated_timestamp=self.last_updated_timestamp,
            user_id=self.user_id,
            description=self.description,
            source=self.source,
            run_id=self.run_id,
            status=self.status,
            status_message=self.status_message,
            aliases=tuple(each.alias or "" for each in self.aliases),
            tags=self.tags,
            model_id=self.model_id,
            model_params=self.model_params,
            model_metrics=self.model_metrics,
        ).entity()


class CatalogVersionFound(Message, kw_only=True):
    """The answer with one model version."""

    model_version: CatalogVersion | None = None


class CatalogVersionsFound(Message, kw_only=True):
    """The answer of model-versions/search, whose versions have neither aliases nor tags."""

    model_versions: tuple[CatalogVersion, ...] = ()
    next_page_token: str | None = None


class UpdateCatalogModel(Message, kw_only=True):
    """The request of registered-models/update, which renames too."""

    name: Filled
    new_name: str | None = None
    description: str | None = None


CREATE = Endpoint(
    name="CreateRegisteredModel",
    method="POST",
    path=f"{_MODELS}/create",
    request=messages.CreateRegisteredModel,
    response=messages.RegisteredModelFound,
    writes=True,
    repeatable=False,
)
UPDATE = Endpoint(
    name="UpdateRegisteredModel",
    method="PATCH",
    path=f"{_MODELS}/update",
    request=UpdateCatalogModel,
    response=messages.RegisteredModelFound,
    writes=True,
)
DELETE = Endpoint(
    name="DeleteRegisteredModel",
    method="DELETE",
    path=f"{_MODELS}/delete",
    request=messages.GetRegisteredModel,
    response=Empty,
    writes=True,
    repeatable=False,
)
GET = Endpoint(
    name="GetRegisteredModel",
    method="GET",
    path=f"{_MODELS}/get",
    request=messages.GetRegisteredModel,
    response=messages.RegisteredModelFound,
)
SEARCH = Endpoint(
    name="SearchRegisteredModels",
    method="GET",
    path=f"{_MODELS}/search",
    request=messages.SearchModels,
    response=messages.RegisteredModelsFound,
)
SET_TAG = Endpoint(
    name="SetRegisteredModelTag",
    method="POST",
    path=f"{_MODELS}/set-tag",
    request=messages.SetRegisteredModelTag,
    response=Empty,
    writes=True,
)
DELETE_TAG = Endpoint(
    name="DeleteRegisteredModelTag",
    method="DELETE",
    path=f"{_MODELS}/delete-tag",
    request=messages.DeleteRegisteredModelTag,
    response=Empty,
    writes=True,
    repeatable=False,
)
SET_ALIAS = Endpoint(
    name="SetRegisteredModelAlias",
    method="POST",
    path=f"{_MODELS}/alias",
    request=messages.SetAlias,
    response=Empty,
    writes=True,
)
DELETE_ALIAS = Endpoint(
    name="DeleteRegisteredModelAlias",
    method="DELETE",
    path=f"{_MODELS}/alias",
    request=messages.GetAlias,
    response=Empty,
    writes=True,
    repeatable=False,
)
GET_BY_ALIAS = Endpoint(
    name="GetModelVersionByAlias",
    method="GET",
    path=f"{_MODELS}/alias",
    request=messages.GetAlias,
    response=CatalogVersionFound,
)
UPDATE_VERSION = Endpoint(
    name="UpdateModelVersion",
    method="PATCH",
    path=f"{_VERSIONS}/update",
    request=messages.UpdateModelVersion,
    response=CatalogVersionFound,
    writes=True,
)
DELETE_VERSION = Endpoint(
    name="DeleteModelVersion",
    method="DELETE",
    path=f"{_VERSIONS}/delete",
    request=messages.GetModelVersion,
    response=Empty,
    writes=True,
    repeatable=False,
)
GET_VERSION = Endpoint(
    name="GetModelVersion",
    method="GET",
    path=f"{_VERSIONS}/get",
    request=messages.GetModelVersion,
    response=CatalogVersionFound,
)
SEARCH_VERSIONS = Endpoint(
    name="SearchModelVersions",
    method="GET",
    path=f"{_VERSIONS}/search",
    request=messages.SearchModels,
    response=CatalogVersionsFound,
)
SET_VERSION_TAG = Endpoint(
    name="SetModelVersionTag",
    method="POST",
    path=f"{_VERSIONS}/set-tag",
    request=messages.SetModelVersionTag,
    response=Empty,
    writes=True,
)
DELETE_VERSION_TAG = Endpoint(
    name="DeleteModelVersionTag",
    method="DELETE",
    path=f"{_VERSIONS}/delete-tag",
    request=messages.DeleteModelVersionTag,
    response=Empty,
    writes=True,
    repeatable=False,
)
