"""Whole files, written so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from tracking_core.errors import (
    CorruptDataError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core_file.layout import META, TEMPORARY_PREFIX
from tracking_core_file.yaml_text import dump_yaml, load_yaml

F = TypeVar("F", bound=Callable[..., Any])


class Files:
    """Writes files below the root; with `durable`, each write waits for the disk.

    A temporary file lies in the directory that is given, on the file system of its target, or else
    beside it. Give one where MLflow takes any file for an entry: metrics, params, tags, aliases.
    """

    def __init__(self, *, durable: bool) -> None:
        self.durable = durable

    def write(self, path: str, content: bytes, *, temporary_directory: str | None = None) -> None:
        """Write a file as a whole, in place of the one that is there.

        Raises:
            OSError: As `open` does; the directory must be there.
        """
        temporary = self._write_temporary(path, content, temporary_directory)
        try:
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if self.durable:
            sync_directory(os.path.dirname(path))

    def create(self, path: str, content: bytes, *, temporary_directory: str | None = None) -> bool:
        """Write a file as a whole unless one is there; return whether it wasn't.

        Raises:
            OSError: As `open` does; the directory must be there.
        """
        temporary = self._write_temporary(path, content, temporary_directory)
        try:
            os.link(temporary, path)
        except FileExistsError:
            # An answer of NFS may get lost, and the repeated request then finds its own link.
            if os.stat(temporary).st_nlink != 2:
                return False
        except FileNotFoundError:
            raise
        except OSError:
            if os.path.lexists(path):
                return False
            return self._create_without_links(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if self.durable:
            sync_directory(os.path.dirname(path))
        return True

    def write_meta(self, directory: str, values: dict[str, Any]) -> None:
        """Write the `meta.yaml` of a directory, in place of the one that is there."""
        self.write(os.path.join(directory, META), dump_yaml(values))

    def create_meta(self, directory: str, values: dict[str, Any]) -> bool:
        """Write the `meta.yaml` of a directory unless one is there; return whether it wasn't."""
        return self.create(os.path.join(directory, META), dump_yaml(values))

    def make_directory(self, path: str) -> None:
        """Make a directory and those above it, unless they are there."""
        if os.path.isdir(path):
            return
        if self.durable:
            self.make_directory(os.path.dirname(path))
        os.makedirs(path, exist_ok=True)
        if self.durable:
            sync_directory(os.path.dirname(path))

    def move(self, old: str, new: str) -> None:
        """Rename a directory."""
        os.rename(old, new)
        if self.durable:
            sync_directory(os.path.dirname(old))
            sync_directory(os.path.dirname(new))

    def remove(self, path: str) -> bool:
        """Delete a file; return whether there was one."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        if self.durable:
            sync_directory(os.path.dirname(path))
        return True

    def remove_tree(self, path: str) -> None:
        """Delete a directory with all that is in it, as far as it is there."""
        if os.path.islink(path):
            os.unlink(path)
            return
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)

    def _write_temporary(self, path: str, content: bytes, directory: str | None) -> str:
        directory = os.path.dirname(path) if directory is None else directory
        temporary = f"{directory}{os.sep}{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        descriptor = os.open(temporary, _CREATE, 0o666)
        try:
            try:
                write_all(descriptor, content)
                if self.durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        return temporary

    def _create_without_links(self, temporary: str, path: str) -> bool:
        # Exclusive creation claims the name, the rename fills it; between them it is empty.
        try:
            os.close(os.open(path, _CREATE, 0o666))
        except FileExistsError:
            return False
        os.replace(temporary, path)
        return True


_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def read(path: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        OSError: It isn't there, or can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return read_all(descriptor)
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """Return the bytes from where a descriptor stands to the end."""
    first = os.read(descriptor, 65536)
    if len(first) < 65536:
        return first
    pieces = [first]
    while pieces[-1]:
        pieces.append(os.read(descriptor, 1 << 20))
    return b"".join(pieces)


def read_text(path: str) -> str:
    """Return the text of a file, line ends as they are.

    Raises:
        OSError: It isn't there, or can't be read.
        CorruptDataError: It isn't UTF-8.
    """
    try:
        return read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptDataError(f"The file {path!r} is not UTF-8 text: {error}.") from error


def read_meta(directory: str) -> dict[str, Any]:
    """Return what the `meta.yaml` of a directory holds.

    Raises:
        FileNotFoundError: It isn't there.
        CorruptDataError: It can't be read.
    """
    path = os.path.join(directory, META)
    return load_yaml(read(path), path)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of the bytes, with one call of the system if it takes them.

    Raises:
        OSError: The system refused the rest.
    """
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, content[written:])


def sync_directory(path: str) -> None:
    """Wait until the names in a directory are on the disk."""
    if os.name == "nt":  # directories can't be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def as_tracking_errors(method: F) -> F:
    """Let a method of the store raise tracking errors in place of the system's."""

    @functools.wraps(method)
    def guarded(*args: Any, **keywords: Any) -> Any:
        try:
            return method(*args, **keywords)
        except OSError as error:
            if isinstance(error, TrackingError):
                raise
            raise tracking_error(error) from error

    return guarded  # type: ignore[return-value]


def tracking_error(error: OSError) -> TrackingError:
    """Return the error of ours that says what an error of the system says."""
    where = f" at {os.fsdecode(error.filename)!r}" if error.filename else ""
    what = (error.strerror or str(error)).lower()
    if error.errno == errno.ELOOP:
        return PermissionDeniedError(
            f"There is a symbolic link{where}, and nothing is written through it."
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return PermissionDeniedError(
            f"The file system refused{where}: {what}; check who owns it and whether it is writable."
        )
    if isinstance(error, (NotADirectoryError, FileExistsError)):
        return PermissionDeniedError(
            f"The directory can't be used{where}: {what}; move away what is in its place."
        )
    return StoreUnavailableError(f"The file system failed{where}: {what}.")
