"""A local file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import time
from types import TracebackType
from typing import BinaryIO, cast

from tracking_core.artifacts.failures import Failures, LocalFile
from tracking_core.artifacts.paths import is_temporary, temporary_name
from tracking_core.errors import ConflictError

LEFTOVER_AGE = 24 * 60 * 60.0
"""Seconds without a write after which a temporary file is taken for one whose writer is dead."""

_BUFFER = 1 << 17
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class WholeFile:
    """Writes a file under a temporary name beside its target, and renames it when the block ends.

    If the block raises, the temporary file is removed and what was there before stays. A process
    that is killed leaves the temporary file; `remove_leftovers` takes it away a day later.

    Args:
        target: The file, absolute. A link of that name is replaced, not followed.
        path: What it is called in the errors.
        where: What it is in, for the errors.
        durable: Whether the block's end waits until the disk has the file.
    """

    def __init__(self, target: str, path: str, where: object, *, durable: bool = False) -> None:
        self._target = target
        self._path = path
        self._where = where
        self._durable = durable

    def __enter__(self) -> BinaryIO:
        self._process = os.getpid()
        directory = os.path.dirname(self._target)
        self._temporary = os.path.join(directory, temporary_name())
        with Failures(self._path, self._where):
            if os.path.isdir(self._target) and not os.path.islink(self._target):
                raise ConflictError(
                    f"The artifact {self._path!r} in {self._where} is a directory; choose another"
                    " path, or delete it first."
                )
            try:
                self._file = io.BufferedWriter(self._create(directory), buffer_size=_BUFFER)
            except BaseException:  # an interrupt, say
                with contextlib.suppress(OSError):
                    os.unlink(self._temporary)
                raise
        return cast(BinaryIO, self._file)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if os.getpid() != self._process:
            return  # a child forked inside the block: the file is its parent's
        if error is not None:
            self._discard()
            return
        try:
            with Failures(self._path, self._where):
                self._commit()
        except BaseException:
            self._discard()
            raise

    def _create(self, directory: str) -> LocalFile:
        # Somebody may delete the directory between the two calls; who does so forever, wins.
        for _ in range(20):
            try:
                return LocalFile(self._temporary, "wb", self._path, self._where, _create_new)
            except FileNotFoundError:
                self._make_directories(directory)
        return LocalFile(self._temporary, "wb", self._path, self._where, _create_new)

    def _make_directories(self, directory: str) -> None:
        missing = []
        while self._durable and not os.path.isdir(directory):
            missing.append(directory)
            directory = os.path.dirname(directory)
        os.makedirs(missing[0] if missing else directory, exist_ok=True)
        for made in missing:
            _sync_directory(os.path.dirname(made))

    def _commit(self) -> None:
        if self._file.closed:  # by the block, as a zip file does
            if self._durable:
                descriptor = os.open(self._temporary, os.O_RDWR)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
        else:
            self._file.flush()
            if self._durable:
                os.fsync(self._file.fileno())
            self._file.close()
        os.replace(self._temporary, self._target)
        if self._durable:
            _sync_directory(os.path.dirname(self._target))

    def _discard(self) -> None:
        # Closing the raw file first drops what is buffered; the disk may be full.
        with contextlib.suppress(OSError, ValueError):
            self._file.raw.close()
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)


def remove_leftovers(directory: str, *, age: float = LEFTOVER_AGE) -> None:
    """Remove the temporary files of one directory that nobody has written to for so long."""
    before = time.time() - age
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < before:
                        os.unlink(entry.path)


def _create_new(file: str, flags: int) -> int:
    del flags  # those of mode "wb" would take a file that is there
    return os.open(file, _CREATE | getattr(os, "O_CLOEXEC", 0), 0o666)


def _sync_directory(directory: str) -> None:
    if os.name == "nt":
        return  # Windows can't open one
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
