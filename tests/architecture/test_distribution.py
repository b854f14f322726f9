"""What `pip install tracking-core` brings."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.peers import clean_variables


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory],
        cwd=root,
        env=clean_variables(),
        check=True,
        capture_output=True,
    )
    (path,) = directory.glob("tracking_core-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_core_and_the_file_plugin_and_nothing_else(
    wheel: zipfile.ZipFile,
) -> None:
    names = wheel.namelist()
    folders = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert folders == {"tracking_core", "tracking_core_file"}
    assert "tracking_core/py.typed" in names
    assert "tracking_core_file/plugin.py" in names
    assert not [name for name in names if "/tests/" in name]


def test_the_wheel_announces_the_command_and_the_file_plugin(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert dict(points["tracking_core"]) == {"file": "tracking_core_file.plugin"}
    assert dict(points["console_scripts"]) == {"tracking": "tracking_core.cli:main"}
