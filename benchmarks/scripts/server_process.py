"""Tracking servers on loopback: start one, call it, weigh it, end it whatever happens.

A server gets a session of its own, by which its processes are found, also those whose parent died.
A keeper watches the script through a pipe and ends the session if the script is killed. What
processes weigh is read from Linux's /proc.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

HOST = "127.0.0.1"
API = "/api/2.0/mlflow/"

_START_SECONDS = 120.0
_END_SECONDS = 10.0
_CALL_SECONDS = 120.0
_MEBIBYTE = 1 << 20


class Memory(NamedTuple):
    """What the processes of a server hold, in MiB.

    Attributes:
        resident: The sum of what is in memory; what processes share counts for each.
        private: The sum of what no other process holds.
    """

    resident: float
    private: float


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: The status of HTTP.
        body: As it came.
    """

    status: int
    body: bytes


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        name: Whose it is.
        port: Where it listens.
        session: The session of its processes, which is the id of the first.
        start_seconds: From its start to its first answer about experiments.
    """

    name: str
    port: int
    session: int
    start_seconds: float

    def get(self, path: str, **arguments: str) -> Any:
        """Return the JSON that a path of MLflow's REST answers to a GET."""
        return self._json("GET", f"{path}?{urlencode(arguments)}", None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Likewise to a POST."""
        return self._json("POST", path, body)

    def memory(self) -> Memory:
        """Return what its processes hold."""
        resident = private = 0
        for process in _processes(self.session):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                sizes = _kibibytes(f"/proc/{process}/smaps_rollup")
                resident += sizes["Rss"]
                private += sizes["Private_Clean"] + sizes["Private_Dirty"]
        return Memory(resident / 1024, private / 1024)

    @contextlib.contextmanager
    def growth(self) -> Iterator[list[float]]:
        """Yield a list that at the end has one item: by how many MiB its processes grew at most.

        Linux keeps the peak of each process; it is set back first.
        """
        before = {}
        for process in _processes(self.session):
            Path(f"/proc/{process}/clear_refs").write_text("5")
            before[process] = _kibibytes(f"/proc/{process}/status")["VmRSS"]
        grown: list[float] = []
        yield grown
        peaks = {
            process: _kibibytes(f"/proc/{process}/status")["VmHWM"]
            for process in _processes(self.session)
        }
        grown.append(sum(peak - before.get(process, 0) for process, peak in peaks.items()) / 1024)

    def settle(self) -> None:
        """Wait until what was asked of it and not waited for is done."""
        deadline = time.monotonic() + _START_SECONDS
        used = _processor_seconds(self.session)
        while time.monotonic() < deadline:
            time.sleep(0.1)
            before, used = used, _processor_seconds(self.session)
            if used - before < 0.02:
                return

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        answer = call(self.port, method, API + path, body)
        if answer.status != 200:
            sys.exit(f"{self.name} answers {answer.status} to {path}: {answer.body[:500]!r}")
        return json.loads(answer.body) if answer.body else {}


def call(port: int, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
    """Ask a server over a connection of its own: one that is kept may be closed meanwhile."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_CALL_SECONDS)
    content = None if body is None else json.dumps(body).encode()
    with contextlib.closing(connection):
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())


@contextlib.contextmanager
def running(name: str, database: str, workers: str = "") -> Iterator[Server]:
    """Run a server in the current directory; at the end no process of it is left.

    Args:
        name: tracking_core, mlflow or fasttrackml, whose programs are beside this interpreter.
        database: The URI of a database; empty: a sqlite file in the current directory.
        workers: How many processes; empty: as many as it takes by itself.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        sys.exit("servers are weighed by what Linux says in /proc, which isn't here")
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    uri = database or f"sqlite:///{Path.cwd() / 'runs.db'}"
    log = Path.cwd() / "server.log"
    keeper = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert keeper.stdin is not None
    try:
        with log.open("wb") as file:
            start = time.perf_counter()
            process = subprocess.Popen(
                command(name, port, uri, workers),
                # A runner of jobs, with processes of its own, isn't what is measured.
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            keeper.stdin.write(b"%d\n" % process.pid)
            keeper.stdin.flush()
            _await_answer(name, port, process, log)
            yield Server(name, port, process.pid, time.perf_counter() - start)
        finally:
            end(process.pid)
            process.wait()
    finally:
        keeper.kill()
        keeper.wait()
        keeper.stdin.close()


def command(name: str, port: int, uri: str, workers: str) -> list[str]:
    """Return how a server is started; none writes a line for each request."""
    program = Path(sys.executable)
    if name == "fasttrackml":
        return [
            *(str(program.with_name("fml")), "server"),
            *("--listen-address", f"{HOST}:{port}"),
            # Of a sqlite file it wants the absolute path behind two slashes.
            *("--database-uri", uri.replace("sqlite:////", "sqlite:///")),
            *("--default-artifact-root", str(Path.cwd() / "artifacts")),
            *("--log-level", "error"),
        ]
    return [
        *(str(program.with_name("mlflow" if name == "mlflow" else "tracking")), "server"),
        *("--backend-store-uri", uri),
        *("--artifacts-destination", str(Path.cwd() / "artifacts")),
        *("--host", HOST, "--port", str(port)),
        *(("--workers", workers) if workers else ()),
        *(("--uvicorn-opts", "--log-level warning") if name == "mlflow" else ()),
    ]


def end(session: int) -> None:
    """End all processes of a session: ask the first, and kill what is left after a while."""
    if session in _processes(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(session, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while left := _processes(session):
        if time.monotonic() > deadline or session not in left:
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def _await_answer(name: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    answer = None
    while answer is None or answer.status != 200:
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"{name} doesn't start; it answers {answer} and says:\n{_tail(log)}")
        time.sleep(0.002)
        with contextlib.suppress(ConnectionError):
            answer = call(port, "POST", f"{API}experiments/search", {"max_results": 1})


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def _stat(process: int) -> list[str]:
    """Return what /proc/PID/stat has behind the name: the state, the parent and so on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _processes(session: int) -> list[int]:
    """Return the processes of a session that didn't end."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _parent, _group, its_session, *_ = _stat(int(directory.name))
            if state not in "ZX" and int(its_session) == session:
                found.append(int(directory.name))
    return found


def _processor_seconds(session: int) -> float:
    ticks = 0
    for process in _processes(session):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(map(int, _stat(process)[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _kibibytes(path: str) -> dict[str, int]:
    """Return the lines `Name: 12 kB` of a file in /proc."""
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) for line in lines if line[-1] == "kB"}


if __name__ == "__main__":  # the keeper; its input ends with the script
    first_line = sys.stdin.readline().strip()
    sys.stdin.read()
    if first_line:
        end(int(first_line))
