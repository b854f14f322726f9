from __future__ import annotations

import math
from typing import Any

import pytest

from tracking_core.client import Client
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunStatus,
    RunTag,
)
from tracking_core.errors import ConflictError, InvalidStateError, NotFoundError


def test_a_new_run_runs_and_has_a_name(client: Client, experiment_id: str) -> None:
    named = client.create_run(experiment_id, run_name="mine", tags={"a": 1}, start_time=5)
    unnamed = client.create_run(experiment_id)

    assert named.info.run_name == "mine"
    assert named.info.start_time == 5
    assert named.info.status == "RUNNING"
    assert named.data.tags == {"a": "1", "mlflow.runName": "mine"}
    assert unnamed.info.run_name == unnamed.data.tags["mlflow.runName"] != ""


def test_metrics_params_and_tags_read_back(client: Client, run_id: str) -> None:
    assert client.log_metric(run_id, "loss", 0.5) is None
    client.log_metric(run_id, "loss", 0.25, timestamp=7, step=3)
    client.log_metric(run_id, "odd", math.inf, step=-1)
    assert client.log_param(run_id, "depth", 3) == 3
    client.set_tag(run_id, "team", None)

    data = client.get_run(run_id).data
    assert data.metrics == {"loss": 0.25, "odd": math.inf}
    assert data.params == {"depth": "3"}
    assert data.tags["team"] == "None"
    history = client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.5), (3, 0.25)]
    assert history[1].timestamp == 7
    assert client.get_metric_history(run_id, "none") == []


def test_timestamps_never_go_back(
    client: Client, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0]
    monkeypatch.setattr("time.time_ns", lambda: clock[0])

    for step, clock[0] in enumerate([2_000_000_000, 1_000_000_000, 3_000_000_000]):
        client.log_metric(run_id, "m", step, step=step)

    monkeypatch.undo()
    points = client.get_metric_history(run_id, "m")
    assert [point.timestamp for point in points] == [2000, 2000, 3000]


def test_a_changed_param_is_refused_and_the_first_value_stays(client: Client, run_id: str) -> None:
    client.log_param(run_id, "p", 1)
    client.log_param(run_id, "p", "1")

    with pytest.raises(ConflictError):
        client.log_param(run_id, "p", 2)

    assert client.get_run(run_id).data.params == {"p": "1"}


def test_long_values_are_kept_whole(client: Client, run_id: str) -> None:
    value = "x" * 50_000
    client.log_param(run_id, "p", value)
    client.set_tag(run_id, "t", value)

    data = client.get_run(run_id).data
    assert data.params["p"] == data.tags["t"] == value


def test_a_batch_takes_values_that_are_no_text(client: Client, run_id: str) -> None:
    param: Any = Param("p", 1.5)  # type: ignore[arg-type]
    tag: Any = RunTag("t", True)  # type: ignore[arg-type]
    client.log_batch(run_id, metrics=[Metric("m", 1, 2, 3)], params=[param], tags=[tag])
    client.log_batch(run_id)

    data = client.get_run(run_id).data
    assert (data.params["p"], data.tags["t"], data.metrics["m"]) == ("1.5", "True", 1.0)


def test_synchronous_false_returns_what_can_be_waited_for(client: Client, run_id: str) -> None:
    for pending in (
        client.log_metric(run_id, "m", 1, synchronous=False),
        client.log_param(run_id, "p", 1, synchronous=False),
        client.set_tag(run_id, "t", 1, synchronous=False),
        client.log_batch(run_id, synchronous=False),
    ):
        assert pending is not None
        pending.wait()
    assert client.log_metric(run_id, "m", 1, synchronous=True) is None


def test_ending_a_run(client: Client, run_id: str) -> None:
    client.set_terminated(run_id)
    info = client.get_run(run_id).info
    assert info.status is RunStatus.FINISHED
    assert info.end_time is not None

    client.set_terminated(run_id, "killed", end_time=9)
    info = client.get_run(run_id).info
    assert (info.status, info.end_time) == (RunStatus.KILLED, 9)

    client.resume_run(run_id)
    info = client.get_run(run_id).info
    assert (info.status, info.end_time) == (RunStatus.RUNNING, None)


def test_updating_status_and_name(client: Client, run_id: str) -> None:
    client.update_run(run_id, status="FAILED")
    assert client.get_run(run_id).info.status == "FAILED"
    client.update_run(run_id, name="other")
    run = client.get_run(run_id)
    assert run.info.run_name == run.data.tags["mlflow.runName"] == "other"
    assert run.info.status == "FAILED"


def test_the_parent_is_found_by_its_tag(client: Client, experiment_id: str, run_id: str) -> None:
    child = client.create_run(experiment_id, tags={"mlflow.parentRunId": run_id})

    parent = client.get_parent_run(child.info.run_id)

    assert parent is not None
    assert parent.info.run_id == run_id
    assert client.get_parent_run(run_id) is None


def test_searching_filters_orders_and_pages(client: Client, experiment_id: str) -> None:
    for number in range(5):
        run = client.create_run(experiment_id, run_name=f"r{number}")
        client.log_metric(run.info.run_id, "loss", number)

    first = client.search_runs(
        [experiment_id], "metrics.loss > 0", max_results=3, order_by=["metrics.loss DESC"]
    )
    second = client.search_runs(
        [experiment_id],
        "metrics.loss > 0",
        max_results=3,
        order_by=["metrics.loss DESC"],
        page_token=first.token,
    )

    assert [run.info.run_name for run in first] == ["r4", "r3", "r2"]
    assert [run.info.run_name for run in second] == ["r1"]
    assert second.token is None
    assert len(list(client.iterate_runs(None))) == 5


def test_deleting_and_restoring(client: Client, experiment_id: str, run_id: str) -> None:
    client.delete_run(run_id)
    assert client.search_runs([experiment_id]) == []
    for change in (
        lambda: client.log_metric(run_id, "m", 1),
        lambda: client.log_text(run_id, "x", "a.txt"),
        lambda: client.set_terminated(run_id),
    ):
        with pytest.raises(InvalidStateError, match="deleted"):
            change()
    client.restore_run(run_id)
    assert len(client.search_runs([experiment_id])) == 1
    assert client.list_artifacts(run_id) == []


def test_tags_can_be_deleted_once(client: Client, run_id: str) -> None:
    client.set_tag(run_id, "a", 1)
    client.delete_tag(run_id, "a")
    with pytest.raises(NotFoundError):
        client.delete_tag(run_id, "a")


def test_inputs_and_outputs(client: Client, run_id: str) -> None:
    used = DatasetInput(Dataset("d", "1", "local", "{}"), (InputTag("k", "v"),))
    client.log_inputs(run_id, datasets=[used], models=[LoggedModelInput("m-" + "0" * 32)])
    client.log_outputs(run_id, [LoggedModelOutput("m-" + "1" * 32, step=4)])

    run = client.get_run(run_id)
    assert run.inputs.dataset_inputs == (used,)
    assert [each.model_id for each in run.inputs.model_inputs] == ["m-" + "0" * 32]
    assert run.outputs.model_outputs == (LoggedModelOutput("m-" + "1" * 32, step=4),)
