"""Entities: values with MLflow's names."""

from __future__ import annotations

import inspect
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core import entities
from tracking_core.entities import (
    LifecycleStage,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    ModelVersionStage,
    RunData,
    RunStatus,
    ViewType,
    latest_metrics,
)

STRUCTS = [
    value
    for value in (getattr(entities, name) for name in entities.__all__)
    if inspect.isclass(value) and issubclass(value, msgspec.Struct)
]


@pytest.mark.parametrize("struct", STRUCTS)
def test_an_entity_is_frozen_and_a_value(struct: type[msgspec.Struct]) -> None:
    assert struct.__struct_config__.frozen
    assert struct.__struct_config__.eq


def test_the_numbers_of_statuses_are_those_of_the_wire_and_lead_back() -> None:
    assert {status.name: status.number for status in RunStatus} == {
        "RUNNING": 1,
        "SCHEDULED": 2,
        "FINISHED": 3,
        "FAILED": 4,
        "KILLED": 5,
    }
    assert [LoggedModelStatus.from_number(number).value for number in (1, 2, 3)] == [
        "PENDING",
        "READY",
        "FAILED",
    ]
    for status in RunStatus:
        assert RunStatus.from_number(status.number) is status
        assert RunStatus.from_string(RunStatus.to_string(status)) is status
    for model_status in LoggedModelStatus:
        assert LoggedModelStatus.from_number(model_status.number) is model_status


@pytest.mark.parametrize("number", [0, 6, -1])
def test_a_number_of_no_status_is_a_key_error(number: int) -> None:
    with pytest.raises(KeyError):
        RunStatus.from_number(number)
    with pytest.raises(KeyError):
        LoggedModelStatus.from_number(number)


def test_a_run_has_ended_one_way_or_another_or_goes_on() -> None:
    ended = {status.name for status in RunStatus if status.is_terminated}
    assert ended == {"FINISHED", "FAILED", "KILLED"}


def test_enumerations_read_as_their_values() -> None:
    assert f"{RunStatus.RUNNING} {LifecycleStage.DELETED} {ModelVersionStage.NONE}" == (
        "RUNNING deleted None"
    )


def test_a_view_includes_its_stages() -> None:
    active, deleted = LifecycleStage.ACTIVE, LifecycleStage.DELETED
    assert [(view.includes(active), view.includes(deleted)) for view in ViewType] == [
        (True, False),
        (False, True),
        (True, True),
    ]


def test_the_metrics_of_a_run_are_its_latest_values_by_key() -> None:
    data = RunData(latest_metrics=(Metric("a", 1.0, 5), Metric("b", 2.0, 5, 3)))
    assert data.metrics == {"a": 1.0, "b": 2.0}


def test_the_uri_of_a_logged_model_loads_it() -> None:
    assert LoggedModel(model_id="m-1", experiment_id="1", name="a").model_uri == "models:/m-1"


POINTS = st.builds(
    Metric,
    st.sampled_from(["a", "b"]),
    st.sampled_from([0.0, 1.0, -1.0, math.nan, math.inf, -math.inf]),
    timestamp=st.integers(0, 2),
    step=st.integers(-1, 1),
)


@given(st.lists(POINTS, max_size=12))
def test_the_latest_point_has_no_greater_beside_it_whatever_the_order(
    points: list[Metric],
) -> None:
    latest = latest_metrics(points)
    assert latest.keys() == {point.key for point in points}
    for point in points:
        known = latest[point.key]
        assert (known.step, known.timestamp) >= (point.step, point.timestamp)
        if (known.step, known.timestamp) == (point.step, point.timestamp):
            assert math.isnan(point.value) or known.value >= point.value
    backwards = latest_metrics(reversed(points))
    assert {key: repr(each) for key, each in backwards.items()} == {
        key: repr(each) for key, each in latest.items()
    }
