"""Runs the sides of a benchmark in turn, and puts what they printed side by side."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from benchmarks.peers import Peer, clean_variables, make_environment

SCRIPTS = Path(__file__).parent / "scripts"
RESULTS = Path(__file__).parent / "results"


class BenchmarkError(Exception):
    """A side failed, or didn't print what it was asked for."""


@dataclass(frozen=True)
class Metric:
    """A figure that each side measures.

    Attributes:
        name: The key in the JSON that the scripts print.
        unit: What it counts.
        better: Which end is the good one.
        ratio: How many times better than the peer we promise to be: than each, or by its name.
        limit: What we promise whoever the peer is.
        needs: What a machine may lack, in which case no side measures this; None: nothing.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    ratio: float | Mapping[str, float] | None = None
    limit: float | None = None
    needs: str | None = None

    def promised_ratio(self, peer: str) -> float | None:
        """Return how many times better than this peer we promise to be; None: nothing."""
        return self.ratio.get(peer) if isinstance(self.ratio, Mapping) else self.ratio


@dataclass(frozen=True)
class Side:
    """One of those that are compared.

    Attributes:
        name: What it is called in the table.
        script: A file in benchmarks/scripts; its last line is a JSON object {metric: value}.
        arguments: What the script is given; `{name}` stands for what `prepare` returned.
        peer: Whose interpreter runs the script; None: ours.
    """

    name: str
    script: str
    arguments: tuple[str, ...] = ()
    peer: Peer | None = None


@dataclass(frozen=True)
class Benchmark:
    """A comparison; the first side is ours, each other one is a peer.

    Attributes:
        summary: What is done, in a sentence.
        sides: Who does it.
        metrics: What is measured.
        rounds: How often each side runs.
        warm_up: Whether a first round is thrown away (it writes bytecode and fills the page cache).
        prepare: Makes what the sides work on, once, in the directory given.
    """

    summary: str
    sides: tuple[Side, ...]
    metrics: tuple[Metric, ...]
    rounds: int = 5
    warm_up: bool = True
    prepare: Callable[[Path], Mapping[str, Path | str]] | None = None


Measurements = dict[str, list[dict[str, float]]]
"""For each side, what each of its rounds printed."""


def measure(benchmark: Benchmark, rounds: int, console: Console) -> Measurements:
    """Run all sides `rounds` times: A B, B A, A B, so that a drift of the machine hits both.

    Raises:
        BenchmarkError: A side failed.
    """
    measurements: Measurements = {side.name: [] for side in benchmark.sides}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        console.print("preparing ...", style="dim")
        environments = {
            side.name: make_environment(side.peer) for side in benchmark.sides if side.peer
        }
        paths = benchmark.prepare(directory) if benchmark.prepare else {}
        first = -1 if benchmark.warm_up else 0
        for number in range(first, rounds):
            for side in benchmark.sides[:: -1 if number % 2 else 1]:
                console.print(
                    f"{'warm-up' if number < 0 else f'round {number + 1}/{rounds}'}: {side.name}",
                    style="dim",
                )
                place = directory / f"{side.name}-{number}"
                place.mkdir()
                environment = environments.get(side.name)
                values = _run_side(
                    side,
                    str(environment.python) if environment else sys.executable,
                    environment.variables() if environment else clean_variables(),
                    place,
                    paths,
                )
                if number >= 0:
                    measurements[side.name].append(values)
    return measurements


def _run_side(
    side: Side,
    python: str,
    variables: dict[str, str],
    place: Path,
    paths: Mapping[str, Path | str],
) -> dict[str, float]:
    arguments = [argument.format_map(paths) for argument in side.arguments]
    finished = subprocess.run(
        [python, str(SCRIPTS / side.script), *arguments],
        cwd=place,
        # A cache of its own for each round: a round that must start cold does.
        env={**variables, "XDG_CACHE_HOME": str(place / "cache")},
        capture_output=True,
        text=True,
    )
    if finished.returncode != 0:
        raise BenchmarkError(f"{side.name} failed in {side.script}:\n{finished.stderr}")
    values: dict[str, float] = json.loads(finished.stdout.strip().splitlines()[-1])
    return values


@dataclass(frozen=True)
class Line:
    """A metric's line of the table.

    Attributes:
        metric: Which.
        medians: By side; None if the side doesn't measure it.
        bests: Likewise.
        ratios: By peer, how many times better our median is.
        kept: Whether what we promise holds; None if nothing is promised or could be compared.
    """

    metric: Metric
    medians: dict[str, float | None]
    bests: dict[str, float | None]
    ratios: dict[str, float]
    kept: bool | None


def summarise(benchmark: Benchmark, measurements: Measurements) -> list[Line]:
    """Reduce the rounds to medians, bests and ratios.

    Raises:
        BenchmarkError: A metric that needs nothing was measured by no side.
    """
    lines = []
    for metric in benchmark.metrics:
        medians: dict[str, float | None] = {}
        bests: dict[str, float | None] = {}
        for side, rounds in measurements.items():
            values = [values[metric.name] for values in rounds if metric.name in values]
            best = min if metric.better == "lower" else max
            medians[side] = statistics.median(values) if values else None
            bests[side] = best(values) if values else None
        ours, *peers = medians
        our_median = medians[ours]
        if metric.needs is None and all(median is None for median in medians.values()):
            raise BenchmarkError(f"No side measured {metric.name}.")
        ratios = {}
        for peer in peers:
            theirs = medians[peer]
            if our_median and theirs:
                ratio = theirs / our_median if metric.better == "lower" else our_median / theirs
                ratios[peer] = ratio
        promises = [
            ratio >= promised
            for peer, ratio in ratios.items()
            if (promised := metric.promised_ratio(peer)) is not None
        ]
        if metric.limit is not None and our_median is not None:
            promises.append(
                our_median <= metric.limit
                if metric.better == "lower"
                else our_median >= metric.limit
            )
        lines.append(Line(metric, medians, bests, ratios, all(promises) if promises else None))
    return lines


def show(name: str, benchmark: Benchmark, lines: list[Line], console: Console) -> None:
    """Print the table."""
    table = Table(title=f"{name}: {benchmark.summary}", title_justify="left")
    table.add_column("metric")
    for side in benchmark.sides:
        table.add_column(f"{side.name}\nmedian (best)", justify="right")
    for side in benchmark.sides[1:]:
        table.add_column(f"times better\nthan {side.name}", justify="right")
    table.add_column("promised")
    for line in lines:
        metric = line.metric
        cells = [f"{metric.name} ({metric.unit})"]
        for side in benchmark.sides:
            median, best = line.medians[side.name], line.bests[side.name]
            cells.append("-" if median is None or best is None else f"{median:,.4g} ({best:,.4g})")
        for side in benchmark.sides[1:]:
            cells.append(f"{line.ratios[side.name]:.1f}x" if side.name in line.ratios else "-")
        sign = "≤" if metric.better == "lower" else "≥"
        if isinstance(metric.ratio, Mapping):
            promises = [f"≥ {ratio:g}x {peer}" for peer, ratio in metric.ratio.items()]
        else:
            promises = [f"≥ {metric.ratio:g}x"] if metric.ratio is not None else []
        promises += [f"{sign} {metric.limit:g} {metric.unit}"] if metric.limit is not None else []
        outcome = {True: ": kept", False: ": [bold red]not kept[/]", None: ""}[line.kept]
        if all(median is None for median in line.medians.values()):
            outcome = f": not measured, there is no {metric.needs}"
        cells.append(" and ".join(promises) + outcome if promises else "")
        table.add_row(*cells)
    console.print(table)


def save(
    name: str,
    benchmark: Benchmark,
    measurements: Measurements,
    lines: list[Line],
    directory: Path = RESULTS,
) -> Path:
    """Write everything that was measured, and on what machine, to `results/<name>.json`."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    document = {
        "benchmark": name,
        "summary": benchmark.summary,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
        },
        "sides": {
            side.name: list(side.peer.requirements) if side.peer else ["this checkout"]
            for side in benchmark.sides
        },
        "metrics": [
            {
                "name": line.metric.name,
                "unit": line.metric.unit,
                "better": line.metric.better,
                "median": line.medians,
                "best": line.bests,
                "ratio": line.ratios,
                "kept": line.kept,
            }
            for line in lines
        ],
        "rounds": measurements,
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
