"""What every test of the workspace gets: a clean environment, and stock MLflow if it asks."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from benchmarks.peers import MLFLOW, PeerEnvironment, PeerError, make_environment

ROOT = Path(__file__).parent

# A shared machine is slow now and then: a deadline per example would only make tests flicker.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "ci", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "default")
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / ".hypothesis"))


@pytest.fixture(scope="session")
def _session_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("session", numbered=True)


_directory_numbers = itertools.count()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, _session_directory: Path) -> None:
    """Let no setting of the developer reach a test, and no `./mlruns` of a test the checkout.

    The directories are not under `tmp_path`, which a test may list and expect to be empty.
    """
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "TRACKING_")):
            monkeypatch.delenv(name)
    directory = _session_directory / str(next(_directory_numbers))
    working_directory = directory / "work"
    working_directory.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(directory / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(directory / "state"))
    monkeypatch.chdir(working_directory)


@pytest.fixture(scope="session")
def stock_mlflow() -> PeerEnvironment:
    """Stock MLflow, installed in an environment of its own; `stock_mlflow.run(code)` runs there."""
    try:
        return make_environment(MLFLOW)
    except PeerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no stock MLflow here: {error}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the peer, so that `-m 'not peer'` leaves them out."""
    for item in items:
        if "stock_mlflow" in getattr(item, "fixturenames", ()):
            item.add_marker("peer")
