"""A writer that is killed in the middle: what it acknowledged is there once, nothing by half."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from plugins.sql.tests.runs.logging_child import killable_batch
from plugins.sql.tests.runs.processes import Logger, loggers
from tracking_core.stores import MetricHistoryQuery
from tracking_core_sql.store import SqlStore

KILLS = 100


def kill_one(logger: Logger, run_id: str, number: int, chance: random.Random) -> int:
    """Let a writer log from this batch on, kill it, and return the last that it acknowledged."""
    logger.ask(f"killable {run_id} {number}")
    words = logger.answer().split()
    while words[0] == "logged":  # the child may be quicker than its parent
        words = logger.answer().split()
    assert words[0] == "pid"
    pid = int(words[1])
    last = number - 1
    for _ in range(chance.randrange(4)):
        line = logger.answer()
        assert line.startswith("logged "), line
        last = int(line.split()[1])
    # Somewhere within the next batch, which takes about a millisecond.
    time.sleep(chance.random() * 0.003)
    os.kill(pid, signal.SIGKILL)
    while (line := logger.answer()) != "killed":
        assert line.startswith("logged "), line
        last = int(line.split()[1])
    return last


def check_whole(store: SqlStore, run_id: str, last: int) -> int:
    """Check that no batch is there by half, and return how many there are."""

    def steps(key: str) -> list[int]:
        points = store.metric_history(run_id, query=MetricHistoryQuery(key=key)).items
        return [point.step for point in points]

    count = len(steps("one"))
    assert count - 1 in (last, last + 1)
    assert steps("one") == list(range(count))
    assert steps("three") == list(range(3 * count))
    data = store.get_run(run_id).data
    if count:
        assert data.tags["last"] == str(count - 1)
        assert len(data.params) == min(count, 50)
        assert data.metrics["many"] == 59.0
    return count


@pytest.mark.parametrize("database_name", ["sqlite", "postgresql"], indirect=True)
def test_what_a_killed_writer_acknowledged_is_there_once_and_nothing_by_half(
    store: SqlStore, database_uri: str, new_run: Callable[[], str]
) -> None:
    chance = random.Random(42)
    run_id = new_run()
    last = -1
    with loggers(database_uri) as (logger,):
        for kill in range(KILLS):
            # What wasn't acknowledged is sent again, with the key that it had.
            last = max(last, kill_one(logger, run_id, last + 1, chance))
            if kill % 10 == 9:
                check_whole(store, run_id, last)
    count = check_whole(store, run_id, last)
    assert count >= KILLS // 2
    query = MetricHistoryQuery(key="many")
    expected = [
        (point.step, point.value)
        for number in range(count)
        for point in killable_batch(number).metrics
        if point.key == "many"
    ]
    found = store.metric_history(run_id, query=query).items
    assert [(point.step, point.value) for point in found] == expected
