"""What was said by calls about system metrics, for runs that start from now on."""

from __future__ import annotations

import msgspec

from tracking_core.errors import InvalidValueError
from tracking_core.stores.validation import check_key, shown


class Chosen(msgspec.Struct):
    """What was chosen; None: what the settings say."""

    enabled: bool | None = None
    interval: float | None = None
    samples: int | None = None
    node_id: str | None = None


_chosen = Chosen()


def chosen() -> Chosen:
    """Return what was chosen."""
    return _chosen


def enabled() -> bool | None:
    """Return whether system metrics were switched on or off, or None."""
    return _chosen.enabled


def enable_system_metrics_logging() -> None:
    """Log CPU, memory, disk, network and GPUs of this machine in runs that start from now on."""
    _chosen.enabled = True


def disable_system_metrics_logging() -> None:
    """Log no system metrics in runs that start from now on, unless they ask for it."""
    _chosen.enabled = False


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Set the seconds between samples; None: what the settings say.

    Raises:
        InvalidValueError: It isn't a positive number.
    """
    if interval is not None and not (type(interval) in (int, float) and interval > 0):
        raise InvalidValueError(f"The sampling interval {shown(interval)} is no positive number.")
    _chosen.interval = interval


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Set how many samples are averaged into one point; None: what the settings say.

    Raises:
        InvalidValueError: It isn't a whole number from 1.
    """
    if samples is not None and not (type(samples) is int and samples > 0):
        raise InvalidValueError(f"The samples {shown(samples)} are not a whole number from 1.")
    _chosen.samples = samples


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Set what tells this machine's metrics apart in a run of several; None: as the settings say.

    Raises:
        InvalidValueError: It can't be a part of a metric's name.
    """
    if node_id is not None:
        check_key(node_id, what="node id")
    _chosen.node_id = node_id
