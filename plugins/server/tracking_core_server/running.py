"""Running the application: sockets, workers, signals."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from tracking_core.config import Settings
from tracking_core.errors import InvalidValueError
from tracking_core_server.application import Application
from tracking_core_server.configuration import ServerConfiguration
from tracking_core_server.exchange import Receive, Scope, Send

# Threads wait for each other's turn in steps of this length; by default they are 5 ms.
_TURN_SECONDS = 0.0005
# An answer is made of thousands of objects that go at once and have no cycles; to look for cycles
# among them every 700 takes a tenth of the time.
_COLLECTED_EVERY = (50_000, 20, 50)
_BACKLOG = 2_048


class LateApplication:
    """The application, made by the process that serves it: what it is made of can be pickled."""

    def __init__(self, configuration: ServerConfiguration, settings: Settings) -> None:
        self._configuration = configuration
        self._settings = settings
        self._application: Application | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what a server asks, as ASGI has it."""
        if self._application is None:
            sys.setswitchinterval(_TURN_SECONDS)
            gc.set_threshold(*_COLLECTED_EVERY)
            self._application = Application(self._configuration, self._settings)
        await self._application(scope, receive, send)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_application": None}


def serve(
    configuration: ServerConfiguration,
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    log_level: str = "warning",
    root_path: str = "",
    shutdown_seconds: int = 30,
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or SIGINT comes; requests that are being answered are finished.

    Args:
        configuration: What is served.
        settings: What the backend is opened with.
        host: The address to listen on.
        port: Its port; 0: any that is free.
        workers: How many processes answer.
        log_level: Uvicorn's.
        root_path: What a proxy takes away from the paths.
        shutdown_seconds: How long requests have to be finished.
        started: Called with the server's URL once it listens.

    Raises:
        InvalidValueError: The address can't be listened on.
    """
    listener = _listener(host, port)
    address = listener.getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    config = uvicorn.Config(
        LateApplication(configuration, settings),
        log_level=log_level,
        access_log=False,
        http="httptools",
        loop="auto",
        lifespan="on",
        workers=workers,
        root_path=root_path,
        server_header=False,
        date_header=False,
        proxy_headers=True,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=shutdown_seconds,
    )
    started(f"http://{shown}:{address[1]}")

    try:
        if workers == 1:
            _run(uvicorn.Server(config), listener)
        else:
            Multiprocess(config, sockets=[listener]).run()
    finally:
        listener.close()


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Run a server until a signal ends it, which is no failure."""

    def stop(number: int, frame: object) -> None:
        server.should_exit = True

    # Uvicorn has handlers of its own while it serves, and then sends each signal once more to those
    # that were there before: by default they would end the process as if it had failed.
    is_main = threading.current_thread() is threading.main_thread()
    before = {
        each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM) if is_main
    }
    try:
        server.run(sockets=[listener])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by the connections: without it asyncio's loop answers each keep-alive request
        # after 44 ms where it didn't make the listener itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.set_inheritable(True)
    except OSError as error:
        listener.close()
        raise InvalidValueError(
            f"The server can't listen on {host}:{port}: {error.strerror or error}; choose another"
            " --host or --port."
        ) from error
    return listener
