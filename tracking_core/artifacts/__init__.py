"""Artifacts: files that runs and models keep, wherever they lie.

`ArtifactRepository` is what a plugin implements; `LocalArtifactRepository` and
`FsspecArtifactRepository` come with the core. `upload`, `download` and `copy` move files.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracking_core.artifacts.paths import check_path, join_path
    from tracking_core.artifacts.references import (
        ModelReference,
        RunReference,
        is_reference,
        parse_models_uri,
        parse_runs_uri,
    )
    from tracking_core.artifacts.repository import ArtifactRepository
    from tracking_core.artifacts.transfer import (
        TransferProgress,
        TransferredFile,
        TransferReport,
        TransferState,
        copy,
        download,
        upload,
    )

_HOMES = {
    "ArtifactRepository": "repository",
    "ModelReference": "references",
    "RunReference": "references",
    "TransferProgress": "transfer",
    "TransferReport": "transfer",
    "TransferState": "transfer",
    "TransferredFile": "transfer",
    "check_path": "paths",
    "copy": "transfer",
    "download": "transfer",
    "is_reference": "references",
    "join_path": "paths",
    "parse_models_uri": "references",
    "parse_runs_uri": "references",
    "upload": "transfer",
}

__all__ = [
    "ArtifactRepository",
    "ModelReference",
    "RunReference",
    "TransferProgress",
    "TransferReport",
    "TransferState",
    "TransferredFile",
    "check_path",
    "copy",
    "download",
    "is_reference",
    "join_path",
    "parse_models_uri",
    "parse_runs_uri",
    "upload",
]


# What MLflow has under `mlflow.artifacts`. It lies above this room, which knows it by name alone.
_FUNCTIONS = ("download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text")


def __getattr__(name: str) -> Any:
    # Late, so that opening a store doesn't wait for what only transfers need.
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("tracking_core.fluent.artifacts"), name)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
