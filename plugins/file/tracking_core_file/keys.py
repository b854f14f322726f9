"""Keys of metrics, params and tags as paths, and back.

A key is its own path, slashes and all, as MLflow has it. Some keys can't be: `a/b` beside `a`,
which is a file already, and names longer than a file system takes. Those overflow into the private
directory, where MLflow doesn't see them, and don't stop it from reading the rest.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote

from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation
from tracking_core_file.layout import PRIVATE

_OVERFLOW = "keys"
POINT_MODELS = "point_models"
_PIECE = 150
_LONGEST_NAME = 255
_WINDOWS_NAMES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def key_path(directory: str, part: str, key: str) -> str:
    """Return the path of a key in a part (`metrics`, `params`, `tags`) of a directory.

    The key must have been checked by `validation.check_key`, as those of requests are.
    """
    if _needs_overflow(key):
        return overflow_path(directory, part, key)
    return f"{directory}{os.sep}{part}{os.sep}{key}"


def overflow_path(directory: str, part: str, key: str) -> str:
    """Return where a key lies whose own path can't be used."""
    return os.path.join(overflow_directory(directory, part), *_overflow_names(key))


def overflow_directory(directory: str, part: str) -> str:
    """Return the directory of the keys of a part that overflow."""
    return os.path.join(directory, PRIVATE, _OVERFLOW, part)


def point_models_path(directory: str, key: str) -> str:
    """Return where the logged models of a metric's points are noted: its lines have no room."""
    return os.path.join(directory, PRIVATE, POINT_MODELS, *_overflow_names(key))


def is_in_the_way(error: OSError) -> bool:
    """Tell whether a path can't be because a file stands for a directory or the other way round."""
    return error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


def key_of(names: tuple[str, ...]) -> str | None:
    """Return the key whose path in its part has these names, or None."""
    return _checked("/".join(names))


def key_of_overflow(names: tuple[str, ...]) -> str | None:
    """Return the key whose path among those that overflow has these names, or None."""
    if not names[-1].endswith("=") or not all(name.endswith("+") for name in names[:-1]):
        return None
    key = _checked(unquote("".join(name[:-1] for name in names)))
    return key if key is not None and _overflow_names(key) == list(names) else None


def keys_in(directory: str, part: str) -> Iterator[tuple[str, str]]:
    """Yield (key, path) of all files in a part of a directory, in no order."""
    for base, read in (
        (os.path.join(directory, part), key_of),
        (overflow_directory(directory, part), key_of_overflow),
    ):
        for names, path in _files_below(base, ()):
            key = read(names)
            if key is not None:
                yield key, path


def find_key(directory: str, part: str, key: str) -> str | None:
    """Return the path of a key's file if there is one."""
    for path in (key_path(directory, part, key), overflow_path(directory, part, key)):
        if os.path.isfile(path):
            return path
    return None


def _files_below(base: str, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    try:
        with os.scandir(base) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path, (*above, entry.name))
        elif entry.is_file():
            yield (*above, entry.name), entry.path


@functools.lru_cache(maxsize=8192)
def _checked(key: str) -> str | None:
    try:
        return validation.check_key(key, what="key")
    except InvalidValueError:
        return None


def _needs_overflow(key: str) -> bool:
    # Four bytes is the longest that a character can be.
    if len(key) * 4 > _LONGEST_NAME and any(
        len(os.fsencode(name)) > _LONGEST_NAME for name in key.split("/")
    ):
        return True
    return os.name == "nt" and any(
        ":" in name or name.endswith((" ", ".")) or _WINDOWS_NAMES.fullmatch(name)
        for name in key.split("/")
    )


def _overflow_names(key: str) -> list[str]:
    """Return a path for any key: percent-encoded, in pieces.

    Directories end in `+` and files in `=`, which the encoding leaves no other use for, so that no
    two keys get in each other's way.
    """
    encoded = quote(key, safe=" ")
    pieces = [encoded[i : i + _PIECE] for i in range(0, len(encoded), _PIECE)]
    return [*(f"{piece}+" for piece in pieces[:-1]), f"{pieces[-1]}="]
