"""What is in a local directory that is to be uploaded."""

from __future__ import annotations

import os
import stat

import msgspec

from tracking_core.artifacts.failures import Failures
from tracking_core.artifacts.paths import check_path, is_temporary
from tracking_core.errors import InvalidValueError, NotFoundError


class SourceFile(msgspec.Struct, frozen=True):
    """A file to upload.

    Attributes:
        local_path: Where it is, links followed.
        path: Its POSIX path relative to the directory given; its name if a file was given.
        size: Bytes, when it was looked at.
    """

    local_path: str
    path: str
    size: int


class SourceTree(msgspec.Struct, frozen=True):
    """The files of a directory, sorted by path, and what was left out, with the reason."""

    files: tuple[SourceFile, ...]
    skipped: tuple[str, ...] = ()


def read_source(source: str | os.PathLike[str]) -> SourceTree:
    """List what a file or directory holds.

    Links to files and directories inside the directory are followed. Links that leave it, lead
    nowhere or to a directory that they are in, sockets, pipes and devices are left out. What is
    given itself may be a link.

    Raises:
        InvalidValueError: It is no file or directory, or a name in it can't be an artifact's.
        NotFoundError: There is nothing.
        PermissionDeniedError: A directory can't be read.
    """
    given = os.path.abspath(os.path.expanduser(os.fspath(source)))
    with Failures(given, "the local file system"):
        try:
            status = os.stat(given)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"There is no local file or directory {given!r}.") from None
        if stat.S_ISREG(status.st_mode):
            name = check_path(os.path.basename(given))
            return SourceTree((SourceFile(os.path.realpath(given), name, status.st_size),))
        if not stat.S_ISDIR(status.st_mode):
            raise InvalidValueError(f"{given!r} is neither a file nor a directory.")
        files, skipped = _collect(os.path.realpath(given))
    return SourceTree(tuple(sorted(files, key=lambda file: file.path)), tuple(sorted(skipped)))


def _collect(root: str) -> tuple[list[SourceFile], list[str]]:
    files: list[SourceFile] = []
    skipped: list[str] = []
    # Each with what its files' paths begin with, and the real directories on the way to it.
    waiting: list[tuple[str, str, tuple[str, ...]]] = [(root, "", (root,))]
    while waiting:
        directory, prefix, chain = waiting.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                path = prefix + entry.name
                if is_temporary(entry.name):
                    continue  # somebody is writing it, or was killed
                real = entry.path
                if entry.is_symlink():
                    real = os.path.realpath(real)
                    why = _why_not_followed(real, chain)
                    if why:
                        skipped.append(f"{path} ({why})")
                        continue
                    status = os.stat(real)
                else:
                    status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((real, f"{path}/", (*chain, real)))
                elif stat.S_ISREG(status.st_mode):
                    files.append(SourceFile(real, check_path(path), status.st_size))
                else:
                    skipped.append(f"{path} (neither a file nor a directory)")
    return files, skipped


def _why_not_followed(real: str, chain: tuple[str, ...]) -> str | None:
    root = chain[0]
    if real != root and not real.startswith(root.rstrip(os.sep) + os.sep):
        return "a link that leaves the directory"
    if not os.path.exists(real) or os.path.islink(real):
        return "a link that leads nowhere"
    # A directory above the one that the link is in, also by way of other links.
    if any(real == way or way.startswith(real + os.sep) for way in chain):
        return "a link that leads back to where it is"
    return None
