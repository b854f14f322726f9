"""Enums come as names or as numbers, and what is neither is a sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tracking_core.entities import (
    LoggedModelStatus,
    ModelVersionStage,
    ModelVersionStatus,
    RunStatus,
    ViewType,
)
from tracking_core.errors import InvalidValueError
from tracking_core.wire.messages.enums import (
    logged_model_status,
    logged_model_status_name,
    run_status,
    stage,
    version_status,
    view_type,
)


@pytest.mark.parametrize(
    ("read", "name", "number", "value"),
    [
        (run_status, "RUNNING", 1, RunStatus.RUNNING),
        (run_status, "SCHEDULED", 2, RunStatus.SCHEDULED),
        (run_status, "FINISHED", 3, RunStatus.FINISHED),
        (run_status, "FAILED", 4, RunStatus.FAILED),
        (run_status, "KILLED", 5, RunStatus.KILLED),
        (view_type, "ACTIVE_ONLY", 1, ViewType.ACTIVE_ONLY),
        (view_type, "DELETED_ONLY", 2, ViewType.DELETED_ONLY),
        (view_type, "ALL", 3, ViewType.ALL),
        (logged_model_status, "LOGGED_MODEL_PENDING", 1, LoggedModelStatus.PENDING),
        (logged_model_status, "LOGGED_MODEL_READY", 2, LoggedModelStatus.READY),
        (logged_model_status, "LOGGED_MODEL_UPLOAD_FAILED", 3, LoggedModelStatus.FAILED),
        (version_status, "PENDING_REGISTRATION", 1, ModelVersionStatus.PENDING_REGISTRATION),
        (version_status, "FAILED_REGISTRATION", 2, ModelVersionStatus.FAILED_REGISTRATION),
        (version_status, "READY", 3, ModelVersionStatus.READY),
    ],
)
def test_names_numbers_and_numbers_as_text_mean_the_same(
    read: Callable[[str | int], object], name: str, number: int, value: object
) -> None:
    assert read(name) is read(number) is value
    assert read(str(number)) is value


@pytest.mark.parametrize("read", [run_status, view_type, logged_model_status, version_status])
@pytest.mark.parametrize(
    "value", ["", "nothing", "running", "-1", 0, 6, -1, 2**70, "٣", "²", "1" * 5_000, "1.0"]
)
def test_what_is_no_name_and_no_number_of_one_is_a_sentence(
    read: Callable[[str | int], object], value: str | int
) -> None:
    with pytest.raises(InvalidValueError, match="known are") as caught:
        read(value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("status", LoggedModelStatus)
def test_the_status_of_a_logged_model_has_a_name_of_its_own_on_the_wire(
    status: LoggedModelStatus,
) -> None:
    assert logged_model_status(logged_model_status_name(status)) is status


@pytest.mark.parametrize("each", ModelVersionStage)
def test_stages_are_read_in_any_case(each: ModelVersionStage) -> None:
    assert stage(each.value.upper()) is stage(each.value.lower()) is each


def test_a_stage_that_there_is_not_is_a_sentence() -> None:
    with pytest.raises(InvalidValueError, match="known are None, Staging, Production, Archived"):
        stage("Nirvana")


def test_a_search_that_names_no_view_sees_what_is_active() -> None:
    assert view_type(None) is ViewType.ACTIVE_ONLY
