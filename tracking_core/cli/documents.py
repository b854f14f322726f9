"""Entities as the JSON documents that `--json` prints. Fields are added, never taken away."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from tracking_core.entities import Experiment, ModelVersion, RegisteredModel, Run

Document = dict[str, Any]


def experiment_document(experiment: Experiment) -> Document:
    """Return an experiment."""
    return _fields(experiment)


def run_document(run: Run) -> Document:
    """Return a run: its header, params, latest metrics and tags."""
    return _fields(run.info) | {
        "params": dict(run.data.params),
        "metrics": dict(run.data.metrics),
        "tags": dict(run.data.tags),
    }


def whole_run_document(run: Run) -> Document:
    """Return a run with the steps of its metrics, its inputs and outputs."""
    return run_document(run) | {
        "latest_metrics": [_fields(metric) for metric in run.data.latest_metrics],
        "inputs": _fields(run.inputs),
        "outputs": _fields(run.outputs),
    }


def registered_model_document(model: RegisteredModel) -> Document:
    """Return a registered model."""
    return _fields(model)


def model_version_document(version: ModelVersion) -> Document:
    """Return a model version."""
    return _fields(version)


def dumps(document: object) -> str:
    """Return JSON that every parser reads: ASCII, and without NaN."""
    return json.dumps(finite(document), indent=2, allow_nan=False)


def _fields(entity: msgspec.Struct) -> Document:
    fields: Document = msgspec.to_builtins(entity)
    return fields


def finite(value: Any) -> Any:
    """Return a document with NaN and the infinities as strings, which JSON has no numbers for."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return value
