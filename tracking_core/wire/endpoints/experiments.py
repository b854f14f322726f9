"""The endpoints of experiments."""

from __future__ import annotations

from tracking_core.entities import LifecycleStage
from tracking_core.errors import NotFoundError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    UNSET,
    ExperimentChanges,
    ExperimentQuery,
    NewExperiment,
    RunStore,
)
from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint, page_size
from tracking_core.wire.messages import experiments as messages
from tracking_core.wire.messages.base import Empty, text_by_key
from tracking_core.wire.messages.enums import view_type


def _create(runs: RunStore, request: messages.CreateExperiment) -> messages.ExperimentCreated:
    new = NewExperiment(
        name=request.name,
        artifact_location=request.artifact_location or None,
        tags=text_by_key(request.tags),
    )
    return messages.ExperimentCreated(experiment_id=runs.create_experiment(new).experiment_id)


def _get(runs: RunStore, request: messages.GetExperiment) -> messages.ExperimentFound:
    found = runs.get_experiment(request.experiment_id)
    return messages.ExperimentFound(experiment=messages.ExperimentMessage.of(found))


def _get_by_name(runs: RunStore, request: messages.GetExperimentByName) -> messages.ExperimentFound:
    found = runs.get_experiment_by_name(request.experiment_name)
    if found is None:
        raise NotFoundError(f"Could not find experiment with name '{request.experiment_name}'")
    return messages.ExperimentFound(experiment=messages.ExperimentMessage.of(found))


def _search(runs: RunStore, request: messages.SearchExperiments) -> messages.ExperimentsFound:
    query = ExperimentQuery(
        filter=parse_filter(request.filter or "", Subject.EXPERIMENTS),
        order_by=parse_order_by(request.order_by, Subject.EXPERIMENTS),
        max_results=page_size(request.max_results, usual=1_000, most=50_000),
        page_token=request.page_token or None,
        view_type=view_type(request.view_type),
    )
    page = runs.search_experiments(query)
    return messages.ExperimentsFound(
        experiments=tuple(map(messages.ExperimentMessage.of, page.items)),
        next_page_token=page.next_page_token,
    )


def _update(runs: RunStore, request: messages.UpdateExperiment) -> Empty:
    changes = ExperimentChanges(name=request.new_name or UNSET)
    runs.update_experiment(request.experiment_id, changes=changes)
    return Empty()


def _delete(runs: RunStore, request: messages.GetExperiment) -> Empty:
    changes = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED)
    runs.update_experiment(request.experiment_id, changes=changes)
    return Empty()


def _restore(runs: RunStore, request: messages.GetExperiment) -> Empty:
    changes = ExperimentChanges(lifecycle_stage=LifecycleStage.ACTIVE)
    runs.update_experiment(request.experiment_id, changes=changes)
    return Empty()


def _set_tag(runs: RunStore, request: messages.SetExperimentTag) -> Empty:
    changes = ExperimentChanges(set_tags={request.key: request.value})
    runs.update_experiment(request.experiment_id, changes=changes)
    return Empty()


def _delete_tag(runs: RunStore, request: messages.DeleteExperimentTag) -> Empty:
    changes = ExperimentChanges(delete_tags=(request.key,))
    runs.update_experiment(request.experiment_id, changes=changes)
    return Empty()


def _search_datasets(runs: RunStore, request: messages.SearchDatasets) -> messages.DatasetsFound:
    return messages.DatasetsFound(
        dataset_summaries=tuple(
            messages.DatasetSummaryMessage(
                experiment_id=found.experiment_id,
                name=found.name,
                digest=found.digest,
                context=found.context,
            )
            for found in runs.search_datasets(request.experiment_ids)
        )
    )


CREATE = Endpoint(
    name="createExperiment",
    method="POST",
    path=f"{PREFIX}/experiments/create",
    request=messages.CreateExperiment,
    response=messages.ExperimentCreated,
    facet=RunStore,
    answer=_create,
    writes=True,
    repeatable=False,
)
GET = Endpoint(
    name="getExperiment",
    method="GET",
    path=f"{PREFIX}/experiments/get",
    request=messages.GetExperiment,
    response=messages.ExperimentFound,
    facet=RunStore,
    answer=_get,
)
GET_BY_NAME = Endpoint(
    name="getExperimentByName",
    method="GET",
    path=f"{PREFIX}/experiments/get-by-name",
    request=messages.GetExperimentByName,
    response=messages.ExperimentFound,
    facet=RunStore,
    answer=_get_by_name,
)
SEARCH = Endpoint(
    name="searchExperiments",
    method="POST",
    path=f"{PREFIX}/experiments/search",
    request=messages.SearchExperiments,
    response=messages.ExperimentsFound,
    facet=RunStore,
    answer=_search,
)
SEARCH_BY_QUERY = Endpoint(
    name="searchExperiments",
    method="GET",
    path=f"{PREFIX}/experiments/search",
    request=messages.SearchExperiments,
    response=messages.ExperimentsFound,
    facet=RunStore,
    answer=_search,
)
UPDATE = Endpoint(
    name="updateExperiment",
    method="POST",
    path=f"{PREFIX}/experiments/update",
    request=messages.UpdateExperiment,
    response=Empty,
    facet=RunStore,
    answer=_update,
    writes=True,
)
DELETE = Endpoint(
    name="deleteExperiment",
    method="POST",
    path=f"{PREFIX}/experiments/delete",
    request=messages.GetExperiment,
    response=Empty,
    facet=RunStore,
    answer=_delete,
    writes=True,
)
RESTORE = Endpoint(
    name="restoreExperiment",
    method="POST",
    path=f"{PREFIX}/experiments/restore",
    request=messages.GetExperiment,
    response=Empty,
    facet=RunStore,
    answer=_restore,
    writes=True,
)
SET_TAG = Endpoint(
    name="setExperimentTag",
    method="POST",
    path=f"{PREFIX}/experiments/set-experiment-tag",
    request=messages.SetExperimentTag,
    response=Empty,
    facet=RunStore,
    answer=_set_tag,
    writes=True,
)
DELETE_TAG = Endpoint(
    name="deleteExperimentTag",
    method="POST",
    path=f"{PREFIX}/experiments/delete-experiment-tag",
    request=messages.DeleteExperimentTag,
    response=Empty,
    facet=RunStore,
    answer=_delete_tag,
    writes=True,
    repeatable=False,
)
SEARCH_DATASETS = Endpoint(
    name="searchDatasets",
    method="POST",
    path=f"{PREFIX}/experiments/search-datasets",
    request=messages.SearchDatasets,
    response=messages.DatasetsFound,
    facet=RunStore,
    answer=_search_datasets,
)

ENDPOINTS = (
    CREATE,
    GET,
    GET_BY_NAME,
    SEARCH,
    SEARCH_BY_QUERY,
    UPDATE,
    DELETE,
    RESTORE,
    SET_TAG,
    DELETE_TAG,
    SEARCH_DATASETS,
)
