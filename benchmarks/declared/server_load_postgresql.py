"""The load of `server_load` on servers over PostgreSQL, ours with two processes."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks.databases import SERVER, postgresql_server
from benchmarks.declared.server_load import SUMMARY, metrics, seconds, sides
from benchmarks.runner import Benchmark


def prepare(_: Path) -> Mapping[str, str]:
    """Look for wrk, and for the database server."""
    return {**seconds(), "postgresql": postgresql_server()}


BENCHMARK = Benchmark(
    summary=f"{SUMMARY}; PostgreSQL",
    sides=sides("2", "{postgresql}"),
    metrics=metrics(promised=False, needs=SERVER),
    rounds=2,
    warm_up=False,
    prepare=prepare,
)
