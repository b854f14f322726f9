"""What a server over sqlite answers, in requests per second, and how long each waits."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import FASTTRACKML, MLFLOW_WITH_DRIVERS
from benchmarks.runner import Benchmark, BenchmarkError, Metric, Side

CONNECTIONS = (1, 8, 32)
RUNS = 1_000

# Operations, and how many times the rate of FastTrackML we promise on sqlite.
OPERATIONS = {"get_run": 1, "search": 3, "log_metric": 3, "log_batch": 3, "create_run": 1}

SUMMARY = (
    f"wrk over 1, 8 and 32 connections; {RUNS} runs of 20 metrics, 10 params, 5 tags: get one,"
    " search a page of 100; log a point, a batch of 10 keys x 10 steps; create a run"
)


def seconds() -> Mapping[str, str]:
    """Return how long each row takes: BENCHMARK_SECONDS, a whole number.

    Raises:
        BenchmarkError: wrk isn't here, or that isn't a number.
    """
    if shutil.which("wrk") is None:
        raise BenchmarkError("wrk isn't on PATH; on Debian: apt-get install wrk")
    text = os.environ.get("BENCHMARK_SECONDS", "4")
    if not text.isdecimal() or int(text) == 0:
        raise BenchmarkError(f"BENCHMARK_SECONDS is a number of seconds from 1, not {text!r}.")
    return {"seconds": text}


def prepare(_: Path) -> Mapping[str, str]:
    """Look for wrk."""
    return seconds()


def sides(workers: str, database: str) -> tuple[Side, ...]:
    """Return who serves; ours with so many processes, the peers as they do by themselves."""

    def arguments(name: str, workers: str = "") -> tuple[str, ...]:
        return name, workers, "{seconds}", f"{RUNS}", database

    return (
        Side("tracking_core", "server_load.py", arguments("tracking_core", workers)),
        Side("mlflow", "server_load.py", arguments("mlflow"), MLFLOW_WITH_DRIVERS),
        Side("fasttrackml", "server_load.py", arguments("fasttrackml"), FASTTRACKML),
    )


def metrics(promised: bool, needs: str | None = None) -> tuple[Metric, ...]:
    """Return what is measured; little is promised of more than one row."""

    def row(operation: str, connections: int) -> tuple[Metric, ...]:
        name = f"{operation}_{connections}"
        rate = {"fasttrackml": float(OPERATIONS[operation])} if promised else None
        wait = {"fasttrackml": 1.0} if promised else None
        return (
            Metric(f"{name}_rate", "requests/s", "higher", ratio=rate, needs=needs),
            Metric(f"{name}_p50", "ms", "lower", needs=needs),
            Metric(f"{name}_p99", "ms", "lower", ratio=wait, needs=needs),
        )

    return (
        *(
            metric
            for operation in OPERATIONS
            for connections in CONNECTIONS
            for metric in row(operation, connections)
        ),
        Metric(
            "server_start",
            "s to the first answer, the database is new",
            "lower",
            limit=1 if promised else None,
            needs=needs,
        ),
        Metric("idle_resident", "MiB, sum of processes", "lower", needs=needs),
        Metric(
            "idle_private",
            "MiB, not shared",
            "lower",
            limit=100 if promised else None,
            needs=needs,
        ),
        Metric("loaded_resident", "MiB, sum of processes", "lower", needs=needs),
        Metric("loaded_private", "MiB, not shared", "lower", needs=needs),
    )


BENCHMARK = Benchmark(
    summary=f"{SUMMARY}; sqlite",
    sides=sides("1", "sqlite"),
    metrics=metrics(promised=True),
    rounds=2,
    warm_up=False,
    prepare=prepare,
)
