from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.file.tests.conftest import OpenStore
from plugins.file.tests.processes import run_all, start
from tracking_core.entities import Metric, Param, RunTag
from tracking_core.errors import ConflictError
from tracking_core.stores import Batch, MetricHistoryQuery
from tracking_core_file.batches import APPLIED, INTENT_PREFIX
from tracking_core_file.store import FileStore


def batch(key: str, *, points: int = 3) -> Batch:
    return Batch(
        metrics=tuple(
            Metric(name, float(step), 10, step) for step in range(points) for name in "mn"
        ),
        params=(Param("p", "1"), Param("q/r", "2")),
        tags=(RunTag("t", "1"), RunTag("mlflow.runName", "named")),
        idempotency_key=key,
    )


def steps(store: FileStore, run_id: str, key: str = "m") -> list[int]:
    query = MetricHistoryQuery(key=key)
    return [point.step for point in store.metric_history(run_id, query=query).items]


def private_names(run_directory: Path) -> list[str]:
    return sorted(os.listdir(run_directory / ".tracking"))


class Crash(BaseException):
    """What no code of the store catches, as nothing catches a kill."""


def crash_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let the call of that number that changes the file system be the one before which it ends."""
    calls = 0

    def counted(name: str) -> None:
        original = getattr(os, name)

        def call(*arguments: object, **keywords: object) -> object:
            nonlocal calls
            calls += 1
            if calls >= number:
                raise Crash
            return original(*arguments, **keywords)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "link", "replace", "mkdir"):
        counted(name)
    return lambda: calls


def test_a_batch_sent_again_after_a_crash_anywhere_is_there_once(
    open_store: OpenStore, store: FileStore, experiment_id: str
) -> None:
    from tracking_core.stores import NewRun

    crashes = 0
    for number in range(1, 200):
        run_id = store.create_run(NewRun(experiment_id=experiment_id)).info.run_id
        store.log_metric(run_id, metric=Metric("m", 9.0, 10, -1))
        with pytest.MonkeyPatch.context() as monkeypatch:
            crash_at(number, monkeypatch)
            try:
                open_store().log_batch(run_id, batch=batch("k"))
            except Crash:
                crashes += 1
            else:
                break
        # The dead process would still hold the run's lock; this one lives, so it is ended here.
        (Path(store._run_handle(run_id).directory) / ".lock").unlink(missing_ok=True)
        again = open_store()
        again.log_batch(run_id, batch=batch("other", points=1))
        again.log_batch(run_id, batch=batch("k"))
        again.log_batch(run_id, batch=batch("k"))
        assert steps(again, run_id) == [-1, 0, 0, 1, 2], number
        assert steps(again, run_id, "n") == [0, 0, 1, 2], number
        data = again.get_run(run_id).data
        assert data.params == {"p": "1", "q/r": "2"}
        assert data.tags["t"] == "1"
        assert again.get_run(run_id).info.run_name == "named"
    assert crashes > 15


def test_nothing_but_the_list_of_keys_stays(
    store: FileStore, run_id: str, run_directory: Path
) -> None:
    for number in range(3):
        store.log_batch(run_id, batch=batch(str(number)))
    assert private_names(run_directory) == [APPLIED]
    assert len((run_directory / ".tracking" / APPLIED).read_text().splitlines()) == 3


def test_processes_that_send_the_same_batches_write_them_once(
    store: FileStore, root: Path, run_id: str
) -> None:
    code = """
for number in range(30):
    points = tuple(Metric("m", 1.0, 10, number * 3 + step) for step in range(3))
    store.log_batch(run_id, batch=Batch(metrics=points, idempotency_key=str(number)))
"""
    run_all([start(code, root=str(root), run_id=run_id) for _ in range(4)])
    assert steps(store, run_id) == list(range(90))


def test_threads_that_send_the_same_batch_write_it_once(store: FileStore, run_id: str) -> None:
    threads = [
        threading.Thread(target=lambda: store.log_batch(run_id, batch=batch("k"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert steps(store, run_id) == [0, 1, 2]


def test_equal_points_of_two_batches_are_both_there(store: FileStore, run_id: str) -> None:
    for key in ("one", "two", "one"):
        store.log_batch(run_id, batch=batch(key))
    assert steps(store, run_id) == [0, 0, 1, 1, 2, 2]


def test_a_batch_with_a_changed_param_leaves_no_trace_and_its_key_free(
    store: FileStore, run_id: str, run_directory: Path
) -> None:
    store.log_param(run_id, param=Param("p", "other"))
    with pytest.raises(ConflictError, match="'p'"):
        store.log_batch(run_id, batch=batch("k"))
    run = store.get_run(run_id)
    assert (run.data.params, run.data.metrics) == ({"p": "other"}, {})
    assert not (run_directory / ".tracking").exists()
    good = Batch(metrics=(Metric("m", 1.0, 1),), idempotency_key="k")
    store.log_batch(run_id, batch=good)
    assert steps(store, run_id) == [0]


def test_of_two_batches_with_contradicting_params_one_is_there_as_a_whole(
    store: FileStore, root: Path, experiment_id: str
) -> None:
    from tracking_core.stores import NewRun

    run_ids = [store.create_run(NewRun(experiment_id=experiment_id)).info.run_id for _ in range(30)]
    code = """
from tracking_core.errors import ConflictError
keys = ["a", "b", "c"] if number % 2 else ["c", "b", "a"]
for run_id in run_ids:
    try:
        store.log_batch(run_id, batch=Batch(params=tuple(Param(k, str(number)) for k in keys)))
    except ConflictError:
        pass
"""
    run_all([start(code, root=str(root), run_ids=run_ids, number=n) for n in range(4)])
    for run_id in run_ids:
        params = store.get_run(run_id).data.params
        assert sorted(params) == ["a", "b", "c"]
        assert len(set(params.values())) == 1


def test_a_half_written_batch_is_told_by_the_doctor_when_it_is_old(
    open_store: OpenStore, store: FileStore, run_id: str, run_directory: Path
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        crash_at(8, monkeypatch)
        with pytest.raises(Crash):
            open_store().log_batch(run_id, batch=batch("k"))
    intents = list((run_directory / ".tracking").glob(f"{INTENT_PREFIX}*"))
    assert len(intents) == 1
    os.utime(intents[0], (0, 0))
    assert str(intents[0]) in {finding.path for finding in store.diagnose()}
