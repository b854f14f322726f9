"""A workspace on loopback, a file of profiles that names it, and nothing of the developer's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.databricks.tests.fake_workspace import FakeWorkspace, serving
from tracking_core.config import Settings, Uri
from tracking_core_databricks import authentication
from tracking_core_databricks.store import DatabricksStore, UnityCatalogStore

WriteProfiles = Callable[[str], Path]
OpenStore = Callable[..., DatabricksStore]


@pytest.fixture(autouse=True)
def no_profiles_of_the_developer(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Look for profiles and credentials in an empty home directory."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "ARM_", "GOOGLE_")):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    # No command of another tool is asked who one is.
    monkeypatch.setenv("PATH", str(home))
    authentication.forget()


@pytest.fixture
def workspace() -> Iterator[FakeWorkspace]:
    """A workspace."""
    fake = FakeWorkspace()
    with serving(fake):
        yield fake


@pytest.fixture
def write_profiles() -> WriteProfiles:
    """Write the file of profiles."""

    def write(text: str) -> Path:
        path = Path.home() / ".databrickscfg"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def profiles(workspace: FakeWorkspace, write_profiles: WriteProfiles) -> Path:
    """The file of profiles, whose `work` is the workspace."""
    return write_profiles(f"[work]\nhost = {workspace.url}\ntoken = dapi-good\n")


@pytest.fixture
def open_store() -> Iterator[OpenStore]:
    """Open a store; it is closed after the test."""
    opened: list[DatabricksStore] = []

    def open_store(uri: str, **settings: object) -> DatabricksStore:
        parsed = Uri.parse(uri)
        kind = UnityCatalogStore if parsed.scheme == "databricks-uc" else DatabricksStore
        opened.append(kind(parsed, Settings(**settings)))  # type: ignore[arg-type]
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(profiles: Path, open_store: OpenStore) -> DatabricksStore:
    """The workspace as a store."""
    return open_store("databricks://work")
