"""Against stock MLflow itself: the same signatures, and what one logs the other loads."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracking_core as tracking
from benchmarks.peers import PeerEnvironment
from tracking_core.client import Client

# What MLflow has in its client or at its top, and doesn't belong to classic tracking.
PARAMETERS_PASSED_OVER = {"workspace_store_uri"}

SIGNATURES = """
import inspect
import mlflow

def signature(function):
    parameters = inspect.signature(function).parameters.values()
    return [
        [p.name, None if p.default is p.empty else repr(p.default)]
        for p in parameters
        if p.name != "self"
    ]

owner = mlflow.MlflowClient if of_client else mlflow
print(json.dumps({name: signature(getattr(owner, name)) for name in names if hasattr(owner, name)}))
"""


def ours_as_told(function: Callable[..., Any]) -> list[list[str | None]]:
    return [
        [p.name, None if p.default is p.empty else repr(p.default)]
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def as_value(default: str | None) -> str | None:
    """Return a default without what differs in form alone: `()` and `[]`, `''` and None."""
    return {"[]": "()", "''": "None", "<ViewType.ACTIVE_ONLY: 1>": "1"}.get(default or "", default)


@pytest.mark.parametrize("of_client", [True, False], ids=["client", "functions"])
def test_what_mlflow_has_too_takes_its_parameters_in_its_order(
    stock_mlflow: PeerEnvironment, of_client: bool
) -> None:
    functions = {
        name: function
        for name, function in inspect.getmembers(Client if of_client else tracking.fluent)
        if inspect.isfunction(function) and not name.startswith("_")
    }
    theirs = stock_mlflow.run(SIGNATURES, names=sorted(functions), of_client=of_client)
    assert len(theirs) > 60

    differences = []
    for name, expected in theirs.items():
        ours = ours_as_told(functions[name])
        wanted = [p for p in expected if p[0] not in PARAMETERS_PASSED_OVER]
        shown = [[n, as_value(d)] for n, d in ours[: len(wanted)]]
        if shown != [[n, as_value(d)] for n, d in wanted]:
            differences.append(f"{name}: {ours} instead of {wanted}")
    assert not differences, "\n".join(differences)


def test_what_we_log_mlflow_loads(stock_mlflow: PeerEnvironment, tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("PIL")
    tracking.set_tracking_uri(tmp_path / "mlruns")
    with tracking.start_run(run_name="ours", description="why", tags={"k": 1}) as run:
        tracking.log_metric("loss", 0.5, step=3)
        tracking.log_table({"a": [1, None], "b": ["x", "y"]}, "t.json")
        tracking.log_table({"a": [2], "b": ["z"]}, "t.json")
        tracking.log_image(numpy.zeros((4, 4)), key="k", step=1)
        tracking.log_dict({"a": [1]}, "d.json")
        tracking.log_dict({"weights": [0.5]}, "model/weights.json")
        dataset = tracking.data.from_numpy(numpy.arange(4), name="four")
        tracking.log_input(dataset, context="training")
    tracking.register_model(f"runs:/{run.info.run_id}/model", "digits")

    found = stock_mlflow.run(
        """
import mlflow
mlflow.set_tracking_uri(uri)
run = mlflow.get_run(run_id)
image = mlflow.artifacts.list_artifacts(f"runs:/{run_id}/images")[-1]
print(json.dumps({
    "name": run.info.run_name,
    "status": run.info.status,
    "note": run.data.tags["mlflow.note.content"],
    "metrics": run.data.metrics,
    "table": mlflow.load_table("t.json")["b"].tolist(),
    "dict": mlflow.artifacts.load_dict(f"runs:/{run_id}/d.json"),
    "image": mlflow.artifacts.load_image(f"runs:/{run_id}/{image.path}").size,
    "dataset": run.inputs.dataset_inputs[0].dataset.digest,
    "context": run.inputs.dataset_inputs[0].tags[0].value,
    "model": mlflow.artifacts.load_dict("models:/digits/1/weights.json"),
}))
""",
        uri=(tmp_path / "mlruns").as_uri(),
        run_id=run.info.run_id,
    )

    assert found == {
        "name": "ours",
        "status": "FINISHED",
        "note": "why",
        "metrics": {"loss": 0.5},
        "table": ["x", "y", "z"],
        "dict": {"a": [1]},
        "image": [4, 4],
        "dataset": dataset.digest,
        "context": "training",
        "model": {"weights": [0.5]},
    }


def test_what_mlflow_logs_we_load(stock_mlflow: PeerEnvironment, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    found = stock_mlflow.run(
        """
import mlflow
import pandas
mlflow.set_tracking_uri(uri)
frame = pandas.DataFrame({"a": [1, 2], "s": ["x", "y"]})
with mlflow.start_run(run_name="theirs") as run:
    mlflow.log_metric("loss", 0.25, step=2)
    mlflow.log_table({"a": [1, 2]}, "t.json")
    mlflow.log_input(mlflow.data.from_pandas(frame, name="two"), context="test")
    with mlflow.start_run(nested=True):
        pass
print(json.dumps([run.info.run_id, mlflow.data.from_pandas(frame).digest]))
""",
        uri=(tmp_path / "mlruns").as_uri(),
    )
    run_id, digest = found

    tracking.set_tracking_uri(tmp_path / "mlruns")
    run = tracking.get_run(run_id)
    assert run.data.metrics == {"loss": 0.25}
    assert run.inputs.dataset_inputs[0].dataset.digest == digest
    frame = pandas.DataFrame({"a": [1, 2], "s": ["x", "y"]})
    assert tracking.data.from_pandas(frame).digest == digest
    assert list(tracking.load_table("t.json")["a"]) == [1, 2]
    children = tracking.search_runs(
        filter_string=f"tags.`mlflow.parentRunId` = '{run_id}'", output_format="list"
    )
    assert len(children) == 1
    with tracking.start_run(run_id=run_id):
        tracking.log_metric("loss", 0.125, step=3)
    assert tracking.get_run(run_id).data.metrics == {"loss": 0.125}
