"""How single values of an MLflow database are meant."""

from __future__ import annotations

import math
import sys
from typing import Any

from tracking_core.entities import LifecycleStage, RunStatus
from tracking_core.errors import CorruptDataError

LARGEST = sys.float_info.max
"""What MLflow stores for infinity."""


def double(value: float | None, is_nan: Any = False) -> float:
    """Return the value of a metric: NaN is 0 or NULL, and infinity the largest double."""
    if is_nan or value is None:
        return math.nan
    value = float(value)
    if abs(value) >= LARGEST:
        return math.copysign(math.inf, value)
    return value


def stored(value: float) -> float:
    """Return what MLflow stores for a number that isn't NaN."""
    return math.copysign(LARGEST, value) if math.isinf(value) else value


def stage(value: str | None) -> LifecycleStage:
    """Return a lifecycle stage; none is that of rows from before there were any."""
    return LifecycleStage.DELETED if value == "deleted" else LifecycleStage.ACTIVE


def run_status(value: str | None, run_id: str) -> RunStatus:
    """Return the status of a run.

    Raises:
        CorruptDataError: There is no such status.
    """
    if value is None:
        return RunStatus.SCHEDULED
    try:
        return RunStatus(value)
    except ValueError:
        known = ", ".join(RunStatus)
        raise CorruptDataError(
            f"The run {run_id!r} has the status {value!r}, which is none of {known}."
        ) from None


def experiment_number(experiment_id: str) -> int | None:
    """Return the number of an experiment's id; None if MLflow never makes such an id."""
    if not experiment_id.isascii() or not experiment_id.isdigit() or len(experiment_id) > 18:
        return None
    number = int(experiment_id)
    return number if str(number) == experiment_id else None


def is_storable(text: str) -> bool:
    """Tell whether a database can hold a text at all; one that can't is equal to nothing in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
