"""What the tests of the server share: applications that are closed when a test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from plugins.server.tests.asgi_client import AsgiClient
from tracking_core.config import Settings
from tracking_core_server import create_app

Serve = Callable[..., AsgiClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a backend in this process: `serve(store_uri, **options of ServerConfiguration)`."""
    with ExitStack() as opened:

        def start(
            store_uri: str = "memory:",
            *,
            root_path: str = "",
            before: str = "",
            **options: Any,
        ) -> AsgiClient:
            application = create_app(store_uri, settings=Settings(), **options)
            client = AsgiClient(application, root_path=root_path, before=before)
            return opened.enter_context(client)

        yield start


@pytest.fixture
def client(serve: Serve) -> AsgiClient:
    """A server over an empty memory store, without artifacts."""
    return serve()


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """The directory of the artifacts of `with_artifacts`."""
    directory = tmp_path / "artifacts"
    directory.mkdir()
    return directory


@pytest.fixture
def with_artifacts(serve: Serve, artifacts: Path) -> AsgiClient:
    """A server over an empty memory store, with artifacts in a directory."""
    return serve(artifacts_destination=str(artifacts))
