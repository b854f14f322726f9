"""Experiments, runs and logged models of a workspace, and what differs from a stock server."""

from __future__ import annotations

import pytest

from plugins.databricks.tests.conftest import OpenStore
from plugins.databricks.tests.fake_workspace import TRACKED, FakeWorkspace, no_waiting
from tracking_core.client import Client
from tracking_core.config import Settings, Uri
from tracking_core.entities import Metric, Param, RunTag
from tracking_core.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    UnsupportedError,
)
from tracking_core.stores import (
    Batch,
    ExperimentChanges,
    ExperimentQuery,
    LoggedModelQuery,
    MetricHistoryQuery,
    NewExperiment,
    NewLoggedModel,
    NewRun,
    RunQuery,
)
from tracking_core_databricks.connection import WorkspaceConnection, WorkspaceTransport
from tracking_core_databricks.store import DatabricksStore
from tracking_core_databricks.workspace import WorkspaceName

LOG_BATCH = "/api/2.0/mlflow/runs/log-batch"


@pytest.fixture
def experiment_id(store: DatabricksStore) -> str:
    return store.runs.create_experiment(NewExperiment(name="/Shared/x")).experiment_id


@pytest.fixture
def run_id(store: DatabricksStore, experiment_id: str) -> str:
    return store.runs.create_run(NewRun(experiment_id=experiment_id)).info.run_id


# --- experiments ---


@pytest.mark.parametrize("name", ["x", "Users/kim/x", "/Shared/x/", "/Shared//x"])
def test_a_name_that_is_no_path_is_refused_with_one_that_would_do(
    store: DatabricksStore, workspace: FakeWorkspace, name: str
) -> None:
    with pytest.raises(InvalidValueError, match=r"write '/Shared/x' or '/Users/YOU@"):
        store.runs.create_experiment(NewExperiment(name=name))
    assert store.runs.get_experiment_by_name(name) is None
    assert workspace.requests == []


def test_a_new_name_must_be_a_path_too(store: DatabricksStore, experiment_id: str) -> None:
    with pytest.raises(InvalidValueError, match="no path in a Databricks workspace"):
        store.runs.update_experiment(experiment_id, changes=ExperimentChanges(name="y"))
    changes = ExperimentChanges(name="/Users/kim@example.org/y")
    renamed = store.runs.update_experiment(experiment_id, changes=changes)
    assert renamed.name == "/Users/kim@example.org/y"


def test_the_long_form_of_a_path_is_the_same_experiment(
    store: DatabricksStore, experiment_id: str
) -> None:
    found = store.runs.ensure_experiment(NewExperiment(name="/Workspace/Shared/x"))
    assert (found.experiment_id, found.name) == (experiment_id, "/Shared/x")


def test_a_directory_that_is_not_there_is_named(store: DatabricksStore) -> None:
    with pytest.raises(NotFoundError, match="no directory '/Shared/missing'"):
        store.runs.create_experiment(NewExperiment(name="/Shared/missing/x"))


def test_a_directory_of_another_is_not_ones_own(store: DatabricksStore) -> None:
    with pytest.raises(PermissionDeniedError, match=r"can't manage .*The profile 'work' of"):
        store.runs.create_experiment(NewExperiment(name="/Users/other@example.org/x"))


def test_a_page_is_as_large_as_asked_for_though_the_workspaces_are_smaller(
    store: DatabricksStore, workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracking_core_databricks.runs._MOST_EXPERIMENTS_FOUND", 2)
    for number in range(5):
        store.runs.create_experiment(NewExperiment(name=f"/Shared/{number}"))
    first = store.runs.search_experiments(ExperimentQuery(max_results=3))
    assert len(first.items) == 3
    rest = ExperimentQuery(max_results=50_000, page_token=first.next_page_token)
    second = store.runs.search_experiments(rest)
    names = [each.name for each in (*first.items, *second.items)]
    assert sorted(names) == [f"/Shared/{number}" for number in range(5)]
    assert second.next_page_token is None
    assert store.runs.count_experiments(ExperimentQuery()) == 5
    sizes = [r.json["max_results"] for r in workspace.asked("/api/2.0/mlflow/experiments/search")]
    assert max(sizes) == 2


# --- runs ---


def test_a_run_is_logged_and_read_back(
    store: DatabricksStore, experiment_id: str, run_id: str
) -> None:
    batch = Batch(
        metrics=(Metric("m", float("nan"), 5, 1),),
        params=(Param("p", "v"),),
        tags=(RunTag("t", "w"),),
    )
    store.runs.log_batch(run_id, batch=batch)
    run = store.runs.get_run(run_id)
    assert run.info.artifact_uri == f"{TRACKED}/{experiment_id}/{run_id}/artifacts"
    assert (run.data.params["p"], run.data.tags["t"]) == ("v", "w")
    found = store.runs.search_runs(RunQuery(experiment_ids=(experiment_id,)))
    assert [each.info.run_id for each in found.items] == [run_id]


def test_a_large_batch_is_sent_in_parts_that_the_workspace_takes(
    store: DatabricksStore, workspace: FakeWorkspace, run_id: str
) -> None:
    batch = Batch(
        metrics=tuple(Metric("m", float(step), 0, step) for step in range(2500)),
        params=tuple(Param(f"p{number}", "é" * 5_000) for number in range(150)),
        tags=tuple(RunTag(f"t{number}", "v" * 7_900) for number in range(150)),
    )
    store.runs.log_batch(run_id, batch=batch)
    run = store.runs.get_run(run_id)
    assert len(run.data.params) == 150
    assert {key: value for key, value in run.data.tags.items() if key[0] == "t"} == {
        f"t{number}": "v" * 7_900 for number in range(150)
    }
    points = store.runs.metric_history(run_id, query=MetricHistoryQuery(key="m")).items
    assert len(points) == 2500
    assert max(len(request.body) for request in workspace.asked(LOG_BATCH)) <= 1_000_000


def test_a_large_batch_with_a_param_that_contradicts_writes_nothing(
    store: DatabricksStore, workspace: FakeWorkspace, run_id: str
) -> None:
    store.runs.log_param(run_id, param=Param("p249", "old"))
    count = len(workspace.asked(LOG_BATCH))
    params = tuple(Param(f"p{number}", "v" * 6_000) for number in range(250))
    with pytest.raises(ConflictError, match="p249"):
        store.runs.log_batch(run_id, batch=Batch(params=params))
    assert len(workspace.asked(LOG_BATCH)) == count


def test_what_a_workspace_cannot_do_is_refused(store: DatabricksStore, experiment_id: str) -> None:
    with pytest.raises(UnsupportedError, match="chosen_ids"):
        store.runs.create_run(NewRun(experiment_id=experiment_id, run_id="chosen"))


def test_a_workspace_that_is_busy_is_asked_again(
    workspace: FakeWorkspace, profiles: object
) -> None:
    workspace.throttled = 2
    name = WorkspaceName(profile="work")
    transport = WorkspaceTransport(name, Settings(), sleep=no_waiting)
    response = transport.request("POST", "/api/2.0/mlflow/experiments/search", repeatable=False)
    transport.close()
    assert response.status == 200
    assert len(workspace.requests) == 3


def test_a_workspace_that_stays_busy_says_so(
    store: DatabricksStore, workspace: FakeWorkspace, open_store: OpenStore
) -> None:
    workspace.throttled = 1
    store = open_store("databricks://work", http_max_retries=0)
    with pytest.raises(StoreUnavailableError, match=r"asked too often .*REQUEST_LIMIT_EXCEEDED"):
        store.check_health()


def test_a_connection_is_made_without_anything_sent(workspace: FakeWorkspace) -> None:
    transport = WorkspaceTransport(WorkspaceName(), Settings())
    connection = WorkspaceConnection(transport, shown="databricks")
    assert connection.abilities() is None
    assert connection.version() == ()
    connection.close()
    assert workspace.requests == []


# --- logged models ---


def test_logged_models_come_in_pages_that_the_workspace_gives(
    store: DatabricksStore, experiment_id: str
) -> None:
    for _ in range(60):
        store.logged_models.create_logged_model(NewLoggedModel(experiment_id=experiment_id))
    query = LoggedModelQuery(experiment_ids=(experiment_id,), max_results=100)
    found = store.logged_models.search_logged_models(query)
    assert len(found.items) == 60
    assert "/logged_models/" in found.items[0].artifact_location


# --- as a user does it ---


def test_a_client_logs_files_of_a_run_and_reads_them_back(
    workspace: FakeWorkspace, profiles: object
) -> None:
    with Client("databricks://work") as client:
        experiment_id = client.create_experiment("/Shared/client")
        run = client.create_run(experiment_id)
        client.log_text(run.info.run_id, "hello", "notes/hello.txt")
        listed = client.list_artifacts(run.info.run_id, "notes")
        assert [entry.path for entry in listed] == ["notes/hello.txt"]
        assert client.read_artifact(f"runs:/{run.info.run_id}/notes/hello.txt") == b"hello"
    assert Uri.parse(run.info.artifact_uri).scheme == "dbfs"
