"""The endpoints of registered models and their versions."""

from __future__ import annotations

from tracking_core.errors import InvalidValueError, NotFoundError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    UNSET,
    ModelRegistryStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core.stores.validation import check_version
from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint, Method, page_size
from tracking_core.wire.messages import registry as messages
from tracking_core.wire.messages.base import Empty, text_by_key
from tracking_core.wire.messages.enums import stage

_MODELS = f"{PREFIX}/registered-models"
_VERSIONS = f"{PREFIX}/model-versions"


def _create(
    registry: ModelRegistryStore, request: messages.CreateRegisteredModel
) -> messages.RegisteredModelFound:
    new = NewRegisteredModel(
        name=request.name, description=request.description or "", tags=text_by_key(request.tags)
    )
    model = registry.create_registered_model(new)
    return messages.RegisteredModelFound(registered_model=messages.RegisteredModelMessage.of(model))


def _rename(
    registry: ModelRegistryStore, request: messages.RenameRegisteredModel
) -> messages.RegisteredModelFound:
    changes = RegisteredModelChanges(name=request.new_name or "")
    return _changed(registry, request.name, changes)


def _update(
    registry: ModelRegistryStore, request: messages.UpdateRegisteredModel
) -> messages.RegisteredModelFound:
    described = UNSET if request.description is None else request.description
    return _changed(registry, request.name, RegisteredModelChanges(description=described))


def _changed(
    registry: ModelRegistryStore, name: str, changes: RegisteredModelChanges
) -> messages.RegisteredModelFound:
    model = registry.update_registered_model(name, changes=changes)
    return messages.RegisteredModelFound(registered_model=messages.RegisteredModelMessage.of(model))


def _delete(registry: ModelRegistryStore, request: messages.GetRegisteredModel) -> Empty:
    registry.delete_registered_model(request.name)
    return Empty()


def _get(
    registry: ModelRegistryStore, request: messages.GetRegisteredModel
) -> messages.RegisteredModelFound:
    model = registry.get_registered_model(request.name)
    return messages.RegisteredModelFound(registered_model=messages.RegisteredModelMessage.of(model))


def _search(
    registry: ModelRegistryStore, request: messages.SearchModels
) -> messages.RegisteredModelsFound:
    query = RegisteredModelQuery(
        filter=parse_filter(request.filter or "", Subject.REGISTERED_MODELS),
        order_by=parse_order_by(request.order_by, Subject.REGISTERED_MODELS),
        max_results=page_size(request.max_results, usual=100, most=1_000),
        page_token=request.page_token or None,
    )
    page = registry.search_registered_models(query)
    return messages.RegisteredModelsFound(
        registered_models=tuple(map(messages.RegisteredModelMessage.of, page.items)),
        next_page_token=page.next_page_token,
    )


def _latest(
    registry: ModelRegistryStore, request: messages.GetLatestVersions
) -> messages.ModelVersionsFound:
    stages = tuple(map(stage, request.stages))
    return messages.ModelVersionsFound(
        model_versions=tuple(
            map(
                messages.ModelVersionMessage.of,
                registry.latest_versions(request.name, stages=stages),
            )
        )
    )


def _set_tag(registry: ModelRegistryStore, request: messages.SetRegisteredModelTag) -> Empty:
    changes = RegisteredModelChanges(set_tags={request.key: request.value})
    registry.update_registered_model(request.name, changes=changes)
    return Empty()


def _delete_tag(registry: ModelRegistryStore, request: messages.DeleteRegisteredModelTag) -> Empty:
    _remove(registry, request.name, RegisteredModelChanges(delete_tags=(request.key,)))
    return Empty()


def _remove(registry: ModelRegistryStore, name: str, changes: RegisteredModelChanges) -> None:
    """Remove a tag or an alias; MLflow's registry is content if it isn't there."""
    try:
        registry.update_registered_model(name, changes=changes)
    except NotFoundError:
        registry.get_registered_model(name)  # unless it is the model that isn't there


def _set_alias(registry: ModelRegistryStore, request: messages.SetAlias) -> Empty:
    version = check_version(request.version)
    changes = RegisteredModelChanges(set_aliases={request.alias: version})
    registry.update_registered_model(request.name, changes=changes)
    return Empty()


def _delete_alias(registry: ModelRegistryStore, request: messages.GetAlias) -> Empty:
    _remove(registry, request.name, RegisteredModelChanges(delete_aliases=(request.alias,)))
    return Empty()


def _get_by_alias(
    registry: ModelRegistryStore, request: messages.GetAlias
) -> messages.ModelVersionFound:
    try:
        version = registry.get_model_version_by_alias(request.name, alias=request.alias)
    except NotFoundError as error:
        # MLflow calls a missing alias an invalid value, and only a missing model missing.
        registry.get_registered_model(request.name)
        raise InvalidValueError(str(error)) from error
    return messages.ModelVersionFound(model_version=messages.ModelVersionMessage.of(version))


def _create_version(
    registry: ModelRegistryStore, request: messages.CreateModelVersion
) -> messages.ModelVersionFound:
    version = registry.create_model_version(
        NewModelVersion(
            name=request.name,
            source=request.source,
            run_id=request.run_id or None,
            run_link=request.run_link or None,
            description=request.description or "",
            tags=text_by_key(request.tags),
            model_id=request.model_id or None,
        )
    )
    return messages.ModelVersionFound(model_version=messages.ModelVersionMessage.of(version))


def _change_version(
    registry: ModelRegistryStore, request: messages.GetModelVersion, changes: ModelVersionChanges
) -> messages.ModelVersionFound:
    number = check_version(request.version)
    version = registry.update_model_version(request.name, version=number, changes=changes)
    return messages.ModelVersionFound(model_version=messages.ModelVersionMessage.of(version))


def _update_version(
    registry: ModelRegistryStore, request: messages.UpdateModelVersion
) -> messages.ModelVersionFound:
    described = UNSET if request.description is None else request.description
    return _change_version(registry, request, ModelVersionChanges(description=described))


def _transition(
    registry: ModelRegistryStore, request: messages.TransitionStage
) -> messages.ModelVersionFound:
    changes = ModelVersionChanges(
        current_stage=stage(request.stage),
        archive_existing_versions=request.archive_existing_versions,
    )
    return _change_version(registry, request, changes)


def _delete_version(registry: ModelRegistryStore, request: messages.GetModelVersion) -> Empty:
    registry.delete_model_version(request.name, version=check_version(request.version))
    return Empty()


def _get_version(
    registry: ModelRegistryStore, request: messages.GetModelVersion
) -> messages.ModelVersionFound:
    version = registry.get_model_version(request.name, version=check_version(request.version))
    return messages.ModelVersionFound(model_version=messages.ModelVersionMessage.of(version))


def _search_versions(
    registry: ModelRegistryStore, request: messages.SearchModels
) -> messages.ModelVersionsFound:
    query = ModelVersionQuery(
        filter=parse_filter(request.filter or "", Subject.MODEL_VERSIONS),
        order_by=parse_order_by(request.order_by, Subject.MODEL_VERSIONS),
        max_results=page_size(request.max_results, usual=200_000, most=200_000),
        page_token=request.page_token or None,
    )
    page = registry.search_model_versions(query)
    return messages.ModelVersionsFound(
        model_versions=tuple(map(messages.ModelVersionMessage.of, page.items)),
        next_page_token=page.next_page_token,
    )


def _download_uri(
    registry: ModelRegistryStore, request: messages.GetModelVersion
) -> messages.DownloadUri:
    version = registry.get_model_version(request.name, version=check_version(request.version))
    return messages.DownloadUri(artifact_uri=version.source)


def _set_version_tag(registry: ModelRegistryStore, request: messages.SetModelVersionTag) -> Empty:
    _change_version(registry, request, ModelVersionChanges(set_tags={request.key: request.value}))
    return Empty()


def _delete_version_tag(
    registry: ModelRegistryStore, request: messages.DeleteModelVersionTag
) -> Empty:
    try:
        _change_version(registry, request, ModelVersionChanges(delete_tags=(request.key,)))
    except NotFoundError:
        registry.get_model_version(request.name, version=check_version(request.version))
    return Empty()


CREATE = Endpoint(
    name="createRegisteredModel",
    method="POST",
    path=f"{_MODELS}/create",
    request=messages.CreateRegisteredModel,
    response=messages.RegisteredModelFound,
    facet=ModelRegistryStore,
    answer=_create,
    writes=True,
    repeatable=False,
)
RENAME = Endpoint(
    name="renameRegisteredModel",
    method="POST",
    path=f"{_MODELS}/rename",
    request=messages.RenameRegisteredModel,
    response=messages.RegisteredModelFound,
    facet=ModelRegistryStore,
    answer=_rename,
    writes=True,
    repeatable=False,
)
UPDATE = Endpoint(
    name="updateRegisteredModel",
    method="PATCH",
    path=f"{_MODELS}/update",
    request=messages.UpdateRegisteredModel,
    response=messages.RegisteredModelFound,
    facet=ModelRegistryStore,
    answer=_update,
    writes=True,
)
DELETE = Endpoint(
    name="deleteRegisteredModel",
    method="DELETE",
    path=f"{_MODELS}/delete",
    request=messages.GetRegisteredModel,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_delete,
    writes=True,
    repeatable=False,
)
GET = Endpoint(
    name="getRegisteredModel",
    method="GET",
    path=f"{_MODELS}/get",
    request=messages.GetRegisteredModel,
    response=messages.RegisteredModelFound,
    facet=ModelRegistryStore,
    answer=_get,
)
SEARCH = Endpoint(
    name="searchRegisteredModels",
    method="GET",
    path=f"{_MODELS}/search",
    request=messages.SearchModels,
    response=messages.RegisteredModelsFound,
    facet=ModelRegistryStore,
    answer=_search,
)


def _latest_by(method: Method) -> Endpoint:
    return Endpoint(
        name="getLatestVersions",
        method=method,
        path=f"{_MODELS}/get-latest-versions",
        request=messages.GetLatestVersions,
        response=messages.ModelVersionsFound,
        facet=ModelRegistryStore,
        answer=_latest,
    )


LATEST_VERSIONS = _latest_by("POST")
LATEST_VERSIONS_BY_QUERY = _latest_by("GET")
SET_TAG = Endpoint(
    name="setRegisteredModelTag",
    method="POST",
    path=f"{_MODELS}/set-tag",
    request=messages.SetRegisteredModelTag,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_set_tag,
    writes=True,
)
DELETE_TAG = Endpoint(
    name="deleteRegisteredModelTag",
    method="DELETE",
    path=f"{_MODELS}/delete-tag",
    request=messages.DeleteRegisteredModelTag,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_delete_tag,
    writes=True,
    repeatable=False,
)
SET_ALIAS = Endpoint(
    name="setRegisteredModelAlias",
    method="POST",
    path=f"{_MODELS}/alias",
    request=messages.SetAlias,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_set_alias,
    writes=True,
)
DELETE_ALIAS = Endpoint(
    name="deleteRegisteredModelAlias",
    method="DELETE",
    path=f"{_MODELS}/alias",
    request=messages.GetAlias,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_delete_alias,
    writes=True,
    repeatable=False,
)
GET_BY_ALIAS = Endpoint(
    name="getModelVersionByAlias",
    method="GET",
    path=f"{_MODELS}/alias",
    request=messages.GetAlias,
    response=messages.ModelVersionFound,
    facet=ModelRegistryStore,
    answer=_get_by_alias,
)
CREATE_VERSION = Endpoint(
    name="createModelVersion",
    method="POST",
    path=f"{_VERSIONS}/create",
    request=messages.CreateModelVersion,
    response=messages.ModelVersionFound,
    facet=ModelRegistryStore,
    answer=_create_version,
    writes=True,
    repeatable=False,
)
UPDATE_VERSION = Endpoint(
    name="updateModelVersion",
    method="PATCH",
    path=f"{_VERSIONS}/update",
    request=messages.UpdateModelVersion,
    response=messages.ModelVersionFound,
    facet=ModelRegistryStore,
    answer=_update_version,
    writes=True,
)
TRANSITION = Endpoint(
    name="transitionModelVersionStage",
    method="POST",
    path=f"{_VERSIONS}/transition-stage",
    request=messages.TransitionStage,
    response=messages.ModelVersionFound,
    facet=ModelRegistryStore,
    answer=_transition,
    writes=True,
)
DELETE_VERSION = Endpoint(
    name="deleteModelVersion",
    method="DELETE",
    path=f"{_VERSIONS}/delete",
    request=messages.GetModelVersion,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_delete_version,
    writes=True,
    repeatable=False,
)
GET_VERSION = Endpoint(
    name="getModelVersion",
    method="GET",
    path=f"{_VERSIONS}/get",
    request=messages.GetModelVersion,
    response=messages.ModelVersionFound,
    facet=ModelRegistryStore,
    answer=_get_version,
)
SEARCH_VERSIONS = Endpoint(
    name="searchModelVersions",
    method="GET",
    path=f"{_VERSIONS}/search",
    request=messages.SearchModels,
    response=messages.ModelVersionsFound,
    facet=ModelRegistryStore,
    answer=_search_versions,
)
DOWNLOAD_URI = Endpoint(
    name="getModelVersionDownloadUri",
    method="GET",
    path=f"{_VERSIONS}/get-download-uri",
    request=messages.GetModelVersion,
    response=messages.DownloadUri,
    facet=ModelRegistryStore,
    answer=_download_uri,
)
SET_VERSION_TAG = Endpoint(
    name="setModelVersionTag",
    method="POST",
    path=f"{_VERSIONS}/set-tag",
    request=messages.SetModelVersionTag,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_set_version_tag,
    writes=True,
)
DELETE_VERSION_TAG = Endpoint(
    name="deleteModelVersionTag",
    method="DELETE",
    path=f"{_VERSIONS}/delete-tag",
    request=messages.DeleteModelVersionTag,
    response=Empty,
    facet=ModelRegistryStore,
    answer=_delete_version_tag,
    writes=True,
    repeatable=False,
)

ENDPOINTS = (
    CREATE,
    RENAME,
    UPDATE,
    DELETE,
    GET,
    SEARCH,
    LATEST_VERSIONS,
    LATEST_VERSIONS_BY_QUERY,
    SET_TAG,
    DELETE_TAG,
    SET_ALIAS,
    DELETE_ALIAS,
    GET_BY_ALIAS,
    CREATE_VERSION,
    UPDATE_VERSION,
    TRANSITION,
    DELETE_VERSION,
    GET_VERSION,
    SEARCH_VERSIONS,
    DOWNLOAD_URI,
    SET_VERSION_TAG,
    DELETE_VERSION_TAG,
)
