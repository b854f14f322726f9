"""Makes the databases that the benchmarks of SQL work on: the same data for each side.

Ours is written through its client. The peers' would take an hour that way: they make their own
tables, and the rows are inserted straight into these, in the order in which logging leaves them.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from benchmarks.peers import FASTTRACKML, Peer, make_environment
from benchmarks.runner import SCRIPTS, BenchmarkError
from tracking_core import MlflowClient
from tracking_core.entities import Metric, Param

EXPERIMENT = "speed"
FILTER = "metrics.m0 > 0.5 and params.p0 = 'x'"
ORDER = "metrics.m1 DESC"

SERVER = "PostgreSQL server; BENCHMARK_POSTGRESQL says where one is"
"""What a metric needs that is measured on PostgreSQL."""

POINT_KEYS = 10
LONG_STEPS = 110_000
SHORT_EVERY = 11
SHORT_KEY, LONG_KEY = "m0", "m5"
WINDOW = (50_000, 59_999)

_START = 1_700_000_000_000
_BATCH = 1000

_EXPERIMENT_ID = 1
_MAKE = """
import importlib
sys.path.insert(0, scripts)
client = importlib.import_module(module).MlflowClient(uri)
print(json.dumps(client.create_experiment(name)))
"""

_OTHER_ID = "lower(hex(randomblob(16)))"
_OUR_TABLES = (
    "tracking_run",
    "tracking_metric",
    "tracking_metric_block",
    "tracking_param",
    "tracking_tag",
)


@dataclass(frozen=True)
class RunData:
    """What is logged to a run, each metric once."""

    run_id: str
    name: str
    start_time: int
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]


class Point(NamedTuple):
    """A measured value."""

    key: str
    value: float
    timestamp: int
    step: int


def postgresql_server() -> str:
    """Return the URI of a server where a superuser may make databases; empty if there is none.

    Looks where the environment variable BENCHMARK_POSTGRESQL says, or else on this machine.
    """
    uri = os.environ.get("BENCHMARK_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
    try:
        psycopg.connect(uri, connect_timeout=5).close()
    except psycopg.OperationalError:
        return ""
    return uri


def make_runs(count: int) -> list[RunData]:
    """Return runs of 10 metrics, 10 params and 5 tags (one is the run's name) each."""
    chance = random.Random(count)
    return [
        RunData(
            run_id=f"{chance.getrandbits(128):032x}",
            name=f"run-{number}",
            start_time=_START + number * 1000,
            metrics={f"m{key}": chance.random() for key in range(10)},
            params={f"p{key}": chance.choice("xyz") for key in range(10)},
            tags={f"t{tag}": f"value {number % (tag + 2)}" for tag in range(4)},
        )
        for number in range(count)
    ]


def write_search(path: Path, runs: Sequence[RunData]) -> None:
    """Write the runs, the question and its answer, for the script that searches."""
    found = [run for run in runs if run.metrics["m0"] > 0.5 and run.params["p0"] == "x"]
    found.sort(key=lambda run: run.metrics["m1"], reverse=True)
    document = {
        "experiment": EXPERIMENT,
        "filter": FILTER,
        "order_by": ORDER,
        "found": [run.name for run in found],
        "runs": [asdict(run) for run in runs],
    }
    path.write_text(json.dumps(document))


def make_points() -> list[Point]:
    """Return a million points of ten metrics: ten thousand of SHORT_KEY, the rest of the others.

    Nothing is easy to compress: values are random, and steps take their time.
    """
    chance = random.Random(0)
    timestamp = _START
    points = []
    for step in range(LONG_STEPS):
        timestamp += chance.randint(5, 50)
        points += [
            Point(f"m{key}", chance.random(), timestamp, step)
            for key in range(0 if step % SHORT_EVERY == 0 else 1, POINT_KEYS)
        ]
    return points


def write_history(path: Path, points: Sequence[Point]) -> None:
    """Write what must be read of the points, for the script that reads."""
    first, last = WINDOW

    def found(key: str, steps: range) -> list[list[float]]:
        return [
            [point.step, point.timestamp, point.value]
            for point in points
            if point.key == key and point.step in steps
        ]

    document = {
        "experiment": EXPERIMENT,
        "count": len(points),
        "key": SHORT_KEY,
        "points": found(SHORT_KEY, range(LONG_STEPS)),
        "window_key": LONG_KEY,
        "window_steps": WINDOW,
        "window": found(LONG_KEY, range(first, last + 1)),
    }
    path.write_text(json.dumps(document))


def write_our_runs(path: Path, runs: Iterable[RunData]) -> None:
    """Log the runs to a new database of ours."""
    with MlflowClient(f"sqlite:///{path}") as client:
        experiment_id = client.create_experiment(EXPERIMENT)
        for run in runs:
            tags, start = run.tags, run.start_time
            created = client.create_run(experiment_id, start, tags, run_name=run.name)
            client.log_batch(
                created.info.run_id,
                [Metric(key, value, start, 0) for key, value in run.metrics.items()],
                [Param(key, value) for key, value in run.params.items()],
            )
    _settle(path)


def grow_our_runs(source: Path, target: Path, times: int) -> None:
    """Write a database with each of the source's runs `times` times, with other metrics.

    Logging a hundred thousand runs takes minutes; copying rows takes seconds.
    """
    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(target)) as database,
    ):
        old.backup(database)
        database.execute("PRAGMA synchronous = OFF")
        ((largest,),) = database.execute("SELECT max(id) FROM tracking_run")
        others = {"id": "id + :offset", "run": "run + :offset", "run_id": _OTHER_ID}
        for number in range(1, times):
            for table in _OUR_TABLES:
                columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                if table == "tracking_metric":
                    others["value"] = "abs(random() / 9223372036854775807.0)"
                else:
                    others.pop("value", None)
                own = "id" if "id" in columns else "run"
                database.execute(
                    f"INSERT INTO {table} ({', '.join(columns)})"
                    f" SELECT {', '.join(others.get(name, name) for name in columns)}"
                    f" FROM {table} WHERE {own} <= :largest",
                    {"offset": number * largest, "largest": largest},
                )
        # As the store itself does after some thousand commits.
        database.execute("PRAGMA analysis_limit = 400")
        database.execute("ANALYZE")
        database.commit()
    _settle(target)


def write_our_points(path: Path, points: Iterable[Point]) -> None:
    """Log the points to a run in a new database of ours, in batches of a thousand."""
    with MlflowClient(f"sqlite:///{path}") as client:
        run = client.create_run(client.create_experiment(EXPERIMENT))
        batch: list[Metric] = []
        for point in points:
            batch.append(Metric(point.key, point.value, point.timestamp, point.step))
            if len(batch) == _BATCH:
                client.log_batch(run.info.run_id, batch)
                batch.clear()
        if batch:
            client.log_batch(run.info.run_id, batch)
    _settle(path)


def write_peer_runs(peer: Peer, path: Path, runs: Sequence[RunData]) -> None:
    """Write the runs to a new database of a peer."""
    with _new_database(peer, path) as database:
        _insert_runs(database, peer, runs)
        value = "value_str" if peer is FASTTRACKML else "value"
        _insert(
            database,
            "params",
            (
                {"run_uuid": run.run_id, "key": key, value: text}
                for run in runs
                for key, text in run.params.items()
            ),
        )
        _insert(
            database,
            "tags",
            (
                {"run_uuid": run.run_id, "key": key, "value": text}
                for run in runs
                for key, text in {**run.tags, "mlflow.runName": run.name}.items()
            ),
        )
        for table in ("metrics", "latest_metrics"):
            rows = (
                _point_row(peer, table, run.run_id, Point(key, value, run.start_time, 0), 1)
                for run in runs
                for key, value in run.metrics.items()
            )
            _insert(database, table, rows)


def write_peer_points(peer: Peer, path: Path, points: Iterable[Point]) -> None:
    """Write the points to a run in a new database of a peer."""
    run = RunData("5" * 32, "run-0", _START, {}, {}, {})
    latest: dict[str, tuple[Point, int]] = {}

    def rows() -> Iterator[dict[str, Any]]:
        for point in points:
            count = latest[point.key][1] + 1 if point.key in latest else 1
            latest[point.key] = point, count
            yield _point_row(peer, "metrics", run.run_id, point, count)

    with _new_database(peer, path) as database:
        _insert_runs(database, peer, [run])
        _insert(database, "metrics", rows())
        _insert(
            database,
            "latest_metrics",
            (
                _point_row(peer, "latest_metrics", run.run_id, point, count)
                for point, count in latest.values()
            ),
        )


@contextmanager
def _new_database(peer: Peer, path: Path) -> Iterator[sqlite3.Connection]:
    """Let the peer make its tables, and an experiment, whose id is 1; yield a quick connection."""
    experiment_id = make_environment(peer).run(
        _MAKE,
        module="sql_fasttrackml" if peer is FASTTRACKML else "mlflow",
        scripts=str(SCRIPTS),
        uri=f"sqlite:///{path}",
        name=EXPERIMENT,
        working_directory=path.parent,
    )
    if experiment_id != str(_EXPERIMENT_ID):
        raise BenchmarkError(f"{peer.name} calls its first experiment {experiment_id}.")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -200000")
        yield database
        database.commit()
    _settle(path)


def _insert_runs(database: sqlite3.Connection, peer: Peer, runs: Iterable[RunData]) -> None:
    rows = (
        {
            "run_uuid": run.run_id,
            "name": run.name,
            "source_type": "UNKNOWN",
            "status": "RUNNING",
            "start_time": run.start_time,
            "lifecycle_stage": "active",
            "artifact_uri": f"mlruns/1/{run.run_id}/artifacts",
            "experiment_id": _EXPERIMENT_ID,
            **({"row_num": number} if peer is FASTTRACKML else {"user_id": "someone"}),
        }
        for number, run in enumerate(runs)
    )
    _insert(database, "runs", rows)


def _point_row(peer: Peer, table: str, run_id: str, point: Point, number: int) -> dict[str, Any]:
    """Return a row; FastTrackML numbers the points of a metric, and has contexts (1 is none)."""
    row = {**point._asdict(), "run_uuid": run_id, "is_nan": 0}
    if peer is not FASTTRACKML:
        return row
    return {**row, "context_id": 1, "iter" if table == "metrics" else "last_iter": number}


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = iter(rows)
    first = next(rows)
    names = list(first)
    database.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        (tuple(row.values()) for row in chain([first], rows)),
    )


def _settle(path: Path) -> None:
    """Move what is in the write-ahead log into the file."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
