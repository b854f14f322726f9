"""Artifacts wherever fsspec reaches, with its hazards handled in one place."""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO

from tracking_core.artifacts.failures import Failures, LocalFile
from tracking_core.artifacts.paths import check_path, is_temporary, join_path, temporary_name
from tracking_core.artifacts.protocols import PROTOCOLS, Commit
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import (
    ConflictError,
    MissingDependencyError,
    NotFoundError,
    StoreUnavailableError,
    UnknownSchemeError,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_ATTEMPTS = 5
_BUFFER = 1 << 17


class FsspecArtifactRepository(ArtifactRepository):
    """Files below one root of any storage that has a row in `tracking_core.artifacts.protocols`.

    - **Fork.** Each process has a file system of its own: those of fsspec don't survive a fork.
    - **Fresh.** Neither fsspec's cache of listings nor its cache of instances is used.
    - **Literal.** Only fsspec's calls for one file are used: those for many take `*`, `?` and
      `[` in names for patterns.
    """

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        if uri.scheme not in PROTOCOLS:
            raise UnknownSchemeError(
                f"{uri} has the scheme {uri.scheme!r}, but artifacts are reached by"
                f" {', '.join(sorted(PROTOCOLS))}."
            )
        self._protocol = PROTOCOLS[uri.scheme]
        self.verifies_writes = self._protocol.verifies_writes
        self._root = _root(uri)
        self._opened: tuple[int, AbstractFileSystem] | None = None

    def list(self, path: str = "") -> Sequence[FileInfo]:
        path = check_path(path, allow_root=True)
        directory = self._location(path)
        prefix = f"{path}/" if path else ""
        found = {}
        for entry in self._entries(directory, path):
            name = entry["name"].rstrip("/")
            # A file's listing is the file itself, and some stores list a marker of the directory.
            if name.strip("/") == directory.strip("/"):
                continue
            name = posixpath.basename(name)
            if is_temporary(name) or entry["type"] not in ("file", "directory"):
                continue
            is_dir = entry["type"] == "directory"
            size = None if is_dir else entry["size"]
            found[name, is_dir] = FileInfo(prefix + name, is_dir, size)
        return sorted(found.values(), key=lambda entry: entry.path)

    def open_read(self, path: str) -> BinaryIO:
        path = check_path(path)
        location = self._location(path)
        with Failures(path, self.uri):
            try:
                if self._protocol.shared_reader:
                    return io.BytesIO(self._files.cat_file(location))
                # Some storages open a directory, and fail when it is read.
                if self._files.info(location)["type"] != "file":
                    raise NotFoundError(
                        f"The artifact {path!r} in {self.uri} is a directory; name a file in it."
                    )
                opened = self._files.open(location, "rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise NotFoundError(f"There is no artifact {path!r} in {self.uri}.") from None
        return io.BufferedReader(_Raw(opened, path, self.uri), buffer_size=_BUFFER)

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._write(check_path(path))

    def delete(self, path: str) -> None:
        path = check_path(path, allow_root=True)
        location = self._location(path)
        with Failures(path, self.uri), contextlib.suppress(FileNotFoundError):
            if path and self._type(location) not in (None, "directory"):
                self._files.rm_file(location)
            self._delete_below(location, path, keep=not path)

    def info(self, path: str) -> FileInfo:
        path = check_path(path, allow_root=True)
        if not path:
            return FileInfo("", True)
        with Failures(path, self.uri):
            try:
                found = self._files.info(self._location(path))
            except NotADirectoryError as error:
                raise FileNotFoundError(*error.args) from None
        is_dir = found["type"] == "directory"
        return FileInfo(path, is_dir, None if is_dir else found["size"])

    @property
    def _files(self) -> AbstractFileSystem:
        process = os.getpid()
        if self._opened is None or self._opened[0] != process:
            self._opened = (process, self._open_file_system())
        return self._opened[1]

    def _open_file_system(self) -> AbstractFileSystem:
        # Local, because fsspec takes 0.1 s to import, and who only lists local files has no use.
        try:
            import fsspec

            implementation = fsspec.get_filesystem_class(self._protocol.file_system)
        except ImportError as error:
            raise MissingDependencyError(
                f"Artifacts in {self.uri} need a library that isn't installed ({error}); install"
                f" it: {self._protocol.install}."
            ) from error
        with Failures("", self.uri):
            return implementation(use_listings_cache=False, skip_instance_cache=True)

    def _location(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _entries(self, directory: str, path: str) -> Sequence[dict[str, Any]]:
        with Failures(path, self.uri):
            for _ in range(_ATTEMPTS):
                try:
                    entries: Sequence[dict[str, Any]] = self._files.ls(directory, detail=True)
                except (FileNotFoundError, NotADirectoryError):
                    return []
                except KeyError:  # of the memory file system: a file went while it looked
                    continue
                return entries
        raise StoreUnavailableError(
            f"The artifacts in {self.uri} changed each time they were listed; try again."
        )

    def _type(self, location: str) -> str | None:
        try:
            return str(self._files.info(location)["type"])
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _delete_below(self, location: str, path: str, *, keep: bool) -> None:
        for entry in self._entries(location, path):
            name = entry["name"].rstrip("/")
            if name.strip("/") == location.strip("/"):
                continue
            with contextlib.suppress(FileNotFoundError):
                if entry["type"] == "directory" and not entry.get("islink"):
                    self._delete_below(name, path, keep=False)
                else:
                    self._files.rm_file(name)
        if self._protocol.directories and not keep:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self._files.rmdir(location)

    @contextlib.contextmanager
    def _write(self, path: str) -> Iterator[BinaryIO]:
        location = self._location(path)
        with Failures(path, self.uri):
            if self._protocol.exclusive_names and self._type(location) == "directory":
                raise ConflictError(
                    f"The artifact {path!r} in {self.uri} is a directory; choose another path, or"
                    " delete it first."
                )
        if self._protocol.commit is Commit.RENAME:
            yield from self._write_and_rename(location, path)
        elif self._protocol.commit is Commit.PUT:
            with tempfile.TemporaryDirectory(prefix="tracking-core-") as directory:
                local = os.path.join(directory, "content")
                with io.BufferedWriter(LocalFile(local, "wb", path, self.uri)) as file:
                    yield file
                with Failures(path, self.uri):
                    self._files.put_file(local, location)
        else:
            buffer = _Buffer()
            yield buffer
            with Failures(path, self.uri):
                self._files.pipe_file(location, buffer.content())

    def _write_and_rename(self, location: str, path: str) -> Iterator[BinaryIO]:
        directory = posixpath.dirname(location)
        temporary = f"{directory}/{temporary_name()}"
        process = os.getpid()
        with Failures(path, self.uri):
            try:
                opened = self._files.open(temporary, "wb")
            except FileNotFoundError:
                self._files.makedirs(directory, exist_ok=True)
                opened = self._files.open(temporary, "wb")
        file = io.BufferedWriter(_Raw(opened, path, self.uri))
        try:
            yield file
            file.close()
            with Failures(path, self.uri):
                self._files.mv(temporary, location)
        except BaseException:
            if os.getpid() == process:
                with contextlib.suppress(Exception):
                    file.raw.close()
                with contextlib.suppress(Exception):
                    self._files.rm_file(temporary)
            raise


class _Buffer(io.BytesIO):
    """Keeps its content when the block closes it, as a zip file does."""

    _content: bytes | None = None

    def close(self) -> None:
        self._content = self.content()
        super().close()

    def content(self) -> bytes:
        return self.getvalue() if self._content is None else self._content


class _Raw(io.RawIOBase):
    """A file of fsspec whose OSErrors become errors of ours."""

    def __init__(self, file: Any, path: str, where: object) -> None:
        super().__init__()
        self._file = file
        self._path = path
        self._where = where

    def readable(self) -> bool:
        return bool(self._file.readable())

    def writable(self) -> bool:
        return bool(self._file.writable())

    def seekable(self) -> bool:
        return self.readable()

    def readinto(self, buffer: Any, /) -> int:
        with Failures(self._path, self._where):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def write(self, content: Any, /) -> int:
        with Failures(self._path, self._where):
            # fsspec's files may keep what they are given, and this memory is used again.
            self._file.write(bytes(content))
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with Failures(self._path, self._where):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            super().close()
            with Failures(self._path, self._where):
                self._file.close()


def _root(uri: Uri) -> str:
    protocol = PROTOCOLS[uri.scheme]
    parts = [uri.host if protocol.host_in_path else "", uri.path.strip("/")]
    root = join_path(*parts)
    return f"/{root}" if protocol.absolute and root else root
