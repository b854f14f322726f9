"""Enums of the wire, which senders write as names or as numbers."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TypeVar

from tracking_core.entities import (
    LoggedModelStatus,
    ModelVersionStage,
    ModelVersionStatus,
    RunStatus,
    ViewType,
    WebhookEvent,
    WebhookStatus,
)
from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation

E = TypeVar("E", bound=enum.Enum)

_RUN_STATUSES = {status.number: status for status in RunStatus}
_VIEW_TYPES = {view.value: view for view in ViewType}
_LOGGED_MODEL_STATUSES = {
    LoggedModelStatus.PENDING: "LOGGED_MODEL_PENDING",
    LoggedModelStatus.READY: "LOGGED_MODEL_READY",
    LoggedModelStatus.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
_LOGGED_MODELS_BY_NAME = {name: status for status, name in _LOGGED_MODEL_STATUSES.items()}
_VERSION_STATUSES = (
    ModelVersionStatus.PENDING_REGISTRATION,
    ModelVersionStatus.FAILED_REGISTRATION,
    ModelVersionStatus.READY,
)
_STAGES = {stage.value.lower(): stage for stage in ModelVersionStage}


def run_status(value: str | int) -> RunStatus:
    """Return a run's status.

    Raises:
        InvalidValueError: None has this name or number.
    """
    if value in RunStatus.__members__:
        return RunStatus[str(value)]
    return _found(_RUN_STATUSES.get(_number(value)), value, "run status", RunStatus.__members__)


def view_type(value: str | int | None) -> ViewType:
    """Return which lifecycle stages a search looks at; the active ones if it doesn't say.

    Raises:
        InvalidValueError: None has this name or number.
    """
    if value is None:
        return ViewType.ACTIVE_ONLY
    if value in ViewType.__members__:
        return ViewType[str(value)]
    return _found(_VIEW_TYPES.get(_number(value)), value, "view type", ViewType.__members__)


def logged_model_status_name(status: LoggedModelStatus) -> str:
    """Return the wire's name of a logged model's status."""
    return _LOGGED_MODEL_STATUSES[status]


def logged_model_status(value: str | int) -> LoggedModelStatus:
    """Return a logged model's status.

    Raises:
        InvalidValueError: None has this name or number.
    """
    by_number = dict(enumerate(_LOGGED_MODEL_STATUSES, start=1))
    found = _LOGGED_MODELS_BY_NAME.get(str(value)) or by_number.get(_number(value))
    return _found(found, value, "status of a logged model", _LOGGED_MODELS_BY_NAME)


def version_status(value: str | int) -> ModelVersionStatus:
    """Return a model version's status.

    Raises:
        InvalidValueError: None has this name or number.
    """
    by_number = dict(enumerate(_VERSION_STATUSES, start=1))
    found = ModelVersionStatus.__members__.get(str(value)) or by_number.get(_number(value))
    return _found(found, value, "status of a model version", ModelVersionStatus.__members__)


def stage(value: str) -> ModelVersionStage:
    """Return a stage; case doesn't matter, as in MLflow.

    Raises:
        InvalidValueError: There is none of this name.
    """
    return _found(
        _STAGES.get(value.lower()), value, "stage", [each.value for each in ModelVersionStage]
    )


# In the order of MLflow's numbers, from 1.
_WEBHOOK_ENTITIES = (
    "registered_model",
    "model_version",
    "model_version_tag",
    "model_version_alias",
    "prompt",
    "prompt_version",
    "prompt_tag",
    "prompt_version_tag",
    "prompt_alias",
)
_WEBHOOK_ACTIONS = ("created", "updated", "deleted", "set")


def webhook_status(value: str | int | None) -> WebhookStatus:
    """Return a webhook's status; ACTIVE if it isn't said.

    Raises:
        InvalidValueError: None has this name or number.
    """
    if value is None:
        return WebhookStatus.ACTIVE
    by_number = dict(enumerate(WebhookStatus, start=1))
    found = WebhookStatus.__members__.get(str(value)) or by_number.get(_number(value))
    return _found(found, value, "status of a webhook", WebhookStatus.__members__)


def webhook_event(entity: str | int, action: str | int) -> WebhookEvent:
    """Return the event of an entity and an action.

    Raises:
        InvalidValueError: There is none.
    """
    name = f"{_word(entity, _WEBHOOK_ENTITIES)}.{_word(action, _WEBHOOK_ACTIONS)}"
    known = {each.value: each for each in WebhookEvent}
    return _found(known.get(name), name, "event of webhooks", known)


def _word(value: str | int, words: tuple[str, ...]) -> str:
    number = _number(value)
    return words[number - 1] if 1 <= number <= len(words) else str(value).lower()


def _number(value: str | int) -> int:
    """Return the number that text may be; 0, which no enum has, for what is none of theirs."""
    if isinstance(value, int):
        return value
    # No longer ones: from some length on Python refuses to read them.
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0


def _found(found: E | None, value: object, what: str, known: Iterable[str]) -> E:
    if found is None:
        raise InvalidValueError(
            f"There is no {what} {validation.shown(value)}; known are {', '.join(known)}."
        )
    return found
