"""Each test begins with nothing set and no run active."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tracking_core as tracking
from tracking_core.client import Client
from tracking_core.fluent import stack, state, system_metrics_switch
from tracking_core.fluent.active_run import _last, _process_end


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    for run in _process_end.own_runs():
        run.client.set_terminated(run.run_id, "KILLED")
        run.ended = True
        _process_end.remove(run)
    stack._stack.set(())
    _last._of_context.set(None)
    _last._of_process = None
    tracking.clear_active_model()
    system_metrics_switch._chosen = system_metrics_switch.Chosen()
    state.reset()


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    """Name a store for the functions, and return a client of it."""
    uri = "memory:" if request.param == "memory" else str(tmp_path / "mlruns")
    tracking.set_tracking_uri(uri)
    return state.default_client()


Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_program(tmp_path: Path) -> Program:
    """Run a program of its own that tracks into `tmp_path / "mlruns"`."""

    def run(code: str, *arguments: str, module: bool = False) -> subprocess.CompletedProcess[str]:
        (tmp_path / "program.py").write_text(textwrap.dedent(code))
        command = ["-m", "program"] if module else ["program.py"]
        return subprocess.run(
            [sys.executable, "-W", "error", *command, *arguments],
            cwd=tmp_path,
            env=program_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def program_environment(directory: Path) -> dict[str, str]:
    """Return an environment in which a program finds its store, and nobody's settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRACKING_", "MLFLOW_"))
    }
    return kept | {
        "MLFLOW_TRACKING_URI": str(directory / "mlruns"),
        "TRACKING_CACHE_DIR": str(directory / "cache"),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


@pytest.fixture
def statuses(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """Return the statuses of the program's runs by their names."""

    def read() -> dict[str, str]:
        with Client(tmp_path / "mlruns") as client:
            return {run.info.run_name: run.info.status.value for run in client.iterate_runs(None)}

    return read
