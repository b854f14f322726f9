"""Search runs: file_search.py MODULE EXPERIMENT_ID FILTER DIRECTORY ...

Cold is the first search with an empty cache, warm the same again in the same process, reopened the
first search of another process, which finds the caches of this one.
"""

import importlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

module, experiment_id, filter_string, *directories = sys.argv[1:]
reopened = directories[0] == "--reopened"
tracker = importlib.import_module(module)


def search(client: Any, directory: Path) -> float:
    """Search once, and return the seconds that it took."""
    start = time.perf_counter()
    runs = client.search_runs([experiment_id], filter_string=filter_string, max_results=5000)
    seconds = time.perf_counter() - start
    expected = int(directory.with_suffix(".expected").read_text())
    if len(runs) != expected or not all(run.data.metrics["m9"] >= 0 for run in runs):
        sys.exit(f"{len(runs)} runs were found in {directory}, not {expected}")
    return seconds


if reopened:
    directory = Path(directories[1])
    print(search(tracker.MlflowClient(directory.as_uri()), directory))
    sys.exit()

values = {}
for name in directories:
    directory = Path(name)
    count = directory.name.removeprefix("runs-")
    client = tracker.MlflowClient(directory.as_uri())
    values[f"cold_{count}"] = search(client, directory)
    values[f"warm_{count}"] = statistics.median(search(client, directory) for _ in range(3))
    again = [sys.executable, __file__, module, experiment_id, filter_string, "--reopened", name]
    finished = subprocess.run(again, check=True, stdout=subprocess.PIPE, text=True)
    values[f"reopened_{count}"] = float(finished.stdout.strip().splitlines()[-1])
print(json.dumps(values))
