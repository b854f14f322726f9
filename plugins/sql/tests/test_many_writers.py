"""Many processes write to one database: no error reaches a user, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracking_core.config import Settings, Uri
from tracking_core.stores import MetricHistoryQuery
from tracking_core_sql.store import SqlStore

PROGRAM = Path(__file__).with_name("writing_child.py")
# What the issue asks for is 32 writers for 30 s; the suite takes less of everybody's time.
WRITERS = int(os.environ.get("ENDURANCE_WRITERS", "8"))
SECONDS = float(os.environ.get("ENDURANCE_SECONDS", "2"))


def start_writers(uri: str) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), uri, str(SECONDS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(WRITERS)
    ]


def check_that_nothing_is_lost(uri: str, writers: list[subprocess.Popen[str]]) -> None:
    reports = []
    for writer in writers:
        output, errors = writer.communicate(timeout=SECONDS + 100)
        assert (writer.returncode, errors) == (0, "")
        reports.append(json.loads(output))
    with SqlStore(Uri.parse(uri), Settings()) as store:
        for report in reports:
            assert report["acknowledged"] > 0
            points = store.metric_history(report["run_id"], query=MetricHistoryQuery(key="m"))
            assert [point.step for point in points.items] == list(range(report["acknowledged"]))
            data = store.get_run(report["run_id"]).data
            assert data.tags["acknowledged"] == str(report["acknowledged"] - 10)
    print(
        f"{WRITERS} writers, {SECONDS} s: {sum(r['acknowledged'] for r in reports)} points,"
        f" slowest batch {max(r['slowest'] for r in reports):.2f} s"
    )


@pytest.mark.timeout(SECONDS + 120)
def test_many_processes_write_to_one_database_at_once(database_uri: str) -> None:
    check_that_nothing_is_lost(database_uri, start_writers(database_uri))
