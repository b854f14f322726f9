"""Log metrics to new databases: sql_logging.py MODULE BATCHES LONG_BATCHES CALLS POSTGRESQL.

MODULE has MLflow's names. BATCHES of a thousand points are logged in each shape, LONG_BATCHES in
the one of 10 keys; POSTGRESQL is the URI of a server, or empty if there is none.
"""

import importlib
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

module, *numbers, postgresql = sys.argv[1:]
BATCHES, LONG_BATCHES, CALLS = map(int, numbers)
BATCH = 1000
COMPARED = 100  # batches: the first and the last hundred thousand points
MILLION = 1000

tracker = importlib.import_module(module)
entities: Any = getattr(tracker, "entities", None) or importlib.import_module(f"{module}.entities")
chance = random.Random(0)


def check(client: Any, run_id: str, key: str, points: int) -> None:
    found = client.get_metric_history(run_id, key)
    if sorted(point.step for point in found) != list(range(points)):
        sys.exit(f"{key}: {len(found)} points are there of {points}")


def log_batches(client: Any, experiment_id: str, keys: int, batches: int) -> list[float]:
    """Return the seconds of each batch."""
    run_id = client.create_run(experiment_id).info.run_id
    steps = BATCH // keys
    durations = []
    for number in range(batches):
        now = time.time_ns() // 1_000_000
        metrics = [
            entities.Metric(f"m{key}", chance.random(), now, number * steps + step)
            for step in range(steps)
            for key in range(keys)
        ]
        start = time.perf_counter()
        client.log_batch(run_id, metrics)
        durations.append(time.perf_counter() - start)
    for key in ("m0", f"m{keys - 1}"):
        check(client, run_id, key, batches * steps)
    return durations


def log_metrics(client: Any, experiment_id: str) -> list[float]:
    run_id = client.create_run(experiment_id).info.run_id
    durations = []
    for step in range(CALLS):
        start = time.perf_counter()
        client.log_metric(run_id, "m0", step / 7, step=step)
        durations.append(time.perf_counter() - start)
    check(client, run_id, "m0", CALLS)
    return durations


def p99(durations: list[float]) -> float:
    return sorted(durations)[int(len(durations) * 0.99)] * 1000


def measure(uri: str) -> dict[str, float]:
    values = {}
    client = tracker.MlflowClient(uri)
    experiment_id = client.create_experiment("speed")
    log_batches(client, client.create_experiment("warm-up"), 10, 2)
    for keys in (1, BATCH, 10):
        batches = LONG_BATCHES if keys == 10 else BATCHES
        durations = log_batches(client, experiment_id, keys, batches)
        values[f"batch_{keys}x{BATCH // keys}"] = batches * BATCH / sum(durations)
        if keys == 10:
            values["batch_p99"] = p99(durations)
        if batches >= MILLION:
            values["slowdown"] = sum(durations[-COMPARED:]) / sum(durations[:COMPARED])
    durations = log_metrics(client, experiment_id)
    values["log_metric"] = CALLS / sum(durations)
    values["log_metric_p99"] = p99(durations)
    if hasattr(client, "close"):
        client.close()
    return values


databases = {"sqlite": measure(f"sqlite:///{Path.cwd() / 'runs.db'}")}
if postgresql:
    with importlib.import_module("sql_postgresql").new_database(postgresql) as uri:
        databases["postgresql"] = measure(uri)
print(
    json.dumps(
        {
            f"{database}_{name}": value
            for database, values in databases.items()
            for name, value in values.items()
        }
    )
)
