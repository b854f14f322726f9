"""Requests check themselves: what each refuses, with which sentence, and what it fills in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tracking_core.entities import Metric, ModelVersionStage, Param, RunTag
from tracking_core.errors import InvalidValueError
from tracking_core.stores import (
    EVERYTHING,
    HEADER_ONLY,
    RUN_NAME_TAG,
    USER_TAG,
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
    Projection,
    PurgeRequest,
    RegisteredModelChanges,
    RegisteredModelQuery,
    RunChanges,
    RunQuery,
    now,
)

NAN = float("nan")


def metric(*fields: Any, **named: Any) -> Callable[[], object]:
    return lambda: Batch(metrics=(Metric(*fields, **named),))


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: NewExperiment(name=""), "experiment name is empty"),
    (lambda: NewExperiment(name="a\0"), "holds a NUL"),
    (lambda: NewExperiment(name="a", experiment_id="a b"), "experiment id 'a b'"),
    (lambda: NewExperiment(name="a", creation_time=-1), "creation_time -1 is negative"),
    (lambda: NewExperiment(name="a", last_update_time=True), "last_update_time True"),
    (lambda: NewExperiment(name="a", tags={"a": 1}), "value of tag 'a' 1"),  # type: ignore[dict-item]
    (lambda: NewExperiment(name="a", tags={"../a": "1"}), "tag key '../a'"),
    (lambda: NewExperiment(name="a", artifact_location="runs:/a"), "points into a store"),
    (lambda: ExperimentChanges(name=" "), "experiment name is empty"),
    (lambda: ExperimentChanges(delete_tags=("a?",)), r"holds '\?'"),
    (lambda: ExperimentChanges(artifact_location=""), "artifact location ''"),
    (lambda: ExperimentChanges(last_update_time=-1), "last_update_time -1 is negative"),
    (lambda: RunChanges(deleted_time=1), "deleted_time goes with lifecycle_stage=DELETED alone"),
    (lambda: ModelVersionChanges(last_updated_timestamp=-1), "last_updated_timestamp -1"),
    (lambda: RegisteredModelChanges(last_updated_timestamp=-1), "last_updated_timestamp -1"),
    (
        lambda: LoggedModelChanges(log_metrics=(Metric("m", 1.0, 1),)),
        "'m' has no run_id; tell which",
    ),
    (lambda: LoggedModelChanges(last_updated_timestamp=-1), "last_updated_timestamp -1"),
    (lambda: ExperimentQuery(max_results=0), "max_results is 0; it must be from 1 to 50000"),
    (lambda: ExperimentQuery(max_results=50_001), "max_results is 50001"),
    (lambda: RunQuery(max_results=1.5), "max_results 1.5 is not a whole number"),  # type: ignore[arg-type]
    (lambda: RunQuery(page_token=5), "page token 5 is not a string"),  # type: ignore[arg-type]
    (lambda: RunQuery(filter="a = 1"), "pass parse_filter"),  # type: ignore[arg-type]
    (lambda: RunQuery(experiment_ids=("..",)), r"experiment id '\.\.'"),
    (lambda: NewRun(experiment_id=""), "experiment id ''"),
    (lambda: NewRun(experiment_id="1", run_name="x" * 501), "has 501 characters"),
    (lambda: NewRun(experiment_id="1", run_id="../x"), "run id '../x'"),
    (lambda: NewRun(experiment_id="1", start_time=-5), "start_time -5 is negative"),
    (lambda: NewRun(experiment_id="1", user_id="a\0"), "user id"),
    (lambda: NewRun(experiment_id="1", tags={"a": "\ud800"}), "lone surrogate"),
    (lambda: RunChanges(run_name=5), "run name 5"),  # type: ignore[arg-type]
    (lambda: RunChanges(end_time=-1), "end_time -1"),
    (metric("", 1.0, 1), "metric key is empty"),
    (metric("a/../b", 1.0, 1), "metric key 'a/../b'"),
    (metric("m", "1", 1), "value '1' of metric 'm'"),
    (metric("m", None, 1), "value None of metric 'm'"),
    (metric("m", True, 1), "value True of metric 'm'"),
    (metric("m", 1.0, -1), "timestamp -1 is negative"),
    (metric("m", 1.0, 1.5), "timestamp 1.5 is not a whole number"),
    (metric("m", 1.0, 1, 2**63), "step 9223372036854775808 doesn't fit"),
    (metric("m", 1.0, 1, "2"), "step '2' is not a whole number"),
    (metric("m", 1.0, 1, model_id="a/b"), "model id 'a/b'"),
    (metric("m", 1.0, 1, dataset_name="a\0"), "dataset name"),
    (lambda: Batch(params=(Param("a", 1),)), "value of param 'a' 1"),  # type: ignore[arg-type]
    (lambda: Batch(params=(Param("a//b", "1"),)), "param key 'a//b'"),
    (
        lambda: Batch(params=(Param("a", "1"), Param("a", "2"))),
        "'a' stands in one batch with two values, '1' and '2'",
    ),
    (lambda: Batch(tags=(RunTag("", "1"),)), "tag key is empty"),
    (lambda: Batch(tags=(RunTag("a", None),)), "value of tag 'a' None"),  # type: ignore[arg-type]
    (lambda: Batch(tags=(RunTag(RUN_NAME_TAG, "x" * 501),)), "run name"),
    (lambda: MetricHistoryQuery(key=".."), r"metric key '\.\.'"),
    (lambda: MetricHistoryQuery(key="m", max_results=0), "max_results is 0"),
    (lambda: PurgeRequest(run_ids=("a/b",)), "run id 'a/b'"),
    (lambda: PurgeRequest(experiment_ids=("",)), "experiment id ''"),
    (lambda: NewRegisteredModel(name="a/b"), "registered model name 'a/b'"),
    (lambda: NewRegisteredModel(name="a", description=None), "description None"),  # type: ignore[arg-type]
    (lambda: RegisteredModelChanges(set_aliases={"latest": 1}), "alias 'latest' is reserved"),
    (lambda: RegisteredModelChanges(set_aliases={"a": 0}), "model version 0"),
    (lambda: RegisteredModelChanges(delete_aliases=("v1",)), "alias 'v1' is reserved"),
    (lambda: NewModelVersion(name="a", source=" "), "source of the model version is empty"),
    (lambda: NewModelVersion(name="a", source="s", version=-1), "model version -1"),
    (lambda: NewModelVersion(name="a", source="s", run_id="?"), r"run id '\?'"),
    (
        lambda: ModelVersionChanges(archive_existing_versions=True),
        "goes with the stages Staging and Production alone, not with none",
    ),
    (
        lambda: ModelVersionChanges(
            archive_existing_versions=True, current_stage=ModelVersionStage.ARCHIVED
        ),
        "not with Archived",
    ),
    (lambda: ModelVersionQuery(max_results=200_001), "it must be from 1 to 200000"),
    (lambda: NewLoggedModel(experiment_id="1", name="a.b"), "logged model name 'a.b'"),
    (lambda: NewLoggedModel(experiment_id="1", params={"a": 1}), "value of param 'a' 1"),  # type: ignore[dict-item]
    (lambda: NewLoggedModel(experiment_id="1", model_id="/"), "model id '/'"),
    (lambda: LoggedModelChanges(log_params={"": "1"}), "param key is empty"),
    (lambda: LoggedModelQuery(experiment_ids=("a b",)), "experiment id 'a b'"),
]


@pytest.mark.parametrize(("make", "told"), BAD)
def test_a_bad_request_can_not_be_made(make: Callable[[], object], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        make()


def test_a_run_has_its_name_and_user_in_its_tags_too() -> None:
    new = NewRun(experiment_id="1", run_name="a", user_id="kim", tags={"b": "c"})
    assert new.tags == {"b": "c", RUN_NAME_TAG: "a", USER_TAG: "kim"}


def test_a_run_takes_its_name_and_user_from_its_tags() -> None:
    new = NewRun(experiment_id="1", tags={RUN_NAME_TAG: "a", USER_TAG: "kim"})
    assert (new.run_name, new.user_id) == ("a", "kim")


def test_a_given_name_wins_over_the_tag() -> None:
    new = NewRun(experiment_id="1", run_name="a", tags={RUN_NAME_TAG: "b"})
    assert (new.run_name, new.tags[RUN_NAME_TAG]) == ("a", "a")


def test_a_run_without_a_name_gets_a_random_one() -> None:
    names = {NewRun(experiment_id="1").run_name for _ in range(20)}
    assert len(names) > 10
    assert all(name and name.count("-") == 2 for name in names)


def test_a_run_starts_now_unless_it_is_told_when() -> None:
    before = now()
    start = NewRun(experiment_id="1").start_time
    assert start is not None
    assert before <= start <= now()
    assert NewRun(experiment_id="1", start_time=0).start_time == 0


def test_one_key_makes_one_run_id_and_another_key_another() -> None:
    first, again, other = (
        NewRun(experiment_id="1", idempotency_key=key).run_id for key in ("a", "a", "b")
    )
    assert first == again != other
    chosen = NewRun(experiment_id="1", idempotency_key="a", run_id="mine")
    assert chosen.run_id == "mine"


def test_a_request_does_not_change_what_it_was_made_of() -> None:
    tags = {"a": "1"}
    new = NewRun(experiment_id="1", run_name="name", tags=tags)
    assert tags == {"a": "1"}
    assert new.tags is not tags


def test_two_requests_share_no_mapping() -> None:
    assert NewExperiment(name="a").tags is not NewExperiment(name="b").tags
    assert ExperimentChanges().set_tags is not ExperimentChanges().set_tags


def test_requests_are_frozen() -> None:
    with pytest.raises(AttributeError):
        NewExperiment(name="a").name = "b"  # type: ignore[misc]


def test_the_values_of_a_batch_become_floats_and_nan_is_legal() -> None:
    batch = Batch(metrics=(Metric("m", 3, 1), Metric("m", NAN, 1)))
    assert [type(point.value) for point in batch.metrics] == [float, float]


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (Metric("m", 0.5, -1), "The timestamp -1 is negative"),
        (Metric("m", 0.5, 2**63), "doesn't fit into 64 bits"),
        (Metric("m", 0.5, True), "The timestamp True is not a whole number"),
        (Metric("m", 0.5, 0, 2**63), "doesn't fit into 64 bits"),
        (Metric("m", 0.5, 0, -(2**63) - 1), "doesn't fit into 64 bits"),
        (Metric("m", 0.5, 0, "1"), "The step '1' is not a whole number"),  # type: ignore[arg-type]
        (Metric("m", "0.5", 0), "give a number"),  # type: ignore[arg-type]
        (Metric("../m", 0.5, 0), "metric key"),
        (Metric("m", 0.5, 0, model_id="../x"), "model id"),
        (Metric("m", 0.5, 0, dataset_name="a\0"), "dataset name"),
        (Metric("m", 0.5, 0, dataset_digest="a\0"), "dataset digest"),
    ],
)
def test_a_bad_point_is_refused_behind_sound_ones_of_its_key_too(
    bad: Metric, sentence: str
) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(sentence)):
        Batch(metrics=(Metric("m", 0.1, 0), Metric("m", 0.2, 0), bad))


def test_numbers_behind_sound_points_of_their_key_become_floats_too() -> None:
    values = [
        point.value for point in Batch(metrics=(Metric("m", 0.1, 0), Metric("m", 2, 0))).metrics
    ]
    assert [type(value) for value in values] == [float, float]


def test_equal_params_of_a_batch_become_one() -> None:
    batch = Batch(params=(Param("a", "1"), Param("a", "1"), Param("b", "2")))
    assert batch.params == (Param("a", "1"), Param("b", "2"))
    assert len(batch) == 2


def test_the_projections_say_what_they_leave_out() -> None:
    assert EVERYTHING.is_everything
    assert not HEADER_ONLY.is_everything
    assert not Projection(inputs=False).is_everything


def test_aliases_take_versions_as_text() -> None:
    changes = RegisteredModelChanges(set_aliases={"best": "3"})  # type: ignore[dict-item]
    assert changes.set_aliases == {"best": 3}


@pytest.mark.parametrize(
    ("query", "size"),
    [
        (RunQuery(), 1000),
        (ExperimentQuery(), 1000),
        (RegisteredModelQuery(), 100),
        (ModelVersionQuery(), 10_000),
        (LoggedModelQuery(), 100),
    ],
)
def test_the_pages_have_mlflows_sizes_unless_told(query: Any, size: int) -> None:
    assert query.max_results == size


def test_a_default_is_in_every_field_but_those_that_name_the_thing() -> None:
    required = {
        request.__name__: [
            field.name for field in msgspec.structs.fields(request) if field.required
        ]
        for request in (NewExperiment, NewRun, NewRegisteredModel, NewModelVersion, Batch, RunQuery)
    }
    assert required == {
        "NewExperiment": ["name"],
        "NewRun": ["experiment_id"],
        "NewRegisteredModel": ["name"],
        "NewModelVersion": ["name", "source"],
        "Batch": [],
        "RunQuery": [],
    }
