"""Where sqlite's write-ahead log isn't used."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tracking_core.config import Settings, Uri
from tracking_core.stores import NewExperiment
from tracking_core_sql.database import sqlite
from tracking_core_sql.database.file_systems import network_file_system
from tracking_core_sql.store import SqlStore

MOUNTS = [
    ("/", "ext4"),
    ("/home", "nfs4"),
    ("/home/kim/scratch", "xfs"),
    ("/mnt/share", "cifs"),
    ("/mnt/drive", "fuseblk"),
    ("/mnt/bucket", "fuse.s3fs"),
    ("/homes", "overlay"),
]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/runs.db", None),
        ("/home/kim/runs.db", "nfs4"),
        ("/home/kim/scratch/runs.db", None),
        ("/homes/kim/runs.db", None),
        ("/mnt/share/runs.db", "cifs"),
        ("/mnt/drive/runs.db", None),
        ("/mnt/bucket/a/runs.db", "fuse.s3fs"),
        ("\\\\server\\share\\runs.db", "a network share"),
    ],
)
def test_the_longest_mount_point_tells_the_kind(path: str, kind: str | None) -> None:
    assert network_file_system(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", [None, "nfs4"])
def test_a_file_on_another_machine_gets_no_write_ahead_log(
    kind: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sqlite, "network_file_system", lambda path: kind)
    path = tmp_path / "runs.db"
    with (
        caplog.at_level(logging.INFO),
        SqlStore(Uri.parse(f"sqlite:///{path}"), Settings()) as store,
    ):
        store.create_experiment(NewExperiment(name="e"))
        journals = {each.name for each in tmp_path.iterdir()}
    assert ("runs.db-wal" in journals) is (kind is None)
    assert ("sqlite's WAL isn't used there" in caplog.text) is (kind is not None)
