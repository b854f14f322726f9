"""Both ways with stock MLflow: it reads what we write, and we read what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import PeerEnvironment
from plugins.file.tests.processes import run_all, start
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
    ViewType,
)
from tracking_core.stores import (
    Batch,
    ExperimentQuery,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    RunChanges,
    RunQuery,
)
from tracking_core_file.store import FileStore

# What both sides tell of a run, in JSON's terms.
_DESCRIBE = """
import logging
import mlflow
from mlflow.entities import ViewType
logging.basicConfig(level=logging.WARNING, filename=log)
client = mlflow.MlflowClient(uri)
def describe(run):
    return dict(
        info={k: getattr(run.info, k) for k in (
            "run_id", "experiment_id", "run_name", "user_id", "status", "start_time", "end_time",
            "artifact_uri", "lifecycle_stage")},
        metrics={k: repr(v) for k, v in run.data.metrics.items()},
        params=run.data.params,
        tags=run.data.tags,
        datasets=sorted(
            [d.dataset.name, d.dataset.digest, d.dataset.source, d.dataset.schema,
             sorted([t.key, t.value] for t in d.tags)]
            for d in run.inputs.dataset_inputs),
        models=sorted(m.model_id for m in run.inputs.model_inputs),
        outputs=sorted([m.model_id, m.step] for m in run.outputs.model_outputs),
    )
"""
_READ_ALL = (
    _DESCRIBE
    + """
experiments = client.search_experiments(view_type=ViewType.ALL)
runs = client.search_runs([e.experiment_id for e in experiments], run_view_type=ViewType.ALL)
print(json.dumps(dict(
    experiments=[[e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage, e.tags,
                  e.creation_time, e.last_update_time] for e in experiments],
    runs=[describe(run) for run in runs],
    one_by_one=[describe(client.get_run(run.info.run_id)) for run in runs],
)))
"""
)


def described(store: FileStore) -> dict[str, object]:
    """Tell what there is, as the stock side does."""
    query = ExperimentQuery(view_type=ViewType.ALL)
    experiments = store.search_experiments(query).items
    ids = tuple(experiment.experiment_id for experiment in experiments)
    runs = store.search_runs(RunQuery(experiment_ids=ids, view_type=ViewType.ALL)).items
    return {
        "experiments": [
            [
                e.experiment_id,
                e.name,
                e.artifact_location,
                e.lifecycle_stage.value,
                e.tags,
                e.creation_time,
                e.last_update_time,
            ]
            for e in experiments
        ],
        "runs": [
            {
                "info": {
                    "run_id": run.info.run_id,
                    "experiment_id": run.info.experiment_id,
                    "run_name": run.info.run_name,
                    "user_id": run.info.user_id,
                    "status": run.info.status.value,
                    "start_time": run.info.start_time,
                    "end_time": run.info.end_time,
                    "artifact_uri": run.info.artifact_uri,
                    "lifecycle_stage": run.info.lifecycle_stage.value,
                },
                "metrics": {key: repr(value) for key, value in run.data.metrics.items()},
                "params": run.data.params,
                "tags": run.data.tags,
                "datasets": sorted(
                    [
                        used.dataset.name,
                        used.dataset.digest,
                        used.dataset.source,
                        used.dataset.schema,
                        sorted([tag.key, tag.value] for tag in used.tags),
                    ]
                    for used in run.inputs.dataset_inputs
                ),
                "models": sorted(model.model_id for model in run.inputs.model_inputs),
                "outputs": sorted([m.model_id, m.step] for m in run.outputs.model_outputs),
            }
            for run in runs
        ],
    }


def fill(store: FileStore) -> str:
    """Log something of everything, and return the id of the fullest run."""
    nasty = "é: \"x\" 'y'\n# z"
    new = NewExperiment(name=f"experiment {nasty}", tags={"a/b": nasty, "plain": ""})
    experiment_id = store.create_experiment(new).experiment_id
    new_run = NewRun(experiment_id=experiment_id, run_name=f"run {nasty}", user_id="someone")
    run_id = store.create_run(new_run).info.run_id
    points = [Metric("loss", 0.5**step, 1000 + step, step) for step in range(4)]
    points += [Metric("a/b c", value, 5, -1) for value in (1e300, -0.1, float("inf"))]
    points += [Metric("nan", float("nan"), 5, 0)]
    points += [Metric("on data", 0.25, 9, 3, None, "red wine 100%", "a b")]
    points += [Metric("clash", 1.0, 1, 1), Metric("clash/below", 2.0, 1, 1)]
    params = (Param("p/q", "plain"), Param("empty", ""), Param("long", "x" * 10_000))
    tags = (RunTag("t", nasty), RunTag("ns/t", "two\nlines"))
    batch = Batch(metrics=tuple(points), params=params, tags=tags, idempotency_key="once")
    store.log_batch(run_id, batch=batch)
    used = DatasetInput(
        Dataset("wine", "d1", "local", "{}", '{"a": 1}'),
        (InputTag("mlflow.data.context", "train"),),
    )
    models = (LoggedModelInput("m-" + "1" * 32),)
    store.log_inputs(run_id, inputs=RunInputs((used,), models))
    store.log_outputs(run_id, outputs=RunOutputs((LoggedModelOutput("m-" + "2" * 32, 3),)))
    store.update_run(run_id, changes=RunChanges(status=RunStatus.FINISHED, end_time=99))
    deleted = store.create_run(NewRun(experiment_id=experiment_id)).info.run_id
    store.delete_run(deleted)
    gone = store.create_experiment(NewExperiment(name="gone")).experiment_id
    store.delete_experiment(gone)
    return run_id


def test_stock_mlflow_reads_what_we_write(
    store: FileStore, root: Path, tmp_path: Path, stock_mlflow: PeerEnvironment
) -> None:
    run_id = fill(store)
    ours = described(store)
    log = tmp_path / "log"
    theirs = stock_mlflow.run(_READ_ALL, uri=root.as_uri(), log=str(log))
    for run in ours["runs"]:  # type: ignore[attr-defined]
        # A key below another, which is a file for it: the one thing that it doesn't see.
        run["metrics"].pop("clash/below", None)
    assert theirs["experiments"] == ours["experiments"]
    assert theirs["one_by_one"] == theirs["runs"] == ours["runs"]
    assert [line for line in log.read_text().splitlines() if "Malformed" in line] == []
    code = _DESCRIBE + "print(json.dumps([[p.value, p.timestamp, p.step] for p in"
    code += " client.get_metric_history(run_id, 'loss')]))"
    points = stock_mlflow.run(code, uri=root.as_uri(), run_id=run_id, log=str(log))
    assert points == [[0.5**step, 1000 + step, step] for step in range(4)]


_WRITE = """
import mlflow
from mlflow.entities import (
    Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput, Metric, Param, RunTag)
client = mlflow.MlflowClient(uri)
experiment_id = client.create_experiment("experiment: x # é", tags={"a/b": "1"})
run_id = client.create_run(experiment_id, run_name="run é").info.run_id
client.log_batch(
    run_id,
    [Metric("loss", 0.5**step, 1000 + step, step) for step in range(4)]
    + [Metric("a/b", float("nan"), 5, -1), Metric("inf", float("-inf"), 5, 0)]
    + [Metric("data", 0.25, 9, 3, dataset_name="wine", dataset_digest="d1")],
    [Param("p/q", "x"), Param("empty", "")],
    [RunTag("t", "two\\nlines")],
)
client.log_inputs(
    run_id,
    [DatasetInput(Dataset("wine red", "d1", "local", "{}", '{"a": 1}', None),
                  [InputTag("mlflow.data.context", "train")])],
    [LoggedModelInput("m-" + "1" * 32)])
client.log_outputs(run_id, [LoggedModelOutput("m-" + "2" * 32, 3)])
client.set_terminated(run_id, "FAILED", 99)
alone = client.create_run(experiment_id).info.run_id
client.delete_run(alone)
gone = client.create_experiment("gone")
in_gone = client.create_run(gone).info.run_id
alone_in_gone = client.create_run(gone).info.run_id
client.delete_run(alone_in_gone)
import time
time.sleep(0.01)
client.delete_experiment(gone)
print(json.dumps(dict(run_id=run_id, gone=gone, in_gone=in_gone, alone_in_gone=alone_in_gone)))
"""


def test_we_read_what_stock_mlflow_writes(
    store: FileStore, root: Path, tmp_path: Path, stock_mlflow: PeerEnvironment
) -> None:
    made = stock_mlflow.run(_WRITE, uri=root.as_uri())
    theirs = stock_mlflow.run(_READ_ALL, uri=root.as_uri(), log=str(tmp_path / "log"))
    ours = described(store)
    assert ours["experiments"] == theirs["experiments"]
    assert ours["runs"] == theirs["runs"]
    assert [f for f in store.diagnose() if f.severity == "problem"] == []
    (point,) = store.metric_history(made["run_id"], query=MetricHistoryQuery(key="data")).items
    assert point == Metric("data", 0.25, 9, 3, None, "wine", "d1")
    # What it deleted with the experiment comes back with it, and what was deleted before doesn't.
    store.restore_experiment(made["gone"])
    assert store.get_run(made["in_gone"]).info.lifecycle_stage is LifecycleStage.ACTIVE
    assert store.get_run(made["alone_in_gone"]).info.lifecycle_stage is LifecycleStage.DELETED


_CHANGE = """
import mlflow
client = mlflow.MlflowClient(uri)
client.set_tag(run_id, "t", "theirs")
client.log_metric(run_id, "loss", 7.0, step=100)
client.log_metric(run_id, "new", 1.0)
client.log_param(run_id, "new", "theirs")
client.update_run(run_id, status="KILLED", name="renamed")
print(json.dumps(None))
"""


def test_both_work_on_one_run_in_turn(
    store: FileStore, root: Path, stock_mlflow: PeerEnvironment, run_id: str
) -> None:
    store.log_batch(
        run_id, batch=Batch(metrics=(Metric("loss", 1.0, 1, 1),), tags=(RunTag("t", "ours"),))
    )
    store.search_runs(RunQuery())
    stock_mlflow.run(_CHANGE, uri=root.as_uri(), run_id=run_id)
    (run,) = store.search_runs(RunQuery()).items
    assert run == store.get_run(run_id)
    assert run.data.metrics == {"loss": 7.0, "new": 1.0}
    assert run.data.params == {"new": "theirs"}
    assert run.data.tags == {"t": "theirs", "mlflow.runName": "renamed"}
    assert (run.info.status, run.info.run_name) == (RunStatus.KILLED, "renamed")
    store.log_metric(run_id, metric=Metric("loss", 2.0, 1, 101))
    assert store.get_run(run_id).data.metrics["loss"] == 2.0


def test_stock_mlflow_reads_the_points_of_eight_processes(
    store: FileStore, root: Path, stock_mlflow: PeerEnvironment, run_id: str
) -> None:
    code = """
for step in range(1000):
    store.log_metric(run_id, metric=Metric("m", step / 7, 1, number * 1000 + step))
"""
    run_all([start(code, root=str(root), run_id=run_id, number=n) for n in range(8)])
    count = """
import mlflow
points = mlflow.MlflowClient(uri).get_metric_history(run_id, "m")
print(json.dumps(sorted(point.step for point in points)))
"""
    assert stock_mlflow.run(count, uri=root.as_uri(), run_id=run_id) == list(range(8000))


def test_stock_mlflow_restores_what_we_deleted_and_the_other_way_round(
    store: FileStore, root: Path, stock_mlflow: PeerEnvironment, experiment_id: str, run_id: str
) -> None:
    store.delete_experiment(experiment_id)
    code = """
import mlflow
client = mlflow.MlflowClient(uri)
before = client.get_experiment(experiment_id).lifecycle_stage
client.restore_experiment(experiment_id)
after = client.get_run(run_id).info.lifecycle_stage
client.delete_run(run_id)
print(json.dumps([before, after]))
"""
    arguments = {"uri": root.as_uri(), "experiment_id": experiment_id, "run_id": run_id}
    assert stock_mlflow.run(code, **arguments) == ["deleted", "active"]
    assert store.get_experiment(experiment_id).lifecycle_stage is LifecycleStage.ACTIVE
    assert store.get_run(run_id).info.lifecycle_stage is LifecycleStage.DELETED
    store.restore_run(run_id)
    code = "import mlflow; run = mlflow.MlflowClient(uri).get_run(run_id)"
    code += "; print(json.dumps(run.info.lifecycle_stage))"
    assert stock_mlflow.run(code, **arguments) == "active"


def test_a_killed_logger_leaves_what_stock_mlflow_can_read(
    store: FileStore, root: Path, stock_mlflow: PeerEnvironment, run_id: str
) -> None:
    code = """
step = 0
while True:
    for key in ("m", f"new{step}"):
        store.log_metric(run_id, metric=Metric(key, 1.0, 1, step))
    print(step, flush=True)
    step += 1
"""
    program = start(code, root=str(root), run_id=run_id)
    assert program.stdout is not None
    for _ in range(200):
        line = program.stdout.readline()
    program.kill()
    program.communicate()
    count = "import mlflow; run = mlflow.MlflowClient(uri).get_run(run_id)"
    count += "; print(json.dumps(len(run.data.metrics)))"
    assert stock_mlflow.run(count, uri=root.as_uri(), run_id=run_id) >= int(line) + 2


@pytest.mark.parametrize("value", ["", " padded ", "line\n", "\u2028"])
def test_texts_are_the_same_on_both_sides(
    store: FileStore, root: Path, stock_mlflow: PeerEnvironment, run_id: str, value: str
) -> None:
    store.set_tag(run_id, tag=RunTag("ours", value))
    code = """
import mlflow
client = mlflow.MlflowClient(uri)
client.set_tag(run_id, "theirs", value)
print(json.dumps(client.get_run(run_id).data.tags))
"""
    tags = stock_mlflow.run(code, uri=root.as_uri(), run_id=run_id, value=value)
    assert (tags["ours"], tags["theirs"]) == (value, value)
    assert store.get_run(run_id).data.tags["theirs"] == value
