"""When an entity of the source and one of the destination are the same."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
)
from tracking_core.stores.validation import shown

Fields: TypeAlias = dict[str, Any]
"""What counts of an entity, by name: built-in values, in an order that stores can't change."""

_TIMES = ("creation_time", "last_update_time", "start_time")
_PLACES = ("artifact_uri", "artifact_location", "source")
_ABSENT = "nothing"

_encode = msgspec.msgpack.Encoder(order="sorted").encode


class Sameness:
    """What of entities has to be equal.

    What the source itself doesn't know, such as the time at which MLflow 1 deleted a run, is made
    up by the destination, and not compared. Places aren't compared if files move.

    Args:
        files_move: Whether the files are copied too, to places of the destination's choice.
    """

    def __init__(self, *, files_move: bool) -> None:
        self.files_move = files_move
        self._unknown: set[tuple[str, str]] = set()

    @property
    def unknown(self) -> int:
        """How many fields the source doesn't know."""
        return len(self._unknown)

    def experiment(self, experiment: Experiment, *, source: bool) -> Fields:
        """Return what counts of an experiment."""
        fields = {
            "name": experiment.name,
            "artifact_location": experiment.artifact_location,
            "lifecycle_stage": experiment.lifecycle_stage.value,
            "tags": experiment.tags,
            "creation_time": experiment.creation_time,
            "last_update_time": experiment.last_update_time,
        }
        if is_default(experiment):
            # Many backends make this one by themselves.
            del fields["creation_time"]
        return self._compared(experiment_name(experiment), fields, source)

    def run(self, run: Run, *, in_bin: bool, source: bool) -> dict[str, tuple[int, Any]]:
        """Return the number and what counts of each part of a run but its points.

        Args:
            run: The run.
            in_bin: Whether its experiment is deleted, so that it reads as deleted too.
            source: Whether it is the source's.
        """
        info = run.info
        is_deleted = own_stage(run, in_bin=in_bin) is LifecycleStage.DELETED
        header = {
            "experiment_id": info.experiment_id,
            "run_name": info.run_name,
            "user_id": info.user_id,
            "status": info.status.value,
            "start_time": info.start_time,
            "end_time": info.end_time,
            "artifact_uri": info.artifact_uri,
            "lifecycle_stage": "deleted" if is_deleted else "active",
            "deleted_time": info.deleted_time,
        }
        datasets = [
            [msgspec.to_builtins(used.dataset), sorted((tag.key, tag.value) for tag in used.tags)]
            for used in run.inputs.dataset_inputs
        ]
        models = sorted(each.model_id for each in run.inputs.model_inputs)
        outputs = sorted((each.model_id, each.step) for each in run.outputs.model_outputs)
        inputs = {"datasets": sorted(datasets, key=_encode), "models": models}
        return {
            "runs": (1, self._compared(run_name(info.run_id), header, source)),
            "params": (len(run.data.params), run.data.params),
            "tags": (len(run.data.tags), run.data.tags),
            "inputs": (len(datasets) + len(models), inputs),
            "outputs": (len(outputs), {"models": outputs}),
        }

    def run_digest(self, run: Run, *, in_bin: bool, source: bool) -> bytes:
        """Return a digest of all that a search shows of a run, its latest metrics too."""
        parts = self.run(run, in_bin=in_bin, source=source)
        latest = sorted(map(metric_fields, run.data.latest_metrics))
        return digest_of([[value for _, value in parts.values()], latest])[:16]

    def logged_model(self, model: LoggedModel, *, source: bool) -> Fields:
        """Return what counts of a logged model."""
        fields = {
            "experiment_id": model.experiment_id,
            "name": model.name,
            "artifact_location": model.artifact_location,
            "creation_timestamp": model.creation_timestamp,
            "last_updated_timestamp": model.last_updated_timestamp,
            "status": model.status.value,
            "status_message": model.status_message,
            "model_type": model.model_type,
            "source_run_id": model.source_run_id,
            "tags": model.tags,
            "params": model.params,
            "metrics": sorted(map(metric_fields, model.metrics)),
        }
        return self._compared(logged_model_name(model.model_id), fields, source)

    def registered_model(self, model: RegisteredModel) -> Fields:
        """Return what counts of a registered model; its aliases apart."""
        return {
            "creation_timestamp": model.creation_timestamp,
            "last_updated_timestamp": model.last_updated_timestamp,
            "description": model.description,
            "tags": model.tags,
        }

    def version(self, version: ModelVersion, *, source: bool) -> Fields:
        """Return what counts of a model version."""
        fields = {
            "creation_timestamp": version.creation_timestamp,
            "last_updated_timestamp": version.last_updated_timestamp,
            "description": version.description,
            "user_id": version.user_id,
            "current_stage": version.current_stage.value,
            "source": version.source,
            "run_id": version.run_id,
            "run_link": version.run_link,
            "status": version.status.value,
            "status_message": version.status_message,
            "model_id": version.model_id,
            "tags": version.tags,
        }
        return self._compared(version_name(version), fields, source)

    def _compared(self, entity: str, fields: Fields, source: bool) -> Fields:
        if self.files_move:
            fields = {name: value for name, value in fields.items() if name not in _PLACES}
        if source:
            for name in _TIMES:
                if name in fields and fields[name] is None:
                    self._unknown.add((entity, name))
            if fields.get("lifecycle_stage") == "deleted" and fields.get("deleted_time", 0) is None:
                self._unknown.add((entity, "deleted_time"))
            for name in _PLACES:
                if fields.get(name) == "":
                    self._unknown.add((entity, name))
        return {name: each for name, each in fields.items() if (entity, name) not in self._unknown}


def differences(source: Fields, destination: Fields) -> Iterator[tuple[str, str, str]]:
    """Yield the fields that differ, with both values as texts; of mappings, the keys."""
    for name in dict.fromkeys((*source, *destination)):
        one, other = source.get(name), destination.get(name)
        if _encode(one) == _encode(other):
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            for key in sorted({*one, *other}):
                if key not in one or key not in other or _encode(one[key]) != _encode(other[key]):
                    texts = [
                        shortened(each[key]) if key in each else _ABSENT for each in (one, other)
                    ]
                    yield f"{name}[{shown(key)}]", texts[0], texts[1]
        else:
            yield name, shortened(one), shortened(other)


def digest_of(value: object) -> bytes:
    """Return the SHA-256 of a built-in value."""
    return hashlib.sha256(_encode(value)).digest()


def shortened(value: object) -> str:
    """Return a value as a sentence shows it."""
    return _ABSENT if value is None else shown(value)


def own_stage(run: Run, *, in_bin: bool) -> LifecycleStage:
    """Return the stage that a run has by itself, whether or not its experiment is deleted."""
    if run.info.deleted_time is not None or not in_bin:
        return run.info.lifecycle_stage
    return LifecycleStage.ACTIVE


def is_default(experiment: Experiment) -> bool:
    """Tell whether this is the experiment that MLflow's stores begin with."""
    return experiment.experiment_id == "0" and experiment.name == "Default"


def experiment_name(experiment: Experiment) -> str:
    """Return what sentences call an experiment."""
    return f"experiment {shown(experiment.name)} (id {experiment.experiment_id})"


def run_name(run_id: str) -> str:
    """Return what sentences call a run."""
    return f"run {run_id!r}"


def logged_model_name(model_id: str) -> str:
    """Return what sentences call a logged model."""
    return f"logged model {model_id!r}"


def registered_model_name(name: str) -> str:
    """Return what sentences call a registered model."""
    return f"registered model {shown(name)}"


def version_name(version: ModelVersion) -> str:
    """Return what sentences call a model version."""
    return f"version {version.version} of the {registered_model_name(version.name)}"


def metric_fields(metric: Metric) -> tuple[str, str, int, int, str, str, str]:
    """Return what counts of a latest metric, its value as text: NaN has no order and many forms.

    Which run logged it doesn't: of equal points of two runs, either may be a model's latest.
    """
    value = "nan" if math.isnan(metric.value) else metric.value.hex()
    return (
        metric.key,
        value,
        metric.timestamp,
        metric.step,
        metric.model_id or "",
        metric.dataset_name or "",
        metric.dataset_digest or "",
    )
