"""The conformance kit over HTTP: a server of ours is one more storage."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tracking_core.testing import (
    LoggedModelStoreTests,
    ModelRegistryStoreTests,
    RunStoreTests,
    StoreLocation,
    WebhookStoreTests,
)
from tracking_core_rest.store import RestStore

BACKENDS = ("memory", "file", "sqlite", "postgresql")


@contextmanager
def serving(store_uri: str, directory: Path) -> Iterator[str]:
    """Start a server over a backend and give its URL."""
    command = [
        *(sys.executable, "-c", "from tracking_core.cli import main; main()"),
        *("server", "--port", "0"),
        *("--backend-store-uri", store_uri),
        *("--artifacts-destination", str(directory / "artifacts")),
        # The kit's model versions have paths of this machine as their sources.
        *("--artifact-root", "/"),
    ]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRACKING_", "MLFLOW_"))
    }
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


@pytest.fixture(scope="session", params=BACKENDS)
def server_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a server over each of the backends."""
    directory = tmp_path_factory.mktemp("server")
    if request.param == "postgresql":
        psycopg = pytest.importorskip("psycopg")
        name = f"rest_{uuid.uuid4().hex[:12]}"
        address = "postgresql://postgres@127.0.0.1:5432/"
        try:
            connection = psycopg.connect(address + "postgres", autocommit=True, connect_timeout=5)
        except psycopg.OperationalError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no PostgreSQL answers on 127.0.0.1:5432: {error}")
        with connection:
            connection.execute(f"CREATE DATABASE {name}")
            try:
                with serving(address + name, directory) as url:
                    yield url
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        return
    uri = {
        "memory": "memory://",
        "file": str(directory / "mlruns"),
        "sqlite": f"sqlite:///{directory}/tracking.db",
    }[request.param]
    with serving(uri, directory) as url:
        yield url


class _BehindAServer:
    @pytest.fixture
    def location(self, server_url: str) -> StoreLocation:
        return StoreLocation(RestStore, server_url)


class TestRemoteRuns(_BehindAServer, RunStoreTests):
    pass


class TestRemoteRegistry(_BehindAServer, ModelRegistryStoreTests):
    pass


class TestRemoteLoggedModels(_BehindAServer, LoggedModelStoreTests):
    pass


@pytest.mark.parametrize("server_url", ["memory", "sqlite", "postgresql"], indirect=True)
class TestRemoteWebhooks(_BehindAServer, WebhookStoreTests):
    pass
