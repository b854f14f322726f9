"""A program that logs from a process of its own: `python logging_child.py URI`.

It does what lines on standard input tell it and answers on standard output:

- `log OWNER COUNT RUN...` logs COUNT batches to each of the runs in turn, and answers `done`.
- `killable RUN NUMBER` forks a child that logs batches to the run, from this number on, until it is
  killed. The answers are `pid PID`, `logged NUMBER` for each batch that was acknowledged, and
  `killed` at the end. Forking, for a fresh interpreter takes longer than all that it would log.
"""

from __future__ import annotations

import os
import sys

from tracking_core.config import Settings, Uri
from tracking_core.entities import Metric, Param, RunTag
from tracking_core.stores import Batch
from tracking_core_sql.store import SqlStore

PARAMS = 50
"""So many params a run gets; then they are sent again."""


def shared_batch(owner: str, number: int) -> Batch:
    """Return a batch of many that are logged to one run at the same time."""
    return Batch(
        metrics=(
            Metric("shared", float(number), number, number),
            *(Metric(f"own/{owner}", float(number), number, 2 * number + i) for i in range(2)),
            Metric("measured", 1.0, number, number, None, f"data {number % 7}"),
        ),
        params=(Param(f"{owner}/{number % PARAMS}", "v"),),
        tags=(RunTag(owner, str(number)),),
    )


def killable_batch(number: int) -> Batch:
    """Return a batch of one writer that is killed."""
    return Batch(
        metrics=(
            Metric("one", number / 3, number, number),
            *(Metric("three", number + i / 3, number, 3 * number + i) for i in range(3)),
            *(Metric("many", float(i), number, 60 * number + i) for i in range(60)),
        ),
        params=(Param(f"p{number % PARAMS}", "v"),),
        tags=(RunTag("last", str(number)),),
        idempotency_key=f"batch {number}",
    )


def _tell(line: str) -> None:
    # In one call, so that a kill can't leave half a line.
    os.write(1, f"{line}\n".encode())


def _log(uri: str, owner: str, count: int, run_ids: list[str]) -> None:
    with SqlStore(Uri.parse(uri), Settings()) as store:
        for number in range(count):
            for run_id in run_ids:
                store.log_batch(run_id, batch=shared_batch(owner, number))
    _tell("done")


def _log_until_killed(uri: str, run_id: str, number: int) -> None:
    store = SqlStore(Uri.parse(uri), Settings())
    while True:
        store.log_batch(run_id, batch=killable_batch(number))
        _tell(f"logged {number}")
        number += 1


def _fork_and_wait(uri: str, run_id: str, number: int) -> None:
    child = os.fork()
    if child == 0:
        try:
            _log_until_killed(uri, run_id, number)
        finally:
            os._exit(1)
    _tell(f"pid {child}")
    _, status = os.waitpid(child, 0)
    _tell("killed" if os.WIFSIGNALED(status) else "failed")


def main(uri: str) -> None:
    """Do what the lines on standard input tell."""
    SqlStore(Uri.parse(uri), Settings()).close()  # so that children have the driver imported
    _tell("ready")
    for line in sys.stdin:
        task, *arguments = line.split()
        if task == "log":
            _log(uri, arguments[0], int(arguments[1]), arguments[2:])
        else:
            _fork_and_wait(uri, arguments[0], int(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1])
