"""A program that logs until it is told to stop: `python writing_child.py URI SECONDS [RUN]`.

It prints, on one line of JSON, its run and how many points of the metric `m` were acknowledged.
"""

from __future__ import annotations

import json
import sys
import time

from tracking_core.config import Settings, Uri
from tracking_core.entities import Metric, Param, RunTag
from tracking_core.stores import Batch, NewExperiment, NewRun
from tracking_core_sql.store import SqlStore


def main(uri: str, seconds: float) -> None:
    acknowledged = 0
    slowest = 0.0
    with SqlStore(Uri.parse(uri), Settings()) as store:
        experiment = store.ensure_experiment(NewExperiment(name="many writers"))
        run_id = store.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            batch = Batch(
                metrics=tuple(
                    Metric("m", float(acknowledged + i), 1_700_000_000_000, acknowledged + i)
                    for i in range(10)
                ),
                params=(Param(f"p{acknowledged // 10 % 50}", "x"),),
                tags=(RunTag("acknowledged", str(acknowledged)),),
                idempotency_key=f"{run_id}-{acknowledged}",
            )
            start = time.monotonic()
            store.log_batch(run_id, batch=batch)
            slowest = max(slowest, time.monotonic() - start)
            acknowledged += len(batch.metrics)
    print(json.dumps({"run_id": run_id, "acknowledged": acknowledged, "slowest": slowest}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
