"""Fills a database through the client of whatever MLflow is installed, and tells what it reads.

Runs inside the environment of that release, on Python 3.7 too. The databases beside this file were
made so, each with the release in its name:

    uv venv --python 3.7 old
    uv pip install --python old/bin/python mlflow==1.0.0 'sqlalchemy<1.4' 'alembic<1.5' \
        'protobuf<3.21' 'numpy<1.22' 'pandas<1.2' 'setuptools<58' 'jinja2<3' 'markupsafe<2.1' \
        'werkzeug<2' 'flask<2' 'itsdangerous<2.1'
    old/bin/python make.py mlflow-1.0.0.db

1.8.0 with the same pins; on Python 3.11: 1.30.1 with 'setuptools<81' 'sqlalchemy<2' 'numpy<2'
'pandas<2'; mlflow-skinny 2.9.2 and 2.22.1 with 'setuptools<81' 'numpy<2' 'sqlalchemy<2.1' alembic
pandas sqlparse; mlflow-skinny 3.1.4 with 'sqlalchemy<2.1' alembic pandas sqlparse; mlflow 3.17.2 as
it is. `mlflow-1.0.0.json` is what the client of that release itself reads from `mlflow-1.0.0.db`,
which is packed to `mlflow-1.0.0.db.gz`: the tests hold our reading against it.
"""

import json
import os
import sys

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.tracking import MlflowClient

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
START = 1600000000000
NAN, INFINITY = float("nan"), float("inf")


def build(uri):
    """Fill a new database."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    plain = client.create_experiment("plain", "s3://bucket/plain")
    gone = client.create_experiment("gone", "s3://bucket/gone")
    if hasattr(client, "set_experiment_tag"):
        client.set_experiment_tag(plain, "team", "vision")
        client.set_experiment_tag(plain, "note", "Überblick ✓")
    parent = _run(client, plain, 0, "parent", {"mlflow.user": "kim", "color": "grün"})
    child = _run(client, plain, 1, "child", {"mlflow.parentRunId": parent, "color": "Red "})
    failed = _run(client, plain, 2, "failed", {"color": "red"})
    killed = _run(client, plain, 3, "killed", {})
    nameless = _run(client, plain, 4, None, {})
    _run(client, plain, 4, "running", {})
    dropped = _run(client, plain, 5, "dropped", {})
    inside = _run(client, gone, 6, "went with its experiment", {})
    earlier = _run(client, gone, 7, "went before its experiment", {})
    client.log_batch(
        parent,
        metrics=[Metric("loss", 1.0 / (1 + step), START + step, step) for step in range(40)],
        params=[Param("lr", "0.1"), Param("depth", "3"), Param("text", "näßer Text, 'quoted'")],
        tags=[RunTag("stage", "one")],
    )
    for value, time, step in [(2.5, 9, 3), (7.0, 9, 3), (-1.5, 8, 3), (1e300, 5, -4)]:
        client.log_metric(parent, "ties", value, START + time, step)
    for run, value in [(parent, 0.9), (child, 0.7), (failed, -0.25), (killed, 0.0)]:
        client.log_metric(run, "score", value, START + 50, 1)
        client.log_param(run, "kind", "x" if value > 0 else "y")
    for key, value in [("up", INFINITY), ("down", -INFINITY), ("none", NAN)]:
        try:
            client.log_metric(child, key, value, START, 0)
        except Exception as error:  # 1.0 can't store NaN
            print(key, error, file=sys.stderr)
    client.log_param(nameless, "lr", "0.2")
    if VERSION >= (2, 4):
        _log_datasets(client, parent, child)
    if VERSION >= (3, 0):
        _log_models(client, plain, parent, child)
    client.set_terminated(parent, "FINISHED", START + 1000)
    client.set_terminated(child, "FINISHED", START + 900)
    client.set_terminated(failed, "FAILED", START + 800)
    # Tables of the first releases know no KILLED.
    client.set_terminated(killed, "KILLED" if VERSION >= (1, 9) else "FAILED", START + 700)
    client.log_metric(inside, "score", 0.5, START, 0)
    client.delete_run(dropped)
    client.delete_run(earlier)
    client.delete_experiment(gone)
    if VERSION >= (1, 8):
        _register(client, parent, child)


def _run(client, experiment, number, name, tags):
    tags = dict(tags)
    if name is not None:
        tags["mlflow.runName"] = name
    return client.create_run(experiment, START + 10 * number, tags).info.run_id


def _log_datasets(client, parent, child):
    from mlflow.entities import Dataset, DatasetInput, InputTag

    iris = Dataset("iris", "abc123", "http", '{"url": "http://x/iris"}', '{"n": 4}', '{"rows": 9}')
    wine = Dataset("wine", "def456", "local", '{"uri": "/data/wine"}')
    training = [InputTag("mlflow.data.context", "training"), InputTag("fold", "1")]
    testing = [InputTag("mlflow.data.context", "test")]
    client.log_inputs(parent, [DatasetInput(iris, training), DatasetInput(wine, testing)])
    client.log_inputs(child, [DatasetInput(iris, [])])


def _log_models(client, experiment, parent, child):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    made = []
    for name, run in [("forest", parent), ("tree", parent), ("bush", child), ("felled", child)]:
        model = client.create_logged_model(
            experiment,
            name,
            source_run_id=run,
            tags={"wood": name, "note": "Bäume"},
            params={"trees": str(len(made))},
            model_type="classifier" if name == "forest" else None,
        )
        made.append(model.model_id)
    forest, tree, bush, felled = made
    client.finalize_logged_model(forest, "READY")
    client.finalize_logged_model(tree, "FAILED")
    client.log_outputs(parent, [LoggedModelOutput(forest, 3), LoggedModelOutput(tree, 0)])
    client.log_outputs(child, [LoggedModelOutput(bush, 1)])
    client.log_inputs(child, models=[LoggedModelInput(forest)])
    for model in (forest, tree):
        for step in range(3):
            client.log_metric(
                parent,
                "auc",
                0.5 + step / 8,
                START + step,
                step,
                model_id=model,
                dataset_name="iris",
                dataset_digest="abc123",
            )
    client.log_metric(parent, "auc", 0.25, START + 1, 4, model_id=forest)
    client.log_metric(child, "rmse", 3.5, START, 0, model_id=bush)
    client.log_metric(child, "high", INFINITY, START, 0, model_id=bush)
    client.delete_logged_model(felled)


def _register(client, parent, child):
    client.create_registered_model("empty")
    client.create_registered_model("Forest of trees")
    name = "Forest of trees"
    for number, run in enumerate([parent, parent, child, child], 1):
        source = "s3://bucket/plain/" + run + "/artifacts/model" + str(number)
        client.create_model_version(name, source, run)
    client.update_model_version(name, "1", description="The first\nof many")
    if hasattr(client, "update_registered_model"):
        client.update_registered_model(name, description="Wälder")
    client.transition_model_version_stage(name, "1", "Archived")
    client.transition_model_version_stage(name, "2", "Production")
    client.delete_model_version(name, "4")
    if hasattr(client, "set_registered_model_tag"):
        client.set_registered_model_tag(name, "team", "vision")
        client.set_model_version_tag(name, "2", "checked", "ja ✓")
    if hasattr(client, "set_registered_model_alias"):
        client.set_registered_model_alias(name, "champion", "2")
        client.set_registered_model_alias(name, "best", "2")
        client.set_registered_model_alias(name, "challenger", "3")
    if VERSION >= (3, 0):
        model = client.search_logged_models([client.get_run(child).info.experiment_id])[0]
        client.create_model_version(name, model.model_uri, child, model_id=model.model_id)


def read(uri):
    """Return what the installed client reads from a database, as JSON can carry it."""
    client = MlflowClient(uri)
    if hasattr(client, "search_experiments"):
        experiments = client.search_experiments(view_type=ViewType.ALL)
    else:
        experiments = client.list_experiments(ViewType.ALL)
    ids = [each.experiment_id for each in experiments]
    runs = client.search_runs(ids, "", ViewType.ALL, 1000)
    found = {
        "version": mlflow.__version__,
        "experiments": [_experiment(each) for each in experiments],
        # A search leaves out some of the inputs.
        "runs": [_run_read(client, client.get_run(each.info.run_id)) for each in runs],
        "registered_models": [],
        "versions": [],
        "logged_models": [],
    }
    if VERSION >= (1, 8):
        if hasattr(client, "search_registered_models"):
            models = client.search_registered_models()
        else:
            models = client.list_registered_models()
        found["registered_models"] = [_registered_model(client, each.name) for each in models]
        for each in models:
            query = "name='" + each.name + "'"
            for version in client.search_model_versions(query):
                if hasattr(client, "get_model_version"):
                    # A search leaves out the aliases.
                    version = client.get_model_version(each.name, version.version)
                found["versions"].append(_version(version))
    if VERSION >= (3, 0):
        found["logged_models"] = [_logged_model(m) for m in client.search_logged_models(ids)]
    return found


def _fields(entity, *names):
    return {name: getattr(entity, name, None) for name in names}


def _experiment(each):
    names = ("experiment_id", "name", "artifact_location", "lifecycle_stage")
    fields = _fields(each, *names, "creation_time", "last_update_time")
    fields["tags"] = dict(getattr(each, "tags", {}))
    return fields


def _metric(each):
    return [each.key, each.value, each.timestamp, each.step]


def _run_read(client, run):
    names = ("run_id", "experiment_id", "run_name", "user_id", "status", "start_time", "end_time")
    fields = _fields(run.info, *names, "artifact_uri", "lifecycle_stage")
    fields["params"] = dict(run.data.params)
    fields["tags"] = dict(run.data.tags)
    fields["metrics"] = sorted(_metric(each) for each in run.data._metric_objs)
    fields["history"] = {
        key: [_metric(each) for each in client.get_metric_history(run.info.run_id, key)]
        for key in run.data.metrics
    }
    inputs, outputs = getattr(run, "inputs", None), getattr(run, "outputs", None)
    fields["datasets"] = [
        [
            _fields(d.dataset, "name", "digest", "source_type", "source", "schema", "profile"),
            {tag.key: tag.value for tag in d.tags},
        ]
        for d in (inputs.dataset_inputs if inputs else [])
    ]
    models = getattr(inputs, "model_inputs", None) or []
    fields["model_inputs"] = sorted(each.model_id for each in models)
    models = getattr(outputs, "model_outputs", None) or []
    fields["model_outputs"] = sorted([each.model_id, each.step] for each in models)
    return fields


def _registered_model(client, name):
    if hasattr(client, "get_registered_model"):
        model = client.get_registered_model(name)
    else:
        model = client.get_registered_model_details(name)
    fields = _fields(model, "name", "creation_timestamp", "last_updated_timestamp", "description")
    fields["tags"] = dict(getattr(model, "tags", {}))
    fields["aliases"] = {a: int(v) for a, v in getattr(model, "aliases", {}).items()}
    fields["latest_versions"] = sorted(int(each.version) for each in model.latest_versions)
    return fields


def _version(each):
    names = ("name", "creation_timestamp", "last_updated_timestamp", "description", "user_id")
    names += ("current_stage", "source", "run_id", "run_link", "status", "status_message")
    fields = _fields(each, *names)
    fields["version"] = int(each.version)
    fields["tags"] = dict(getattr(each, "tags", {}))
    fields["aliases"] = sorted(getattr(each, "aliases", []))
    return fields


def _logged_model(each):
    names = ("model_id", "experiment_id", "name", "artifact_location", "creation_timestamp")
    names += ("last_updated_timestamp", "status_message", "model_type", "source_run_id")
    fields = _fields(each, *names)
    fields["status"] = each.status.value
    fields["tags"] = dict(each.tags)
    fields["params"] = dict(each.params)
    fields["metrics"] = [
        [*_metric(m), m.run_id, m.dataset_name, m.dataset_digest] for m in each.metrics or []
    ]
    return fields


if __name__ == "__main__":
    target = os.path.abspath(sys.argv[1])
    build("sqlite:///" + target)
    with open(os.path.splitext(target)[0] + ".json", "w") as file:
        json.dump(read("sqlite:///" + target), file, indent=1, sort_keys=True)
    import gzip
    import sqlite3

    connection = sqlite3.connect(target)
    connection.execute("VACUUM")
    connection.close()
    with open(target, "rb") as file:
        content = gzip.compress(file.read(), 9)
    os.remove(target)
    with open(target + ".gz", "wb") as file:
        file.write(content)
