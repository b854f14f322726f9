from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from plugins.file.tests.conftest import OpenStore
from plugins.file.tests.processes import run_all, start
from tracking_core.entities import Metric
from tracking_core.errors import PermissionDeniedError
from tracking_core.stores import Batch, MetricHistoryQuery, PurgeRequest
from tracking_core_file.store import FileStore

MANY = MetricHistoryQuery(key="m")


def steps(store: FileStore, run_id: str, key: str = "m") -> list[int]:
    query = MetricHistoryQuery(key=key)
    return [point.step for point in store.metric_history(run_id, query=query).items]


@pytest.mark.parametrize("lock_appends", [False, True])
def test_eight_processes_lose_no_point_and_tear_none(
    store: FileStore, root: Path, run_directory: Path, run_id: str, lock_appends: bool
) -> None:
    calls = 200 if lock_appends else 1000
    code = """
store._root.lock_appends = lock_appends
for step in range(calls):
    store.log_metric(run_id, metric=Metric("m", step / 7, step, number * calls + step))
"""
    arguments = {"root": str(root), "run_id": run_id, "lock_appends": lock_appends, "calls": calls}
    run_all([start(code, number=number, **arguments) for number in range(8)])
    lines = (run_directory / "metrics" / "m").read_text().splitlines()
    assert len(lines) == 8 * calls
    assert all(len(line.split(" ")) == 3 for line in lines)
    assert steps(store, run_id) == list(range(8 * calls))
    assert not list(run_directory.glob(".*"))


def test_threads_lose_no_point(store: FileStore, run_id: str) -> None:
    def log(number: int) -> None:
        for step in range(200):
            points = tuple(Metric(f"m{key}", 1.0, 1, number * 200 + step) for key in range(3))
            store.log_batch(run_id, batch=Batch(metrics=points))

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in range(3):
        assert steps(store, run_id, f"m{key}") == list(range(800))


def test_what_returned_before_a_kill_is_there(store: FileStore, root: Path, run_id: str) -> None:
    code = """
step = 0
while True:
    store.log_metric(run_id, metric=Metric("m", step / 7, step, step))
    sys.stdout.write(f"{step}\\n")
    sys.stdout.flush()
    step += 1
"""
    for _ in range(3):
        program = start(code, root=str(root), run_id=run_id)
        assert program.stdout is not None
        returned = -1
        for line in program.stdout:
            returned = int(line)
            if returned == 300:
                program.send_signal(signal.SIGKILL)
        program.communicate()
        assert program.returncode == -signal.SIGKILL
        assert set(range(returned + 1)) <= set(steps(store, run_id))


def test_half_a_line_of_a_crash_doesnt_swallow_the_next_point(
    open_store: OpenStore, run_id: str, run_directory: Path
) -> None:
    store, other = open_store(), open_store()
    store.log_metric(run_id, metric=Metric("m", 1.0, 10, 1))
    store.log_metric(run_id, metric=Metric("m", 2.0, 20, 2))
    with (run_directory / "metrics" / "m").open("a") as file:
        file.write("30 3.0 3")
    assert steps(store, run_id) == [1, 2]
    for each in (store, other):
        each.log_metric(run_id, metric=Metric("m", 4.0, 40, 4))
    assert steps(store, run_id) == [1, 2, 4, 4]
    found = [f for f in store.diagnose() if f.path == str(run_directory / "metrics" / "m")]
    assert [f.what for f in found] == ["1 of 5 lines are torn or broken, and passed over."]


def test_a_write_in_the_middle_of_a_page_boundary_isnt_taken_for_a_crash(
    store: FileStore, root: Path, run_directory: Path, run_id: str
) -> None:
    # Lines of another length than pages: each page boundary falls into one.
    code = """
store.log_batch(run_id, batch=Batch(metrics=tuple(
    Metric("m", 0.1234567890123, 1700000000000 + number, step) for step in range(20_000))))
for step in range(400):
    points = tuple(Metric("m", 0.1, 1700000000000 + number, step) for _ in range(300))
    store.log_batch(run_id, batch=Batch(metrics=points))
"""
    run_all([start(code, root=str(root), run_id=run_id, number=number) for number in range(3)])
    lines = (run_directory / "metrics" / "m").read_text().splitlines()
    assert len(lines) == 3 * (20_000 + 400 * 300)
    assert all(line.count(" ") == 2 for line in lines)


def test_a_replaced_file_is_noticed(store: FileStore, run_id: str, run_directory: Path) -> None:
    path = run_directory / "metrics" / "m"
    for step in (1, 2):
        store.log_metric(run_id, metric=Metric("m", 1.0, 10, step))
    other = path.with_name("n")
    other.write_text("5 5.0 5\n")
    os.replace(other, path)
    store.log_metric(run_id, metric=Metric("m", 1.0, 10, 6))
    assert steps(store, run_id) == [5, 6]
    path.unlink()
    store.log_metric(run_id, metric=Metric("m", 1.0, 10, 7))
    store.log_metric(run_id, metric=Metric("m", 1.0, 10, 8))
    assert steps(store, run_id) == [7, 8]


def test_a_run_that_is_made_anew_after_a_purge_gets_its_own_points(
    store: FileStore, experiment_id: str
) -> None:
    from tracking_core.stores import NewRun

    for step in (1, 2):
        store.create_run(NewRun(experiment_id=experiment_id, run_id="chosen"))
        store.log_metric("chosen", metric=Metric("m", 1.0, 10, step))
        store.log_metric("chosen", metric=Metric("m", 1.0, 10, step + 10))
        assert steps(store, "chosen") == [step, step + 10]
        store.delete_run("chosen")
        store.purge(PurgeRequest(run_ids=("chosen",)))


def test_more_files_than_stay_open_are_written(store: FileStore, run_id: str) -> None:
    points = tuple(Metric(f"m{key}", 1.0, 10, 1) for key in range(300))
    for _ in range(3):
        store.log_batch(run_id, batch=Batch(metrics=points))
    assert len(store._appender._open) <= 256
    assert steps(store, run_id, "m7") == [1, 1, 1]
    store.close()
    store.log_batch(run_id, batch=Batch(metrics=points[:1]))
    assert steps(store, run_id, "m0") == [1, 1, 1, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_parent_and_child_log_on_after_a_fork_that_met_a_lock(
    store: FileStore, run_id: str
) -> None:
    for step in (0, 1):
        store.log_metric(run_id, metric=Metric("m", 1.0, 10, step))
    # As if another thread were in the middle of an append: the child must not wait for it.
    store._appender._guard.acquire()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.log_metric(run_id, metric=Metric("m", 1.0, 10, 2))
            status = 0
        finally:
            os._exit(status)
    store._appender._guard.release()
    assert os.waitpid(child, 0)[1] == 0
    store.log_metric(run_id, metric=Metric("m", 1.0, 10, 3))
    assert steps(store, run_id) == [0, 1, 2, 3]


def test_nothing_is_written_through_a_symbolic_link_out_of_the_root(
    store: FileStore, run_id: str, run_directory: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("")
    (run_directory / "metrics" / "file").symlink_to(outside / "file")
    (run_directory / "metrics" / "directory").symlink_to(outside)
    for key in ("file", "directory/new"):
        with pytest.raises(PermissionDeniedError, match="link"):
            store.log_metric(run_id, metric=Metric(key, 1.0, 1))
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == ""


def test_waiting_for_the_disk_writes_the_same(open_store: OpenStore, run_id: str) -> None:
    store = open_store(durability="system")
    for step in range(3):
        store.log_batch(run_id, batch=Batch(metrics=(Metric("m", 1.0, 1, step),)))
    assert steps(store, run_id) == [0, 1, 2]
