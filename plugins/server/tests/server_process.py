"""Servers in processes of their own, and requests to them over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

SECONDS = 60


def start(*arguments: str, directory: Path) -> subprocess.Popen[str]:
    """Start `tracking` with these arguments."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRACKING_", "MLFLOW_"))
    }
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", "from tracking_core.cli import main; main()", *arguments],
        env=environment,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class ServerProcess:
    """`tracking server` on a port of its own, until the block ends."""

    def __init__(self, store_uri: str, directory: Path, *arguments: str, port: int = 0) -> None:
        self.process = start(
            *("server", "--port", str(port), "--backend-store-uri", store_uri),
            *("--artifacts-destination", str(directory / "artifacts"), *arguments),
            directory=directory,
        )
        assert self.process.stderr is not None
        self.lines: list[str] = []
        for line in self.process.stderr:
            self.lines.append(line)
            if " on http://" in line:
                break
        else:
            raise AssertionError("".join(self.lines))
        self.url = line.rpartition(" ")[2].strip()
        self.port = int(self.url.rpartition(":")[2])
        # Somebody must read on, or the pipe is full one day and the server waits.
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def request(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send a request on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, path: str, document: Any) -> Any:
        """Return the answer of one of MLflow's calls, which must succeed."""
        status, body = self.request("POST", f"/api/2.0/mlflow/{path}", json.dumps(document))
        assert status == 200, body
        return json.loads(body)

    def stop(self) -> int:
        """Ask the server to end, and return its status."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(SECONDS)
        self._reading.join(SECONDS)
        return status

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reading.join(SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
