"""Words of the API, such as `FINISHED` or `Staging`, as the entities' values."""

from __future__ import annotations

import enum
from typing import TypeVar

from tracking_core.entities import LoggedModelStatus, ModelVersionStage, RunStatus, ViewType
from tracking_core.errors import InvalidValueError
from tracking_core.stores.validation import shown

Choice = TypeVar("Choice", RunStatus, LoggedModelStatus, ModelVersionStage)


def run_status_of(status: object) -> RunStatus:
    """Return a run's status by its name, in any case, or by MLflow's number.

    Raises:
        InvalidValueError: There is no such status.
    """
    if isinstance(status, int) and not isinstance(status, (bool, enum.Enum)):
        try:
            return RunStatus.from_number(status)
        except KeyError:
            pass
    return _chosen(status, RunStatus, what="run status")


def logged_model_status_of(status: object) -> LoggedModelStatus:
    """Return a logged model's status by its name, in any case.

    Raises:
        InvalidValueError: There is no such status.
    """
    return _chosen(status, LoggedModelStatus, what="status of a logged model")


def stage_of(stage: object) -> ModelVersionStage:
    """Return a model version's stage by its name, in any case.

    Raises:
        InvalidValueError: There is no such stage.
    """
    return _chosen(stage, ModelVersionStage, what="stage")


def view_type_of(view_type: object) -> ViewType:
    """Return a view of lifecycle stages by its number.

    Raises:
        InvalidValueError: There is no such view.
    """
    try:
        return ViewType(view_type)  # type: ignore[arg-type] # a wrong type is what is looked for
    except ValueError:
        raise InvalidValueError(
            f"The view type {shown(view_type)} is not one of ViewType.ACTIVE_ONLY (1),"
            " ViewType.DELETED_ONLY (2) and ViewType.ALL (3)."
        ) from None


def _chosen(value: object, kind: type[Choice], *, what: str) -> Choice:
    text = str(value).lower()
    for choice in kind:
        if isinstance(value, str) and choice.value.lower() == text:
            return choice
    raise InvalidValueError(
        f"The {what} {shown(value)} is not one of {', '.join(each.value for each in kind)}."
    )
