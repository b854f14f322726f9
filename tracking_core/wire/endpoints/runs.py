"""The endpoints of runs and of what is logged to them."""

from __future__ import annotations

import json

from tracking_core.entities import (
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Param,
    RunInputs,
    RunOutputs,
    RunTag,
)
from tracking_core.errors import InvalidStateError, InvalidValueError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    UNSET,
    Batch,
    NewRun,
    Projection,
    RunChanges,
    RunQuery,
    RunStore,
)
from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint, named_run, page_size
from tracking_core.wire.messages import runs as messages
from tracking_core.wire.messages.base import Empty, text_by_key
from tracking_core.wire.messages.enums import run_status, view_type
from tracking_core.wire.messages.metrics import LogMetric

_MODEL_HISTORY_TAG = "mlflow.log-model.history"
_MOST_DATASETS = 1_000


def _create(runs: RunStore, request: messages.CreateRun) -> messages.RunFound:
    run = runs.create_run(
        NewRun(
            experiment_id=request.experiment_id or "0",
            run_name=request.run_name or None,
            user_id=request.user_id or None,
            start_time=request.start_time or None,
            tags=text_by_key(request.tags),
        )
    )
    return messages.RunFound(run=messages.RunMessage.of(run))


def _get(runs: RunStore, request: messages.GetRun) -> messages.RunFound:
    return messages.RunFound(run=messages.RunMessage.of(runs.get_run(named_run(request))))


def _update(runs: RunStore, request: messages.UpdateRun) -> messages.RunUpdated:
    changes = RunChanges(
        status=UNSET if request.status is None else run_status(request.status),
        end_time=request.end_time or UNSET,
        run_name=request.run_name or UNSET,
    )
    info = runs.update_run(named_run(request), changes=changes)
    return messages.RunUpdated(run_info=messages.RunInfoMessage.of(info))


def _delete(runs: RunStore, request: messages.DeleteRun) -> Empty:
    changes = RunChanges(lifecycle_stage=LifecycleStage.DELETED)
    runs.update_run(request.run_id, changes=changes)
    return Empty()


def _restore(runs: RunStore, request: messages.DeleteRun) -> Empty:
    runs.update_run(request.run_id, changes=RunChanges(lifecycle_stage=LifecycleStage.ACTIVE))
    return Empty()


def _search(runs: RunStore, request: messages.SearchRuns) -> messages.RunsFound:
    query = RunQuery(
        experiment_ids=request.experiment_ids,
        filter=parse_filter(request.filter or "", Subject.RUNS),
        order_by=parse_order_by(request.order_by, Subject.RUNS),
        max_results=page_size(request.max_results, usual=1_000, most=50_000),
        page_token=request.page_token or None,
        view_type=view_type(request.run_view_type),
    )
    page = runs.search_runs(query)
    return messages.RunsFound(
        runs=tuple(map(messages.RunMessage.of, page.items)), next_page_token=page.next_page_token
    )


def _log_metric(runs: RunStore, request: LogMetric) -> Empty:
    runs.log_batch(named_run(request), batch=Batch(metrics=(request.entity(),)))
    return Empty()


def _log_param(runs: RunStore, request: messages.LogParam) -> Empty:
    batch = Batch(params=(Param(request.key, request.value),))
    runs.log_batch(named_run(request), batch=batch)
    return Empty()


def _set_tag(runs: RunStore, request: messages.LogParam) -> Empty:
    runs.log_batch(named_run(request), batch=Batch(tags=(RunTag(request.key, request.value),)))
    return Empty()


def _delete_tag(runs: RunStore, request: messages.DeleteTag) -> Empty:
    runs.delete_tag(request.run_id, key=request.key)
    return Empty()


def _log_batch(runs: RunStore, request: messages.LogBatch) -> Empty:
    batch = Batch(
        metrics=tuple([metric.entity() for metric in request.metrics]),
        params=tuple([Param(each.key or "", each.value or "") for each in request.params]),
        tags=tuple([RunTag(each.key or "", each.value or "") for each in request.tags]),
    )
    runs.log_batch(request.run_id, batch=batch)
    return Empty()


def _log_model(runs: RunStore, request: messages.LogModel) -> Empty:
    """Add a model to the history that MLflow keeps in a tag."""
    try:
        model = json.loads(request.model_json)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"The model's description isn't JSON: {error}.") from None
    missing = [
        name
        for name in ("artifact_path", "flavors", "utc_time_created", "run_id")
        if not isinstance(model, dict) or name not in model
    ]
    if missing:
        raise InvalidValueError(f"The model's description lacks {', '.join(missing)}.")
    only = Projection(
        metrics=frozenset(), params=frozenset(), tags=frozenset([_MODEL_HISTORY_TAG]), inputs=False
    )
    known = runs.get_run(request.run_id, projection=only).data.tags.get(_MODEL_HISTORY_TAG, "[]")
    batch = Batch(tags=(RunTag(_MODEL_HISTORY_TAG, json.dumps([*_history(known), model])),))
    runs.log_batch(request.run_id, batch=batch)
    return Empty()


def _history(text: str) -> list[object]:
    try:
        history = json.loads(text)
    except (ValueError, RecursionError):
        history = None
    if not isinstance(history, list):
        raise InvalidStateError(
            f"The run's tag {_MODEL_HISTORY_TAG} is no list of models, so that none can be added to"
            " it; delete the tag."
        )
    return history


def _log_inputs(runs: RunStore, request: messages.LogInputs) -> Empty:
    if len(request.datasets) > _MOST_DATASETS:
        raise InvalidValueError(
            f"The request holds {len(request.datasets)} data sets; send at most {_MOST_DATASETS}"
            " at once."
        )
    inputs = RunInputs(
        tuple(used.entity() for used in request.datasets),
        tuple(LoggedModelInput(model.model_id) for model in request.models),
    )
    runs.log_inputs(request.run_id, inputs=inputs)
    return Empty()


def _log_outputs(runs: RunStore, request: messages.LogOutputs) -> Empty:
    outputs = RunOutputs(tuple(LoggedModelOutput(m.model_id, m.step) for m in request.models))
    runs.log_outputs(request.run_id, outputs=outputs)
    return Empty()


CREATE = Endpoint(
    name="createRun",
    method="POST",
    path=f"{PREFIX}/runs/create",
    request=messages.CreateRun,
    response=messages.RunFound,
    facet=RunStore,
    answer=_create,
    writes=True,
    repeatable=False,
)
GET = Endpoint(
    name="getRun",
    method="GET",
    path=f"{PREFIX}/runs/get",
    request=messages.GetRun,
    response=messages.RunFound,
    facet=RunStore,
    answer=_get,
)
UPDATE = Endpoint(
    name="updateRun",
    method="POST",
    path=f"{PREFIX}/runs/update",
    request=messages.UpdateRun,
    response=messages.RunUpdated,
    facet=RunStore,
    answer=_update,
    writes=True,
)
DELETE = Endpoint(
    name="deleteRun",
    method="POST",
    path=f"{PREFIX}/runs/delete",
    request=messages.DeleteRun,
    response=Empty,
    facet=RunStore,
    answer=_delete,
    writes=True,
)
RESTORE = Endpoint(
    name="restoreRun",
    method="POST",
    path=f"{PREFIX}/runs/restore",
    request=messages.DeleteRun,
    response=Empty,
    facet=RunStore,
    answer=_restore,
    writes=True,
)
SEARCH = Endpoint(
    name="searchRuns",
    method="POST",
    path=f"{PREFIX}/runs/search",
    request=messages.SearchRuns,
    response=messages.RunsFound,
    facet=RunStore,
    answer=_search,
)
LOG_METRIC = Endpoint(
    name="logMetric",
    method="POST",
    path=f"{PREFIX}/runs/log-metric",
    request=LogMetric,
    response=Empty,
    facet=RunStore,
    answer=_log_metric,
    writes=True,
    repeatable=False,
)
LOG_PARAM = Endpoint(
    name="logParam",
    method="POST",
    path=f"{PREFIX}/runs/log-parameter",
    request=messages.LogParam,
    response=Empty,
    facet=RunStore,
    answer=_log_param,
    writes=True,
)
SET_TAG = Endpoint(
    name="setTag",
    method="POST",
    path=f"{PREFIX}/runs/set-tag",
    request=messages.LogParam,
    response=Empty,
    facet=RunStore,
    answer=_set_tag,
    writes=True,
)
DELETE_TAG = Endpoint(
    name="deleteTag",
    method="POST",
    path=f"{PREFIX}/runs/delete-tag",
    request=messages.DeleteTag,
    response=Empty,
    facet=RunStore,
    answer=_delete_tag,
    writes=True,
    repeatable=False,
)
LOG_BATCH = Endpoint(
    name="logBatch",
    method="POST",
    path=f"{PREFIX}/runs/log-batch",
    request=messages.LogBatch,
    response=Empty,
    facet=RunStore,
    answer=_log_batch,
    writes=True,
    repeatable=False,
)
LOG_MODEL = Endpoint(
    name="logModel",
    method="POST",
    path=f"{PREFIX}/runs/log-model",
    request=messages.LogModel,
    response=Empty,
    facet=RunStore,
    answer=_log_model,
    writes=True,
    repeatable=False,
)
LOG_INPUTS = Endpoint(
    name="logInputs",
    method="POST",
    path=f"{PREFIX}/runs/log-inputs",
    request=messages.LogInputs,
    response=Empty,
    facet=RunStore,
    answer=_log_inputs,
    writes=True,
)
LOG_OUTPUTS = Endpoint(
    name="logOutputs",
    method="POST",
    path=f"{PREFIX}/runs/outputs",
    request=messages.LogOutputs,
    response=Empty,
    facet=RunStore,
    answer=_log_outputs,
    writes=True,
)

ENDPOINTS = (
    CREATE,
    GET,
    UPDATE,
    DELETE,
    RESTORE,
    SEARCH,
    LOG_METRIC,
    LOG_PARAM,
    SET_TAG,
    DELETE_TAG,
    LOG_BATCH,
    LOG_MODEL,
    LOG_INPUTS,
    LOG_OUTPUTS,
)
