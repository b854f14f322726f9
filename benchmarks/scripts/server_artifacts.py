"""Send a large artifact through a tracking server and back: server_artifacts.py SERVER MEBIBYTES.

SERVER is tracking_core or mlflow.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.scripts.server_process import HOST, Server, running
else:  # by its name beside this script, which doesn't run in an environment with `benchmarks`
    from server_process import HOST, Server, running

PATH = "/api/2.0/mlflow-artifacts/artifacts/large/weights.bin"
PIECE = 1 << 20
RANDOM_PIECES = 16
ANSWER_SECONDS = 300

random_bytes = memoryview(os.urandom(RANDOM_PIECES * PIECE))


def piece(number: int) -> memoryview:
    """Return a piece of the file, which repeats itself."""
    start = number % RANDOM_PIECES * PIECE
    return random_bytes[start : start + PIECE]


def upload(server: Server, pieces: int) -> float:
    """Send the file, and return the seconds until the server said that it has it."""

    def body() -> Iterator[memoryview]:
        return map(piece, range(pieces))

    connection = http.client.HTTPConnection(HOST, server.port, timeout=ANSWER_SECONDS)
    with closing(connection):
        start = time.perf_counter()
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(pieces * PIECE),
        }
        connection.request("PUT", PATH, body(), headers)
        check(server, connection.getresponse(), "PUT")
        return time.perf_counter() - start


def download(server: Server, pieces: int) -> float:
    """Fetch the file, compare it, and return the seconds."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=ANSWER_SECONDS)
    buffer = memoryview(bytearray(PIECE))
    with closing(connection):
        start = time.perf_counter()
        connection.request("GET", PATH)
        answer = connection.getresponse()
        if answer.status != 200:
            check(server, answer, "GET")
        for number in range(pieces):
            filled = 0
            while filled < PIECE:
                count = answer.readinto(buffer[filled:])
                if not count:
                    sys.exit(f"{server.name} sends {number * PIECE + filled} bytes of the artifact")
                filled += count
            if buffer != piece(number):
                sys.exit(f"{server.name}: MiB {number} of the artifact isn't what was sent")
        if answer.read(1):
            sys.exit(f"{server.name} sends more than the artifact has")
        return time.perf_counter() - start


def check(server: Server, answer: http.client.HTTPResponse, method: str) -> None:
    """Read a short answer, and end the script if it says no."""
    content = answer.read(500)
    if not 200 <= answer.status < 300:
        sys.exit(f"{server.name} answers {answer.status} to {method} {PATH}: {content!r}")


def measure(name: str, mebibytes: int) -> dict[str, float]:
    with running(name, "") as server:
        server.settle()  # those of its processes that didn't give the first answer start too
        # What it only loads for its first artifact isn't what a large one costs.
        upload(server, 1)
        download(server, 1)
        with server.growth() as up:
            up_seconds = upload(server, mebibytes)
        with server.growth() as down:
            down_seconds = download(server, mebibytes)
    return {
        "upload": mebibytes / up_seconds,
        "download": mebibytes / down_seconds,
        "upload_growth": up[0],
        "download_growth": down[0],
    }


if __name__ == "__main__":
    # Asked to end, the script still ends its server in peace.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    name, mebibytes = sys.argv[1:]
    print(json.dumps(measure(name, int(mebibytes))))
