"""Both ways with stock MLflow: registered models, versions and logged models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import PeerEnvironment
from tracking_core.entities import LoggedModelStatus, Metric, ModelVersionStage
from tracking_core.stores import (
    Batch,
    LoggedModelChanges,
    LoggedModelQuery,
    ModelVersionChanges,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core_file.store import FileStore

pytestmark = pytest.mark.peer

# What stock MLflow tells of a registered model and of a logged model, in JSON's terms.
_DESCRIBE = """
import logging
import mlflow
logging.basicConfig(level=logging.WARNING, filename=log)
client = mlflow.MlflowClient(uri)
def version(v):
    return dict(version=int(v.version), stage=v.current_stage, source=v.source, tags=v.tags,
                description=v.description, run_id=v.run_id, status=v.status)
def model(name):
    m = client.get_registered_model(name)
    return dict(
        name=m.name, description=m.description, tags=m.tags,
        aliases={a: int(v) for a, v in m.aliases.items()},
        versions=sorted((version(v) for v in client.search_model_versions(f"name='{name}'")),
                        key=lambda v: v["version"]))
def logged(model_id):
    m = client.get_logged_model(model_id)
    return dict(
        name=m.name, status=str(m.status.value), params=m.params, tags=m.tags,
        location=m.artifact_location, type=m.model_type, run=m.source_run_id,
        metrics=sorted([x.key, x.value, x.step, x.run_id, x.dataset_name] for x in m.metrics))
"""


def described(store: FileStore, name: str) -> dict[str, Any]:
    model = store.get_registered_model(name)
    versions = [
        store.get_model_version(name, version=number)
        for number in range(1, 6)
        if number in {1, 2, 4}
    ]
    return {
        "name": model.name,
        "description": model.description,
        "tags": model.tags,
        "aliases": model.aliases,
        "versions": [
            {
                "version": v.version,
                "stage": v.current_stage.value,
                "source": v.source,
                "tags": v.tags,
                "description": v.description or None,
                "run_id": v.run_id,
                "status": v.status.value,
            }
            for v in versions
        ],
    }


def logged_described(store: FileStore, model_id: str) -> dict[str, Any]:
    model = store.get_logged_model(model_id)
    return {
        "name": model.name,
        "status": model.status.value,
        "params": model.params,
        "tags": model.tags,
        "location": model.artifact_location,
        "type": model.model_type,
        "run": model.source_run_id,
        "metrics": sorted(
            [m.key, m.value, m.step, m.run_id, m.dataset_name] for m in model.metrics
        ),
    }


def test_stock_mlflow_reads_the_registry_that_we_write(
    store: FileStore, root: Path, tmp_path: Path, stock_mlflow: PeerEnvironment
) -> None:
    name = "ours größe 1"
    store.create_registered_model(
        NewRegisteredModel(name=name, description="for people", tags={"a": "b\nc"})
    )
    for number in range(1, 5):
        new = NewModelVersion(name=name, source=f"file:///tmp/{number}", tags={"n": str(number)})
        store.create_model_version(new)
    store.create_model_version(NewModelVersion(name=name, source="s3://x", idempotency_key="k"))
    store.delete_model_version(name, version=5)
    store.delete_model_version(name, version=3)
    store.update_model_version(
        name, version=1, changes=ModelVersionChanges(current_stage=ModelVersionStage.PRODUCTION)
    )
    changes = RegisteredModelChanges(name="renamed", set_aliases={"champion": 2})
    store.update_registered_model(name, changes=changes)

    told = stock_mlflow.run(
        _DESCRIBE
        + """
import json
new = client.create_model_version("renamed", "s3://stock")
print(json.dumps(dict(
    model=model("renamed"), new=int(new.version),
    alias=int(client.get_model_version_by_alias("renamed", "champion").version),
    names=[m.name for m in client.search_registered_models()])))
""",
        uri=str(root),
        log=str(tmp_path / "log"),
    )

    assert told["names"] == ["renamed"]
    assert told["alias"] == 2
    assert told["new"] == 6, "a number that we have used and deleted would be used again"
    told["model"]["versions"] = [v for v in told["model"]["versions"] if v["version"] != 6]
    assert told["model"] == described(store, "renamed")
    assert "Malformed" not in (tmp_path / "log").read_text()


def test_we_read_the_registry_that_stock_mlflow_writes(
    store: FileStore, root: Path, tmp_path: Path, stock_mlflow: PeerEnvironment
) -> None:
    told = stock_mlflow.run(
        _DESCRIBE
        + """
import json
client.create_registered_model("theirs", tags={"a": "b"}, description="d")
for i in range(4):
    client.create_model_version("theirs", f"file:///tmp/{i}", tags={"k": str(i)})
client.set_registered_model_alias("theirs", "champion", "2")
client.transition_model_version_stage("theirs", "1", "Production")
client.update_model_version("theirs", "4", description="best")
client.delete_model_version("theirs", "3")
print(json.dumps(model("theirs")))
""",
        uri=str(root),
        log=str(tmp_path / "log"),
    )

    assert described(store, "theirs") == told
    found = store.search_registered_models(RegisteredModelQuery()).items
    assert [model.name for model in found] == ["theirs"]
    assert store.create_model_version(NewModelVersion(name="theirs", source="x")).version == 5


def test_stock_mlflow_reads_the_logged_models_that_we_write(
    store: FileStore, root: Path, tmp_path: Path, stock_mlflow: PeerEnvironment
) -> None:
    experiment = store.create_experiment(NewExperiment(name="e"))
    run_id = store.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
    new = NewLoggedModel(
        experiment_id=experiment.experiment_id,
        name="ours",
        source_run_id=run_id,
        model_type="classifier",
        params={"p": "1"},
        tags={"t": "2"},
    )
    model_id = store.create_logged_model(new).model_id
    points = (
        Metric("acc", 0.5, 1000, 3, model_id, "ds", "dd"),
        Metric("loss", 0.25, 1001, 4, model_id),
    )
    store.log_batch(run_id, batch=Batch(metrics=points))
    changes = LoggedModelChanges(status=LoggedModelStatus.READY, log_params={"q": "2"})
    store.update_logged_model(model_id, changes=changes)
    gone = store.create_logged_model(NewLoggedModel(experiment_id=experiment.experiment_id))
    store.delete_logged_model(gone.model_id)

    told = stock_mlflow.run(
        _DESCRIBE
        + """
import json
found = client.search_logged_models([experiment_id])
print(json.dumps(dict(model=logged(model_id), found=[m.model_id for m in found])))
""",
        uri=str(root),
        log=str(tmp_path / "log"),
        model_id=model_id,
        experiment_id=experiment.experiment_id,
    )

    assert told["found"] == [model_id]
    expected = logged_described(store, model_id)
    for side in (told["model"], expected):
        side["location"] = side["location"].removeprefix("file://")
    assert told["model"] == expected


def test_we_read_the_logged_models_that_stock_mlflow_writes(
    store: FileStore, root: Path, tmp_path: Path, stock_mlflow: PeerEnvironment
) -> None:
    told = stock_mlflow.run(
        _DESCRIBE
        + """
import json
experiment_id = client.create_experiment("e")
run_id = client.create_run(experiment_id).info.run_id
m = client.create_logged_model(experiment_id, name="theirs", source_run_id=run_id,
                               params={"p": "1"}, tags={"t": "2"}, model_type="classifier")
client.log_metric(run_id, "acc", 0.5, step=3, model_id=m.model_id, dataset_name="ds",
                  dataset_digest="dd")
client.finalize_logged_model(m.model_id, "READY")
gone = client.create_logged_model(experiment_id, name="gone")
client.delete_logged_model(gone.model_id)
print(json.dumps(dict(model_id=m.model_id, gone=gone.model_id, model=logged(m.model_id))))
""",
        uri=str(root),
        log=str(tmp_path / "log"),
    )

    assert logged_described(store, told["model_id"]) == told["model"]
    experiment_id = store.get_logged_model(told["model_id"]).experiment_id
    query = LoggedModelQuery(experiment_ids=(experiment_id,))
    found = store.search_logged_models(query).items
    assert [model.model_id for model in found] == [told["model_id"]]
