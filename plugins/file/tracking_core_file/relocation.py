"""Artifact locations of a directory that was moved, which say where it was back then."""

from __future__ import annotations

import os
from urllib.parse import unquote

from tracking_core.config import path_to_file_uri
from tracking_core.errors import CorruptDataError
from tracking_core_file.files import read_meta
from tracking_core_file.layout import ARTIFACTS, META, MODELS, TRASH

CUSTOM_LOCATION = "tracking_core_custom_location"
"""In an experiment's meta.yaml: the location was chosen, and doesn't move with the directory."""


def local_path(location: str) -> str | None:
    """Return the path of a local location, a path or a `file:` URI, or None for others."""
    if location.startswith("file:"):
        rest = location[5:]
        if rest.startswith("//"):
            host, slash, tail = rest[2:].partition("/")
            if host not in ("", "localhost"):
                return None
            rest = slash + tail
        path = unquote(rest)
        if os.name == "nt" and path[:1] == "/" and path[2:3] == ":":
            path = path[1:]
        return os.path.normpath(path) if os.path.isabs(path) else None
    return os.path.normpath(location) if os.path.isabs(location) else None


def current_location(location: str, *, suffix: tuple[str, ...], root: str) -> str:
    """Return where a location that an experiment, run or model has recorded is now.

    Local ones that end as the layout does (`suffix`, such as `("12", "runid", "artifacts")`) belong
    to the directory they lie in, and move with it. That another root was meant shows by that root:
    it is there, and isn't such a directory itself.
    """
    path = local_path(location)
    if path is None:
        return location
    parts = path.split(os.sep)
    if tuple(parts[-len(suffix) :]) != suffix:
        return location
    old_root = os.sep.join(parts[: -len(suffix)]) or os.sep
    if old_root == root or os.path.realpath(old_root) == os.path.realpath(root):
        return location
    if os.path.isdir(old_root) and not _is_root(old_root, suffix[0]):
        return location
    moved = os.path.join(root, *suffix)
    return path_to_file_uri(moved) if location.startswith("file:") else moved


def has_custom_location(experiment_directory: str) -> bool:
    """Tell whether the location of an experiment was chosen, so that nothing of it moves."""
    try:
        return bool(read_meta(experiment_directory).get(CUSTOM_LOCATION))
    except (FileNotFoundError, CorruptDataError):
        return False


def current_source(source: str, *, root: str) -> str:
    """Return where the files of a model version are now: they may lie in a run or a logged model.

    The experiment must be in the root, for a source may be any directory.
    """
    parts = (local_path(source) or "").split(os.sep)
    for position in range(3, len(parts)):
        if parts[position] != ARTIFACTS:
            continue
        suffix = tuple(parts[position - 2 : position + 1])
        if suffix[0] == MODELS:
            suffix = (parts[position - 3], *suffix)
        if not suffix[0] or not os.path.isfile(os.path.join(root, suffix[0], META)):
            continue
        old = os.sep.join(parts[: position + 1])
        now = current_location(old, suffix=suffix, root=root)
        if now != old and not has_custom_location(os.path.join(root, suffix[0])):
            moved = os.path.join(now, *parts[position + 1 :])
            return path_to_file_uri(moved) if source.startswith("file:") else moved
    return source


def _is_root(path: str, experiment_id: str) -> bool:
    return any(
        os.path.exists(os.path.join(path, name, file))
        for name, file in ((TRASH, ""), ("0", META), (experiment_id, META))
    )
