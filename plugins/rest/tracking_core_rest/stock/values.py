"""How values in a stock server's answers are meant."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable

from msgspec.structs import replace

from tracking_core.entities import LoggedModel, Metric, ModelVersion, RegisteredModel, Run
from tracking_core.entities import latest_metrics as latest_of
from tracking_core.wire.messages.logged_models import LoggedModelMessage
from tracking_core.wire.messages.metrics import MetricMessage
from tracking_core.wire.messages.registry import ModelVersionMessage, RegisteredModelMessage
from tracking_core.wire.messages.runs import RunMessage

_LARGEST = sys.float_info.max
_LOGGED_MODEL = re.compile("models:/(m-[0-9a-f]{32})")


def point_of(message: MetricMessage) -> Metric:
    """Return a point; MLflow stores the largest double for infinity."""
    return _meant(message.entity())


def run_of(message: RunMessage | None) -> Run:
    """Return a run."""
    run = (message or RunMessage()).entity()
    points = run.data.latest_metrics
    if all(abs(point.value) < _LARGEST for point in points):
        return run
    return replace(run, data=replace(run.data, latest_metrics=tuple(map(_meant, points))))


def logged_model_of(message: LoggedModelMessage | None) -> LoggedModel:
    """Return a logged model; servers send each point, of which the latest count."""
    model = (message or LoggedModelMessage()).entity()
    return replace(model, metrics=_latest(model.metrics))


def version_of(message: ModelVersionMessage | None) -> ModelVersion:
    """Return a model version.

    Over a database a server forgets which logged model it is, unless its source says so.
    """
    version = (message or ModelVersionMessage()).entity()
    if version.metrics:
        version = replace(version, metrics=_latest(version.metrics))
    source = _LOGGED_MODEL.fullmatch(version.source)
    if source and version.model_id is None:
        return replace(version, model_id=source[1])
    return version


def registered_model_of(message: RegisteredModelMessage | None) -> RegisteredModel:
    """Return a registered model."""
    return (message or RegisteredModelMessage()).entity()


def _meant(point: Metric) -> Metric:
    if abs(point.value) < _LARGEST or math.isnan(point.value):
        return point
    return replace(point, value=math.copysign(math.inf, point.value))


def _latest(points: Iterable[Metric]) -> tuple[Metric, ...]:
    by_place: dict[tuple[str, str | None, str | None], Metric] = {}
    for point in map(_meant, points):
        place = (point.key, point.dataset_name, point.dataset_digest)
        known = by_place.get(place)
        by_place[place] = point if known is None else latest_of((known, point))[point.key]
    return tuple(by_place.values())
