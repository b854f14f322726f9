"""How quickly one process logs metrics to `./mlruns`."""

from benchmarks.peers import MLFLOW
from benchmarks.runner import Benchmark, Metric, Side

BENCHMARK = Benchmark(
    summary="one process logs to a run in a directory, call by call",
    sides=(
        Side("tracking_core", "file_logging.py", ("tracking_core",)),
        Side("mlflow", "file_logging.py", ("mlflow",), MLFLOW),
    ),
    metrics=(
        Metric("log_metric_calls", "calls/s", "higher", ratio=5),
        Metric("log_metric_p99", "µs", "lower", limit=200),
        Metric("log_metrics_calls", "calls/s of 10 keys", "higher", ratio=5),
        Metric("log_metrics_p99", "µs", "lower", limit=200),
        Metric("client_log_metric_calls", "calls/s", "higher", ratio=5),
        Metric("client_log_metric_p99", "µs", "lower", limit=200),
    ),
)
