"""What everyone pays before anything is tracked."""

from benchmarks.peers import MLFLOW
from benchmarks.runner import Benchmark, Metric, Side

BENCHMARK = Benchmark(
    summary="in a new process: import, a first run with one point, --help of the command",
    sides=(
        Side("tracking_core", "import_time.py", ("tracking_core", "tracking")),
        Side("mlflow", "import_time.py", ("mlflow", "mlflow"), MLFLOW),
    ),
    metrics=(
        Metric("import_ms", "ms", "lower", ratio=20, limit=60),
        Metric("first_run_ms", "ms", "lower"),
        Metric("help_ms", "ms", "lower", limit=150),
        Metric("modules", "modules", "lower"),
        Metric("resident_mb", "MB", "lower"),
    ),
    rounds=7,
)
