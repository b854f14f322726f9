"""The server as users run it: started, stopped, killed, and told nonsense."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from plugins.server.tests.server_process import SECONDS, ServerProcess, start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")

LOG_METRIC = "/api/2.0/mlflow/runs/log-metric"


def _told(*arguments: str, directory: Path) -> tuple[int, str, str]:
    """Run `tracking` to its end and return its status and what it said."""
    with start(*arguments, directory=directory) as process:
        told, errors = process.communicate(timeout=SECONDS)
    return process.returncode, told, errors


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_is_going_on_is_finished_before_the_server_ends(
    tmp_path: Path, how: signal.Signals
) -> None:
    with ServerProcess("memory:", tmp_path) as server:
        connection = server.connect()
        connection.putrequest("PUT", "/api/2.0/mlflow-artifacts/artifacts/slow")
        connection.putheader("Content-Length", str(3 << 20))
        connection.endheaders()
        connection.send(b"x" * (2 << 20))
        # The answer to another request says that the server is at work on this one too.
        partial = tmp_path / "artifacts"
        while not (partial.is_dir() and any(partial.iterdir())):
            assert server.request("GET", "/health") == (200, b"OK")
        server.process.send_signal(how)
        _wait_until_nobody_listens(server.port)
        assert server.process.poll() is None
        connection.send(b"y" * (1 << 20))
        assert connection.getresponse().status == 200
        connection.close()
        assert server.wait() == 0
    assert (tmp_path / "artifacts" / "slow").stat().st_size == 3 << 20
    assert "Traceback" not in "".join(server.lines)


def _wait_until_nobody_listens(port: int) -> None:
    while True:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) != 0:
                return


def test_a_request_that_does_not_end_is_given_up_in_time(tmp_path: Path) -> None:
    with ServerProcess("memory:", tmp_path, "--shutdown-timeout", "1") as server:
        connection = server.connect()
        connection.putrequest("PUT", "/api/2.0/mlflow-artifacts/artifacts/endless")
        connection.putheader("Content-Length", "100")
        connection.endheaders()
        connection.send(b"x")
        assert server.request("GET", "/health")[0] == 200
        server.process.terminate()
        server.wait()
        connection.close()
    names = [each.name for each in (tmp_path / "artifacts").rglob("*")]
    assert "endless" not in names


def test_a_connection_that_stays_open_does_not_keep_the_server_alive(tmp_path: Path) -> None:
    with ServerProcess("memory:", tmp_path) as server:
        connection = server.connect()
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b"OK"
        assert server.stop() == 0
        connection.close()


def test_several_workers_answer_and_all_of_them_end(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/runs.db"
    with ServerProcess(uri, tmp_path, "--workers", "2") as server:
        made: set[str] = set()
        # Each worker tells when it first counted a request: two times, two workers.
        while len(made) < 2:
            server.request("GET", "/version")
            text = server.request("GET", "/metrics")[1].decode()
            pattern = r'requests_created\{endpoint="version",status="200"\} (\S+)'
            made.update(re.findall(pattern, text))
        run_id = server.call("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        for _ in range(10):
            target = f"/api/2.0/mlflow/runs/get?run_id={run_id}"
            assert server.request("GET", target)[0] == 200
        assert server.stop() == 0
    with socket.socket() as attempt:
        assert attempt.connect_ex(("127.0.0.1", server.port)) != 0


def test_two_servers_on_one_new_database_at_once_both_work(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/runs.db"
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: ServerProcess(uri, tmp_path), range(2))
    with first, second:

        def create(number: int) -> None:
            server = (first, second)[number % 2]
            experiment = server.call("experiments/create", {"name": f"experiment {number}"})
            server.call("runs/create", {"experiment_id": experiment["experiment_id"]})

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(create, range(12)))
        seen = [
            sorted(each["name"] for each in server.call("experiments/search", {})["experiments"])
            for server in (first, second)
        ]
        expected = sorted(["Default", *(f"experiment {number}" for number in range(12))])
        assert seen == [expected, expected]


class _Load:
    """Clients that log one point after the other until the server is gone."""

    def __init__(self, server: ServerProcess, run_id: str, clients: int) -> None:
        self._server = server
        self._run_id = run_id
        self.acknowledged: set[tuple[str, int]] = set()
        self.sent: set[tuple[str, int]] = set()
        self._is_over = False
        self._threads = [
            threading.Thread(target=self._log, args=(f"m{number}",)) for number in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def _log(self, key: str) -> None:
        connection = self._server.connect()
        step = 0
        try:
            while not self._is_over:
                step += 1
                point = {"key": key, "value": step / 2, "timestamp": 1, "step": step}
                self.sent.add((key, step))
                connection.request(
                    "POST", LOG_METRIC, json.dumps({"run_id": self._run_id, **point})
                )
                answer = connection.getresponse()
                if answer.status == 200 and answer.read() == b"{}":
                    self.acknowledged.add((key, step))
                else:
                    answer.read()
        except (OSError, HTTPException):
            pass  # the server is gone
        finally:
            connection.close()

    def wait_for(self, points: int) -> None:
        while len(self.acknowledged) < points:
            assert any(thread.is_alive() for thread in self._threads), "".join(self._server.lines)
            self._threads[0].join(0.01)

    def end(self) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join(SECONDS)


def _logged(server: ServerProcess, run_id: str, clients: int) -> list[tuple[str, int, float]]:
    found = []
    for number in range(clients):
        target = f"/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key=m{number}"
        status, body = server.request("GET", target)
        assert status in (200, 404), body
        points = json.loads(body).get("metrics", []) if status == 200 else []
        found += [(each["key"], each.get("step", 0), each["value"]) for each in points]
    return found


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_a_server_that_is_killed_has_each_point_that_it_acknowledged_once(
    tmp_path: Path, times: int
) -> None:
    clients = 16
    uri = f"sqlite:///{tmp_path}/runs.db"
    for _ in range(times):
        with ServerProcess(uri, tmp_path) as server:
            run_id = server.call("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
            load = _Load(server, run_id, clients)
            try:
                load.wait_for(150)
            finally:
                server.process.kill()
                load.end()
            assert server.wait() == -signal.SIGKILL
        with ServerProcess(uri, tmp_path) as server:
            logged = _logged(server, run_id, clients)
        points = [(key, step) for key, step, _ in logged]
        assert len(points) == len(set(points))
        assert load.acknowledged <= set(points) <= load.sent
        assert all(value == step / 2 for _, step, value in logged)


# --- what is said to who starts it ---


def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, told, errors = _told("server", "--port", str(port), directory=tmp_path)
    assert status == 1
    assert told == ""
    assert f"127.0.0.1:{port}" in errors
    assert "choose another --host or --port" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "'x' is not a valid"),
        (["--port", "70000"], "70000"),
        (["--port", "-1"], "-1"),
        (["--workers", "0"], "0 is not in the range"),
        (["--threads", "0"], "0 is not in the range"),
        (["--request-timeout", "0"], "0.0 is not in the range"),
        (["--shutdown-timeout", "-1"], "-1 is not in the range"),
        (["--log-level", "loud"], "'loud' is not one of"),
        (["--x-frame-options", "MAYBE"], "'MAYBE' is not one of"),
        (["--static-prefix", "no-slash"], "must begin with a slash"),
        (["--static-prefix", "/slash/"], "must begin with a slash and not end with one"),
        (["--host", "no.such.host.invalid"], "can't listen on no.such.host.invalid"),
        (["--host", "8.8.8.8"], "can't listen on 8.8.8.8"),
        (["--host", "a" * 70 + ".example"], "can't listen on"),
        (["--backend-store-uri", "nothing://me:geheim@there"], "nothing"),
        (["--backend-store-uri", ""], None),
        (["--nonsense"], "No such option"),
        (["surplus"], "surplus"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_wrong_option_is_a_sentence(
    tmp_path: Path, arguments: list[str], said: str | None
) -> None:
    if said is None:
        with ServerProcess("", tmp_path) as server:  # an empty one is none
            assert server.request("GET", "/health")[0] == 200
        return
    port = [] if "--port" in arguments else ["--port", "0"]
    status, told, errors = _told("server", *port, *arguments, directory=tmp_path)
    assert status in (1, 2)
    assert told == ""
    assert said in errors
    assert "Traceback" not in errors
    assert "geheim" not in errors


def test_its_help_names_every_option(tmp_path: Path) -> None:
    status, told, errors = _told("server", "--help", directory=tmp_path)
    assert (status, errors) == (0, "")
    for option in (
        "--backend-store-uri",
        "--artifacts-destination",
        "--host",
        "--port",
        "--workers",
        "--allowed-hosts",
        "--cors-allowed-origins",
        "--shutdown-timeout",
    ):
        assert option in told
    assert _told("ui", "--help", directory=tmp_path)[0] == 0


def test_the_password_of_its_backend_is_not_shown(tmp_path: Path) -> None:
    uri = "postgresql://me:geheim@127.0.0.1:1/runs"
    with ServerProcess(uri, tmp_path, "--request-timeout", "1") as server:
        assert server.request("GET", "/health")[0] == 200
        server.stop()
    assert "me" in "".join(server.lines)
    assert "geheim" not in "".join(server.lines)


def test_it_is_told_by_the_environment_too(tmp_path: Path) -> None:
    code = (
        "import os, sys; os.environ['MLFLOW_PORT'] = '0';"
        " os.environ['TRACKING_SERVER_STATIC_PREFIX'] = 'bad';"
        " from tracking_core.cli import main; sys.argv = ['tracking', 'server']; main()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert found.returncode == 1
    assert "The static prefix 'bad' must begin with a slash" in found.stderr
