"""`python -m benchmarks NAME ...`: run benchmarks and print their tables."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.runner import Benchmark, BenchmarkError, measure, save, show, summarise

DECLARATIONS = Path(__file__).parent / "declared"


def main() -> int:
    """Run what the command line names; the status is 1 if a promise wasn't kept."""
    known = sorted(path.stem for path in DECLARATIONS.glob("[a-z]*.py"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--rounds", type=int, help="how often each side runs")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(known)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    console = Console()
    kept = True
    for name in arguments.names or known:
        benchmark: Benchmark = importlib.import_module(f"benchmarks.declared.{name}").BENCHMARK
        try:
            measurements = measure(benchmark, arguments.rounds or benchmark.rounds, console)
            lines = summarise(benchmark, measurements)
        except BenchmarkError as error:
            console.print(str(error), markup=False, style="red")
            kept = False
            continue
        show(name, benchmark, lines, console)
        console.print(f"written to {save(name, benchmark, measurements, lines)}", style="dim")
        kept = kept and all(line.kept is not False for line in lines)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
