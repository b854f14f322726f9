"""A session of a stock MLflow client, run by its own interpreter: facts without times and ids.

Versions as text, which without a server are numbers in some releases.

Run as `python stock_session.py TRACKING_URI`; the last line is the facts by name, as JSON.
"""

import json
import math
import os
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")

import mlflow  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

IS_3 = int(mlflow.__version__.split(".")[0]) >= 3
FACTS = {}


def fact(name, value):
    FACTS[name] = value


def refused(name, call):
    """Note the code by which a call is refused."""
    try:
        call()
    except mlflow.MlflowException as error:
        fact(name, error.error_code)
    else:
        fact(name, "not refused")


def track(client):
    experiment_id = client.create_experiment("session", tags={"team": "vision"})
    experiment = client.get_experiment(experiment_id)
    fact("experiment", [experiment.name, experiment.lifecycle_stage, dict(experiment.tags)])
    fact("by name", client.get_experiment_by_name("session").experiment_id == experiment_id)
    fact("no such name", client.get_experiment_by_name("missing"))
    client.set_experiment_tag(experiment_id, "stage", "test")
    client.rename_experiment(experiment_id, "session 2")
    found = client.search_experiments(filter_string="tags.stage = 'test'")
    fact("experiments found", [each.name for each in found])
    mlflow.set_experiment("session 2")

    with mlflow.start_run(run_name="first", tags={"kind": "parent"}) as run:
        mlflow.log_param("rate", 0.1)
        mlflow.log_params({"depth": 3, "name": "täst ☃"})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"accuracy": 0.5, "other": 2}, step=7)
        mlflow.log_metric("nan", math.nan)
        mlflow.set_tag("note", "a\nb")
        mlflow.log_text("hello", "texts/a b.txt")
        mlflow.log_dict({"a": [1, 2]}, "texts/c.json")
        with tempfile.TemporaryDirectory() as directory:
            for name in ("é 1.txt", "sub/100%.txt"):
                path = os.path.join(directory, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    file.write(name)
            mlflow.log_artifacts(directory, "files")
        frame = pandas.DataFrame({"x": [1, 2], "y": [3.0, 4.0]})
        mlflow.log_input(mlflow.data.from_pandas(frame, name="wine"), context="train")
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("loss", 9.0)
    run_id = run.info.run_id
    points = [Metric("batch", float(step), 1_700_000_000_000 + step, step) for step in range(50)]
    client.log_batch(run_id, points, [Param("p", "q")], [RunTag("t", "u")])
    stored = client.get_run(run_id)
    metrics = stored.data.metrics
    fact(
        "metrics", {key: "nan" if metrics[key] != metrics[key] else metrics[key] for key in metrics}
    )
    fact("params", stored.data.params)
    shown = ("kind", "note", "t", "mlflow.runName")
    fact("tags", {key: stored.data.tags.get(key) for key in shown})
    fact("status", [stored.info.status, stored.info.run_name, stored.info.lifecycle_stage])
    fact("parent", client.get_parent_run(child.info.run_id).info.run_id == run_id)
    (used,) = stored.inputs.dataset_inputs
    fact("data set", [used.dataset.name, used.dataset.source_type, [t.value for t in used.tags]])
    history = client.get_metric_history(run_id, "loss")
    fact("history", sorted((point.step, round(point.value, 6)) for point in history))
    fact("long history", len(client.get_metric_history(run_id, "batch")))
    return experiment_id, run_id


def artifacts(client, run_id):
    fact("listing", [[f.path, f.is_dir] for f in client.list_artifacts(run_id)])
    fact("listing below", [[f.path, f.file_size] for f in client.list_artifacts(run_id, "files")])
    fact("text", mlflow.artifacts.load_text(f"runs:/{run_id}/texts/a b.txt"))
    local = client.download_artifacts(run_id, "files")
    found = sorted(
        os.path.relpath(os.path.join(directory, name), local)
        for directory, _, names in os.walk(local)
        for name in names
    )
    fact("downloaded", found)


def search(client, experiment_id, run_id):
    for number in range(5):
        run = client.create_run(experiment_id, run_name=f"n{number}")
        client.log_metric(run.info.run_id, "score", number / 2)
        client.log_param(run.info.run_id, "group", "ab"[number % 2])
        client.set_terminated(run.info.run_id, "FAILED" if number == 4 else "FINISHED")

    def names(text="", order=("metrics.score DESC",), **named):
        found = client.search_runs([experiment_id], text, order_by=list(order), **named)
        return [each.info.run_name for each in found]

    fact("by metric", names("metrics.score > 0.4 and params.group = 'b'"))
    fact("by like", names("attributes.run_name ILIKE 'N_' and attributes.status = 'FAILED'"))
    fact("by tag", names("tags.kind = 'parent'"))
    # MLflow 2 can't order these by a metric.
    fact("by data set", names("dataset.name = 'wine'", order=["attributes.run_name ASC"]))
    fact("by time", names("attributes.start_time > 0", order=["attributes.run_name ASC"]))
    pages, token = [], None
    while True:
        page = client.search_runs(
            [experiment_id],
            "metrics.score >= 0",
            order_by=["metrics.score ASC"],
            max_results=2,
            page_token=token,
        )
        pages.append([each.info.run_name for each in page])
        token = page.token
        if not token:
            break
    fact("pages", pages)
    frame = mlflow.search_runs([experiment_id], "params.group = 'a'", order_by=["metrics.score"])
    fact("frame", [list(frame["metrics.score"]), sorted(c for c in frame if "params" in c)])
    client.delete_run(run_id)
    fact("without the deleted", "first" in names())
    fact("the deleted", names(run_view_type=ViewType.DELETED_ONLY))
    client.restore_run(run_id)
    fact("restored", client.get_run(run_id).info.lifecycle_stage)


def models(client, run_id):
    x = numpy.array([[0.0], [1.0], [2.0], [3.0]])
    y = numpy.array([0, 0, 1, 1])
    model = LogisticRegression().fit(x, y)
    signature = mlflow.models.infer_signature(x, model.predict(x))
    with mlflow.start_run(run_id=run_id):
        where = {"name": "model"} if IS_3 else {"artifact_path": "model"}
        info = mlflow.sklearn.log_model(
            model, **where, signature=signature, registered_model_name="classifier"
        )
    client.set_registered_model_alias("classifier", "champion", "1")
    client.set_model_version_tag("classifier", "1", "checked", "yes")
    client.set_registered_model_tag("classifier", "team", "vision")
    client.update_registered_model("classifier", "what it does")
    client.update_model_version("classifier", "1", "the first")
    second = client.create_model_version("classifier", info.model_uri, run_id=run_id)
    fact("versions", [str(second.version), second.status])
    for uri in ("models:/classifier@champion", "models:/classifier/1", info.model_uri):
        loaded = mlflow.pyfunc.load_model(uri)
        fact(
            f"loaded {uri.split(':')[0]} {uri[-9:] if 'classifier' in uri else ''}",
            bool((loaded.predict(x) == model.predict(x)).all()),
        )
    stored = client.get_registered_model("classifier")
    aliases = {alias: str(version) for alias, version in stored.aliases.items()}
    fact("model", [stored.name, stored.description, stored.tags, aliases])
    version = client.get_model_version_by_alias("classifier", "champion")
    fact(
        "version", [str(version.version), version.description, version.tags, version.current_stage]
    )
    client.transition_model_version_stage("classifier", "2", "Staging")
    client.transition_model_version_stage("classifier", "1", "Staging", True)
    latest = client.get_latest_versions("classifier")
    fact("stages", sorted([str(each.version), each.current_stage] for each in latest))
    found = client.search_model_versions("name = 'classifier' and tags.checked = 'yes'")
    fact("versions found", [str(each.version) for each in found])
    fact("models found", [m.name for m in client.search_registered_models("name LIKE 'class%'")])
    copied = client.copy_model_version("models:/classifier/1", "copied")
    fact("copied", [copied.name, str(copied.version)])
    client.rename_registered_model("copied", "renamed")
    client.delete_registered_model_alias("classifier", "champion")
    client.delete_model_version_tag("classifier", "1", "checked")
    client.delete_registered_model_tag("classifier", "team")
    name = "classifier"
    refused("missing alias", lambda: client.delete_registered_model_alias(name, "never"))
    refused("missing version tag", lambda: client.delete_model_version_tag(name, "1", "never"))
    refused("missing model tag", lambda: client.delete_registered_model_tag(name, "never"))
    refused("alias to nothing", lambda: client.set_registered_model_alias(name, "a", "99"))
    refused("bad alias", lambda: client.set_registered_model_alias(name, "v1", "1"))
    refused("bad stage", lambda: client.transition_model_version_stage(name, "1", "Bad"))
    refused("missing version", lambda: client.get_model_version(name, "99"))
    refused("version of nothing", lambda: client.create_model_version("no", "models:/m-1"))
    refused("taken model", lambda: client.create_registered_model(name))
    refused("bad models filter", lambda: client.search_registered_models("nonsense"))
    refused("bad versions filter", lambda: client.search_model_versions("what = 1"))
    client.delete_model_version("classifier", "2")
    fact(
        "left", sorted(str(v.version) for v in client.search_model_versions("name = 'classifier'"))
    )
    client.delete_registered_model("renamed")
    refused("deleted model", lambda: client.get_registered_model("renamed"))
    refused("deleted alias", lambda: client.get_model_version_by_alias("classifier", "champion"))


def logged_models(client, experiment_id, run_id):
    model = client.create_logged_model(
        experiment_id, name="external", source_run_id=run_id, tags={"a": "b"}, params={"p": "1"}
    )
    fact("logged model", [model.name, str(model.status), model.tags, model.params])
    client.log_metric(run_id, "f1", 0.75, step=2, model_id=model.model_id)
    client.set_logged_model_tags(model.model_id, {"c": "d"})
    client.delete_logged_model_tag(model.model_id, "a")
    client.log_model_params(model.model_id, {"q": "2"})
    finished = client.finalize_logged_model(model.model_id, "READY")
    stored = client.get_logged_model(model.model_id)
    fact("finished", [str(finished.status), stored.tags, stored.params])
    fact("its metrics", [[m.key, m.value] for m in stored.metrics])
    found = client.search_logged_models([experiment_id], "name = 'external'")
    fact("logged models found", [each.name for each in found])
    client.delete_logged_model(model.model_id)
    refused("deleted logged model", lambda: client.get_logged_model(model.model_id))


def mistakes(client, experiment_id, run_id):
    refused("missing run", lambda: client.get_run("0" * 32))
    refused("missing experiment", lambda: client.get_experiment("999999"))
    refused("taken name", lambda: client.create_experiment("session 2"))
    refused("changed param", lambda: client.log_param(run_id, "rate", "other"))
    refused("bad filter", lambda: client.search_runs([experiment_id], "nonsense !"))
    refused("bad key", lambda: client.log_metric(run_id, "../a", 1))
    refused("missing model", lambda: client.get_model_version("nothing", "1"))
    refused("missing tag", lambda: client.delete_tag(run_id, "never set"))
    refused("no name", lambda: client.create_experiment(""))
    refused("missing parent", lambda: client.get_parent_run("0" * 32))
    refused("run in nothing", lambda: client.create_run("999999"))
    refused("missing history", lambda: client.get_metric_history("0" * 32, "a"))
    fact("no history", client.get_metric_history(run_id, "never logged"))
    refused("bad order", lambda: client.search_runs([experiment_id], order_by=["nonsense ! a"]))
    refused("bad page", lambda: client.search_runs([experiment_id], max_results=60_000))
    refused("long param", lambda: client.log_param(run_id, "long", "x" * 6_001))
    refused(
        "twice in one batch",
        lambda: client.log_batch(run_id, params=[Param("z", "1"), Param("z", "2")]),
    )
    refused("deleting nothing", lambda: client.delete_run("0" * 32))
    refused("updating nothing", lambda: client.update_run("0" * 32, "FINISHED"))
    refused("bad experiment", lambda: client.delete_experiment("nothing"))
    client.delete_tag(run_id, "note")
    client.delete_experiment(experiment_id)
    fact("deleted", client.get_experiment(experiment_id).lifecycle_stage)
    refused("in a deleted one", lambda: client.create_run(experiment_id))
    client.restore_experiment(experiment_id)
    fact("restored experiment", client.get_experiment(experiment_id).lifecycle_stage)


def main():
    mlflow.set_tracking_uri(sys.argv[1])
    client = mlflow.MlflowClient()
    experiment_id, run_id = track(client)
    artifacts(client, run_id)
    search(client, experiment_id, run_id)
    models(client, run_id)
    if IS_3:
        logged_models(client, experiment_id, run_id)
    mistakes(client, experiment_id, run_id)
    print(json.dumps(FACTS, sort_keys=True))


main()
