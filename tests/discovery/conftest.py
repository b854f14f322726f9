from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins_fixture.installing import install
from tracking_core.discovery import PluginManager


class Installed:
    """Installs fixture distributions for one test and makes managers that find them."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self._monkeypatch = monkeypatch

    def __call__(self, *names: str) -> PluginManager:
        install(names, self.directory)
        if str(self.directory) not in sys.path:
            self._monkeypatch.syspath_prepend(str(self.directory))
        return PluginManager()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    yield Installed(tmp_path / "site", monkeypatch)
    for name in list(sys.modules):
        if name.partition(".")[0].startswith("fixture_"):
            del sys.modules[name]
