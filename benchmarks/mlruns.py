"""Writes a directory of runs in MLflow's layout, the same for each side, without either's code."""

from __future__ import annotations

import random
from pathlib import Path

EXPERIMENT_ID = "123456789012345678"
FILTER = "metrics.m0 > 0.5 and params.p0 = 'x'"

_EXPERIMENT = """\
artifact_location: {location}
creation_time: 1700000000000
experiment_id: '{experiment_id}'
last_update_time: 1700000000000
lifecycle_stage: active
name: speed
"""
_RUN = """\
artifact_uri: {location}/{run_id}/artifacts
end_time: {end}
entry_point_name: ''
experiment_id: '{experiment_id}'
lifecycle_stage: active
run_id: {run_id}
run_name: run-{number}
source_name: ''
source_type: 4
source_version: ''
start_time: {start}
status: 3
tags: []
user_id: someone
"""


def write_mlruns(root: Path, runs: int) -> int:
    """Write runs of 10 metrics, 10 params and 5 tags each, and return how many FILTER finds.

    Args:
        root: The directory to make.
        runs: How many; equal numbers give equal files, but for the root in the artifact URIs.
    """
    chance = random.Random(runs)
    experiment = root / EXPERIMENT_ID
    experiment.mkdir(parents=True)
    location = experiment.as_uri()
    (experiment / "meta.yaml").write_text(
        _EXPERIMENT.format(location=location, experiment_id=EXPERIMENT_ID)
    )
    found = 0
    for number in range(runs):
        run_id = f"{chance.getrandbits(128):032x}"
        start = 1_700_000_000_000 + number * 1000
        metrics = {f"m{key}": chance.random() for key in range(10)}
        params = {f"p{key}": chance.choice("vwxyz") for key in range(10)}
        found += metrics["m0"] > 0.5 and params["p0"] == "x"
        _write_run(experiment / run_id, start, metrics, params, number)
        (experiment / run_id / "meta.yaml").write_text(
            _RUN.format(
                location=location,
                run_id=run_id,
                experiment_id=EXPERIMENT_ID,
                number=number,
                start=start,
                end=start + 900,
            )
        )
    return found


def _write_run(
    run: Path, start: int, metrics: dict[str, float], params: dict[str, str], number: int
) -> None:
    for part in ("artifacts", "metrics", "params", "tags"):
        (run / part).mkdir(parents=True)
    for key, value in metrics.items():
        (run / "metrics" / key).write_text(f"{start} {value!r} 0\n")
    for key, text in params.items():
        (run / "params" / key).write_text(text)
    (run / "tags" / "mlflow.runName").write_text(f"run-{number}")
    for tag in range(4):
        (run / "tags" / f"t{tag}").write_text(f"value {number % (tag + 2)}")
