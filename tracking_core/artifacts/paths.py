"""Artifact paths: relative, POSIX, and never out of their root."""

from __future__ import annotations

import os
import re
import uuid

from tracking_core.errors import InvalidValueError

_TEMPORARY_PREFIX = ".tracking-partial-"
_TEMPORARY = re.compile(re.escape(_TEMPORARY_PREFIX) + "[0-9a-f]{32}")
_DRIVE = re.compile(r"[A-Za-z]:($|[\\/])")
_WINDOWS_CHARACTERS = re.compile(r'[\\:*?"<>|\x01-\x1f]')
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE)


def check_path(path: str, *, allow_root: bool = False, windows: bool = os.name == "nt") -> str:
    r"""Return a path without its `.` parts, if it can't leave its root.

    Nothing is decoded: `%2e%2e` is a name like any other. What Windows would take for something
    else (`\`, `:`, `nul`, a dot or a space at the end) is refused there alone.

    Args:
        path: Relative to the root, with `/` between its parts.
        allow_root: Whether the root itself is meant by the empty path (and by `.`).
        windows: Whether the rules of Windows hold; those of this system if not given.

    Raises:
        InvalidValueError: It is no such path; the sentence says why.
    """
    if not isinstance(path, str):
        raise InvalidValueError(
            f"The artifact path {path!r} is of type {type(path).__name__}; give a string."
        )
    if "\0" in path:
        raise _refused(path, "holds a NUL character", "leave it out")
    if not path.isascii():
        try:
            path.encode("utf-8")
        except UnicodeEncodeError:
            raise _refused(
                path, "holds a lone surrogate, which isn't valid Unicode", "rename it"
            ) from None
    if path.startswith("/"):
        raise _refused(path, "is absolute", "give one that is relative to the artifact root")
    if _DRIVE.match(path):
        raise _refused(
            path, "begins with a drive letter", "give one that is relative to the artifact root"
        )
    parts = path.split("/") if path else []
    if "" in parts:
        raise _refused(path, "has an empty part", "write single slashes, and none at the end")
    if ".." in parts:
        raise _refused(path, "holds '..'", "give one that stays below the artifact root")
    if "." in parts:
        parts = [part for part in parts if part != "."]
        path = "/".join(parts)
    if not parts and not allow_root:
        raise InvalidValueError(
            "The artifact path is empty, which means the root; name a file below it."
        )
    for part in parts:
        if part.startswith(_TEMPORARY_PREFIX) and is_temporary(part):
            raise _refused(path, "is a name for files that are being written", "choose another")
        if windows:
            _check_windows_name(path, part)
    return path


def temporary_name() -> str:
    """Return a new name for a file that is being written; listings leave such names out."""
    return f"{_TEMPORARY_PREFIX}{uuid.uuid4().hex}"


def is_temporary(name: str) -> bool:
    """Tell whether this is a name that `temporary_name` makes."""
    return _TEMPORARY.fullmatch(name) is not None


def join_path(*parts: str) -> str:
    """Join relative paths, of which any may be empty."""
    return "/".join(part for part in parts if part)


def _check_windows_name(path: str, part: str) -> None:
    if found := _WINDOWS_CHARACTERS.search(part):
        raise _refused(path, f"holds {found.group()!r}, which Windows forbids", "rename it")
    if part[-1] in ". ":
        raise _refused(path, "has a part that ends with a dot or a space", "rename it for Windows")
    if _WINDOWS_DEVICES.fullmatch(part):
        raise _refused(path, f"holds {part!r}, a device of Windows", "rename it")


def _refused(path: str, why: str, what_to_do: str) -> InvalidValueError:
    shown = repr(path) if len(path) <= 200 else f"{path[:200]!r}..."
    return InvalidValueError(f"The artifact path {shown} {why}; {what_to_do}.")
