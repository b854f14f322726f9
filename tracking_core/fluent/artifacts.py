"""Artifacts by URI or run: the functions that MLflow has in `mlflow.artifacts`."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from tracking_core.client import Client
from tracking_core.client.dependencies import require
from tracking_core.entities import FileInfo
from tracking_core.errors import InvalidValueError
from tracking_core.fluent import state
from tracking_core.fluent.active_run import client_of
from tracking_core.fluent.state import MlflowClient


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Copy artifacts to this machine and return where they are.

    Args:
        artifact_uri: What to copy: `runs:/RUN_ID/path`, `models:/NAME/3`, a path or any URI.
        run_id: Instead of a URI, the run.
        artifact_path: With `run_id`: the file or directory in its artifacts; None: all.
        dst_path: A directory, made if it isn't there; None: a new temporary one, but for a URI of
            this machine's files: those themselves.
        tracking_uri: The store to ask; None: the one in use.
        registry_uri: The registry to ask; None: the one in use.

    Raises:
        InvalidValueError: Not exactly one of URI and run is given.
        NotFoundError: There is nothing of this name.
    """
    _check_one(artifact_uri, run_id, artifact_path)
    client = _client(run_id, tracking_uri, registry_uri)
    if run_id is not None:
        return client.download_artifacts(run_id, artifact_path or "", dst_path)
    return client.download_artifact_uri(artifact_uri or "", dst_path)


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """Return what a directory of artifacts holds, one level; the arguments are as above.

    Raises:
        InvalidValueError: Not exactly one of URI and run is given.
    """
    _check_one(artifact_uri, run_id, artifact_path)
    client = _client(run_id, tracking_uri, None)
    if run_id is not None:
        return client.list_artifacts(run_id, artifact_path)
    return client.list_artifact_uri(artifact_uri or "")


def load_text(artifact_uri: str) -> str:
    """Return the text of an artifact.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It holds no UTF-8.
    """
    try:
        return _client(None, None, None).read_artifact(artifact_uri).decode()
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"The artifact {artifact_uri!r} is no text: {error}.") from error


def load_dict(artifact_uri: str) -> Any:
    """Return what is in a JSON artifact, or for `.yaml` and `.yml` in a YAML one.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It can't be read as that.
    """
    text = load_text(artifact_uri)
    try:
        if os.path.splitext(artifact_uri)[1].lower() in (".yaml", ".yml"):
            return require("yaml", "PyYAML", extra=None, to="read YAML").safe_load(text)
        return json.loads(text)
    except ValueError as error:
        raise InvalidValueError(f"The artifact {artifact_uri!r} is no JSON: {error}.") from error


def load_image(artifact_uri: str) -> Any:
    """Return an artifact as an image of PIL.

    Raises:
        NotFoundError: There is no such file.
        InvalidValueError: It is no image.
        MissingDependencyError: Pillow isn't there.
    """
    pil = require("PIL.Image", "Pillow", extra="images", to="read images")
    content = _client(None, None, None).read_artifact(artifact_uri)
    try:
        image = pil.open(io.BytesIO(content))
        image.load()
    except (OSError, SyntaxError) as error:
        raise InvalidValueError(f"The artifact {artifact_uri!r} is no image: {error}.") from error
    return image


def _check_one(uri: str | None, run_id: str | None, path: str | None) -> None:
    if (uri is None) == (run_id is None):
        raise InvalidValueError("Which artifacts? Give artifact_uri or run_id, and not both.")
    if uri is not None and path is not None:
        raise InvalidValueError("artifact_path goes with run_id; append it to the artifact_uri.")


def _client(run_id: str | None, tracking_uri: str | None, registry_uri: str | None) -> Client:
    if tracking_uri is not None or registry_uri is not None:
        return MlflowClient(tracking_uri, registry_uri)
    return state.default_client() if run_id is None else client_of(run_id)
