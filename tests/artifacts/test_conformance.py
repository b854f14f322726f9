"""The conformance kit against the repositories that come with the core."""

from __future__ import annotations

from pathlib import Path

import pytest
from further_storages import open_objects, open_renaming

from tracking_core.artifacts.fsspec_repository import FsspecArtifactRepository
from tracking_core.artifacts.local_repository import LocalArtifactRepository
from tracking_core.config import Settings
from tracking_core.testing import ArtifactRepositoryTests, RepositoryLocation


class TestLocal(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> RepositoryLocation:
        return RepositoryLocation(LocalArtifactRepository, str(tmp_path / "a #?%[x] root"))


class TestLocalThatWaitsForTheDisk(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> RepositoryLocation:
        settings = Settings(durability="system")
        return RepositoryLocation(LocalArtifactRepository, str(tmp_path / "root"), settings)


class TestLocalBehindALink(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> RepositoryLocation:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "link").symlink_to("elsewhere")
        return RepositoryLocation(LocalArtifactRepository, str(tmp_path / "link"))


class TestMemory(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> RepositoryLocation:
        uri = f"memory://{tmp_path.name}/a #?%[x] root"
        return RepositoryLocation(FsspecArtifactRepository, uri, reopens=False)


class TestStoreOfObjects(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> RepositoryLocation:
        return RepositoryLocation(open_objects, f"objects://{tmp_path.name}/root", reopens=False)


class TestStorageThatRenames(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> RepositoryLocation:
        return RepositoryLocation(open_renaming, f"renaming:{tmp_path}/root")
