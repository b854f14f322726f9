"""What `tracking_core` has under which name, and that having it costs nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import tracking_core
from tracking_core import fluent

ROOT = Path(tracking_core.__file__)
IN_THE_ROOM_OF_ARTIFACTS = {
    "download_artifacts",
    "list_artifacts",
    "load_dict",
    "load_image",
    "load_text",
}


def test_every_name_leads_somewhere() -> None:
    for name in tracking_core.__all__:
        assert getattr(tracking_core, name) is not None
    assert set(tracking_core.__all__) <= set(dir(tracking_core))


def test_every_function_is_a_name_of_the_package_or_of_its_artifacts() -> None:
    assert set(fluent.__all__) - IN_THE_ROOM_OF_ARTIFACTS <= set(tracking_core.__all__)
    for name in IN_THE_ROOM_OF_ARTIFACTS:
        assert getattr(tracking_core.artifacts, name) is getattr(fluent, name)


def test_what_tools_are_told_is_what_there_is() -> None:
    tree = ast.parse(ROOT.read_text())
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    told = {alias.name for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert told == set(tracking_core.__all__) - {"__version__"}


def test_the_version_is_that_of_the_distribution() -> None:
    pyproject = ROOT.parents[1] / "pyproject.toml"
    if not pyproject.exists():
        pytest.skip("not a checkout")
    assert f'version = "{tracking_core.__version__}"' in pyproject.read_text()


def test_a_name_that_is_not_here_says_so() -> None:
    with pytest.raises(AttributeError, match="beyond tracking"):
        tracking_core.sklearn  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'log_metrik'"):
        tracking_core.log_metrik  # noqa: B018


def test_importing_loads_next_to_nothing_and_logging_no_heavy_library(tmp_path: Path) -> None:
    code = """
import json, sys
before = set(sys.modules)
import tracking_core
package = set(sys.modules) - before
tracking_core.set_tracking_uri(sys.argv[1])
with tracking_core.start_run():
    tracking_core.log_metric("a", 1)
print(json.dumps([sorted(package), sorted(set(sys.modules) - before)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "mlruns")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "XDG_CACHE_HOME": str(tmp_path)},
    )
    package, everything = json.loads(done.stdout)
    assert set(package) <= {"tracking_core", "__future__"}
    heavy = {"pandas", "numpy", "polars", "fsspec", "asyncio", "sqlite3", "multiprocessing", "rich"}
    assert not heavy & set(everything)
