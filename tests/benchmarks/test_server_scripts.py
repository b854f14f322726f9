"""The scripts that put servers under load: what they print and check, and that no server is left.

wrk is played by a program that asks once; what the real one sends is in server_load.lua.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.declared import server_load
from benchmarks.peers import clean_variables
from benchmarks.runner import SCRIPTS, Benchmark, BenchmarkError
from benchmarks.scripts import server_process

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="the scripts read Linux's /proc"
)

WRK = """
import json, os, sys, time
from pathlib import Path
from urllib.request import Request, urlopen

url, _, operation, experiment, path, *explain = sys.argv[sys.argv.index("--script") + 2:]
run_id = Path(path).read_text().split()[0]
now = int(time.time() * 1000)
point = {"timestamp": now, "value": 0.5}
calls = {
    "get_run": ("runs/get?run_id=" + run_id, None),
    "search": ("runs/search", {
        "experiment_ids": [experiment],
        "filter": "metrics.m0 > 0.1 and params.p1 = '1'",
        "order_by": ["metrics.m1 DESC"],
    }),
    "log_metric": ("runs/log-metric", {"run_id": run_id, "key": "loss", "step": 0, **point}),
    "log_batch": ("runs/log-batch", {"run_id": run_id, "metrics": [
        {"key": f"m{key}", "step": step, **point} for step in range(10) for key in range(10)
    ]}),
    "create_run": ("runs/create", {"experiment_id": experiment, "start_time": now}),
}
path, body = calls[operation]
content = None
if not (operation == os.environ.get("WRK_FORGETS")):
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{url}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    content = urlopen(request).read()
refused = operation == os.environ.get("WRK_IS_REFUSED")
print("talk that is not JSON")
print(json.dumps({
    "requests": 1, "seconds": 0.5, "bytes": len(content or b""), "refused": int(refused),
    "lost": 0, "p50": 1.0, "p99": 2.0, "failure": "500: no disk" if refused and explain else None,
}))
"""
SERVE = """
import sys, time
from server_process import running
with running("tracking_core", "") as server:
    print(server.session, flush=True)
    if "fail" in sys.argv:
        sys.exit("on purpose")
    time.sleep(60)
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    wrk = tmp_path / "bin" / "wrk"
    wrk.parent.mkdir()
    wrk.write_text(f"#!{sys.executable}\n{WRK}")
    wrk.chmod(0o755)
    clean = clean_variables()
    return {
        **clean,
        "PATH": f"{wrk.parent}{os.pathsep}{clean['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": str(SCRIPTS),
    }


def run(
    directory: Path, variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=directory, env=variables, capture_output=True, text=True
    )


def load(directory: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    script = str(SCRIPTS / "server_load.py")
    return run(directory, variables, script, "tracking_core", "1", "1", "30", "sqlite")


def declared(name: str) -> Benchmark:
    benchmark: Benchmark = importlib.import_module(f"benchmarks.declared.{name}").BENCHMARK
    return benchmark


def is_gone(process: int) -> bool:
    deadline = time.monotonic() + 20
    while psutil.pid_exists(process) and psutil.Process(process).status() != "zombie":
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("name", ["server_load", "server_load_postgresql"])
def test_load_prints_what_is_declared(name: str, tmp_path: Path, variables: dict[str, str]) -> None:
    finished = load(tmp_path, variables)
    assert finished.returncode == 0, finished.stderr
    values = json.loads(finished.stdout.splitlines()[-1])
    assert set(values) == {metric.name for metric in declared(name).metrics}
    assert values["search_8_rate"] == 2
    assert all(value > 0 for value in values.values())


def test_without_a_database_server_nothing_is_measured(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    script = str(SCRIPTS / "server_load.py")
    finished = run(tmp_path, variables, script, "tracking_core", "2", "1", "30", "")
    assert (finished.returncode, finished.stdout) == (0, "{}\n")


def test_an_answer_that_says_no_ends_the_script_which_shows_the_first(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    finished = load(tmp_path, {**variables, "WRK_IS_REFUSED": "get_run"})
    assert finished.returncode == 1
    assert "tracking_core, get_run, 8 connections: of 1 answers 1 say no" in finished.stderr
    assert "the first that isn't 2xx is 500: no disk" in finished.stderr


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        ("get_run", "get_run: 1 answers have 0 bytes"),
        ("log_metric", "log_metric: 1 were answered and 0.0 were done"),
        ("log_batch", "log_batch: 1 were answered and 0.0 were done"),
        ("create_run", "create_run: 1 were answered and 0 were done"),
    ],
)
def test_what_was_answered_but_not_done_ends_the_script(
    operation: str, complaint: str, tmp_path: Path, variables: dict[str, str]
) -> None:
    finished = load(tmp_path, {**variables, "WRK_FORGETS": operation})
    assert finished.returncode == 1
    assert complaint in finished.stderr


def test_artifacts_print_what_is_declared(tmp_path: Path, variables: dict[str, str]) -> None:
    script = str(SCRIPTS / "server_artifacts.py")
    finished = run(tmp_path, variables, script, "tracking_core", "2")
    assert finished.returncode == 0, finished.stderr
    values = json.loads(finished.stdout.splitlines()[-1])
    assert set(values) == {metric.name for metric in declared("server_artifacts").metrics}
    assert values["upload"] > 0
    assert values["download"] > 0


def test_the_server_of_a_script_that_fails_ends_with_it(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    finished = run(tmp_path, variables, "-c", SERVE, "fail")
    assert (finished.returncode, finished.stderr) == (1, "on purpose\n")
    assert not psutil.pid_exists(int(finished.stdout))


def test_the_server_of_a_script_that_is_killed_ends_too(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], cwd=tmp_path, env=variables, stdout=subprocess.PIPE
    ) as script:
        assert script.stdout is not None
        server = int(script.stdout.readline())
        assert psutil.pid_exists(server)
        script.send_signal(signal.SIGKILL)
    assert is_gone(server)


def test_a_server_that_does_not_start_is_shown_with_its_own_words(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    code = "from server_process import running\nwith running('tracking_core', 'nothing://'): pass"
    finished = run(tmp_path, variables, "-c", code)
    assert finished.returncode == 1
    assert "tracking_core doesn't start" in finished.stderr
    assert "nothing" in finished.stderr.partition("says:")[2]


def test_processes_whose_parent_died_and_which_do_not_listen_are_ended_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_process, "_END_SECONDS", 0.2)
    deaf = "trap '' TERM; sleep 60 & echo $!; wait"
    with subprocess.Popen(
        ["sh", "-c", f"({deaf}) & sleep 0.1; exit"],
        start_new_session=True,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        sleeper = int(process.stdout.readline())
        process.wait()
        server_process.end(process.pid)
        assert is_gone(sleeper)


def test_the_benchmark_says_that_wrk_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkError, match="apt-get install wrk"):
        server_load.prepare(tmp_path)


def test_the_seconds_of_a_row_can_be_chosen(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", variables["PATH"])
    monkeypatch.delenv("BENCHMARK_SECONDS", raising=False)
    assert server_load.prepare(tmp_path) == {"seconds": "4"}
    monkeypatch.setenv("BENCHMARK_SECONDS", "10")
    assert server_load.prepare(tmp_path) == {"seconds": "10"}
    monkeypatch.setenv("BENCHMARK_SECONDS", "0.5")
    with pytest.raises(BenchmarkError, match=r"not '0\.5'"):
        server_load.prepare(tmp_path)
