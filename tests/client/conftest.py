"""A client of each store that comes with the core, and a run in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tracking_core.client import Client
from tracking_core.entities import Run


@pytest.fixture(params=["memory", "file"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    uri = "memory:" if request.param == "memory" else str(tmp_path / "mlruns")
    with Client(uri) as made:
        yield made


@pytest.fixture
def experiment_id(client: Client) -> str:
    return client.create_experiment("digits")


@pytest.fixture
def run(client: Client, experiment_id: str) -> Run:
    return client.create_run(experiment_id, run_name="first")


@pytest.fixture
def run_id(run: Run) -> str:
    return run.info.run_id
