"""What the directories of models hold: registered ones, their versions, logged ones."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

from tracking_core.entities import (
    LifecycleStage,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.errors import CorruptDataError, InvalidValueError
from tracking_core.stores import validation
from tracking_core_file.facet import integer_or_none
from tracking_core_file.files import read, read_text
from tracking_core_file.keys import keys_in
from tracking_core_file.layout import META, METRICS, PARAMS, TAGS
from tracking_core_file.metric_lines import decode_field, encode_field
from tracking_core_file.relocation import current_location, current_source, has_custom_location

DELETED_VERSION = "Deleted_Internal"
"""The stage that MLflow leaves in a version that was deleted, so that its number stays used."""

ALIASES = "aliases"
VERSION_PREFIX = "version-"


def texts_in(directory: str, part: str) -> dict[str, str]:
    """Return the text of each key of a part, in order of key."""
    return {key: read_text(path) for key, path in sorted(keys_in(directory, part))}


def aliases_in(directory: str) -> dict[str, int]:
    """Return version by alias; what holds no number is passed over."""
    parent = os.path.join(directory, ALIASES)
    try:
        names = sorted(os.listdir(parent))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = {}
    for name in names:
        path = os.path.join(parent, name)
        with contextlib.suppress(
            FileNotFoundError, IsADirectoryError, CorruptDataError, InvalidValueError
        ):
            found[name] = validation.check_version(read_text(path).strip())
    return found


def alias_texts(aliases: Mapping[str, int]) -> dict[str, str]:
    """Return how the `meta.yaml` of a registered model repeats its aliases."""
    return {alias: str(version) for alias, version in sorted(aliases.items())}


def registered_model_from_meta(meta: dict[str, Any], directory: str) -> RegisteredModel:
    """Return a registered model without its latest versions; its directory names it."""
    return RegisteredModel(
        name=os.path.basename(directory),
        creation_timestamp=integer_or_none(meta.get("creation_timestamp")) or 0,
        last_updated_timestamp=integer_or_none(meta.get("last_updated_timestamp")) or 0,
        description=str(meta.get("description") or ""),
        tags=texts_in(directory, TAGS),
        aliases=aliases_in(directory),
    )


def registered_model_meta(model: RegisteredModel, old: dict[str, Any]) -> dict[str, Any]:
    """Return the `meta.yaml` of a registered model; what `old` has besides stays."""
    ours = {
        "aliases": alias_texts(model.aliases),
        "creation_timestamp": model.creation_timestamp,
        "description": model.description or None,
        "last_updated_timestamp": model.last_updated_timestamp,
        "name": model.name,
    }
    rest = {"deployment_job_id": None, "deployment_job_state": None, "workspace": "default"}
    return rest | old | ours


def version_from_meta(meta: dict[str, Any], directory: str, root: str) -> ModelVersion | None:
    """Return a version without its aliases; None if it is deleted.

    Raises:
        CorruptDataError: Its stage or status is none that there is.
    """
    if meta.get("current_stage") == DELETED_VERSION:
        return None
    try:
        stage = ModelVersionStage(str(meta.get("current_stage") or "None"))
        status = ModelVersionStatus(str(meta.get("status") or "READY"))
    except ValueError as error:
        raise CorruptDataError(f"{os.path.join(directory, META)!r} is wrong: {error}.") from error
    return ModelVersion(
        name=os.path.basename(os.path.dirname(directory)),
        version=int(os.path.basename(directory)[len(VERSION_PREFIX) :]),
        creation_timestamp=integer_or_none(meta.get("creation_timestamp")) or 0,
        last_updated_timestamp=integer_or_none(meta.get("last_updated_timestamp")) or 0,
        description=str(meta.get("description") or ""),
        user_id=_text(meta.get("user_id")),
        current_stage=stage,
        source=current_source(str(meta.get("source") or ""), root=root),
        run_id=_text(meta.get("run_id")),
        run_link=_text(meta.get("run_link")),
        status=status,
        status_message=_text(meta.get("status_message")),
        tags=texts_in(directory, TAGS),
        model_id=_text(meta.get("model_id")),
    )


def version_meta(version: ModelVersion, old: dict[str, Any]) -> dict[str, Any]:
    """Return the `meta.yaml` of a version; what `old` has besides stays."""
    ours = {
        "creation_timestamp": version.creation_timestamp,
        "current_stage": version.current_stage.value,
        "description": version.description or None,
        "last_updated_timestamp": version.last_updated_timestamp,
        "model_id": version.model_id,
        "name": version.name,
        "run_id": version.run_id,
        "run_link": version.run_link,
        "source": version.source,
        "status": version.status.value,
        "status_message": version.status_message,
        "user_id": version.user_id,
        "version": version.version,
    }
    if version.source != old.get("source") or not old.get("storage_location"):
        # MLflow notes there what a source of the form `models:/` led to.
        ours["storage_location"] = version.source
    return {"deployment_job_state": None, "workspace": "default"} | old | ours


def logged_model_from_meta(meta: dict[str, Any], directory: str, root: str) -> LoggedModel:
    """Return a logged model with its params, tags and metrics.

    Raises:
        CorruptDataError: Its status is none that there is.
    """
    model_id = os.path.basename(directory)
    experiment_directory = os.path.dirname(os.path.dirname(directory))
    experiment_id = os.path.basename(experiment_directory)
    try:
        status = LoggedModelStatus.from_number(int(meta.get("status") or 1))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(
            f"{os.path.join(directory, META)!r} has the status {meta.get('status')!r}, which is"
            " none."
        ) from error
    suffix = (experiment_id, "models", model_id, "artifacts")
    recorded = str(meta.get("artifact_location") or "")
    location = current_location(recorded, suffix=suffix, root=root)
    if location != recorded and has_custom_location(experiment_directory):
        location = recorded
    deleted = meta.get("lifecycle_stage") == LifecycleStage.DELETED.value
    return LoggedModel(
        model_id=model_id,
        experiment_id=experiment_id,
        name=str(meta.get("name") or model_id),
        artifact_location=location,
        creation_timestamp=integer_or_none(meta.get("creation_timestamp")) or 0,
        last_updated_timestamp=integer_or_none(meta.get("last_updated_timestamp")) or 0,
        status=status,
        status_message=_text(meta.get("status_message")),
        model_type=_text(meta.get("model_type")),
        source_run_id=_text(meta.get("source_run_id")),
        tags=texts_in(directory, TAGS),
        params=texts_in(directory, PARAMS),
        metrics=latest_model_points(directory),
        lifecycle_stage=LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE,
    )


def logged_model_meta(model: LoggedModel, old: dict[str, Any]) -> dict[str, Any]:
    """Return the `meta.yaml` of a logged model; what `old` has besides stays."""
    ours = {
        "artifact_location": model.artifact_location,
        "creation_timestamp": model.creation_timestamp,
        "experiment_id": model.experiment_id,
        "last_updated_timestamp": model.last_updated_timestamp,
        "model_id": model.model_id,
        "model_type": model.model_type,
        "name": model.name,
        "source_run_id": model.source_run_id,
        "status": model.status.number,
        "status_message": model.status_message,
    }
    # MLflow needs the stage of deleted ones alone.
    if model.lifecycle_stage is LifecycleStage.DELETED:
        ours["lifecycle_stage"] = model.lifecycle_stage.value
    return old | ours


def format_model_point(point: Metric, run_id: str) -> bytes:
    """Return a point's line in a logged model's file: a run's line with the run's id in it."""
    line = f"{point.timestamp} {point.value!r} {point.step} {run_id}"
    if point.dataset_name is not None or point.dataset_digest is not None:
        line += f" {encode_field(point.dataset_name)} {encode_field(point.dataset_digest)}"
    return f"{line}\n".encode()


def latest_model_points(directory: str) -> tuple[Metric, ...]:
    """Return the latest point for each key and data set of a logged model."""
    latest: dict[tuple[str, str, str], Metric] = {}
    for key, path in keys_in(directory, METRICS):
        for point in _model_points(key, read(path), os.path.basename(directory)):
            place = (key, point.dataset_name or "", point.dataset_digest or "")
            if place not in latest or _recency(point) >= _recency(latest[place]):
                latest[place] = point
    return tuple(latest[place] for place in sorted(latest))


def _model_points(key: str, content: bytes, model_id: str) -> Iterable[Metric]:
    for line in content.split(b"\n")[:-1]:
        fields = line.decode("utf-8", "replace").split(" ")
        try:
            timestamp, value, step = int(fields[0]), float(fields[1]), int(fields[2])
            run_id = fields[3]
        except (ValueError, IndexError):
            continue
        name, digest = None, None
        if len(fields) >= 6:
            name, digest = decode_field(" ".join(fields[4:-1])), decode_field(fields[-1])
        yield Metric(key, value, timestamp, step, model_id, name, digest, run_id)


def _recency(point: Metric) -> tuple[int, int, bool, float]:
    is_number = not math.isnan(point.value)
    return (point.step, point.timestamp, is_number, point.value if is_number else 0.0)


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)
