"""Log metrics to a new ./mlruns: file_logging.py MODULE, a module with MLflow's names."""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

CALLS = 2000
CALLS_OF_TEN = 500

tracker = importlib.import_module(sys.argv[1])
uri = (Path.cwd() / "mlruns").as_uri()
tracker.set_tracking_uri(uri)
client = tracker.MlflowClient(uri)
experiment_id = client.create_experiment("speed")


def timed(log: Callable[[str, int], None], calls: int, name: str) -> dict[str, float]:
    """Call `log` in a new run; the total counts the run's end, where nothing can be put off."""
    durations = []
    with tracker.start_run(experiment_id=experiment_id) as run:
        run_id = run.info.run_id
        begin = time.perf_counter()
        for step in range(calls):
            start = time.perf_counter()
            log(run_id, step)
            durations.append(time.perf_counter() - start)
    total = time.perf_counter() - begin
    points = client.get_metric_history(run_id, "m0")
    if [point.step for point in points] != list(range(calls)):
        sys.exit(f"{name}: {len(points)} points are there of {calls}")
    durations.sort()
    return {
        f"{name}_calls": calls / total,
        f"{name}_p99": durations[int(calls * 0.99)] * 1e6,
    }


def log_metric(run_id: str, step: int) -> None:
    tracker.log_metric("m0", step / 7, step=step)


def log_metrics(run_id: str, step: int) -> None:
    tracker.log_metrics({f"m{number}": step / 7 for number in range(10)}, step=step)


def client_log_metric(run_id: str, step: int) -> None:
    client.log_metric(run_id, "m0", step / 7, step=step)


print(
    json.dumps(
        {
            **timed(log_metric, CALLS, "log_metric"),
            **timed(log_metrics, CALLS_OF_TEN, "log_metrics"),
            **timed(client_log_metric, CALLS, "client_log_metric"),
        }
    )
)
