"""The declared benchmarks: what they name is there, and scripts print what is declared."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import DECLARATIONS
from benchmarks.peers import clean_variables
from benchmarks.runner import SCRIPTS, Benchmark

NAMES = sorted(path.stem for path in DECLARATIONS.glob("[a-z]*.py"))


def declared(name: str) -> Benchmark:
    benchmark: Benchmark = importlib.import_module(f"benchmarks.declared.{name}").BENCHMARK
    return benchmark


def printed(script: str, *arguments: str, directory: Path) -> dict[str, float]:
    finished = subprocess.run(
        [sys.executable, SCRIPTS / script, "tracking_core", *arguments],
        cwd=directory,
        env={**clean_variables(), "XDG_CACHE_HOME": str(directory)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    values: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return values


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_names_scripts_sides_and_metrics_that_are_there_once(name: str) -> None:
    benchmark = declared(name)
    ours, *peers = benchmark.sides
    assert ours.peer is None
    assert all(side.peer for side in peers)
    assert all((SCRIPTS / side.script).is_file() for side in benchmark.sides)
    metrics = [metric.name for metric in benchmark.metrics]
    assert len(metrics) == len(set(metrics))
    for metric in benchmark.metrics:
        if isinstance(metric.ratio, dict):
            assert set(metric.ratio) <= {peer.name for peer in peers}


def test_logging_to_sqlite_prints_what_is_declared_but_for_the_million(tmp_path: Path) -> None:
    values = printed("sql_logging.py", "1", "2", "3", "", directory=tmp_path)
    expected = {metric.name for metric in declared("sql_logging").metrics if not metric.needs}
    assert set(values) == expected - {"sqlite_slowdown"}
    assert all(value > 0 for value in values.values())


def test_starting_prints_what_is_declared(tmp_path: Path) -> None:
    values = printed("sql_startup.py", directory=tmp_path)
    assert set(values) == {metric.name for metric in declared("sql_startup").metrics}
    assert all(value > 0 for value in values.values())
