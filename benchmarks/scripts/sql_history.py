"""Read ten thousand points of a run of a million: sql_history.py MODULE DATABASE EXPECTED.

MODULE has MLflow's names. EXPECTED is a file that says how many points there are, which points one
key has, and which points of another a window of steps holds.
"""

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

module, database, expected = sys.argv[1:]
TIMES = 7

tracker = importlib.import_module(module)
asked = json.loads(Path(expected).read_text())
first_step, last_step = asked["window_steps"]
client = tracker.MlflowClient(f"sqlite:///{database}")
experiment_id = client.get_experiment_by_name(asked["experiment"]).experiment_id
run_id = client.search_runs([experiment_id])[0].info.run_id


def whole() -> list[Any]:
    points: list[Any] = client.get_metric_history(run_id, asked["key"])
    return points


def our_window() -> list[Any]:
    requests: Any = importlib.import_module("tracking_core.stores.requests")
    query = requests.MetricHistoryQuery(
        key=asked["window_key"], first_step=first_step, last_step=last_step
    )
    points: list[Any] = client.store.metric_history(run_id, query=query).items
    return points


def stock_window() -> list[Any]:
    # What its user interface reads; the client has nothing like it.
    points: list[Any] = client._tracking_client.store.get_metric_history_bulk_interval_from_steps(
        run_id, asked["window_key"], list(range(first_step, last_step + 1)), len(asked["window"])
    )
    return points


def median_milliseconds(read: Callable[[], list[Any]], points: list[list[Any]]) -> float:
    seconds = []
    for _ in range(TIMES):
        start = time.perf_counter()
        found = read()
        seconds.append(time.perf_counter() - start)
    if [[point.step, point.timestamp, point.value] for point in found] != points:
        sys.exit(f"the {len(found)} points that were read aren't those that were logged")
    return statistics.median(seconds) * 1000


values = {"read_key": median_milliseconds(whole, asked["points"])}
windows = {"tracking_core": our_window, "mlflow": stock_window}
if module in windows:
    values["read_window"] = median_milliseconds(windows[module], asked["window"])
if hasattr(client, "close"):
    client.close()
size = sum(path.stat().st_size for path in Path(database).parent.glob(f"{Path(database).name}*"))
values["bytes_per_point"] = size / asked["count"]
print(json.dumps(values))
