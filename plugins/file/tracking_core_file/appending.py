"""Lines put at the end of files: whole, in one piece, by many processes at once."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from tracking_core_file.files import write_all
from tracking_core_file.forks import reset_in_children
from tracking_core_file.metric_lines import TORN_END
from tracking_core_file.root import Root

_MOST_OPEN = 256
_MOST_LOOKS = 50
_PAUSE = 0.2
_FLAGS = (
    os.O_RDWR
    | os.O_APPEND
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass
class _Open:
    descriptor: int
    links: int
    size: int
    """Up to where the file is known to consist of whole lines; less than nothing at first."""


class Appender:
    """Appends to files, and keeps those that were used last open.

    Each append is one write to a descriptor that the system moves to the end itself, which is
    atomic within a machine. Between machines it isn't: there the file is opened anew under a lock.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        reset_in_children(self)

    def append(self, path: str, lines: bytes, *, directory: str) -> None:
        """Put whole lines at the end of a file, which is made if it isn't there.

        Args:
            path: The file.
            lines: What is added; ends in a line feed.
            directory: The run's or model's directory: for its lock, and for the temporary file.

        Raises:
            OSError: As `open` and `write` do; PermissionDeniedError if the file is a link.
        """
        if self._root.appends_need_lock:
            with self._root.directory_lock(directory):
                self.append_within_lock(path, lines, directory=directory)
            return
        with self._guard:
            known = self._open.get(path)
            if known is not None:
                status = os.fstat(known.descriptor)
                # A file that was replaced or deleted has lost a name.
                if status.st_nlink == known.links:
                    self._write(known, lines, status.st_size)
                    self._open.move_to_end(path)
                    return
                self._drop(path)
            if not os.path.lexists(path) and self._create(path, lines, directory):
                return
            known = self._open[path] = self._open_file(path)
            if len(self._open) > _MOST_OPEN:
                self._drop(next(iter(self._open)))
            self._write(known, lines, os.fstat(known.descriptor).st_size)

    def append_within_lock(self, path: str, lines: bytes, *, directory: str) -> None:
        """Do what `append` does for a caller that holds the directory's lock."""
        if not os.path.lexists(path) and self._create(path, lines, directory):
            return
        opened = self._open_file(path)
        try:
            self._write(opened, lines, os.fstat(opened.descriptor).st_size)
        finally:
            os.close(opened.descriptor)

    def close(self) -> None:
        """Close all files; they are opened again when they are needed."""
        with self._guard:
            for path in list(self._open):
                self._drop(path)

    def reset_after_fork(self) -> None:
        """Close the copies of the parent's descriptors."""
        self._guard = threading.Lock()
        for path in list(self._open):
            self._drop(path)

    def _create(self, path: str, lines: bytes, directory: str) -> bool:
        # Whole from the first moment: MLflow can't read an empty file of points.
        parent = os.path.dirname(path)
        self._root.files.make_directory(parent)
        self._root.layout.check_inside(parent)
        return self._root.files.create(path, lines, temporary_directory=directory)

    def _open_file(self, path: str) -> _Open:
        self._root.layout.check_inside(path)
        descriptor = os.open(path, _FLAGS)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise IsADirectoryError(21, "Is not a file", path)
        return _Open(descriptor, status.st_nlink, -1)

    def _write(self, opened: _Open, lines: bytes, size: int) -> None:
        if size != opened.size and _is_torn(opened.descriptor, size):
            lines = TORN_END + lines
        opened.size = -1
        write_all(opened.descriptor, lines)
        if self._root.files.durable:
            os.fsync(opened.descriptor)
        opened.size = size + len(lines)

    def _drop(self, path: str) -> None:
        known = self._open.pop(path, None)
        if known is not None:
            with contextlib.suppress(OSError):
                os.close(known.descriptor)


def _is_torn(descriptor: int, size: int) -> bool:
    """Tell whether a file ends in half a line that nobody is about to complete.

    A write that crosses the boundary of a page lets others see the file's size in its middle. It
    holds the system's lock of the file, which changing the mode waits for.
    """
    for _ in range(_MOST_LOOKS):
        if size == 0 or _last_byte(descriptor, size) == b"\n":
            return False
        before = size
        try:
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode))
        except (OSError, AttributeError):  # another owner's file, or Windows
            time.sleep(_PAUSE)
        size = os.fstat(descriptor).st_size
        if size == before:
            return True
    return False


def _last_byte(descriptor: int, size: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, 1, size - 1)
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1)
