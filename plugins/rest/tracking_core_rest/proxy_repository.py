"""Artifacts that go through a tracking server: MLflow's `mlflow-artifacts` protocol."""

from __future__ import annotations

import contextlib
import io
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, BinaryIO, NoReturn, cast
from urllib.parse import quote, unquote

import requests

from tracking_core.artifacts.paths import check_path, join_path
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import (
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core.wire import codec
from tracking_core.wire.endpoints.artifacts import PROXY
from tracking_core.wire.errors import error_of
from tracking_core.wire.messages.artifacts import ProxiedFound
from tracking_core_rest.transport import HttpTransport, Response

_IN_MEMORY = 8 << 20
_PIECE = 1 << 20
_BYTES = "application/octet-stream"


class ProxyArtifactRepository(ArtifactRepository):
    """Files below a directory that a tracking server passes on.

    `mlflow-artifacts:/path` is on the server that the setting `tracking_uri` names,
    `mlflow-artifacts://host:port/path` on that one, reached as the tracking server is; so is
    `https://host/api/2.0/mlflow-artifacts/artifacts/path`. A file is sent by one request, once it
    is whole, and read by as few as its reader's jumps allow.
    """

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        base, path, is_trusted = _server_of(uri, settings)
        self._root = check_path(path.strip("/"), allow_root=True)
        self._transport = HttpTransport(base, settings, is_trusted=is_trusted)

    def list(self, path: str = "") -> Sequence[FileInfo]:
        path = check_path(path, allow_root=True)
        where = self._below(path)
        response = self._transport.request(
            "GET", PROXY, query={"path": where} if where else None, repeatable=True
        )
        if response.status == 404 and b"RESOURCE_DOES_NOT_EXIST" in response.content:
            return []
        found = codec.decode_answer(self._checked(response, path), ProxiedFound)
        entries = [each.entity() for each in found.files]
        name = posixpath.basename(path)
        if [(e.path, e.is_dir) for e in entries] == [(name, False)] and not self.info(path).is_dir:
            # Some storages behind a server list a file as what it holds.
            return []
        return sorted(
            (
                FileInfo(join_path(path, posixpath.basename(e.path)), e.is_dir, e.file_size)
                for e in entries
                if e.path not in ("", ".")
            ),
            key=lambda entry: entry.path,
        )

    def open_read(self, path: str) -> BinaryIO:
        path = check_path(path)
        return cast("BinaryIO", io.BufferedReader(_Remote(self, path), buffer_size=_PIECE))

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._write(check_path(path))

    def delete(self, path: str) -> None:
        path = check_path(path, allow_root=True)
        if not path:
            for entry in self.list():
                self.delete(entry.path)
            return
        response = self._transport.request("DELETE", self._url(path), repeatable=True)
        if response.status != 404:
            self._checked(response, path)

    @contextlib.contextmanager
    def _write(self, path: str) -> Iterator[BinaryIO]:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            content = _Unclosed(cast("IO[bytes]", file))
            yield cast("BinaryIO", content)
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            response = self._transport.request(
                "PUT",
                self._url(path),
                # Of an empty file, requests doesn't say how long it is.
                body=cast("IO[bytes]", file) if size else b"",
                content_type=_BYTES,
                repeatable=True,
            )
            self._checked(response, path)

    def _fetch(self, path: str, first: int) -> contextlib.AbstractContextManager[Any]:
        headers = {"Accept-Encoding": "identity"}
        if first:
            headers["Range"] = f"bytes={first}-"
        return self._transport.stream("GET", self._url(path), headers=headers)

    def _below(self, path: str) -> str:
        return join_path(self._root, path) if self._root and path else self._root or path

    def _url(self, path: str) -> str:
        return f"{PROXY}/{quote(self._below(path), safe='/')}"

    def _checked(self, response: Response, path: str) -> bytes:
        if response.status >= 300:
            self._refuse(response, path)
        return response.content

    def _refuse(self, response: Response, path: str) -> NoReturn:
        if response.status == 404:
            raise NotFoundError(f"There is no artifact {path!r} in {self.uri}.")
        if response.status == 500:
            raise StoreUnavailableError(
                f"{self._transport.shown} failed on the artifact {path!r}: it answered with HTTP"
                " status 500; see its log."
            )
        raise error_of(response.status, response.content, server=self._transport.shown)


class _Remote(io.RawIOBase):
    """A file on the server, fetched from where it is read on.

    A server that doesn't know ranges sends it once more, whole, into a temporary file.
    """

    def __init__(self, repository: ProxyArtifactRepository, path: str) -> None:
        super().__init__()
        self._repository = repository
        self._path = path
        self._at = 0
        self._size: int | None = None
        self._stack = contextlib.ExitStack()
        self._answer: requests.Response | None = None
        self._answered = 0
        self._copy: IO[bytes] | None = None
        # What isn't there should be said when it is opened.
        self._fetch(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset += self._whole_size()
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._at = offset
        return offset

    def readinto(self, buffer: Any, /) -> int:
        if self._size is not None and self._at >= self._size:
            return 0
        if self._copy is None:
            self._go_there()
        if self._copy is not None:
            self._copy.seek(self._at)
            content = self._copy.read(len(buffer))
        else:
            content = self._received(len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._stack.close()
            if self._copy is not None:
                self._copy.close()
            super().close()

    def _go_there(self) -> None:
        """Let the answer stand where the reader is."""
        if self._answer is not None and 0 <= self._at - self._answered <= _PIECE:
            while self._answered < self._at and self._received(self._at - self._answered):
                pass
        if self._answer is None or self._answered != self._at:
            self._fetch(self._at)

    def _fetch(self, first: int) -> None:
        self._stack.close()
        self._answer = None
        answer: requests.Response = self._stack.enter_context(
            self._repository._fetch(self._path, first)
        )
        if answer.status_code not in (200, 206):
            with self._stack:
                told = Response(answer.status_code, {}, answer.content)
                if answer.status_code == 416:
                    raise self._changed()
                if answer.status_code in (400, 500) and self._is_directory():
                    raise NotFoundError(
                        f"The artifact {self._path!r} in {self._repository.uri} is a directory;"
                        " name a file in it."
                    )
                self._repository._refuse(told, self._path)
        self._answer, self._answered = answer, 0
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        if answer.status_code == 206:
            part, _, whole = answer.headers.get("Content-Range", "").partition("/")
            self._answered = first
            size = int(whole) if whole.isdecimal() else None
            if not part.startswith(f"bytes {first}-"):
                raise self._changed()
        if self._size is not None and size is not None and size != self._size:
            raise self._changed()
        self._size = size if self._size is None else self._size
        if self._answered != first:
            self._copy_all()

    def _is_directory(self) -> bool:
        """Tell it where a server refuses to send a directory as it refuses much else."""
        try:
            return self._repository.info(self._path).is_dir
        except TrackingError:
            return False

    def _copy_all(self) -> None:
        """Receive the whole file, by an answer that stands at its beginning."""
        file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - close() does
        copy = cast("IO[bytes]", file)
        try:
            while content := self._received(_PIECE):
                copy.write(content)
            self._size = copy.tell()
        except BaseException:
            copy.close()
            raise
        self._copy = copy
        self._answer = None
        self._stack.close()

    def _received(self, count: int) -> bytes:
        assert self._answer is not None
        try:
            content: bytes = self._answer.raw.read(count)
        # What the library raises here has no class in common but this.
        except Exception as error:
            raise StoreUnavailableError(
                f"The artifact {self._path!r} in {self._repository.uri} broke off at byte"
                f" {self._answered}; try again."
            ) from error
        self._answered += len(content)
        return content

    def _whole_size(self) -> int:
        if self._size is None:
            self._fetch(0)
            if self._size is None:
                self._copy_all()
        assert self._size is not None
        return self._size

    def _changed(self) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"The artifact {self._path!r} in {self._repository.uri} changed while it was read;"
            " open it again."
        )


class _Unclosed(io.RawIOBase):
    """A temporary file that outlives its closing by the caller, as a zip file does it."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        return self._file.write(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None, /) -> int:
        return self._file.truncate(size)


def _server_of(uri: Uri, settings: Settings) -> tuple[str, str, bool]:
    """Return the server's URL, the path on it, and whether it is the one of the settings."""
    tracking = Uri.parse(settings.tracking_uri) if settings.tracking_uri else None
    own = tracking if tracking is not None and tracking.scheme in ("http", "https") else None
    if uri.scheme in ("http", "https"):
        before, found, path = uri.path.partition(PROXY)
        if not found:
            raise InvalidValueError(
                f"{uri} isn't below {PROXY}, where servers have artifacts; write"
                " mlflow-artifacts://HOST:PORT/PATH, or the whole address."
            )
        is_own = _is_same(uri, own, uri.scheme)
        who = own if is_own and uri.username is None else uri
        assert who is not None
        return f"{_place(who, uri.scheme)}{before}", unquote(path), is_own
    if not uri.host:
        if own is None:
            raise InvalidValueError(
                f"{uri} lies on the tracking server, but the tracking URI"
                f" {tracking or '(none is set)'} is no server's; set it to"
                " http://HOST:PORT, or write mlflow-artifacts://HOST:PORT/PATH."
            )
        return own.text, uri.path, True
    if uri.host.isdigit() and uri.port is None:
        raise InvalidValueError(
            f"{uri} names a port, and no host before it; write mlflow-artifacts://HOST:PORT/PATH."
        )
    if own is None:
        return _place(uri, "http"), uri.path, False
    if uri.username is None and _is_same(uri, own, own.scheme):
        return own.text, uri.path, True
    # MLflow's clients take another server's scheme and prefix from this one's.
    return f"{_place(uri, own.scheme)}{own.path.rstrip('/')}", uri.path, False


def _place(uri: Uri, scheme: str) -> str:
    port = "" if uri.port is None else f":{uri.port}"
    user = ""
    if uri.username is not None:
        password = "" if uri.password is None else f":{quote(uri.password, safe='')}"
        user = f"{quote(uri.username, safe='')}{password}@"
    return f"{scheme}://{user}{uri.host}{port}"


def _is_same(uri: Uri, own: Uri | None, scheme: str) -> bool:
    """Tell whether a URI's server is one's own: another isn't told who one is."""
    if own is None:
        return False
    default = {"http": 80, "https": 443}
    return (scheme, uri.host.lower(), uri.port or default[scheme]) == (
        *(own.scheme, own.host.lower()),
        own.port or default[own.scheme],
    )
