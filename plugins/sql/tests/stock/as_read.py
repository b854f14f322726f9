"""What a store reads, in the form in which `databases/make.py` notes what MLflow's client reads."""

from __future__ import annotations

import math
import sys
from typing import Any

from tracking_core.entities import LoggedModel, Metric, ModelVersion, RegisteredModel, Run, ViewType
from tracking_core.stores import (
    BackendStore,
    ExperimentQuery,
    LoggedModelQuery,
    LoggedModelStore,
    MetricHistoryQuery,
    ModelRegistryStore,
    ModelVersionQuery,
    RegisteredModelQuery,
    RunQuery,
)

Document = dict[str, Any]

PARTS = ("experiments", "runs", "registered_models", "versions", "logged_models")


def everything_read(store: BackendStore) -> Document:
    """Return all that a store tells, in an order of its own."""
    found = list(store.runs.iterate_experiments(ExperimentQuery(view_type=ViewType.ALL)))
    ids = tuple(each.experiment_id for each in found)
    runs = store.runs.iterate_runs(RunQuery(experiment_ids=ids, view_type=ViewType.ALL))
    document: Document = {
        "experiments": [
            {**_fields(each, "experiment_id name artifact_location tags"), **_stage(each)}
            | _fields(each, "creation_time last_update_time")
            for each in found
        ],
        "runs": [_run(store, run) for run in runs],
        "registered_models": [],
        "versions": [],
        "logged_models": [],
    }
    if ModelRegistryStore in store.facets():
        models = store.registry.iterate_registered_models(RegisteredModelQuery())
        document["registered_models"] = [_registered_model(each) for each in models]
        versions = store.registry.iterate_model_versions(ModelVersionQuery())
        document["versions"] = [_version(each) for each in versions]
    if LoggedModelStore in store.facets():
        query = LoggedModelQuery(experiment_ids=ids)
        logged = store.logged_models.iterate_logged_models(query)
        document["logged_models"] = [_logged_model(each) for each in logged]
    return comparable(document)


def comparable(document: Document) -> Document:
    """Return a document so that equal contents are equal: NaN, infinity, orders, what is empty."""
    found = _plain({name: value for name, value in document.items() if name != "version"})
    deleted = {
        e["experiment_id"] for e in found["experiments"] if e["lifecycle_stage"] == "deleted"
    }
    for run in found["runs"]:
        if run["experiment_id"] in deleted:
            # MLflow 1.0 left the runs of a deleted experiment as they were.
            run["lifecycle_stage"] = "deleted"
        for points in [run["metrics"], *run["history"].values()]:
            points.sort(key=str)
        run["datasets"].sort(key=str)
    for model in found["logged_models"]:
        model["metrics"] = _latest(model["metrics"])
    for part, key in [("experiments", "name"), ("runs", "run_id"), ("versions", "version")]:
        found[part].sort(key=lambda each: each[key])
    for part in ("registered_models", "logged_models"):
        found[part].sort(key=lambda each: each["name"])
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        # MLflow stores the largest double for infinity and reads that.
        return repr(math.copysign(math.inf, value)) if abs(value) >= sys.float_info.max else value
    return "" if value is None else value


def _latest(points: list[list[Any]]) -> list[list[Any]]:
    """Return the latest point of each metric and data set, as the contract has it."""
    latest: dict[tuple[Any, ...], list[Any]] = {}
    for point in sorted(points, key=lambda each: (each[3], each[2], str(each[1]))):
        latest[point[0], point[5], point[6]] = point
    return sorted(latest.values(), key=str)


def _fields(entity: Any, names: str) -> Document:
    return {name: getattr(entity, name) for name in names.split()}


def _stage(entity: Any) -> Document:
    return {"lifecycle_stage": entity.lifecycle_stage.value}


def _point(metric: Metric) -> list[Any]:
    return [metric.key, metric.value, metric.timestamp, metric.step]


def _run(store: BackendStore, run: Run) -> Document:
    info, data = run.info, run.data
    histories = {
        key: store.runs.metric_history(info.run_id, query=MetricHistoryQuery(key=key)).items
        for key in data.metrics
    }
    return {
        **_fields(info, "run_id experiment_id run_name user_id start_time end_time artifact_uri"),
        **_stage(info),
        "status": info.status.value,
        "params": data.params,
        "tags": data.tags,
        "metrics": [_point(each) for each in data.latest_metrics],
        "history": {key: [_point(each) for each in points] for key, points in histories.items()},
        "datasets": [
            [
                _fields(used.dataset, "name digest source_type source schema profile"),
                {tag.key: tag.value for tag in used.tags},
            ]
            for used in run.inputs.dataset_inputs
        ],
        "model_inputs": sorted(each.model_id for each in run.inputs.model_inputs),
        "model_outputs": sorted([each.model_id, each.step] for each in run.outputs.model_outputs),
    }


def _registered_model(model: RegisteredModel) -> Document:
    names = "name creation_timestamp last_updated_timestamp description tags aliases"
    latest = sorted(each.version for each in model.latest_versions)
    return {**_fields(model, names), "latest_versions": latest}


def _version(version: ModelVersion) -> Document:
    names = "name creation_timestamp last_updated_timestamp description user_id source run_id"
    names += " run_link status_message version tags aliases"
    return {
        **_fields(version, names),
        "current_stage": version.current_stage.value,
        "status": version.status.value,
    }


def _logged_model(model: LoggedModel) -> Document:
    names = "model_id experiment_id name artifact_location creation_timestamp"
    names += " last_updated_timestamp status_message model_type source_run_id tags params"
    return {
        **_fields(model, names),
        "status": model.status.value,
        "metrics": [
            [*_point(each), each.run_id, each.dataset_name, each.dataset_digest]
            for each in model.metrics
        ],
    }
