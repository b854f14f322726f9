from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

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
)
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
    UnsupportedError,
)
from tracking_core.stores import (
    RUN_NAME_TAG,
    Batch,
    ExperimentChanges,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    PurgeRequest,
    RunChanges,
    RunStore,
)
from tracking_core.wire.messages.base import KeyValue
from tracking_core.wire.messages.experiments import (
    ExperimentCreated,
    ExperimentFound,
    ExperimentMessage,
)
from tracking_core.wire.messages.metrics import MetricHistoryFound, MetricMessage
from tracking_core.wire.messages.runs import (
    DatasetInputMessage,
    ModelOutputMessage,
    RunDataMessage,
    RunFound,
    RunInfoMessage,
    RunInputsMessage,
    RunMessage,
    RunOutputsMessage,
    RunUpdated,
)
from tracking_core_rest.stock import StockRuns, StockServer

RUN_ID = "0123456789abcdef0123456789abcdef"
MODEL_ID = "m-0123456789abcdef0123456789abcdef"
WINE = DatasetInput(Dataset("wine", "d1", "local", "{}"), (InputTag("a", "1"),))


def runs_of(connection: Any) -> StockRuns:
    return StockRuns(StockServer(connection))


def experiment(stage: str = "active", name: str = "e", **tags: str) -> ExperimentFound:
    return ExperimentFound(
        experiment=ExperimentMessage(
            experiment_id="1",
            name=name,
            artifact_location="s3://bucket/1",
            lifecycle_stage=stage,
            tags=tuple(KeyValue(key=key, value=value) for key, value in tags.items()),
        )
    )


def run(
    stage: str = "active",
    params: dict[str, str] | None = None,
    metrics: tuple[MetricMessage, ...] = (),
    **info: Any,
) -> RunFound:
    return RunFound(
        run=RunMessage(
            info=RunInfoMessage(
                run_id=RUN_ID, experiment_id="1", run_name="r", lifecycle_stage=stage, **info
            ),
            data=RunDataMessage(
                metrics=metrics,
                params=tuple(KeyValue(key=k, value=v) for k, v in (params or {}).items()),
            ),
            inputs=RunInputsMessage(dataset_inputs=(DatasetInputMessage.of(WINE),)),
            outputs=RunOutputsMessage(
                model_outputs=(ModelOutputMessage(model_id=MODEL_ID, step=3),)
            ),
        )
    )


# --- what is refused ---

MOVED = ExperimentChanges(last_update_time=1)

REFUSED: list[tuple[str, Callable[[RunStore], object]]] = [
    ("'mine'", lambda runs: runs.create_experiment(NewExperiment(name="e", experiment_id="mine"))),
    ("time", lambda runs: runs.create_experiment(NewExperiment(name="e", creation_time=1))),
    ("time", lambda runs: runs.create_experiment(NewExperiment(name="e", last_update_time=1))),
    (
        "time",
        lambda runs: runs.update_experiment("1", changes=ExperimentChanges(last_update_time=1)),
    ),
    (
        "artifacts",
        lambda runs: runs.update_experiment(
            "1", changes=ExperimentChanges(artifact_location="s3://other")
        ),
    ),
    ("'mine'", lambda runs: runs.create_run(NewRun(experiment_id="1", run_id="mine"))),
    ("artifacts", lambda runs: runs.create_run(NewRun(experiment_id="1", artifact_uri="s3://b"))),
    ("key", lambda runs: runs.create_run(NewRun(experiment_id="1", idempotency_key="k"))),
    ("began", lambda runs: runs.update_run(RUN_ID, changes=RunChanges(start_time=1))),
    ("artifacts", lambda runs: runs.update_run(RUN_ID, changes=RunChanges(artifact_uri="s3://b"))),
    ("end time", lambda runs: runs.update_run(RUN_ID, changes=RunChanges(end_time=None))),
    ("name", lambda runs: runs.update_run(RUN_ID, changes=RunChanges(run_name=""))),
    (
        "bin",
        lambda runs: runs.update_run(
            RUN_ID, changes=RunChanges(lifecycle_stage=LifecycleStage.DELETED, deleted_time=1)
        ),
    ),
    ("key", lambda runs: runs.log_batch(RUN_ID, batch=Batch(idempotency_key="k"))),
    ("name", lambda runs: runs.set_tag(RUN_ID, tag=RunTag(RUN_NAME_TAG, ""))),
    ("data set", lambda runs: runs.log_metric(RUN_ID, metric=Metric("m", 1.0, 1, 0, None, "wine"))),
    (
        "tags",
        lambda runs: runs.log_inputs(
            RUN_ID, inputs=RunInputs((DatasetInput(WINE.dataset, (InputTag("b", "2"),)),))
        ),
    ),
    (
        "another step",
        lambda runs: runs.log_outputs(
            RUN_ID, outputs=RunOutputs((LoggedModelOutput(MODEL_ID, 4),))
        ),
    ),
    ("for good", lambda runs: runs.purge(PurgeRequest(run_ids=(RUN_ID,)))),
]


@pytest.mark.parametrize(("told", "call"), REFUSED)
def test_what_a_stock_server_cannot_do_is_refused_before_anything_is_changed(
    connect: Any, told: str, call: Callable[[RunStore], object]
) -> None:
    connection = connect(getExperiment=experiment(), getRun=run(start_time=5, end_time=6))
    with pytest.raises(UnsupportedError, match=told) as caught:
        call(runs_of(connection))
    assert "http://stock.example (MLflow 3.17)" in str(caught.value)
    assert connection.writes == []


@pytest.mark.parametrize(
    ("told", "call"),
    [
        (
            "which models a run read",
            lambda runs: runs.log_inputs(
                RUN_ID, inputs=RunInputs(model_inputs=(LoggedModelInput(MODEL_ID),))
            ),
        ),
        (
            "which models a run made",
            lambda runs: runs.log_outputs(
                RUN_ID, outputs=RunOutputs((LoggedModelOutput(MODEL_ID, 3),))
            ),
        ),
        (
            "the model that a point",
            lambda runs: runs.log_metric(RUN_ID, metric=Metric("m", 1.0, 1, 0, MODEL_ID)),
        ),
    ],
)
def test_mlflow_2_is_asked_nothing_about_logged_models(
    connect: Any, told: str, call: Callable[[RunStore], object]
) -> None:
    connection = connect(version=(2, 22), getRun=run())
    with pytest.raises(UnsupportedError, match=f"MLflow 2.22.*{told}"):
        call(runs_of(connection))
    assert connection.writes == []


@pytest.mark.parametrize(
    ("limit", "call"),
    [
        (6000, lambda runs, text: runs.log_param(RUN_ID, param=Param("p", text))),
        (8000, lambda runs, text: runs.set_tag(RUN_ID, tag=RunTag("t", text))),
        (8000, lambda runs, text: runs.create_run(NewRun(experiment_id="1", tags={"t": text}))),
        (
            5000,
            lambda runs, text: runs.create_experiment(NewExperiment(name="e", tags={"t": text})),
        ),
        (
            5000,
            lambda runs, text: runs.update_experiment(
                "1", changes=ExperimentChanges(set_tags={"t": text})
            ),
        ),
    ],
)
def test_a_value_that_would_be_cut_is_refused(
    connect: Any, limit: int, call: Callable[[RunStore, str], object]
) -> None:
    connection = connect(
        createExperiment=ExperimentCreated(experiment_id="1"),
        getExperiment=experiment(),
        getRun=run(),
        createRun=run(),
    )
    with pytest.raises(InvalidValueError, match=f"{limit + 1} characters.*{limit}"):
        call(runs_of(connection), "x" * (limit + 1))
    assert connection.writes == []
    call(runs_of(connection), "x" * limit)
    assert len(connection.writes) == 1


# --- experiments ---


def test_changes_of_an_experiment_are_sent_so_that_a_failure_does_no_harm(connect: Any) -> None:
    connection = connect(
        getExperiment=[experiment("deleted", a="1"), experiment(name="new", b="2")],
        getExperimentByName=NotFoundError("none"),
    )
    changes = ExperimentChanges(
        name="new",
        lifecycle_stage=LifecycleStage.ACTIVE,
        set_tags={"b": "2"},
        delete_tags=("a",),
    )
    changed = runs_of(connection).update_experiment("1", changes=changes)
    assert connection.writes == [
        "restoreExperiment",
        "updateExperiment",
        "setExperimentTag",
        "deleteExperimentTag",
    ]
    assert (changed.name, changed.tags) == ("new", {"b": "2"})


def test_an_experiment_is_deleted_after_the_other_changes(connect: Any) -> None:
    connection = connect(getExperiment=experiment(a="1"))
    changes = ExperimentChanges(
        lifecycle_stage=LifecycleStage.DELETED, set_tags={"b": "2"}, delete_tags=("a",)
    )
    runs_of(connection).update_experiment("1", changes=changes)
    assert connection.writes == ["setExperimentTag", "deleteExperimentTag", "deleteExperiment"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (ExperimentChanges(name="new", delete_tags=("gone",)), NotFoundError),
        (ExperimentChanges(name="taken", set_tags={"a": "2"}), AlreadyExistsError),
    ],
)
def test_an_impossible_change_of_an_experiment_leaves_the_possible_ones_undone(
    connect: Any, changes: ExperimentChanges, error: type[Exception]
) -> None:
    connection = connect(
        getExperiment=experiment(),
        getExperimentByName=lambda request: (
            experiment(name="taken")
            if request.experiment_name == "taken"
            else NotFoundError("none")
        ),
    )
    with pytest.raises(error):
        runs_of(connection).update_experiment("1", changes=changes)
    assert connection.writes == []


def test_a_name_that_a_deleted_experiment_has_is_told_to_be_in_the_bin(connect: Any) -> None:
    connection = connect(
        createExperiment=AlreadyExistsError("UNIQUE constraint failed"),
        getExperimentByName=experiment("deleted"),
    )
    with pytest.raises(AlreadyExistsError, match="in stage deleted"):
        runs_of(connection).create_experiment(NewExperiment(name="e"))


def test_a_release_that_cannot_delete_tags_of_experiments_is_named(connect: Any) -> None:
    connection = connect(
        version=(2, 14),
        getExperiment=experiment(a="1"),
        deleteExperimentTag=NotFoundError("answered with HTTP status 404"),
    )
    with pytest.raises(UnsupportedError, match=r"MLflow 2\.14.*delete tags"):
        runs_of(connection).update_experiment("1", changes=ExperimentChanges(delete_tags=("a",)))


def test_a_name_that_no_experiment_can_have_isnt_asked_for(connect: Any) -> None:
    connection = connect()
    assert runs_of(connection).get_experiment_by_name("") is None
    assert connection.sent == []


# --- runs ---


def test_a_run_that_begins_otherwise_than_running_is_told_so(connect: Any) -> None:
    updated = RunUpdated(run_info=RunInfoMessage(run_id=RUN_ID, status="FINISHED"))
    connection = connect(createRun=run(), updateRun=updated)
    made = runs_of(connection).create_run(NewRun(experiment_id="1", status=RunStatus.FINISHED))
    assert made.info.status is RunStatus.FINISHED
    assert connection.names == ["createRun", "updateRun"]


def test_a_run_is_restored_first_and_deleted_last(connect: Any) -> None:
    connection = connect(getRun=run("deleted"), getExperiment=experiment(), updateRun=RunUpdated())
    for stage in (LifecycleStage.ACTIVE, LifecycleStage.DELETED):
        changes = RunChanges(status=RunStatus.FAILED, lifecycle_stage=stage)
        runs_of(connection).update_run(RUN_ID, changes=changes)
    assert connection.writes == ["restoreRun", "updateRun", "updateRun", "deleteRun"]


def test_a_run_of_a_deleted_experiment_isnt_restored(connect: Any) -> None:
    connection = connect(getRun=run("deleted"), getExperiment=experiment("deleted"))
    with pytest.raises(InvalidStateError, match="experiment"):
        runs_of(connection).restore_run(RUN_ID)
    assert connection.writes == []


def test_a_change_of_the_status_takes_one_request(connect: Any) -> None:
    updated = RunUpdated(run_info=RunInfoMessage(run_id=RUN_ID, status="KILLED"))
    connection = connect(updateRun=updated)
    info = runs_of(connection).update_run(RUN_ID, changes=RunChanges(status=RunStatus.KILLED))
    assert (info.status, connection.names) == (RunStatus.KILLED, ["updateRun"])


def test_the_largest_double_is_read_as_infinity(connect: Any) -> None:
    largest = sys.float_info.max
    values = {"a": largest, "b": -largest, "c": 1.0, "d": "NaN"}
    points = tuple(MetricMessage(key=key, value=value) for key, value in values.items())
    connection = connect(
        getRun=run(metrics=points), getMetricHistory=MetricHistoryFound(metrics=points)
    )
    runs = runs_of(connection)
    found = runs.get_run(RUN_ID).data.metrics
    assert repr(found) == repr({"a": math.inf, "b": -math.inf, "c": 1.0, "d": math.nan})
    history = runs.metric_history(RUN_ID, query=MetricHistoryQuery(key="a")).items
    assert repr([point.value for point in history]) == repr(list(found.values()))


# --- batches ---


def test_a_large_batch_is_sent_in_parts_with_the_params_first(connect: Any) -> None:
    batch = Batch(
        metrics=tuple(Metric("m", float(i), 1, i) for i in range(2300)),
        params=tuple(Param(f"p{i}", str(i)) for i in range(250)),
        tags=tuple(RunTag(f"t{i}", str(i)) for i in range(150)),
    )
    connection = connect(getRun=run())
    runs_of(connection).log_batch(RUN_ID, batch=batch)
    parts = connection.requests("logBatch")
    for part in parts:
        assert len(part.metrics) <= 1000
        assert len(part.params) <= 100
        assert len(part.tags) <= 100
        assert 0 < len(part.metrics) + len(part.params) + len(part.tags) <= 1000
    with_params = [number for number, part in enumerate(parts) if part.params]
    assert with_params == [0, 1, 2]
    assert not any(part.metrics or part.tags for part in parts[:2])
    sent = [point.entity() for part in parts for point in part.metrics]
    assert sent == list(batch.metrics)
    assert [(each.key, each.value) for part in parts for each in part.params] == [
        (param.key, param.value) for param in batch.params
    ]
    assert [(each.key, each.value) for part in parts for each in part.tags] == [
        (tag.key, tag.value) for tag in batch.tags
    ]


@pytest.mark.parametrize("count", [0, 100, 200])
def test_no_part_of_a_batch_is_empty_but_that_of_an_empty_one(connect: Any, count: int) -> None:
    connection = connect(getRun=run())
    params = tuple(Param(f"p{i}", "v") for i in range(count))
    runs_of(connection).log_batch(RUN_ID, batch=Batch(params=params))
    assert len(connection.requests("logBatch")) == max(1, count // 100)


def test_a_conflict_in_many_params_is_seen_before_any_is_sent(connect: Any) -> None:
    connection = connect(getRun=run(params={"p150": "other"}))
    params = tuple(Param(f"p{i}", "v") for i in range(200))
    with pytest.raises(ConflictError, match="p150"):
        runs_of(connection).log_batch(RUN_ID, batch=Batch(params=params))
    assert connection.writes == []


def test_a_batch_may_be_sent_again_unless_it_holds_points(connect: Any) -> None:
    connection = connect()
    runs = runs_of(connection)
    runs.log_batch(RUN_ID, batch=Batch(params=(Param("p", "v"),), tags=(RunTag("t", "v"),)))
    runs.log_batch(RUN_ID, batch=Batch(metrics=(Metric("m", 1.0, 1),), tags=(RunTag("t", "v"),)))
    assert connection.repeatable == [True, False]


@pytest.mark.parametrize(
    ("stored", "error", "sent"),
    [({"p": "other"}, ConflictError, 1), ({"p": "v"}, None, 2), ({}, InvalidValueError, 1)],
)
def test_a_param_that_another_logs_at_the_same_time_contradicts_or_is_the_same(
    connect: Any, stored: dict[str, str], error: type[Exception] | None, sent: int
) -> None:
    """A database refuses one of the two, with a sentence of its own."""
    refusal = InvalidValueError("UNIQUE constraint failed: params.key, params.run_uuid")
    connection = connect(logBatch=[refusal, None], getRun=run(params=stored))
    with contextlib.nullcontext() if error is None else pytest.raises(error):
        runs_of(connection).log_param(RUN_ID, param=Param("p", "v"))
    assert len(connection.requests("logBatch")) == sent


def test_the_last_of_equal_tags_is_sent_alone(connect: Any) -> None:
    connection = connect()
    tags = (RunTag("t", "1"), RunTag("u", "2"), RunTag("t", "3"))
    runs_of(connection).log_batch(RUN_ID, batch=Batch(tags=tags))
    (part,) = connection.requests("logBatch")
    assert {tag.key: tag.value for tag in part.tags} == {"t": "3", "u": "2"}
    assert len(part.tags) == 2


def test_a_point_of_a_model_that_isnt_there_is_sent_without_it(connect: Any) -> None:
    """The server would refuse the whole batch."""
    known = Metric("m", 1.0, 1, 0, MODEL_ID, "wine", "d1")
    connection = connect(
        getLoggedModel=lambda request: (
            None if request.model_id == MODEL_ID else NotFoundError("no such model")
        )
    )
    runs = runs_of(connection)
    for _ in range(2):
        batch = Batch(metrics=(known, Metric("m", 2.0, 1, 0, "m-gone")))
        runs.log_batch(RUN_ID, batch=batch)
    for part in connection.requests("logBatch"):
        assert [point.entity() for point in part.metrics] == [known, Metric("m", 2.0, 1)]
    asked = [request.model_id for request in connection.requests("getLoggedModel")]
    assert asked.count(MODEL_ID) == 1


def test_equal_nan_points_are_sent_once_to_servers_that_fail_over_them(connect: Any) -> None:
    points = (Metric("m", float("nan"), 1), Metric("m", float("nan"), 1), Metric("m", 1.0, 1))
    for version, count in (((2, 22), 2), ((3, 17), 3)):
        connection = connect(version=version)
        runs_of(connection).log_batch(RUN_ID, batch=Batch(metrics=points))
        (part,) = connection.requests("logBatch")
        assert len(part.metrics) == count


# --- inputs and outputs ---


def test_inputs_and_outputs_that_are_there_arent_sent_again(connect: Any) -> None:
    connection = connect(getRun=run())
    runs = runs_of(connection)
    runs.log_inputs(RUN_ID, inputs=RunInputs((WINE,)))
    runs.log_outputs(RUN_ID, outputs=RunOutputs((LoggedModelOutput(MODEL_ID, 3),)))
    assert connection.writes == []
    beer = DatasetInput(Dataset("beer", "d1", "local", "{}"))
    runs.log_inputs(RUN_ID, inputs=RunInputs((WINE, beer)))
    (request,) = connection.requests("logInputs")
    assert [used.dataset.name for used in request.datasets] == ["beer"]


# --- histories ---


def test_a_history_is_asked_for_page_by_page_where_the_server_has_pages(connect: Any) -> None:
    """Some releases answer the first request, which says no size, with a token alone."""
    connection = connect(
        version=(3, 10),
        getMetricHistory=[
            MetricHistoryFound(next_page_token="0"),
            MetricHistoryFound(
                metrics=(MetricMessage(key="m", value=1.0, step=7),), next_page_token="1"
            ),
            MetricHistoryFound(metrics=(MetricMessage(key="m", value=2.0, step=-1),)),
        ],
    )
    page = runs_of(connection).metric_history(RUN_ID, query=MetricHistoryQuery(key="m"))
    assert [point.step for point in page.items] == [-1, 7]
    sizes = [request.max_results for request in connection.requests("getMetricHistory")]
    assert sizes == [None, 25_000, 25_000]


def test_a_history_whose_pages_have_no_end_is_a_fault_of_the_server(connect: Any) -> None:
    connection = connect(getMetricHistory=MetricHistoryFound(next_page_token="0"))
    with pytest.raises(StoreUnavailableError, match="no end"):
        runs_of(connection).metric_history(RUN_ID, query=MetricHistoryQuery(key="m"))


def test_a_history_is_narrowed_here_and_comes_in_pages(connect: Any) -> None:
    points = tuple(MetricMessage(key="m", value=1.0, step=step) for step in range(9))
    connection = connect(getMetricHistory=MetricHistoryFound(metrics=points))
    runs = runs_of(connection)
    query = MetricHistoryQuery(key="m", first_step=2, last_step=6, max_results=3)
    first = runs.metric_history(RUN_ID, query=query)
    assert [point.step for point in first.items] == [2, 3, 4]
    query = MetricHistoryQuery(
        key="m", first_step=2, last_step=6, max_results=3, page_token=first.next_page_token
    )
    assert [point.step for point in runs.metric_history(RUN_ID, query=query).items] == [5, 6]


def test_no_points_of_a_run_that_isnt_there_are_no_empty_history(connect: Any) -> None:
    connection = connect(version=(2, 22), getRun=NotFoundError(f"Run with id={RUN_ID} not found"))
    with pytest.raises(NotFoundError, match=RUN_ID):
        runs_of(connection).metric_history(RUN_ID, query=MetricHistoryQuery(key="m"))
