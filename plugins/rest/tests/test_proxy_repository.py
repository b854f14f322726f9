"""Artifacts through a server of ours, by the kit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tracking_core.config import Settings, Uri
from tracking_core.errors import InvalidValueError
from tracking_core.testing import ArtifactRepositoryTests, RepositoryLocation
from tracking_core_rest.proxy_repository import ProxyArtifactRepository


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of artifacts only."""
    directory = tmp_path_factory.mktemp("artifacts")
    command = [
        *(sys.executable, "-c", "from tracking_core.cli import main; main()"),
        *("server", "--port", "0", "--artifacts-only"),
        *("--artifacts-destination", str(directory)),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=directory) as server:
        assert server.stderr is not None
        try:
            line = server.stderr.readline()
            assert " on http://" in line, line + server.stderr.read()
            yield line.rpartition(" ")[2].strip()
        finally:
            server.terminate()
            server.stderr.read()


class TestArtifactsThroughAServer(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, server_url: str) -> RepositoryLocation:
        return RepositoryLocation(
            ProxyArtifactRepository, "mlflow-artifacts:/base", Settings(tracking_uri=server_url)
        )


def test_without_a_server_the_sentence_says_what_to_set() -> None:
    with pytest.raises(InvalidValueError, match="set it to http://HOST:PORT"):
        ProxyArtifactRepository(
            Uri.parse("mlflow-artifacts:/x"), Settings(tracking_uri="sqlite:///a.db")
        )


def test_a_port_without_a_host_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="names a port, and no host"):
        ProxyArtifactRepository(Uri.parse("mlflow-artifacts://5000/x"), Settings())
