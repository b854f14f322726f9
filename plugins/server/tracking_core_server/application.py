"""The ASGI application: a request goes in, is admitted, routed, answered and counted."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import Any
from urllib.parse import quote

from tracking_core.config import Settings
from tracking_core.errors import StoreUnavailableError, TrackingError
from tracking_core.wire.errors import body_of, plain_body, status_of
from tracking_core_server.admission import Admission
from tracking_core_server.configuration import ServerConfiguration
from tracking_core_server.exchange import (
    ClientGoneError,
    Exchange,
    Receive,
    Scope,
    Send,
    TooLargeError,
)
from tracking_core_server.execution import Execution
from tracking_core_server.monitoring import Monitoring
from tracking_core_server.routes.about import about_routes
from tracking_core_server.routes.artifacts import artifact_routes
from tracking_core_server.routes.calls import call_routes
from tracking_core_server.routing import Router
from tracking_core_server.service import Service

_log = logging.getLogger(__name__)


def create_app(
    store_uri: str,
    *,
    settings: Settings | None = None,
    **options: Any,
) -> Application:
    """Return an ASGI application that serves a backend.

    It can be mounted below any path of another application. It makes nothing until the first
    request (or the start of its lifespan) comes, and is closed at the end of its lifespan, or by
    `close()`.

    Args:
        store_uri: The backend of experiments and runs.
        settings: What the backend is opened with; None: from the environment and the
            configuration files.
        **options: The fields of ServerConfiguration, such as `artifacts_destination`.

    Raises:
        InvalidValueError: An option's value isn't allowed.
        TypeError: There is no such option.
    """
    return Application(ServerConfiguration(store_uri=store_uri, **options), settings)


class Application:
    """An ASGI 3 application; any number of processes may serve one backend."""

    def __init__(
        self, configuration: ServerConfiguration, settings: Settings | None = None
    ) -> None:
        self.configuration = configuration
        self.service = Service(configuration, settings)
        self._execution = Execution(
            threads=configuration.threads, timeout=configuration.request_timeout
        )
        self._admission = Admission(configuration)
        self._monitoring = Monitoring()
        self._is_ready = configuration.artifacts_only
        self._preparing: asyncio.Future[None] | None = None
        artifacts = artifact_routes(self.service, self._execution)
        about = about_routes(
            self.service,
            self._execution,
            document=_document,
            metrics=self._monitoring.told,
        )
        calls = (
            ()
            if configuration.artifacts_only
            else call_routes(self.service, self._execution, self._ready)
        )
        self.router = Router((*calls, *artifacts, *about))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what a server asks, as ASGI has it."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    def close(self) -> None:
        """Close the backends and let the threads end."""
        self._execution.close()
        self.service.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                # Not waited for: requests wait themselves, if they come so soon.
                asyncio.get_running_loop().create_task(self._prepare_early())
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.get_running_loop().run_in_executor(None, self.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _prepare_early(self) -> None:
        try:
            await self._ready()
        except TrackingError as error:
            _log.warning("The backend isn't ready; requests will try again: %s", error)
        except Exception as error:
            _log.error("The backend isn't ready; requests will try again.", exc_info=error)

    async def _ready(self) -> None:
        """Wait until the backend is prepared, which happens once.

        Raises:
            StoreUnavailableError: It can't be reached now.
        """
        while not self._is_ready:
            if self._preparing is None:
                self._preparing = asyncio.ensure_future(
                    self._execution.in_thread(self.service.prepare)
                )
            preparing = self._preparing
            try:
                await asyncio.shield(preparing)
            except Exception:
                # Whatever it was, the next request tries again.
                if self._preparing is preparing:
                    self._preparing = None
                raise
            self._is_ready = True

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        path, raw_path = _own_path(scope, self.configuration.static_prefix)
        exchange = Exchange(scope, receive, send, path=path, raw_path=raw_path)
        name = "none"
        try:
            self._admission.check(exchange)
            found = self.router.find(exchange)
            if found.route is not None:
                name = found.route.name
                exchange.fields = found.fields
                await found.route.handler(exchange)
            elif exchange.method == "OPTIONS" and found.allowed:
                await self._admission.answer_preflight(exchange)
            else:
                await _refuse(exchange, found.allowed)
        except ClientGoneError:
            exchange.status = exchange.status or 499
        except Exception as error:
            await _tell(exchange, error)
        finally:
            self._monitoring.note(name, exchange.status, time.perf_counter() - began)


def _own_path(scope: Scope, prefix: str) -> tuple[str, bytes]:
    """Return the path below the place where the application is mounted, decoded and not."""
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or quote(path).encode("latin-1")
    root: str = scope.get("root_path", "")
    for before in (root, prefix):
        if before and path.startswith(before) and path[len(before) : len(before) + 1] == "/":
            path = path[len(before) :]
            raw = raw.removeprefix(quote(before).encode("latin-1"))
    return path, raw


async def _refuse(exchange: Exchange, allowed: tuple[str, ...]) -> None:
    if allowed:
        methods = ", ".join(allowed)
        await exchange.answer(
            405,
            plain_body("BAD_REQUEST", f"{exchange.path} answers {methods}, not {exchange.method}."),
            headers=((b"allow", methods.encode()),),
        )
        return
    await exchange.answer(
        404,
        plain_body(
            "ENDPOINT_NOT_FOUND",
            f"There is no endpoint {exchange.method} {exchange.path}; /openapi.json lists those"
            " that there are.",
        ),
    )


async def _tell(exchange: Exchange, error: Exception) -> None:
    """Answer with an error, unless the answer has begun, which can only be cut off then."""
    if exchange.status:
        _log.error(
            "An answer to %s %s was cut off.", exchange.method, exchange.path, exc_info=error
        )
        raise error
    if isinstance(error, TrackingError):
        status = 413 if isinstance(error, TooLargeError) else status_of(error)
        headers = [(b"retry-after", b"1")] if isinstance(error, StoreUnavailableError) else []
        if status >= 500:
            _log.warning("%s %s: %s", exchange.method, exchange.path, error)
        await exchange.answer(status, body_of(error), headers=headers)
        return
    _log.error("%s %s failed.", exchange.method, exchange.path, exc_info=error)
    await exchange.answer(
        500,
        plain_body(
            "INTERNAL_ERROR",
            "The server failed to answer this request; its log says why.",
        ),
    )


@functools.cache
def _document() -> bytes:
    # Late, since schemas take longer to make than a server to start.
    from tracking_core_server.openapi import openapi_document

    return openapi_document()
