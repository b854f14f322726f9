"""How quickly runs are found in a database."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.databases import (
    FILTER,
    ORDER,
    SERVER,
    grow_our_runs,
    make_runs,
    postgresql_server,
    write_our_runs,
    write_peer_runs,
    write_search,
)
from benchmarks.peers import FASTTRACKML, MLFLOW
from benchmarks.runner import Benchmark, Metric, Side


def prepare(directory: Path) -> Mapping[str, Path | str]:
    """Write the databases that are searched, and what must be found."""
    places = {name: directory / name for name in ("tracking_core", "mlflow", "fasttrackml")}
    for place in places.values():
        place.mkdir()
    runs = make_runs(10_000)
    write_search(directory / "search.json", runs)
    ours = places["tracking_core"]
    write_our_runs(ours / "runs-1000.db", runs[:1000])
    write_our_runs(ours / "runs-10000.db", runs)
    grow_our_runs(ours / "runs-10000.db", ours / "runs-100000.db", 10)
    write_peer_runs(MLFLOW, places["mlflow"] / "runs-10000.db", runs)
    write_peer_runs(FASTTRACKML, places["fasttrackml"] / "runs-10000.db", runs)
    return {
        **places,
        "search": directory / "search.json",
        "postgresql": postgresql_server(),
    }


BENCHMARK = Benchmark(
    summary=f"pages of 100 of {FILTER} by {ORDER}; 10,000 runs of 10 metrics, 10 params, 5 tags",
    sides=(
        Side(
            "tracking_core",
            "sql_search.py",
            ("tracking_core", "{tracking_core}", "{search}", "{postgresql}"),
        ),
        Side("mlflow", "sql_search.py", ("mlflow", "{mlflow}", "{search}", ""), MLFLOW),
        Side(
            "fasttrackml",
            "sql_search.py",
            ("sql_fasttrackml", "{fasttrackml}", "{search}", ""),
            FASTTRACKML,
        ),
    ),
    metrics=(
        Metric("sqlite_opening_page", "ms, the first in a process", "lower"),
        Metric(
            "sqlite_first_page", "ms", "lower", ratio={"mlflow": 50, "fasttrackml": 5}, limit=20
        ),
        Metric("sqlite_next_pages", "first pages that ten more take", "lower", limit=12),
        Metric("sqlite_first_page_large", "ms, 100,000 runs", "lower"),
        Metric("sqlite_growth", "times from 1,000 to 100,000 runs", "lower", limit=3),
        Metric("sqlite_data_frame", "s", "lower", ratio={"mlflow": 10}, limit=1),
        Metric("postgresql_logging", "runs/s", "higher", needs=SERVER),
        Metric("postgresql_opening_page", "ms", "lower", needs=SERVER),
        Metric("postgresql_first_page", "ms", "lower", limit=20, needs=SERVER),
        Metric(
            "postgresql_next_pages",
            "first pages that ten more take",
            "lower",
            limit=12,
            needs=SERVER,
        ),
        Metric("postgresql_data_frame", "s", "lower", limit=1, needs=SERVER),
    ),
    rounds=2,
    warm_up=False,
    prepare=prepare,
)
