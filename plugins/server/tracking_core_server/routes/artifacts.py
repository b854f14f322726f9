"""Artifacts: listed, streamed to and from the server's places, never held in memory."""

from __future__ import annotations

import mimetypes
import posixpath
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, TypeVar
from urllib.parse import quote

from tracking_core.artifacts.paths import check_path
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.entities import FileInfo
from tracking_core.errors import InvalidValueError, UnsupportedError
from tracking_core.stores import (
    HEADER_ONLY,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
    validation,
)
from tracking_core.wire import codec
from tracking_core.wire.endpoints import Endpoint
from tracking_core.wire.endpoints import artifacts as endpoints
from tracking_core.wire.messages import artifacts as messages
from tracking_core.wire.messages.base import Message
from tracking_core.wire.messages.logged_models import (
    ListLoggedModelArtifacts,
    LoggedModelArtifacts,
)
from tracking_core_server.artifact_roots import below
from tracking_core_server.exchange import Exchange
from tracking_core_server.execution import Execution
from tracking_core_server.routes.calls import paths_of
from tracking_core_server.routing import Handler, Route
from tracking_core_server.service import Service

M = TypeVar("M", bound=Message)
Place = tuple[ArtifactRepository, str]

_PIECE = 1 << 20
_LARGEST_UPLOAD = 10 << 20
_DIGITS = re.compile(r"[0-9]{1,40}")
_PLAIN = {
    ".txt", ".log", ".err", ".cfg", ".conf", ".cnf", ".cf", ".ini", ".properties", ".prop",
    ".hocon", ".toml", ".yaml", ".yml", ".xml", ".json", ".js", ".py", ".py3", ".csv", ".tsv",
    ".md", ".rst", ".mlmodel", ".mlproject", ".html", ".htm", ".svg", ".sh", ".sql",
}  # fmt: skip
# A browser that shows an artifact must not run it as a page of this site.
_GUARDS = ((b"content-security-policy", b"sandbox; default-src 'none'"),)


def artifact_routes(service: Service, execution: Execution) -> Iterator[Route]:
    """Yield the routes of artifacts."""
    handlers = _Artifacts(service, execution)
    listings: list[tuple[Endpoint, Handler]] = [
        (endpoints.LIST, handlers.list_run),
        (endpoints.LIST_LOGGED_MODEL, handlers.list_logged_model),
        (endpoints.LIST_PROXIED, handlers.list_proxied),
    ]
    refused = [
        endpoints.PRESIGNED_UPLOAD,
        endpoints.PRESIGNED_DOWNLOAD,
        endpoints.CREATE_MULTIPART,
        endpoints.COMPLETE_MULTIPART,
        endpoints.ABORT_MULTIPART,
        endpoints.PROXIED_PRESIGNED,
    ]
    for endpoint, handler in (*listings, *((each, handlers.refuse) for each in refused)):
        for path in paths_of(endpoint.path):
            yield Route(
                method=endpoint.method,
                path=path,
                name=endpoint.name,
                handler=handler,
                writes=endpoint.writes,
            )
    proxied = f"{endpoints.PROXY}/{{artifact_path:path}}"
    for path in paths_of(proxied):
        yield Route(method="GET", path=path, name="downloadArtifact", handler=handlers.download)
        yield Route(
            method="PUT", path=path, name="uploadArtifact", handler=handlers.upload, writes=True
        )
        yield Route(
            method="DELETE", path=path, name="deleteArtifact", handler=handlers.delete, writes=True
        )
    yield Route(method="GET", path="/get-artifact", name="getArtifact", handler=handlers.get_of_run)
    yield Route(
        method="GET",
        path="/model-versions/get-artifact",
        name="getModelVersionArtifact",
        handler=handlers.get_of_version,
    )
    yield Route(
        method="GET",
        path="/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files",
        name="getLoggedModelArtifact",
        handler=handlers.get_of_logged_model,
    )
    yield Route(
        method="POST",
        path="/ajax-api/2.0/mlflow/upload-artifact",
        name="uploadRunArtifact",
        handler=handlers.upload_to_run,
        writes=True,
    )


class _Artifacts:
    def __init__(self, service: Service, execution: Execution) -> None:
        self._service = service
        self._execution = execution

    # --- listings ---

    async def list_run(self, exchange: Exchange) -> None:
        request = await self._request(exchange, messages.ListArtifacts)

        def call() -> Message:
            uri = self._root_of_run(request.run_id or request.run_uuid)
            return messages.ArtifactsFound(root_uri=uri, files=self._listing(uri, request.path))

        await self._answer(exchange, endpoints.LIST.name, call)

    async def list_logged_model(self, exchange: Exchange) -> None:
        request = await self._request(exchange, ListLoggedModelArtifacts)

        def call() -> Message:
            uri = self._root_of_logged_model(request.model_id)
            return LoggedModelArtifacts(
                root_uri=uri, files=self._listing(uri, request.artifact_directory_path)
            )

        await self._answer(exchange, endpoints.LIST_LOGGED_MODEL.name, call)

    async def list_proxied(self, exchange: Exchange) -> None:
        request = await self._request(exchange, messages.ListProxied)

        def call() -> Message:
            repository = self._service.artifacts.proxied()
            path = below("", request.path)
            return messages.ProxiedFound(
                files=tuple(
                    messages.FileInfoMessage.of(
                        FileInfo(posixpath.basename(each.path), each.is_dir, each.file_size)
                    )
                    for each in repository.list(path)
                )
            )

        await self._answer(exchange, endpoints.LIST_PROXIED.name, call)

    async def refuse(self, exchange: Exchange) -> None:
        raise UnsupportedError(
            "This server's artifacts have no presigned URLs and no multipart uploads; send and"
            " fetch them whole, through the server."
        )

    # --- one file ---

    async def download(self, exchange: Exchange) -> None:
        path = check_path(exchange.fields["artifact_path"])
        await self._send_file(exchange, lambda: (self._service.artifacts.proxied(), path))

    async def upload(self, exchange: Exchange) -> None:
        path = check_path(exchange.fields["artifact_path"])
        await self._receive_file(exchange, lambda: (self._service.artifacts.proxied(), path))

    async def delete(self, exchange: Exchange) -> None:
        # A slash at the end names the directory itself.
        path = check_path(exchange.fields["artifact_path"].rstrip("/"))
        repository = self._service.artifacts.proxied()
        await self._execution.in_thread(lambda: repository.delete(path))
        await exchange.answer(200, b"{}")

    async def get_of_run(self, exchange: Exchange) -> None:
        run_id = exchange.parameter("run_id") or exchange.parameter("run_uuid")
        await self._send_named(exchange, "path", lambda: self._root_of_run(run_id))

    async def get_of_version(self, exchange: Exchange) -> None:
        name, number = exchange.parameter("name"), exchange.parameter("version")
        if not name or not number:
            raise _missing("version" if name else "name")

        def root() -> str:
            registry = self._service.facet(ModelRegistryStore)
            assert isinstance(registry, ModelRegistryStore)
            version = validation.check_version(number)
            return registry.get_model_version(name, version=version).source

        await self._send_named(exchange, "path", root)

    async def get_of_logged_model(self, exchange: Exchange) -> None:
        model_id = exchange.fields["model_id"]
        await self._send_named(
            exchange, "artifact_file_path", lambda: self._root_of_logged_model(model_id)
        )

    async def upload_to_run(self, exchange: Exchange) -> None:
        run_id, path = exchange.parameter("run_uuid"), exchange.parameter("path")
        if not run_id or not path:
            raise _missing("path" if run_id else "run_uuid")

        def place() -> Place:
            repository, root = self._service.artifacts.place(self._root_of_run(run_id))
            return repository, below(root, check_path(path))

        await self._receive_file(exchange, place, largest=_LARGEST_UPLOAD)

    # --- what they share ---

    async def _request(self, exchange: Exchange, kind: type[M]) -> M:
        await exchange.body(largest=self._service.configuration.largest_body)
        return codec.decode_query(exchange.query, kind, exchange.fields)

    async def _answer(self, exchange: Exchange, name: str, call: Callable[[], Message]) -> None:
        message = await self._execution.run(name, call)
        await exchange.answer(200, codec.encode(message))

    def _root_of_run(self, run_id: str | None) -> str:
        if not run_id:
            raise _missing("run_id")
        runs = self._service.facet(RunStore)
        assert isinstance(runs, RunStore)
        return runs.get_run(run_id, projection=HEADER_ONLY).info.artifact_uri

    def _root_of_logged_model(self, model_id: str) -> str:
        models = self._service.facet(LoggedModelStore)
        assert isinstance(models, LoggedModelStore)
        return models.get_logged_model(model_id).artifact_location

    def _listing(self, uri: str, path: str | None) -> tuple[messages.FileInfoMessage, ...]:
        repository, root = self._service.artifacts.place(uri)
        start = len(root) + 1 if root else 0
        return tuple(
            messages.FileInfoMessage.of(FileInfo(each.path[start:], each.is_dir, each.file_size))
            for each in repository.list(below(root, path))
        )

    async def _send_named(
        self, exchange: Exchange, parameter: str, root: Callable[[], str]
    ) -> None:
        path = exchange.parameter(parameter)
        if not path:
            raise _missing(parameter)
        path = check_path(path)

        def place() -> Place:
            uri = root()
            if uri.startswith("models:/"):
                uri = self._root_of_logged_model(uri.removeprefix("models:/"))
            repository, inner = self._service.artifacts.place(uri)
            return repository, below(inner, path)

        await self._send_file(exchange, place)

    async def _send_file(self, exchange: Exchange, place: Callable[[], Place]) -> None:
        in_thread = self._execution.in_thread

        def open_it() -> tuple[BinaryIO, int, str]:
            repository, path = place()
            file = repository.open_read(path)
            try:
                return file, file.seek(0, 2), path
            except BaseException:
                file.close()
                raise

        file, size, path = await in_thread(open_it)
        try:
            first, last = _wanted_range(exchange.header(b"range"), size)
            name = posixpath.basename(path)
            headers = [
                *_GUARDS,
                (b"content-disposition", _attachment(name)),
                (b"accept-ranges", b"bytes"),
            ]
            status = 200
            if (first, last) != (0, size):
                status = 206
                headers.append((b"content-range", b"bytes %d-%d/%d" % (first, last - 1, size)))
            await exchange.start(
                status, media_type=_media_type(name), length=last - first, headers=headers
            )
            if exchange.method == "HEAD":
                await exchange.send(b"", more=False)
                return
            await _send_pieces(exchange, file, first, last, in_thread)
        finally:
            await in_thread(file.close)

    async def _receive_file(
        self, exchange: Exchange, place: Callable[[], Place], *, largest: int | None = None
    ) -> None:
        in_thread = self._execution.in_thread
        repository, path = await in_thread(place)
        writing = repository.open_write(path)
        file = await in_thread(writing.__enter__)
        try:
            size = 0
            waiting: list[bytes] = []
            length = 0
            async for piece in exchange.pieces():
                size += len(piece)
                if largest is not None and size > largest:
                    raise InvalidValueError(
                        f"The artifact is larger than {largest} bytes; send it through"
                        f" {endpoints.PROXY}, which takes any size."
                    )
                waiting.append(piece)
                length += len(piece)
                if length >= _PIECE:
                    block = b"".join(waiting)
                    await in_thread(lambda block=block: file.write(block))  # type: ignore[misc]
                    waiting, length = [], 0
            if waiting:
                await in_thread(lambda: file.write(b"".join(waiting)))
        except BaseException:
            # What was there before stays.
            told = sys.exc_info()
            with suppress(Exception):
                await in_thread(lambda: writing.__exit__(*told))
            raise
        await in_thread(lambda: writing.__exit__(None, None, None))
        await exchange.answer(200, b"{}")


async def _send_pieces(
    exchange: Exchange,
    file: BinaryIO,
    first: int,
    last: int,
    in_thread: Callable[[Callable[[], bytes]], Awaitable[bytes]],
) -> None:
    remaining = last - first

    def read() -> bytes:
        return file.read(min(_PIECE, remaining))

    def seek_and_read() -> bytes:
        file.seek(first)
        return read()

    piece = await in_thread(seek_and_read)
    while True:
        remaining -= len(piece)
        if remaining and not piece:
            # The client sees that the length isn't what it was told.
            raise OSError("The artifact has become shorter while it was sent.")
        await exchange.send(piece, more=remaining > 0)
        if remaining <= 0:
            return
        piece = await in_thread(read)


def _wanted_range(header: bytes | None, size: int) -> tuple[int, int]:
    """Return the first byte that is asked for, and the one behind the last.

    A header that can't be read or met asks for everything, as HTTP allows.
    """
    whole = (0, size)
    if header is None or not header.startswith(b"bytes=") or b"," in header:
        return whole
    begin, dash, end = header[6:].decode("latin-1").strip().partition("-")
    # No file has more bytes than such digits say, and Python reads no thousands of them.
    if not dash or not _DIGITS.fullmatch(begin + end):
        return whole
    if not begin:
        first, last = max(0, size - int(end)), size
    else:
        first, last = int(begin), min(size, int(end) + 1) if end else size
    return (first, last) if first < last else whole


def _media_type(name: str) -> bytes:
    extension = posixpath.splitext(name)[1].lower()
    if extension in _PLAIN or name in ("MLmodel", "MLproject"):
        return b"text/plain; charset=utf-8"
    return (mimetypes.guess_type(name)[0] or "application/octet-stream").encode()


def _attachment(name: str) -> bytes:
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode()


def _missing(name: str) -> InvalidValueError:
    return InvalidValueError(
        f"Missing value for required parameter '{name}'. See the API docs for more information"
        " about request parameters."
    )
