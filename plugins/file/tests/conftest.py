"""Fixtures of the file backend's own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracking_core.config import Settings, Uri
from tracking_core.stores import NewExperiment, NewRun
from tracking_core_file.store import FileStore

OpenStore = Callable[..., FileStore]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "mlruns"


@pytest.fixture
def open_store(root: Path) -> OpenStore:
    """Open a store on the root, or on another path, with settings."""

    def open_store(path: Path | None = None, **settings: Any) -> FileStore:
        return FileStore(Uri.parse(path or root), Settings(**settings))

    return open_store


@pytest.fixture
def store(open_store: OpenStore) -> FileStore:
    return open_store()


@pytest.fixture
def experiment_id(store: FileStore) -> str:
    return store.create_experiment(NewExperiment(name="experiment")).experiment_id


@pytest.fixture
def run_id(store: FileStore, experiment_id: str) -> str:
    return store.create_run(NewRun(experiment_id=experiment_id)).info.run_id


@pytest.fixture
def run_directory(root: Path, experiment_id: str, run_id: str) -> Path:
    return root / experiment_id / run_id
