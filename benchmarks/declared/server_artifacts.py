"""How quickly a large artifact goes through a server, and what memory that takes."""

from benchmarks.peers import MLFLOW
from benchmarks.runner import Benchmark, Metric, Side

MEBIBYTES = 1024

BENCHMARK = Benchmark(
    summary=f"PUT and GET of a file of {MEBIBYTES} MiB through the server to a local directory",
    sides=(
        Side("tracking_core", "server_artifacts.py", ("tracking_core", f"{MEBIBYTES}")),
        Side("mlflow", "server_artifacts.py", ("mlflow", f"{MEBIBYTES}"), MLFLOW),
    ),
    metrics=(
        Metric("upload", "MiB/s", "higher", ratio=3),
        Metric("download", "MiB/s", "higher", ratio=3),
        Metric("upload_growth", "MiB of the server's memory at most", "lower", limit=64),
        Metric("download_growth", "MiB of the server's memory at most", "lower", limit=64),
    ),
    rounds=3,
    warm_up=False,
)
