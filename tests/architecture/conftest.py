from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import clean_variables

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[str]:
    """Every module of the core and of the plugin that it bundles, by its dotted name."""
    names = []
    for package in (ROOT / "tracking_core", ROOT / "plugins/file/tracking_core_file"):
        for path in package.rglob("*.py"):
            parts = path.relative_to(package.parent).with_suffix("").parts
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(name for name in names if not name.endswith("__main__"))


def run_in_fresh_interpreter(code: str, argument: object = None) -> Any:
    """Run code in a new interpreter, warnings as errors, and return the JSON that it prints."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=json.dumps(argument),
        env=clean_variables(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.fixture(scope="session")
def fresh_interpreter() -> Any:
    """The function `run_in_fresh_interpreter`."""
    return run_in_fresh_interpreter
