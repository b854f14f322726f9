"""What everyone pays before the first metric is in a new database."""

from benchmarks.peers import FASTTRACKML, MLFLOW
from benchmarks.runner import Benchmark, Metric, Side

BENCHMARK = Benchmark(
    summary="in a new process: import, open a sqlite database, create a run, log a metric",
    sides=(
        Side("tracking_core", "sql_startup.py", ("tracking_core",)),
        Side("mlflow", "sql_startup.py", ("mlflow",), MLFLOW),
        Side("fasttrackml", "sql_startup.py", ("sql_fasttrackml",), FASTTRACKML),
    ),
    metrics=(
        Metric("created", "s, the database is new", "lower", ratio={"mlflow": 4}, limit=1),
        Metric("reopened", "s, it is there", "lower"),
    ),
)
