"""The endpoints of logged models."""

from __future__ import annotations

from msgspec.structs import replace

from tracking_core.search import OrderBy, Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    DatasetFilter,
    LoggedModelChanges,
    LoggedModelQuery,
    LoggedModelStore,
    NewLoggedModel,
)
from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint, page_size
from tracking_core.wire.messages import logged_models as messages
from tracking_core.wire.messages.base import Empty, text_by_key
from tracking_core.wire.messages.enums import logged_model_status

_PATH = f"{PREFIX}/logged-models"


def _create(
    models: LoggedModelStore, request: messages.CreateLoggedModel
) -> messages.LoggedModelFound:
    model = models.create_logged_model(
        NewLoggedModel(
            experiment_id=request.experiment_id,
            name=request.name or None,
            source_run_id=request.source_run_id or None,
            model_type=request.model_type or None,
            tags=text_by_key(request.tags),
            params=text_by_key(request.params),
        )
    )
    return messages.LoggedModelFound(model=messages.LoggedModelMessage.of(model))


def _get(models: LoggedModelStore, request: messages.GetLoggedModel) -> messages.LoggedModelFound:
    found = models.get_logged_model(request.model_id)
    return messages.LoggedModelFound(model=messages.LoggedModelMessage.of(found))


def _finalize(
    models: LoggedModelStore, request: messages.FinalizeLoggedModel
) -> messages.LoggedModelFound:
    changes = LoggedModelChanges(status=logged_model_status(request.status))
    model = models.update_logged_model(request.model_id, changes=changes)
    return messages.LoggedModelFound(model=messages.LoggedModelMessage.of(model))


def _delete(models: LoggedModelStore, request: messages.GetLoggedModel) -> Empty:
    models.delete_logged_model(request.model_id)
    return Empty()


def _set_tags(
    models: LoggedModelStore, request: messages.SetLoggedModelTags
) -> messages.LoggedModelFound:
    changes = LoggedModelChanges(set_tags=text_by_key(request.tags))
    model = models.update_logged_model(request.model_id, changes=changes)
    return messages.LoggedModelFound(model=messages.LoggedModelMessage.of(model))


def _delete_tag(models: LoggedModelStore, request: messages.DeleteLoggedModelTag) -> Empty:
    changes = LoggedModelChanges(delete_tags=(request.tag_key,))
    models.update_logged_model(request.model_id, changes=changes)
    return Empty()


def _log_params(models: LoggedModelStore, request: messages.LogLoggedModelParams) -> Empty:
    changes = LoggedModelChanges(log_params=text_by_key(request.params))
    models.update_logged_model(request.model_id, changes=changes)
    return Empty()


def _search(
    models: LoggedModelStore, request: messages.SearchLoggedModels
) -> messages.LoggedModelsFound:
    query = LoggedModelQuery(
        experiment_ids=request.experiment_ids,
        filter=parse_filter(request.filter or "", Subject.LOGGED_MODELS),
        order_by=tuple(map(_order, request.order_by)),
        datasets=tuple(
            DatasetFilter(
                dataset_name=each.dataset_name, dataset_digest=each.dataset_digest or None
            )
            for each in request.datasets
        ),
        max_results=page_size(request.max_results, usual=50, most=50_000),
        page_token=request.page_token or None,
    )
    page = models.search_logged_models(query)
    return messages.LoggedModelsFound(
        models=tuple(map(messages.LoggedModelMessage.of, page.items)),
        next_page_token=page.next_page_token,
    )


def _order(order: messages.LoggedModelOrder) -> OrderBy:
    (parsed,) = parse_order_by([order.field_name], Subject.LOGGED_MODELS)
    return replace(
        parsed,
        ascending=order.ascending is not False,
        dataset_name=order.dataset_name or None,
        dataset_digest=order.dataset_digest or None,
    )


CREATE = Endpoint(
    name="createLoggedModel",
    method="POST",
    path=_PATH,
    request=messages.CreateLoggedModel,
    response=messages.LoggedModelFound,
    facet=LoggedModelStore,
    answer=_create,
    writes=True,
    repeatable=False,
)
GET = Endpoint(
    name="getLoggedModel",
    method="GET",
    path=f"{_PATH}/{{model_id}}",
    request=messages.GetLoggedModel,
    response=messages.LoggedModelFound,
    facet=LoggedModelStore,
    answer=_get,
)
FINALIZE = Endpoint(
    name="finalizeLoggedModel",
    method="PATCH",
    path=f"{_PATH}/{{model_id}}",
    request=messages.FinalizeLoggedModel,
    response=messages.LoggedModelFound,
    facet=LoggedModelStore,
    answer=_finalize,
    writes=True,
)
DELETE = Endpoint(
    name="deleteLoggedModel",
    method="DELETE",
    path=f"{_PATH}/{{model_id}}",
    request=messages.GetLoggedModel,
    response=Empty,
    facet=LoggedModelStore,
    answer=_delete,
    writes=True,
    repeatable=False,
)
SEARCH = Endpoint(
    name="searchLoggedModels",
    method="POST",
    path=f"{_PATH}/search",
    request=messages.SearchLoggedModels,
    response=messages.LoggedModelsFound,
    facet=LoggedModelStore,
    answer=_search,
)
SET_TAGS = Endpoint(
    name="setLoggedModelTags",
    method="PATCH",
    path=f"{_PATH}/{{model_id}}/tags",
    request=messages.SetLoggedModelTags,
    response=messages.LoggedModelFound,
    facet=LoggedModelStore,
    answer=_set_tags,
    writes=True,
)
DELETE_TAG = Endpoint(
    name="deleteLoggedModelTag",
    method="DELETE",
    path=f"{_PATH}/{{model_id}}/tags/{{tag_key}}",
    request=messages.DeleteLoggedModelTag,
    response=Empty,
    facet=LoggedModelStore,
    answer=_delete_tag,
    writes=True,
    repeatable=False,
)
LOG_PARAMS = Endpoint(
    name="logLoggedModelParams",
    method="POST",
    path=f"{_PATH}/{{model_id}}/params",
    request=messages.LogLoggedModelParams,
    response=Empty,
    facet=LoggedModelStore,
    answer=_log_params,
    writes=True,
)

ENDPOINTS = (CREATE, GET, FINALIZE, DELETE, SEARCH, SET_TAGS, DELETE_TAG, LOG_PARAMS)
