"""Real stock servers, one of each release for the whole session."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import MLFLOW_2, PeerEnvironment, PeerError, make_environment
from tracking_core.wire import codec
from tracking_core.wire.endpoints import ENDPOINTS, Endpoint
from tracking_core.wire.messages.base import Message

_PATIENCE = 60


@contextmanager
def serving(environment: PeerEnvironment, directory: Path) -> Iterator[str]:
    """Start a stock server over a database of its own, and give its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(str(environment.scripts / "mlflow"), "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--default-artifact-root", f"file://{directory}/artifacts"),
    ]
    variables = environment.variables({"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    log = directory / "server.log"
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command,
            env=variables,
            cwd=directory,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as server,
    ):
        try:
            _wait_for(port, server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)
            # The command's workers outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError(f"The stock server didn't answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def stock_mlflow_2() -> PeerEnvironment:
    """The last release of MLflow 2, installed in an environment of its own."""
    try:
        return make_environment(MLFLOW_2)
    except PeerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no stock MLflow 2 here: {error}")


@pytest.fixture(scope="session")
def stock_3(
    stock_mlflow: PeerEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a server of MLflow 3."""
    with serving(stock_mlflow, tmp_path_factory.mktemp("mlflow-3")) as url:
        yield url


@pytest.fixture(scope="session")
def stock_2(
    stock_mlflow_2: PeerEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a server of MLflow 2."""
    with serving(stock_mlflow_2, tmp_path_factory.mktemp("mlflow-2")) as url:
        yield url


Answer = Any
"""What an endpoint answers: a message, an error to raise, or a function of the request."""


class FakeConnection:
    """A stock server that is a table of answers, and keeps what it was sent.

    Args:
        version: What it says that it is.
        answers: By the name of the call; a list is answered one after the other.
    """

    shown = "http://stock.example"

    def __init__(self, version: tuple[int, ...], answers: dict[str, Answer]) -> None:
        self._version = version
        self.answers = answers
        self.sent: list[tuple[str, Any]] = []
        self.repeatable: list[bool] = []

    def version(self) -> tuple[int, ...]:
        return self._version

    def send(
        self,
        endpoint: Endpoint,
        request: Message,
        kind: type[Any],
        *,
        repeatable: bool | None = None,
    ) -> Any:
        self.sent.append((endpoint.name, request))
        self.repeatable.append(endpoint.repeatable if repeatable is None else repeatable)
        # As JSON carries it, so that what can't be sent is noticed.
        request = codec.decode_body(codec.encode(request), endpoint.request)
        answer = self.answers.get(endpoint.name)
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            answer = kind()
        return codec.decode_answer(codec.encode(answer), kind)

    @property
    def names(self) -> list[str]:
        """The names of the calls, in their order."""
        return [name for name, _ in self.sent]

    @property
    def writes(self) -> list[str]:
        """Those of them that change something."""
        writing = {endpoint.name for endpoint in ENDPOINTS if endpoint.writes}
        return [name for name in self.names if name in writing]

    def requests(self, name: str) -> list[Any]:
        """The requests of one call."""
        return [request for each, request in self.sent if each == name]


Connect = Callable[..., FakeConnection]


@pytest.fixture
def connect() -> Connect:
    """Make a stock server out of a table: `connect(getRun=..., version=(2, 22))`."""

    def connect(version: tuple[int, ...] = (3, 17), **answers: Answer) -> FakeConnection:
        return FakeConnection(version, answers)

    return connect
