"""The conformance kit against the file backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracking_core.testing import (
    LoggedModelStoreTests,
    ModelRegistryStoreTests,
    RunStoreTests,
    StoreLocation,
)
from tracking_core_file.store import FileStore


class TestFileRuns(RunStoreTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> StoreLocation:
        return StoreLocation(FileStore, str(tmp_path / "mlruns"))


class TestFileRegistry(ModelRegistryStoreTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> StoreLocation:
        return StoreLocation(FileStore, str(tmp_path / "mlruns"))


class TestFileLoggedModels(LoggedModelStoreTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> StoreLocation:
        return StoreLocation(FileStore, str(tmp_path / "mlruns"))
