"""Where artifacts are: the interface, as small as it gets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from tracking_core.artifacts.paths import check_path
from tracking_core.config import Settings, Uri
from tracking_core.contract import Contract
from tracking_core.entities import FileInfo
from tracking_core.errors import NotFoundError


class ArtifactRepository(Contract):
    """Files below one root.

    Paths are POSIX paths relative to the root, and can't leave it; the empty path is the root.
    Names may hold any character but `/` and NUL. Every method checks the paths that it gets
    with `tracking_core.artifacts.paths.check_path`.

    - **Who may call.** Any thread, also inside a running event loop; after a fork, both sides.
    - **Atomic.** A file is seen whole or not at all, by anyone.
    - **Fresh.** Listings show what is there now, also what others wrote.

    A directory is there as long as a file is below it: an empty one may be kept or not.

    The constructor starts nothing: no connection, no thread, no request, no directory.
    """

    contract_name = "ArtifactRepository"

    verifies_writes: bool = False
    """Whether `open_write` makes sure itself that what was written is what is stored.

    The operating system's own copy does, and a protocol with checksums; after others, a transfer
    reads back what it has written.
    """

    def __init__(self, uri: Uri, settings: Settings) -> None:
        self.uri = uri
        self.settings = settings

    @abstractmethod
    def list(self, path: str = "") -> Sequence[FileInfo]:
        """Return what a directory holds, one level, sorted by path; empty if it isn't there.

        The entries' paths are relative to the root. A file's listing is empty.

        Raises:
            InvalidValueError: The path would leave the root.
            PermissionDeniedError: The storage refused.
            StoreUnavailableError: The storage can't be reached.
        """

    @abstractmethod
    def open_read(self, path: str) -> BinaryIO:
        """Open a file for reading; it can seek, and reads only what is asked for.

        Raises:
            InvalidValueError: The path would leave the root, or is the root.
            NotFoundError: There is no such file, or it is a directory.
        """

    @abstractmethod
    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for writing, its directories made as needed.

        The file is there, whole, when the block ends; if the block raises, what was there before
        stays.

        Raises:
            InvalidValueError: The path would leave the root, or is the root.
            ConflictError: A directory is there, or a file where a directory must be; not raised by
                storages that can hold both.
            PermissionDeniedError: The storage refused.
            StoreUnavailableError: The storage can't be reached.
        """

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file, or a directory with everything in it.

        Deleting what isn't there does nothing, so that an interrupted delete can be repeated. The
        empty path deletes everything below the root.

        Raises:
            InvalidValueError: The path would leave the root.
            PermissionDeniedError: The storage refused.
            StoreUnavailableError: The storage can't be reached.
        """

    # --- conveniences ---

    def info(self, path: str) -> FileInfo:
        """Return the entry of one file or directory; the root is always there.

        Raises:
            InvalidValueError: The path would leave the root.
            NotFoundError: There is neither.
        """
        path = check_path(path, allow_root=True)
        if not path:
            return FileInfo("", True)
        parent = path.rpartition("/")[0]
        for entry in self.list(parent):
            if entry.path == path:
                return entry
        raise NotFoundError(f"There is no artifact {path!r} in {self.uri}.")

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or directory of this path."""
        try:
            self.info(path)
        except NotFoundError:
            return False
        return True

    def walk(self, path: str = "") -> Sequence[FileInfo]:
        """Return all files below a directory, sorted by path."""
        files = []
        waiting = [path]
        while waiting:
            for entry in self.list(waiting.pop()):
                if entry.is_dir:
                    waiting.append(entry.path)
                else:
                    files.append(entry)
        return sorted(files, key=lambda entry: entry.path)
