"""Backends to copy between, rich data for them, and what is in one, read without the copier."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
from tracking_core_template.store import TemplateStore

from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ModelVersionStage,
    ModelVersionStatus,
    Param,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
    ViewType,
)
from tracking_core.stores import (
    BackendStore,
    Batch,
    ExperimentChanges,
    ExperimentQuery,
    LoggedModelChanges,
    LoggedModelQuery,
    LoggedModelStore,
    MetricHistoryQuery,
    ModelRegistryStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    RegisteredModelChanges,
    RegisteredModelQuery,
    RunChanges,
    RunQuery,
)
from tracking_core.stores.memory import MemoryStore
from tracking_core_file.store import FileStore

KINDS = ("memory", "file", "template")

ODD_VALUES = (1.0, math.nan, -0.0, 0.0, math.inf, -math.inf, 1.0, 1.0, 5e-324, 1.7e308)


def open_place(kind: str, directory: Path, name: str) -> BackendStore:
    """Open a new backend of a kind."""
    if kind == "memory":
        return MemoryStore(Uri.parse("memory:"), Settings())
    if kind == "file":
        return FileStore(Uri.parse(directory / name), Settings())
    return TemplateStore(Uri.parse(f"template://{directory}/{name}.db"), Settings())


def fill(store: BackendStore) -> None:
    """Put something of everything into a backend."""
    runs = store.runs
    for experiment_id, name in (("7", "digits"), ("8", "gone"), ("9", "empty ünï 💡")):
        runs.create_experiment(
            NewExperiment(
                name=name,
                experiment_id=experiment_id,
                artifact_location=f"file:///old/{experiment_id}",
                tags={"team": name, "empty": ""},
                creation_time=1000,
                last_update_time=2000,
            )
        )
    has_models = LoggedModelStore in store.facets()
    if has_models:
        _fill_logged_models(store)
    for experiment_id in ("7", "8"):
        for number in range(4):
            _fill_run(store, experiment_id, number)
    if has_models:
        for model_id in ("m-" + "1" * 32, "m-" + "2" * 32):
            store.logged_models.update_logged_model(
                model_id,
                changes=LoggedModelChanges(
                    status=LoggedModelStatus.FAILED,
                    status_message="disk full",
                    last_updated_timestamp=77,
                ),
            )
    gone = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED, last_update_time=3000)
    runs.update_experiment("8", changes=gone)
    if ModelRegistryStore in store.facets():
        _fill_registry(store)


def _fill_run(store: BackendStore, experiment_id: str, number: int) -> None:
    runs = store.runs
    run_id = f"{experiment_id}run{number}"
    runs.create_run(
        NewRun(
            experiment_id=experiment_id,
            run_id=run_id,
            run_name=f"run {number}",
            user_id="ada",
            start_time=100 + number,
            status=list(RunStatus)[number],
            artifact_uri=f"file:///old/{experiment_id}/{run_id}",
        )
    )
    points = [
        Metric(key, value, 10 + place // 4, place // 2 - 2)
        for key in ("loss", "val/acc", "eins zwei")
        for place, value in enumerate(ODD_VALUES)
    ]
    points += [
        Metric("measured", value, place, place, model_id, "wine", f"d{place}")
        for place in range(3)
        for model_id, value in (("m-" + "1" * 32, place / 3), (None, math.nan))
    ]
    runs.log_batch(
        run_id,
        batch=Batch(
            metrics=tuple(points),
            params=tuple(Param(f"p{place}", "ü" * place) for place in range(5)),
            tags=(RunTag("note", "line\nbreak "), RunTag("mlflow.source.name", "train.py")),
        ),
    )
    tags = (InputTag("mlflow.data.context", "train"), InputTag("a", "b"))
    runs.log_inputs(
        run_id,
        inputs=RunInputs(
            (
                DatasetInput(Dataset("wine", "d1", "local", "{}", "{}", None), tags),
                DatasetInput(Dataset("beer", "d1", "http", '{"u": 1}')),
            ),
            (LoggedModelInput("m-" + "3" * 32),),
        ),
    )
    outputs = RunOutputs((LoggedModelOutput("m-" + "1" * 32, 4), LoggedModelOutput("m-x", -1)))
    runs.log_outputs(run_id, outputs=outputs)
    if number % 2:
        runs.update_run(run_id, changes=RunChanges(end_time=200 + number))
    if number == 2:
        # A renamed run whose tags of name and user somebody took away.
        for key in ("mlflow.runName", "mlflow.user"):
            runs.delete_tag(run_id, key=key)
    if number == 3:
        gone = RunChanges(lifecycle_stage=LifecycleStage.DELETED, deleted_time=5000)
        runs.update_run(run_id, changes=gone)


def _fill_logged_models(store: BackendStore) -> None:
    for model_id, experiment_id in (("m-" + "1" * 32, "7"), ("m-" + "2" * 32, "8")):
        store.logged_models.create_logged_model(
            NewLoggedModel(
                experiment_id=experiment_id,
                name="forest",
                source_run_id=f"{experiment_id}run0",
                model_type="classifier",
                tags={"t": "x"},
                params={"depth": "3"},
                model_id=model_id,
                artifact_location=f"file:///old/models/{model_id}",
                creation_timestamp=66,
            )
        )


def _fill_registry(store: BackendStore) -> None:
    registry = store.registry
    for name in ("champions", "empty"):
        new = NewRegisteredModel(
            name=name, description="# why", tags={"k": "v"}, creation_timestamp=10
        )
        registry.create_registered_model(new)
    for number in (1, 3, 7):
        registry.create_model_version(
            NewModelVersion(
                name="champions",
                source=f"file:///old/7/7run{number}/model",
                run_id=f"7run{number}",
                run_link="http://elsewhere",
                description=f"the {number}th",
                tags={"n": str(number)},
                user_id="ada",
                model_id="m-" + "1" * 32 if number == 1 else None,
                status=ModelVersionStatus.FAILED_REGISTRATION,
                version=number,
                creation_timestamp=10 + number,
            )
        )
        registry.update_model_version(
            "champions",
            version=number,
            changes=ModelVersionChanges(
                status_message="later",
                current_stage=list(ModelVersionStage)[number % 4],
                last_updated_timestamp=20 + number,
            ),
        )
    changes = RegisteredModelChanges(
        set_aliases={"best": 3, "newest": 7, "good": 3}, last_updated_timestamp=90
    )
    registry.update_registered_model("champions", changes=changes)


def everything_in(store: BackendStore) -> dict[str, Any]:
    """Return all that the contract shows of a backend, in a form that compares NaN too."""
    runs = store.runs
    experiments = list(runs.iterate_experiments(ExperimentQuery(view_type=ViewType.ALL)))
    found: dict[str, Any] = {}
    for experiment in experiments:
        found[f"experiment {experiment.experiment_id}"] = _plain(experiment)
        query = RunQuery(experiment_ids=(experiment.experiment_id,), view_type=ViewType.ALL)
        for run in runs.iterate_runs(query):
            run_id = run.info.run_id
            found[f"run {run_id}"] = {
                "info": _plain(run.info),
                "params": run.data.params,
                "tags": run.data.tags,
                "latest": _plain(run.data.latest_metrics),
                "datasets": sorted(map(repr, run.inputs.dataset_inputs)),
                "models": sorted(map(repr, run.inputs.model_inputs)),
                "outputs": sorted(map(repr, run.outputs.model_outputs)),
                "points": {
                    point.key: _plain(
                        runs.metric_history(run_id, query=MetricHistoryQuery(key=point.key)).items
                    )
                    for point in run.data.latest_metrics
                },
            }
        if LoggedModelStore in store.facets():
            wanted = LoggedModelQuery(experiment_ids=(experiment.experiment_id,))
            for model in store.logged_models.iterate_logged_models(wanted):
                # Of equal points of several runs, any may be the one that is shown.
                metrics = sorted(
                    repr(msgspec.structs.replace(m, run_id=None)) for m in model.metrics
                )
                plain = _plain(msgspec.structs.replace(model, metrics=()))
                found[f"logged model {model.model_id}"] = [plain, metrics]
    if ModelRegistryStore in store.facets():
        for registered in store.registry.iterate_registered_models(RegisteredModelQuery()):
            plain = _plain(msgspec.structs.replace(registered, latest_versions=()))
            found[f"registered model {registered.name}"] = plain
        for version in store.registry.iterate_model_versions(ModelVersionQuery()):
            plain = _plain(msgspec.structs.replace(version, metrics=()))
            found[f"version {version.name} {version.version}"] = plain
    return found


def _plain(value: Any) -> Any:
    return _comparable(msgspec.to_builtins(value))


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {key: _comparable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_comparable(each) for each in value]
    return value
