"""What memory stores hold, and how those of one name share it."""

from __future__ import annotations

import os
import threading
import weakref
from dataclasses import dataclass, field

from tracking_core.entities import (
    Experiment,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    Webhook,
    latest_metrics,
)
from tracking_core.stores.requests import new_id


@dataclass(slots=True)
class RunRecord:
    """A run, in parts that can be changed; `info` has the run's own stage."""

    info: RunInfo
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    points: dict[str, list[Metric]] = field(default_factory=dict)
    latest: dict[str, Metric] = field(default_factory=dict)
    inputs: RunInputs = field(default_factory=RunInputs)
    outputs: RunOutputs = field(default_factory=RunOutputs)
    idempotency_key: str | None = None
    batch_keys: set[str] = field(default_factory=set)

    def add(self, point: Metric) -> None:
        """Add a point to its metric's history."""
        self.points.setdefault(point.key, []).append(point)
        known = (self.latest[point.key],) if point.key in self.latest else ()
        self.latest.update(latest_metrics((*known, point)))

    def to_run(self) -> Run:
        """Return the run as it is now, independent of later changes."""
        return Run(
            info=self.info,
            data=RunData(
                latest_metrics=tuple(self.latest[key] for key in sorted(self.latest)),
                params=dict(self.params),
                tags=dict(self.tags),
            ),
            inputs=self.inputs,
            outputs=self.outputs,
        )


@dataclass(slots=True)
class RegisteredModelRecord:
    """A registered model; `model` without its latest versions, the versions without aliases."""

    model: RegisteredModel
    versions: dict[int, ModelVersion] = field(default_factory=dict)
    last_version: int = 0
    used_versions: set[int] = field(default_factory=set)
    version_by_idempotency_key: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class LoggedModelRecord:
    """A logged model; its metrics apart, by key, data set's name and digest."""

    model: LoggedModel
    metrics: dict[tuple[str, str | None, str | None], Metric] = field(default_factory=dict)

    def add(self, point: Metric) -> None:
        """Take a point that a run logged, if it is the latest of its key and data set."""
        place = (point.key, point.dataset_name, point.dataset_digest)
        known = (self.metrics[place],) if place in self.metrics else ()
        self.metrics[place] = latest_metrics((*known, point))[point.key]


@dataclass(slots=True)
class WebhookRecord:
    """A webhook and what its deliveries are signed with."""

    webhook: Webhook
    secret: str | None


class State:
    """Everything in a memory store, guarded by one lock that whoever reads or writes it holds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.RLock()
        self.experiments: dict[str, Experiment] = {}
        self.experiment_ids: dict[str, str] = {}
        """By name."""
        self.runs: dict[str, RunRecord] = {}
        self.run_ids: dict[str, dict[str, None]] = {}
        """By experiment, in the order of their creation."""
        self.registered_models: dict[str, RegisteredModelRecord] = {}
        self.logged_models: dict[str, LoggedModelRecord] = {}
        self.webhooks: dict[str, WebhookRecord] = {}
        with _lock:
            _all.add(self)


_lock = threading.RLock()
_all: weakref.WeakSet[State] = weakref.WeakSet()
_shared: dict[str, State] = {}
_held: list[State] = []


def state_of(name: str) -> State:
    """Return the state that all stores of a name share; with no name, a new one."""
    if not name:
        return State(new_id())
    with _lock:
        return _shared.get(name) or _shared.setdefault(name, State(name))


def _before_fork() -> None:
    """Wait until no thread is in the middle of a change, which the child could never finish."""
    _lock.acquire()
    _held[:] = _all
    for state in _held:
        state.lock.acquire()


def _after_fork() -> None:
    for state in _held:
        state.lock.release()
    _held.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
