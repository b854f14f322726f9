"""Copying what stock MLflow wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import PeerEnvironment
from tests.client.copying_places import everything_in, open_place
from tracking_core.client.copying import copy
from tracking_core.config import Settings, Uri
from tracking_core_file.store import FileStore

_WRITE = """
import math
import mlflow
import numpy as np
mlflow.set_tracking_uri(uri)
client = mlflow.MlflowClient(uri)
kept = client.create_experiment("digits", tags={"a": "b"})
gone = client.create_experiment("gone")
with mlflow.start_run(experiment_id=kept) as run:
    mlflow.log_params({"a": 1, "b": "x y"})
    for step, value in enumerate([1.0, math.nan, math.inf, -math.inf, 0.5]):
        mlflow.log_metric("loss", value, step=step)
    mlflow.log_metric("acc", 1, step=-3)
    mlflow.log_input(mlflow.data.from_numpy(np.array([[1.0, 2.0]]), name="wine"), context="train")
    mlflow.log_text("hi", "a/b.txt")
    model = mlflow.create_external_model(name="ext", params={"q": "1"}, tags={"z": "y"})
    mlflow.log_metric("f1", 0.3, step=2, model_id=model.model_id)
with mlflow.start_run(experiment_id=kept) as other:
    mlflow.log_metric("x", 1)
client.delete_run(other.info.run_id)
with mlflow.start_run(experiment_id=gone):
    mlflow.log_metric("x", 1)
client.delete_experiment(gone)
client.create_registered_model("reg", tags={"k": "v"}, description="d")
for _ in range(3):
    source = f"runs:/{run.info.run_id}/model"
    client.create_model_version("reg", source=source, run_id=run.info.run_id)
client.delete_model_version("reg", "2")
client.set_registered_model_alias("reg", "champion", "3")
client.transition_model_version_stage("reg", "1", "Production")
print("true")
"""


@pytest.mark.peer
@pytest.mark.parametrize("artifacts", [False, True])
def test_all_that_stock_mlflow_wrote_comes_across(
    artifacts: bool, stock_mlflow: PeerEnvironment, tmp_path: Path
) -> None:
    root = tmp_path / "mlruns"
    stock_mlflow.run(f"uri = {root.as_uri()!r}\n{_WRITE}")
    with (
        FileStore(Uri.parse(root), Settings()) as source,
        open_place("file", tmp_path, "dst") as target,
    ):
        report = copy(source, target, artifacts=artifacts)
        assert report.is_whole, (report.problems, [str(each) for each in report.differences])
        assert report.written["runs"] == 3
        assert report.written["points of models"] == 1
        assert report.written.get("artifact files", 0) == (2 if artifacts else 0)
        if not artifacts:
            there = everything_in(target)
            for name, each in everything_in(source).items():
                assert there[name] == each
