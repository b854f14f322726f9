"""How quickly one process logs metrics to a database."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.databases import SERVER, postgresql_server
from benchmarks.peers import FASTTRACKML, MLFLOW_WITH_DRIVERS
from benchmarks.runner import Benchmark, Metric, Side


def prepare(_: Path) -> Mapping[str, str]:
    """Find the server."""
    return {"postgresql": postgresql_server()}


def metrics(database: str, needs: str | None) -> tuple[Metric, ...]:
    """Return what is measured on a database."""

    def points(shape: str, ratio: float | None = None, limit: float | None = None) -> Metric:
        name = f"{database}_batch_{shape}"
        return Metric(name, "points/s", "higher", ratio=ratio, limit=limit, needs=needs)

    # What is promised of single calls, is promised of sqlite and against stock MLflow.
    call_ratio = {"mlflow": 10.0} if database == "sqlite" else None
    return (
        points("1x1000"),
        points("1000x1"),
        points("10x100", ratio=10, limit=100_000),
        Metric(f"{database}_batch_p99", "ms", "lower", needs=needs),
        Metric(f"{database}_slowdown", "times to the millionth", "lower", limit=1.3, needs=needs),
        Metric(f"{database}_log_metric", "calls/s", "higher", ratio=call_ratio, needs=needs),
        Metric(f"{database}_log_metric_p99", "ms", "lower", needs=needs),
    )


# Batches, those of 10 keys, single calls. Ours logs a million points, which the peers take minutes
# for; that they write to smaller tables is to their advantage.
LONG = ("100", "1000", "2000", "{postgresql}")
MIDDLE = ("50", "100", "500", "{postgresql}")
SHORT = ("20", "20", "200", "{postgresql}")

BENCHMARK = Benchmark(
    summary="log_batch of 1,000 points (keys x steps), and log_metric call by call",
    sides=(
        Side("tracking_core", "sql_logging.py", ("tracking_core", *LONG)),
        Side("mlflow", "sql_logging.py", ("mlflow", *SHORT), MLFLOW_WITH_DRIVERS),
        Side("fasttrackml", "sql_logging.py", ("sql_fasttrackml", *MIDDLE), FASTTRACKML),
    ),
    metrics=(*metrics("sqlite", None), *metrics("postgresql", SERVER)),
    rounds=2,
    warm_up=False,
    prepare=prepare,
)
