"""Import a package, track a first run, run its command: import_time.py MODULE COMMAND."""

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

module, command = sys.argv[1:]

before = len(sys.modules)
start = time.perf_counter()
tracking = importlib.import_module(module)
import_seconds = time.perf_counter() - start
modules = len(sys.modules) - before
resident_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

# What a lazy import only puts off shows here.
with tempfile.TemporaryDirectory() as directory:
    tracking.set_tracking_uri(f"{directory}/mlruns")
    start = time.perf_counter()
    with tracking.start_run():
        tracking.log_metric("loss", 0.5, step=0)
    first_run_seconds = time.perf_counter() - start

start = time.perf_counter()
subprocess.run(
    [Path(sys.executable).parent / command, "--help"], check=True, stdout=subprocess.DEVNULL
)
help_seconds = time.perf_counter() - start

print(
    json.dumps(
        {
            "import_ms": import_seconds * 1000,
            "first_run_ms": first_run_seconds * 1000,
            "help_ms": help_seconds * 1000,
            "modules": modules,
            "resident_mb": resident_kilobytes / 1024,
        }
    )
)
