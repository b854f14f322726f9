"""How quickly points are read from a long history, and what it takes on disk."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.databases import make_points, write_history, write_our_points, write_peer_points
from benchmarks.peers import FASTTRACKML, MLFLOW
from benchmarks.runner import Benchmark, Metric, Side


def prepare(directory: Path) -> Mapping[str, Path]:
    """Write the databases, and what must be read."""
    paths = {name: directory / f"{name}.db" for name in ("tracking_core", "mlflow", "fasttrackml")}
    points = make_points()
    write_history(directory / "history.json", points)
    write_our_points(paths["tracking_core"], points)
    write_peer_points(MLFLOW, paths["mlflow"], points)
    write_peer_points(FASTTRACKML, paths["fasttrackml"], points)
    return {**paths, "history": directory / "history.json"}


BENCHMARK = Benchmark(
    summary="10,000 points among the 1,000,000 (10 keys) of a run, in sqlite",
    sides=(
        Side("tracking_core", "sql_history.py", ("tracking_core", "{tracking_core}", "{history}")),
        Side("mlflow", "sql_history.py", ("mlflow", "{mlflow}", "{history}"), MLFLOW),
        Side(
            "fasttrackml",
            "sql_history.py",
            ("sql_fasttrackml", "{fasttrackml}", "{history}"),
            FASTTRACKML,
        ),
    ),
    metrics=(
        Metric("read_key", "ms, all points of a key", "lower", ratio={"mlflow": 10}),
        Metric("read_window", "ms, a tenth of a key by steps", "lower", ratio={"mlflow": 10}),
        Metric("bytes_per_point", "bytes", "lower", limit=25),
    ),
    rounds=3,
    warm_up=False,
    prepare=prepare,
)
