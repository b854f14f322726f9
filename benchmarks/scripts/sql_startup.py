"""Log a first metric to a database that isn't there yet: sql_startup.py MODULE."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

START = time.perf_counter()
module = sys.argv[1]


def log_metric() -> tuple[Any, str]:
    client = importlib.import_module(module).MlflowClient(f"sqlite:///{Path.cwd() / 'runs.db'}")
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m0", 0.5)
    return client, run_id


client, run_id = log_metric()
seconds = time.perf_counter() - START
if [point.value for point in client.get_metric_history(run_id, "m0")] != [0.5]:
    sys.exit("the point isn't there")
if hasattr(client, "close"):
    client.close()

if "--again" in sys.argv:
    print(seconds)
else:
    again = [sys.executable, __file__, module, "--again"]
    finished = subprocess.run(again, check=True, stdout=subprocess.PIPE, text=True)
    reopened = float(finished.stdout.strip().splitlines()[-1])
    print(json.dumps({"created": seconds, "reopened": reopened}))
