"""How quickly artifacts go to a local directory and back."""

import random
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peers import MLFLOW
from benchmarks.runner import Benchmark, Metric, Side

SMALL_FILES = 1_000
LARGE_MEGABYTES = 200


def prepare(directory: Path) -> Mapping[str, Path]:
    """Write what is moved."""
    chance = random.Random(0)
    small, large = directory / "small", directory / "large"
    for number in range(SMALL_FILES):
        target = small / f"{number % 10}"
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number}.bin").write_bytes(chance.randbytes(4096))
    large.mkdir()
    with (large / "weights.bin").open("wb") as file:
        for _ in range(LARGE_MEGABYTES):
            file.write(chance.randbytes(1 << 20))
    return {"small": small, "large": large}


BENCHMARK = Benchmark(
    summary=f"{SMALL_FILES} files of 4 KiB and one of {LARGE_MEGABYTES} MiB, to a local artifact"
    " directory and back; our side checks SHA-256, the peer checks nothing",
    sides=(
        Side("tracking_core", "artifact_transfer.py", ("tracking_core", "{small}", "{large}")),
        Side("mlflow", "artifact_transfer.py", ("mlflow", "{small}", "{large}"), MLFLOW),
    ),
    metrics=(
        Metric("small_up", "s", "lower"),
        Metric("small_down", "s", "lower"),
        Metric("large_up", "s", "lower"),
        Metric("large_down", "s", "lower"),
        Metric("write_loop", "µs/file of 4 KiB", "lower"),
    ),
    prepare=prepare,
)
