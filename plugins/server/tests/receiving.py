"""A receiver of webhooks on this machine, which answers as a test tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 20.0


@dataclass
class Received:
    """A POST that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """What it said."""
        told: dict[str, Any] = json.loads(self.body)
        return told


@dataclass
class Receiver:
    """What came, and what is answered: the statuses in turn, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    came: list[Received] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> list[Received]:
        """Wait until so many have come, and return all."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.came) >= count, SECONDS), self.came
            return list(self.came)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with receiver.changed:
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.came.append(Received(self.path, dict(self.headers), body))
                receiver.changed.notify_all()
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(receiver.body)))
            self.end_headers()
            self.wfile.write(receiver.body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook?token=geheim"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
