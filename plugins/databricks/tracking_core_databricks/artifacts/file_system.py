"""Plain files of a workspace, by the API of its file system."""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, BinaryIO, cast

from tracking_core.artifacts.paths import check_path, is_temporary, join_path, temporary_name
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core.wire.messages.base import Empty
from tracking_core_databricks.artifacts import calls
from tracking_core_databricks.artifacts.spooled import rewound, spooled
from tracking_core_databricks.connection import WorkspaceConnection

_BLOCK = 1 << 20
"""What the API reads and writes at once, at most."""

_ATTEMPTS = 10


class FileSystemFiles(ArtifactRepository):
    """Files below a directory of a workspace's file system.

    A file is written under a temporary name and then moved. The API moves onto nothing that is
    there, so one that is replaced is missing for a moment; it is never seen half.
    """

    def __init__(
        self, uri: Uri, settings: Settings, connection: WorkspaceConnection, root: str
    ) -> None:
        super().__init__(uri, settings)
        self._connection = connection
        self._root = root

    def list(self, path: str = "") -> Sequence[FileInfo]:
        path = check_path(path, allow_root=True)
        place = self._place(path)
        asked = calls.FilePath(path=place)
        try:
            found = self._connection.send(calls.LIST_FILES, asked, calls.FilesListed)
        except NotFoundError:
            return []
        entries = []
        for status in found.files:
            if status.path == place:
                return []  # a file's listing is the file itself
            name = posixpath.basename((status.path or "").rstrip("/"))
            if not is_temporary(name):
                is_dir = bool(status.is_dir)
                size = None if is_dir else status.file_size or 0
                entries.append(FileInfo(join_path(path, name), is_dir, size))
        return sorted(entries, key=lambda entry: entry.path)

    def info(self, path: str) -> FileInfo:
        path = check_path(path, allow_root=True)
        if not path:
            return FileInfo("", True)
        status = self._status(path)
        if status is None:
            raise self._no_file(path)
        is_dir = bool(status.is_dir)
        return FileInfo(path, is_dir, None if is_dir else status.file_size or 0)

    def open_read(self, path: str) -> BinaryIO:
        path = check_path(path)
        status = self._status(path)
        if status is None or status.is_dir:
            raise self._no_file(path)
        reader = _Reader(self, path, status.file_size or 0)
        return cast("BinaryIO", io.BufferedReader(reader, buffer_size=_BLOCK))

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._write(check_path(path))

    def delete(self, path: str) -> None:
        path = check_path(path, allow_root=True)
        for entry in [path] if path else [entry.path for entry in self.list()]:
            self._delete(self._place(entry))

    def read(self, path: str, first: int, count: int) -> bytes:
        """Return a part of a file.

        Raises:
            NotFoundError: There is no such file.
            StoreUnavailableError: What came can't be read.
        """
        asked = calls.ReadFile(path=self._place(path), offset=first, length=count)
        try:
            found = self._connection.send(calls.READ_FILE, asked, calls.FileRead)
            return base64.b64decode(found.data or "", validate=True)
        except NotFoundError as error:
            raise self._no_file(path) from error
        except binascii.Error as error:
            raise StoreUnavailableError(
                f"The workspace sent a part of {path!r} in {self.uri} that isn't base64; try again."
            ) from error

    @contextlib.contextmanager
    def _write(self, path: str) -> Iterator[BinaryIO]:
        place = self._place(path)
        temporary = f"{posixpath.dirname(place).rstrip('/')}/{temporary_name()}"
        with spooled() as (writable, content):
            yield writable
            rewound(content)
            self._check_free(path)
            try:
                self._send(content, temporary)
                self._move(temporary, place)
            except BaseException:
                with contextlib.suppress(TrackingError):
                    self._delete(temporary)
                raise

    def _send(self, content: IO[bytes], place: str) -> None:
        create = calls.CreateFile(path=place, overwrite=True)
        try:
            handle = self._connection.send(calls.CREATE_FILE, create, calls.FileHandle).handle
        except (AlreadyExistsError, InvalidValueError) as error:
            raise ConflictError(
                f"A file can't be made in {posixpath.dirname(place)!r} of {self.uri}"
                f" ({str(error).rstrip('.')}); choose another path."
            ) from error
        while block := content.read(_BLOCK):
            data = base64.b64encode(block).decode()
            # Sent twice it would stand there twice, so a lost answer ends the file.
            self._connection.send(calls.ADD_BLOCK, calls.AddBlock(handle=handle, data=data), Empty)
        self._connection.send(calls.CLOSE_FILE, calls.FileHandle(handle=handle), Empty)

    def _move(self, source: str, target: str) -> None:
        move = calls.MoveFile(source_path=source, destination_path=target)
        for _ in range(_ATTEMPTS):
            try:
                self._connection.send(calls.MOVE_FILE, move, Empty)
                return
            except AlreadyExistsError:
                self._delete(target)
        raise StoreUnavailableError(
            f"Others write {target!r} of {self.uri} all the time; try again."
        )

    def _check_free(self, path: str) -> None:
        status = self._status(path)
        if status is not None and status.is_dir:
            raise ConflictError(
                f"The artifact {path!r} in {self.uri} is a directory; choose another path, or"
                " delete it first."
            )
        parts = path.split("/")[:-1]
        for count in range(len(parts), 0, -1):
            parent = "/".join(parts[:count])
            status = self._status(parent)
            if status is None:
                continue
            if status.is_dir:
                return
            raise ConflictError(
                f"The artifact {path!r} in {self.uri} can't be written, as {parent!r} is a file;"
                " choose another path."
            )

    def _delete(self, place: str) -> None:
        with contextlib.suppress(NotFoundError):
            gone = calls.DeleteFile(path=place, recursive=True)
            self._connection.send(calls.DELETE_FILE, gone, Empty)

    def _status(self, path: str) -> calls.FileStatus | None:
        asked = calls.FilePath(path=self._place(path))
        try:
            return self._connection.send(calls.FILE_STATUS, asked, calls.FileStatus)
        except NotFoundError:
            return None

    def _place(self, path: str) -> str:
        return "/" + join_path(self._root, path)

    def _no_file(self, path: str) -> NotFoundError:
        return NotFoundError(f"There is no artifact {path!r} in {self.uri}, or it is a directory.")


class _Reader(io.RawIOBase):
    """A file, of which each part is asked for when it is read."""

    def __init__(self, files: FileSystemFiles, path: str, size: int) -> None:
        super().__init__()
        self._files = files
        self._path = path
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        offset += {io.SEEK_CUR: self._at, io.SEEK_END: self._size}.get(whence, 0)
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._at = offset
        return offset

    def readinto(self, buffer: Any, /) -> int:
        count = min(len(buffer), _BLOCK, self._size - self._at)
        if count <= 0:
            return 0
        content = self._files.read(self._path, self._at, count)
        if not content:
            raise StoreUnavailableError(
                f"The artifact {self._path!r} in {self._files.uri} ended at byte {self._at} of"
                f" {self._size}; try again."
            )
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
