"""Put a tracking server under load by wrk: server_load.py SERVER WORKERS SECONDS RUNS DATABASE.

SERVER is tracking_core, mlflow or fasttrackml, WORKERS how many processes of it, or empty. Each row
takes SECONDS; RUNS are there to be read. DATABASE is `sqlite`, or the URI of a PostgreSQL
server, or empty, where there is none: then nothing is measured.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.scripts.server_process import HOST, Server, running
    from benchmarks.scripts.sql_postgresql import analyse, new_database
else:  # by their names beside this script, which doesn't run in an environment with `benchmarks`
    from server_process import HOST, Server, running
    from sql_postgresql import analyse, new_database

LUA = Path(__file__).with_suffix(".lua")
CONNECTIONS = (1, 8, 32)
PAGE = 100
MOST = 50_000
BATCH_STEPS = 10

WARM_UP_CONNECTIONS, WARM_UP_SECONDS = 8, 1
# A connection should have this many answers, however slow the server; but there is an end.
ANSWERS_PER_CONNECTION = 3
# Stock MLflow over sqlite fails now and then when many ask at once; that isn't counted as a rate.
PEERS_REFUSE_AT_MOST = 0.05
MOST_SECONDS = 30


@dataclass(frozen=True)
class Row:
    """What wrk counted.

    Attributes:
        requests: How many were answered.
        seconds: How long that took.
        bytes: How much the answers were.
        refused: How many had a status of 400 or more.
        lost: How many connections or answers failed.
        p50: The median of the times to an answer, in milliseconds.
        p99: What one of a hundred times exceeds.
        failure: The first answer that isn't 2xx, if wrk was asked to keep it.
    """

    requests: int
    seconds: float
    bytes: int
    refused: int
    lost: int
    p50: float
    p99: float
    failure: str | None

    @property
    def answered(self) -> int:
        """How many were answered and not refused."""
        return self.requests - self.refused


def wrk(
    server: Server,
    operation: str,
    connections: int,
    seconds: int,
    experiment: str,
    run_ids: list[str],
    *flags: str,
) -> Row:
    """Let wrk ask one thing for some seconds."""
    path = Path.cwd() / "runs.txt"
    path.write_text("\n".join(run_ids))
    finished = subprocess.run(
        [
            *("wrk", "--threads", "1" if connections == 1 else "2"),
            *("--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "60s"),
            *("--script", str(LUA), f"http://{HOST}:{server.port}", "--"),
            *(operation, experiment, str(path), *flags),
        ],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if finished.returncode != 0:
        sys.exit(f"wrk fails: {finished.stdout}{finished.stderr}")
    server.settle()
    return Row(**json.loads(finished.stdout.strip().splitlines()[-1]))


class Load:
    """The data, and the five things that are asked."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.experiment = self.new_experiment("speed")
        self.run_ids: list[str] = []
        self.found: list[str] = []

    def new_experiment(self, name: str) -> str:
        created = self.server.post("experiments/create", {"name": name})
        return str(created["experiment_id"])

    def new_run(self, experiment: str, **more: Any) -> str:
        body = {"experiment_id": experiment, "start_time": time.time_ns() // 1_000_000, **more}
        return str(self.server.post("runs/create", body)["run"]["info"]["run_id"])

    def make_runs(self, count: int) -> None:
        """Log the runs, and remember which must be found."""
        chance = random.Random(0)
        found = []
        for number in range(count):
            name = f"run-{number}"
            tags = [{"key": f"t{key}", "value": f"value {number % (key + 2)}"} for key in range(5)]
            run_id = self.new_run(self.experiment, run_name=name, tags=tags)
            metrics = {f"m{key}": chance.random() for key in range(20)}
            params = {f"p{key}": chance.choice("01") for key in range(10)}
            now = time.time_ns() // 1_000_000
            self.server.post(
                "runs/log-batch",
                {
                    "run_id": run_id,
                    "metrics": [
                        {"key": key, "value": value, "timestamp": now, "step": 0}
                        for key, value in metrics.items()
                    ],
                    "params": [{"key": key, "value": value} for key, value in params.items()],
                },
            )
            self.run_ids.append(run_id)
            if metrics["m0"] > 0.1 and params["p1"] == "1":
                found.append((metrics["m1"], run_id))
        self.found = [run_id for _, run_id in sorted(found, reverse=True)][:PAGE]

    def measure(self, operation: str, seconds: int) -> dict[str, float]:
        """Ask one thing over ever more connections."""
        values = {}
        warm_up_seconds = WARM_UP_SECONDS
        while not (warm := self.row(operation, WARM_UP_CONNECTIONS, warm_up_seconds)).requests:
            warm_up_seconds *= 4
            if warm_up_seconds > MOST_SECONDS:
                sys.exit(f"{operation}: no answer in {MOST_SECONDS} s")
        for connections in CONNECTIONS:
            enough = math.ceil(ANSWERS_PER_CONNECTION * connections * warm.seconds / warm.requests)
            row = self.row(operation, connections, max(seconds, min(enough, MOST_SECONDS)))
            if not row.requests:
                sys.exit(f"{operation}: no answer over {connections} connections")
            name = f"{operation}_{connections}"
            values[f"{name}_rate"] = row.answered / row.seconds
            values[f"{name}_p50"] = row.p50
            values[f"{name}_p99"] = row.p99
        return values

    def row(self, operation: str, connections: int, seconds: int) -> Row:
        """Ask one thing over some connections, and check that it was done."""
        reads = operation in ("get_run", "search")
        experiment, run_ids = self.experiment, self.run_ids
        if not reads:
            experiment = self.new_experiment(f"{operation} {connections} {time.time_ns()}")
            # As if each connection were a training.
            run_ids = [self.new_run(experiment) for _ in range(max(connections, 2))]
        asked = (self.server, operation, connections)
        row = wrk(*asked, seconds, experiment, run_ids)
        most = 0 if self.server.name == "tracking_core" else PEERS_REFUSE_AT_MOST * row.requests
        if row.refused > most or row.lost:
            again = wrk(*asked, WARM_UP_SECONDS, experiment, run_ids, "explain")
            sys.exit(
                f"{self.server.name}, {operation}, {connections} connections: of {row.requests}"
                f" answers {row.refused} say no and {row.lost} never came;"
                f" asked again, the first that isn't 2xx is {again.failure}"
            )
        if reads:
            self.check_read(operation, row)
        else:
            done = self.count(operation, experiment, run_ids)
            # What was on its way at the end may have been done without being counted.
            if not row.answered <= done <= row.requests + connections:
                sys.exit(f"{operation}: {row.requests} were answered and {done} were done")
        return row

    def check_read(self, operation: str, row: Row) -> None:
        """End the script if an answer isn't whole, or others were shorter than it."""
        if operation == "get_run":
            answer = self.server.get("runs/get", run_id=self.run_ids[-1])
            runs, expected = [answer["run"]], self.run_ids[-1:]
        else:
            answer = self.server.post(
                "runs/search",
                {
                    "experiment_ids": [self.experiment],
                    "filter": "metrics.m0 > 0.1 and params.p1 = '1'",
                    "order_by": ["metrics.m1 DESC"],
                    "max_results": PAGE,
                },
            )
            runs, expected = answer["runs"], self.found
        if [run["info"]["run_id"] for run in runs] != expected:
            sys.exit(f"{operation}: these aren't the runs that were asked for")
        for run in runs:
            data = run["data"]
            if (len(data["metrics"]), len(data["params"])) != (20, 10) or len(data["tags"]) < 5:
                sys.exit(f"{operation}: a run isn't whole: {run}")
        least = len(json.dumps(answer, separators=(",", ":"))) * 0.9
        if row.bytes < least * row.requests:
            sys.exit(f"{operation}: {row.requests} answers have {row.bytes} bytes, too few")

    def count(self, operation: str, experiment: str, run_ids: list[str]) -> float:
        """Return how many of what was asked were done."""
        if operation == "create_run":
            body = {"experiment_ids": [experiment], "max_results": MOST}
            return len(self.server.post("runs/search", body)["runs"]) - len(run_ids)
        key, points = ("loss", 1) if operation == "log_metric" else ("m9", BATCH_STEPS)
        histories = [
            self.server.get("metrics/get-history", run_id=run_id, metric_key=key)
            for run_id in run_ids
        ]
        return sum(len(history.get("metrics", ())) for history in histories) / points


def measure(name: str, workers: str, seconds: int, runs: int, database: str) -> dict[str, float]:
    with running(name, database, workers) as server:
        server.settle()  # those of its processes that didn't give the first answer start too
        idle = server.memory()
        load = Load(server)
        load.make_runs(runs)
        if database:
            analyse(database)
        values = {"server_start": server.start_seconds}
        for operation in ("get_run", "search", "log_metric", "log_batch", "create_run"):
            values |= load.measure(operation, seconds)
        loaded = server.memory()
    return {
        **values,
        "idle_resident": idle.resident,
        "idle_private": idle.private,
        "loaded_resident": loaded.resident,
        "loaded_private": loaded.private,
    }


if __name__ == "__main__":
    # Asked to end, the script still drops its database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
    name, workers, seconds, runs, database = sys.argv[1:]
    with contextlib.ExitStack() as stack:
        uri = ""
        if database not in ("", "sqlite"):
            uri = stack.enter_context(new_database(database))
        values = measure(name, workers, int(seconds), int(runs), uri) if database else {}
    print(json.dumps(values))
