"""What the databases of `databases/` hold, and how to make one for a new revision.

    python -m plugins.sql.tests.migrations.rich_data

writes `databases/REVISION.db.gz` if it isn't there yet. A file that is there stays as it is: it is
what a version really wrote. So `fill` must not change either; a later revision gets a function of
its own that adds what is new in it.
"""

from __future__ import annotations

import gzip
import math
import tempfile
from pathlib import Path
from typing import Any

import msgspec

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
    MetricHistoryQuery,
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

DATABASES = Path(__file__).parent / "databases"
MODEL = "m-" + "1" * 32
LONG = "long " * 200
ODD_TEXTS = {"plain": "x", "Plain": "X", "trailing ": "x ", "naïve": "é\n\tß", "empty": ""}
ODD_VALUES = (0.5, math.nan, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308)


def fill(store: BackendStore) -> None:
    """Put something of everything into an empty backend; nothing is left to clock or chance."""
    for number in (1, 2):
        store.runs.create_experiment(
            NewExperiment(
                name=f"digits {number} 💡",
                experiment_id=str(number),
                artifact_location=f"s3://bucket/{number}",
                tags=ODD_TEXTS | {"long": LONG},
                creation_time=1000 + number,
                last_update_time=2000 + number,
            )
        )
    store.logged_models.create_logged_model(
        NewLoggedModel(
            experiment_id="1",
            name="forest",
            source_run_id="run0",
            model_type="classifier",
            tags=ODD_TEXTS,
            params={"depth": "3", "long": LONG},
            model_id=MODEL,
            artifact_location="s3://bucket/models/1",
            creation_timestamp=66,
        )
    )
    for number in range(6):
        _fill_run(store, number)
    store.logged_models.update_logged_model(
        MODEL,
        changes=LoggedModelChanges(
            status=LoggedModelStatus.FAILED, status_message="disk", last_updated_timestamp=77
        ),
    )
    gone = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED, last_update_time=3000)
    store.runs.update_experiment("2", changes=gone)
    _fill_registry(store)


def _fill_run(store: BackendStore, number: int) -> None:
    runs, run_id = store.runs, f"run{number}"
    runs.create_run(
        NewRun(
            experiment_id="1" if number < 4 else "2",
            run_id=run_id,
            run_name=f"run {number} ünï",
            user_id="ada",
            start_time=100 + number,
            status=list(RunStatus)[number % len(RunStatus)],
            artifact_uri=f"s3://bucket/1/{run_id}",
            idempotency_key=f"once {number}",
        )
    )
    points = [
        Metric(f"odd {place}", value, 10 + place, place - 3)
        for place, value in enumerate(ODD_VALUES)
    ]
    points += [Metric("odd", value, 10 - i // 3, i // 2) for i, value in enumerate(ODD_VALUES)]
    points += [Metric("far", 1.0, 2**62, -(2**63)), Metric("far", 2.0, 0, 2**63 - 1)]
    points += [Metric("measured", i / 3, i, i, MODEL, "wine", f"d{i}") for i in range(3)]
    texts = ODD_TEXTS | {"long": LONG}
    runs.log_batch(
        run_id,
        batch=Batch(
            metrics=tuple(points),
            params=tuple(Param(key, value) for key, value in texts.items()),
            tags=tuple(RunTag(key, value) for key, value in texts.items()),
            idempotency_key="the batch",
        ),
    )
    if number == 0:
        # Whole blocks, parts of them and single points.
        for start, end in ((0, 900), (900, 5000), (5000, 5001), (5001, 5040)):
            curve = [Metric("loss", 1 / (i + 1), 10**12 + 40 * i, i) for i in range(start, end)]
            runs.log_batch(run_id, batch=Batch(metrics=tuple(curve)))
    wine = Dataset("wine", "d1", "local", "{}", LONG, None)
    context = (InputTag("mlflow.data.context", "train"), InputTag("a", "b"))
    inputs = (DatasetInput(wine, context), DatasetInput(Dataset("beer", "d1", "http", "{}")))
    runs.log_inputs(run_id, inputs=RunInputs(inputs, (LoggedModelInput(MODEL),)))
    outputs = RunOutputs((LoggedModelOutput(MODEL, 4), LoggedModelOutput("m-x", -1)))
    runs.log_outputs(run_id, outputs=outputs)
    if number % 2:
        runs.update_run(run_id, changes=RunChanges(end_time=200 + number))
    if number == 3:
        gone = RunChanges(lifecycle_stage=LifecycleStage.DELETED, deleted_time=5000)
        runs.update_run(run_id, changes=gone)


def _fill_registry(store: BackendStore) -> None:
    registry = store.registry
    for name in ("champions 💡", "empty "):
        registry.create_registered_model(
            NewRegisteredModel(name=name, description=LONG, tags=ODD_TEXTS, creation_timestamp=10)
        )
    for number in range(1, 5):
        registry.create_model_version(
            NewModelVersion(
                name="champions 💡",
                source=f"s3://bucket/1/run{number}/model",
                run_id=f"run{number}",
                run_link="http://elsewhere",
                description=f"the {number}th",
                tags=ODD_TEXTS,
                user_id="ada",
                model_id=MODEL if number == 1 else None,
                version=number,
                creation_timestamp=10 + number,
                idempotency_key=f"version {number}",
            )
        )
        registry.update_model_version(
            "champions 💡",
            version=number,
            changes=ModelVersionChanges(
                status_message="later",
                current_stage=list(ModelVersionStage)[number % len(ModelVersionStage)],
                last_updated_timestamp=20 + number,
            ),
        )
    registry.delete_model_version("champions 💡", version=4)
    registry.update_registered_model(
        "champions 💡",
        changes=RegisteredModelChanges(
            set_aliases={"best": 2, "Best": 3}, last_updated_timestamp=90
        ),
    )


def everything_in(store: BackendStore) -> dict[str, Any]:
    """Return all that the contract shows of a backend, in a form that compares NaN and -0.0 too."""
    found: dict[str, Any] = {}
    for experiment in store.runs.iterate_experiments(ExperimentQuery(view_type=ViewType.ALL)):
        found[f"experiment {experiment.experiment_id}"] = _plain(experiment)
    for run in store.runs.iterate_runs(RunQuery(view_type=ViewType.ALL)):
        run_id = run.info.run_id
        found[f"run {run_id}"] = _plain(run)
        for metric in run.data.latest_metrics:
            query = MetricHistoryQuery(key=metric.key)
            history = store.runs.metric_history(run_id, query=query).items
            found[f"history of {metric.key} of {run_id}"] = _plain(history)
    for model in store.logged_models.iterate_logged_models(LoggedModelQuery()):
        # Of equal points of several runs, any may be the one that is shown.
        metrics = sorted(repr(msgspec.structs.replace(m, run_id=None)) for m in model.metrics)
        plain = _plain(msgspec.structs.replace(model, metrics=()))
        found[f"logged model {model.model_id}"] = [plain, metrics]
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


def main() -> None:
    """Write the database of the newest revision."""
    # Local: the tests of old databases need neither.
    from tracking_core_sql.migrations.revisions import HEAD
    from tracking_core_sql.store import SqlStore

    target = DATABASES / f"{HEAD}.db.gz"
    if target.exists():
        raise SystemExit(f"{target} is there, and stays as it is.")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "runs.db")
        with SqlStore(Uri.parse(f"sqlite:///{path}"), Settings()) as store:
            fill(store)
        target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
