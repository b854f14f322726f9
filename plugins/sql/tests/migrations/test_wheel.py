"""The revisions come along in the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

PLUGIN = Path(__file__).parents[2]


def test_an_upgrade_works_from_a_wheel(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(PLUGIN)).build(directory=str(tmp_path), versions=["standard"])
    site = tmp_path / "100% site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (tmp_path / "runs.db").touch()
    code = (
        "import tracking_core_sql, sys\nfrom tracking_core.cli import main\n"
        "print(tracking_core_sql.__file__)\n"
        f"sys.argv = ['tracking', 'db', 'upgrade', 'sqlite:///{tmp_path}/runs.db']\nmain()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])},
    )
    imported, told = finished.stdout.splitlines()
    assert imported.startswith(str(site))
    assert told.startswith("Made the tables of revision ")
