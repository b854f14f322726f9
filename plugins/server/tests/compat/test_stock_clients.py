"""A whole session of stock MLflow clients, 2.x and 3.x: our server answers as their own does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import MLFLOW, MLFLOW_2, Peer, PeerError, make_environment

pytestmark = [pytest.mark.peer, pytest.mark.timeout(300)]

SESSION = Path(__file__).with_name("stock_session.py")

# What our server answers otherwise than theirs, and why.
MEANT = {
    "bad experiment": "any text may be the id of an experiment, so that this one is but missing",
    "missing history": "theirs has an empty history for a run that there isn't",
    "version of nothing": "theirs says INTERNAL_ERROR to a version of a model that there isn't",
}


@contextmanager
def running(command: list[str], directory: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run a server of ours and give its URL."""
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=directory
    ) as server:
        assert server.stderr is not None
        try:
            line = server.stderr.readline()
            assert " on http://" in line, line + server.stderr.read()
            yield line.rpartition(" ")[2].strip()
        finally:
            server.terminate()
            server.stderr.read()


def facts_of(peer: Peer, tracking_uri: str, directory: Path) -> dict[str, Any]:
    """Return what a session of a stock client finds."""
    try:
        environment = make_environment(peer)
    except PeerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    finished = subprocess.run(
        [environment.python, SESSION, tracking_uri],
        env=environment.variables({"MLFLOW_TRACKING_URI": tracking_uri}),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    facts: dict[str, Any] = json.loads(finished.stdout.strip().splitlines()[-1])
    return facts


@pytest.mark.parametrize("peer", [MLFLOW, MLFLOW_2], ids=lambda peer: peer.name)
@pytest.mark.parametrize("backend", ["sqlite", "file"])
def test_a_session_of_a_stock_client_finds_what_it_finds_without_a_server(
    peer: Peer, backend: str, tmp_path: Path
) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    store = {"sqlite": f"sqlite:///{ours}/runs.db", "file": str(ours / "mlruns")}[backend]
    command = [
        *(sys.executable, "-c", "from tracking_core.cli import main; main()"),
        *("server", "--port", "0", "--backend-store-uri", store),
        *("--artifacts-destination", str(ours / "artifacts")),
    ]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TRACKING_", "MLFLOW_"))}
    with running(command, ours, clean) as url:
        found = facts_of(peer, url, ours)
    expected = facts_of(peer, f"sqlite:///{theirs}/mlflow.db", theirs)
    assert {k: v for k, v in found.items() if k not in MEANT} == {
        k: v for k, v in expected.items() if k not in MEANT
    }
    assert len(found) > 70 - 8 * (peer is MLFLOW_2)
