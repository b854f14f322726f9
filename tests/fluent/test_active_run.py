from __future__ import annotations

import gc
import logging

import pytest

import tracking_core as tracking
from tracking_core.client import Client
from tracking_core.discovery import default_manager, hookimpl
from tracking_core.entities import Run
from tracking_core.errors import InvalidStateError, InvalidValueError, NotFoundError


def test_a_block_starts_and_ends_a_run(store: Client) -> None:
    with tracking.start_run(run_name="a", tags={"k": 1}, description="why") as run:
        assert isinstance(run, Run)
        assert tracking.active_run().info.run_id == run.info.run_id
        tracking.log_metric("m", 1)
        assert tracking.active_run().data.metrics == {"m": 1}

    assert tracking.active_run() is None
    ended = store.get_run(run.info.run_id)
    assert ended.info.status == "FINISHED"
    assert ended.info.end_time is not None
    assert ended.data.tags["k"] == "1"
    assert ended.data.tags["mlflow.note.content"] == "why"
    assert ended.data.tags["mlflow.source.type"] == "LOCAL"
    assert ended.info.user_id == ended.data.tags["mlflow.user"]
    last = tracking.last_active_run()
    assert last is not None
    assert last.info.status == "FINISHED"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(3), "FAILED"),
        (SystemExit("message"), "FAILED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(), "FINISHED"),
    ],
)
def test_a_block_that_raises_ends_its_run_by_what_it_raises(
    store: Client, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)), tracking.start_run() as run:
        raise error
    assert store.get_run(run.info.run_id).info.status == status


def test_start_and_end_without_a_block(store: Client) -> None:
    run = tracking.start_run()
    with pytest.raises(InvalidValueError, match="'DONE' is not one of"):
        tracking.end_run("DONE")
    tracking.end_run("FAILED")

    assert store.get_run(run.info.run_id).info.status == "FAILED"
    tracking.end_run()  # without a run, nothing happens
    assert store.get_run(run.info.run_id).info.status == "FAILED"


def test_ending_inside_of_the_block_is_not_undone_by_its_end(store: Client) -> None:
    with tracking.start_run() as outer:
        with tracking.start_run(nested=True) as inner:
            tracking.end_run("KILLED")
        assert tracking.active_run().info.run_id == outer.info.run_id

    assert store.get_run(inner.info.run_id).info.status == "KILLED"
    assert store.get_run(outer.info.run_id).info.status == "FINISHED"


def test_a_second_run_must_be_nested(store: Client) -> None:
    with tracking.start_run() as outer:
        with pytest.raises(InvalidStateError, match=r"start_run\(nested=True\)"):
            tracking.start_run()
        with tracking.start_run(nested=True) as inner:
            tracking.log_param("where", "inner")
        tracking.log_param("where", "outer")

    parent = tracking.get_parent_run(inner.info.run_id)
    assert parent is not None
    assert parent.info.run_id == outer.info.run_id
    assert tracking.get_parent_run(outer.info.run_id) is None
    assert store.get_run(inner.info.run_id).data.params == {"where": "inner"}
    assert store.get_run(outer.info.run_id).data.params == {"where": "outer"}


def test_the_end_of_the_outer_block_ends_what_was_left_open_inside(store: Client) -> None:
    with tracking.start_run() as outer:
        inner = tracking.start_run(nested=True)

    assert tracking.active_run() is None
    for run in (inner, outer):
        assert store.get_run(run.info.run_id).info.status == "FINISHED"


def test_a_nested_run_goes_where_its_parent_is(store: Client) -> None:
    experiment_id = tracking.create_experiment("of the parent")
    with (
        tracking.start_run(experiment_id=experiment_id),
        tracking.start_run(nested=True) as inner,
    ):
        assert inner.info.experiment_id == experiment_id


def test_a_parent_by_its_id(store: Client) -> None:
    with tracking.start_run() as parent:
        pass
    with tracking.start_run(parent_run_id=parent.info.run_id) as child:
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    store.delete_run(parent.info.run_id)
    with pytest.raises(InvalidStateError, match=r"parent run .* is deleted"):
        tracking.start_run(parent_run_id=parent.info.run_id)
    assert tracking.active_run() is None


def test_resuming_goes_on_with_the_run(store: Client) -> None:
    with tracking.start_run(run_name="a") as first:
        tracking.log_param("p", 1)
    with tracking.start_run(run_id=first.info.run_id, run_name="b", tags={"t": 1}) as second:
        assert second.info.run_id == first.info.run_id
        assert second.info.status == "RUNNING"
        assert store.get_run(first.info.run_id).info.end_time is None
        with pytest.raises(InvalidStateError, match="already"):
            tracking.start_run(run_id=first.info.run_id, nested=True)

    found = store.get_run(first.info.run_id)
    assert (found.info.run_name, found.info.status) == ("b", "FINISHED")
    assert found.data.params == {"p": "1"}
    assert found.data.tags["t"] == "1"


def test_resuming_what_cannot_be_resumed(store: Client) -> None:
    with tracking.start_run() as run:
        pass
    with pytest.raises(InvalidValueError, match="is in the experiment"):
        tracking.start_run(run_id=run.info.run_id, experiment_id="7")
    store.delete_run(run.info.run_id)
    with pytest.raises(InvalidStateError, match="restore_run"):
        tracking.start_run(run_id=run.info.run_id)
    with pytest.raises(NotFoundError):
        tracking.start_run(run_id="0" * 32)
    assert tracking.active_run() is None


def test_the_run_that_the_environment_names_is_resumed_once(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = store.create_run("0", run_name="given")
    monkeypatch.setenv("MLFLOW_RUN_ID", given.info.run_id)

    with tracking.start_run() as first:
        assert first.info.run_id == given.info.run_id
    with tracking.start_run() as second:
        assert second.info.run_id != given.info.run_id


def test_a_description_is_given_once(store: Client) -> None:
    with pytest.raises(InvalidValueError, match="given twice"):
        tracking.start_run(description="a", tags={"mlflow.note.content": "b"})


def test_setting_another_uri_does_not_move_the_run(store: Client) -> None:
    with tracking.start_run() as run:
        tracking.set_tracking_uri("memory://elsewhere")
        tracking.log_metric("m", 1)
        tracking.log_metrics({"n": 2}, run_id=run.info.run_id)
        tracking.log_text("x", "a.txt")
        with tracking.start_run(nested=True) as inner:
            pass

    assert store.get_run(run.info.run_id).data.metrics == {"m": 1, "n": 2}
    assert store.get_run(inner.info.run_id).info.status == "FINISHED"
    assert tracking.search_runs(search_all_experiments=True, output_format="list") == []


def test_a_run_that_was_deleted_meanwhile_does_not_hide_the_error_of_its_block(
    store: Client, caplog: pytest.LogCaptureFixture
) -> None:
    run = tracking.start_run()
    store.delete_run(run.info.run_id)
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError
    assert "couldn't be ended" in caplog.text
    store.restore_run(run.info.run_id)


def test_a_broken_hook_does_not_break_the_run_and_is_told_once(
    store: Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        @hookimpl
        def tracking_run_context_tags(self) -> dict[str, str]:
            raise RuntimeError("no platform")

    class Good:
        @hookimpl
        def tracking_run_context_tags(self) -> dict[str, str]:
            return {"job": "7", "mlflow.source.type": "JOB"}

    with (
        caplog.at_level(logging.WARNING),
        default_manager().register(Broken(), name=f"broken for {store.tracking_uri}"),
        default_manager().register(Good(), name="good"),
    ):
        for _ in range(2):
            with tracking.start_run() as run:
                pass

    assert run.data.tags["job"] == "7"
    assert run.data.tags["mlflow.source.type"] == "JOB"
    assert caplog.text.count("no platform") == 1


def test_a_run_that_is_dropped_without_ending_stays_active(store: Client) -> None:
    tracking.start_run()
    gc.collect()
    assert tracking.active_run() is not None


def test_logging_without_a_run_starts_one(store: Client) -> None:
    tracking.log_metric("m", 1)

    run = tracking.active_run()
    assert run is not None
    assert run.data.metrics == {"m": 1}
    assert run.info.experiment_id == "0"
    tracking.end_run()
    assert store.get_run(run.info.run_id).info.status == "FINISHED"


def test_system_metrics_are_logged_while_a_run_asks_for_them(store: Client) -> None:
    pytest.importorskip("psutil")
    tracking.enable_system_metrics_logging()
    tracking.set_system_metrics_node_id("n1")
    tracking.set_system_metrics_sampling_interval(1000)
    tracking.set_system_metrics_samples_before_logging(1)
    with tracking.start_run() as measured:
        pass
    with tracking.start_run(log_system_metrics=False) as unmeasured:
        pass

    assert (
        "system/n1/cpu_utilization_percentage" in store.get_run(measured.info.run_id).data.metrics
    )
    assert store.get_run(unmeasured.info.run_id).data.metrics == {}
    for call in (
        lambda: tracking.set_system_metrics_sampling_interval(0),
        lambda: tracking.set_system_metrics_samples_before_logging(1.5),  # type: ignore[arg-type]
        lambda: tracking.set_system_metrics_node_id("../x"),
    ):
        with pytest.raises(InvalidValueError):
            call()
