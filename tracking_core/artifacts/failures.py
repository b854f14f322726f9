"""What the operating system or a storage library says of a failure, as errors of ours."""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import TYPE_CHECKING, Any

from tracking_core.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Buffer

_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY}
_BAD_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def failure_of(error: OSError, path: str, where: object) -> TrackingError:
    """Return the error of ours for one of the operating system or a storage library.

    Args:
        error: What was raised; one of ours comes back as it is.
        path: The artifact, relative to its root, or a local file.
        where: The repository's URI, which prints itself without secrets, or a directory.
    """
    if isinstance(error, TrackingError):
        return error
    subject = f"{path!r} in {where}" if path else str(where)
    cause = error.strerror or str(error) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"There is no artifact {subject}.")
    if isinstance(error, PermissionError) or error.errno in _DENIED:
        return PermissionDeniedError(
            f"The storage refused access to {subject} ({cause}); check its permissions."
        )
    if _is_in_the_way(error):
        return ConflictError(
            f"The artifact {subject} can't be written: a directory is there, or a file is where"
            f" one of its directories would be ({cause}); choose another path."
        )
    if error.errno in _BAD_NAME:
        return InvalidValueError(
            f"The storage can't hold the name of {subject} ({cause}); choose a shorter or simpler"
            " one."
        )
    what_to_do = "free some space" if error.errno in _FULL else "try again"
    return StoreUnavailableError(
        f"The storage failed on the artifact {subject}: {cause}; {what_to_do}."
    )


def _is_in_the_way(error: OSError) -> bool:
    # Storage libraries raise these without a number.
    kinds = (FileExistsError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, kinds) or error.errno in _IN_THE_WAY


def is_worth_another_try(error: BaseException) -> bool:
    """Tell whether the same call may succeed later: not if the disk is full, say."""
    if isinstance(error, StoreUnavailableError):
        cause = error.__cause__
        return not (isinstance(cause, OSError) and cause.errno in _FULL)
    if isinstance(error, TrackingError) or not isinstance(error, OSError):
        return False
    lasting = isinstance(error, (FileNotFoundError, PermissionError)) or _is_in_the_way(error)
    return not lasting and error.errno not in _DENIED | _BAD_NAME | _FULL


class Failures:
    """A block whose OSErrors become errors of ours; a class, because it is on every path."""

    __slots__ = ("_path", "_where")

    def __init__(self, path: str, where: object) -> None:
        self._path = path
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, TrackingError):
            raise failure_of(error, self._path, self._where) from error


class LocalFile(io.FileIO):
    """A raw local file whose OSErrors become errors of ours, below whatever buffers it."""

    def __init__(
        self,
        file: str,
        mode: str,
        path: str,
        where: object,
        opener: Callable[[str, int], int] | None = None,
    ) -> None:
        super().__init__(file, mode, opener=opener)
        self._path = path
        self._where = where

    def read(self, size: int | None = -1, /) -> bytes:
        with Failures(self._path, self._where):
            return super().read(-1 if size is None else size)

    def readall(self) -> bytes:
        with Failures(self._path, self._where):
            return super().readall()

    def readinto(self, buffer: Any, /) -> int:
        with Failures(self._path, self._where):
            return super().readinto(buffer)

    def write(self, content: Buffer, /) -> int:
        with Failures(self._path, self._where):
            return super().write(content)


def open_local(file: str, path: str, where: object) -> io.BufferedReader:
    """Open a regular local file for reading.

    Raises:
        OSError: As `open` does; what isn't a regular file is an IsADirectoryError, and doesn't
            block as a pipe without a writer would.
    """
    raw = LocalFile(file, "rb", path, where, opener=_open_without_waiting)
    try:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise IsADirectoryError(errno.EISDIR, "it isn't a regular file", file)
        return io.BufferedReader(raw, buffer_size=1 << 17)
    except BaseException:
        raw.close()
        raise


def _open_without_waiting(file: str, flags: int) -> int:
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))
