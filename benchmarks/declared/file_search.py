"""How quickly runs are found in `./mlruns`."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.mlruns import EXPERIMENT_ID, FILTER, write_mlruns
from benchmarks.peers import MLFLOW
from benchmarks.runner import Benchmark, Metric, Side


def prepare(directory: Path) -> Mapping[str, Path]:
    """Write the directories that are searched, and beside each what must be found."""
    paths = {}
    for runs in (1_000, 10_000):
        root = directory / f"runs-{runs}"
        found = write_mlruns(root, runs)
        (directory / f"runs-{runs}.expected").write_text(str(found))
        paths[f"runs_{runs}"] = root
    return paths


QUERY = (EXPERIMENT_ID, FILTER)

BENCHMARK = Benchmark(
    summary=f"search_runs by {FILTER}; runs of 10 metrics, 10 params, 5 tags",
    sides=(
        Side(
            "tracking_core",
            "file_search.py",
            ("tracking_core", *QUERY, "{runs_1000}", "{runs_10000}"),
        ),
        # Only the small directory: the large one takes it ten times as long, and promises nothing.
        Side("mlflow", "file_search.py", ("mlflow", *QUERY, "{runs_1000}"), MLFLOW),
    ),
    metrics=(
        Metric("cold_1000", "s", "lower"),
        Metric("warm_1000", "s", "lower", ratio=50),
        Metric("reopened_1000", "s", "lower"),
        Metric("cold_10000", "s", "lower"),
        Metric("warm_10000", "s", "lower", limit=1),
        Metric("reopened_10000", "s", "lower", limit=1),
    ),
    rounds=3,
    prepare=prepare,
)
