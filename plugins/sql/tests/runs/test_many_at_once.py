"""Threads and processes that log to one run and to many: no point is lost, none waits for ever."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugins.sql.tests.runs.logging_child import PARAMS, shared_batch
from plugins.sql.tests.runs.processes import loggers
from tracking_core.entities import Metric
from tracking_core.stores import Batch, MetricHistoryQuery, NewLoggedModel, NewRun
from tracking_core_sql.runs import points
from tracking_core_sql.store import SqlStore

THREADS, PROCESSES = 6, 3


def history(store: SqlStore, run_id: str, key: str) -> list[Metric]:
    return list(store.metric_history(run_id, query=MetricHistoryQuery(key=key)).items)


def check_whole(store: SqlStore, run_id: str, owners: list[str], count: int) -> None:
    """Check that each owner's batches are there, each once."""
    shared = Counter(point.step for point in history(store, run_id, "shared"))
    assert shared == dict.fromkeys(range(count), len(owners))
    measured = history(store, run_id, "measured")
    assert len(measured) == len(owners) * count
    assert all(point.dataset_name == f"data {point.step % 7}" for point in measured)
    data = store.get_run(run_id).data
    for owner in owners:
        own = [point.step for point in history(store, run_id, f"own/{owner}")]
        assert own == list(range(2 * count))
        assert data.tags[owner] == str(count - 1)
        assert {f"{owner}/{i}" for i in range(min(count, PARAMS))} <= data.params.keys()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks fill up soon."""
    monkeypatch.setattr(points, "FULL_BLOCK", 16)
    monkeypatch.setattr(points, "_LARGE_BATCH", 8)
    monkeypatch.setattr(points, "_LEAST_MERGED", 32)


@pytest.mark.parametrize("runs", [1, 5], ids=["one run", "several runs"])
def test_threads_lose_nothing(
    small_blocks: None, store: SqlStore, new_run: Callable[[], str], runs: int
) -> None:
    ids = [new_run() for _ in range(runs)]
    count = 60 // runs
    barrier = threading.Barrier(THREADS)

    def log(thread: int) -> None:
        barrier.wait()
        # Each goes through the runs in an order of its own.
        own = ids[thread % runs :] + ids[: thread % runs]
        for number in range(count):
            for run_id in own:
                store.log_batch(run_id, batch=shared_batch(f"t{thread}", number))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(log, range(THREADS)))
    for run_id in ids:
        check_whole(store, run_id, [f"t{thread}" for thread in range(THREADS)], count)


@pytest.mark.parametrize("runs", [1, 4], ids=["one run", "several runs"])
def test_processes_lose_nothing(
    store: SqlStore, database_uri: str, new_run: Callable[[], str], runs: int
) -> None:
    ids = [new_run() for _ in range(runs)]
    count = 60 // runs
    with loggers(database_uri, PROCESSES) as started:
        for number, logger in enumerate(started):
            own = ids[number % runs :] + ids[: number % runs]
            logger.ask(f"log p{number} {count} {' '.join(own)}")
        for number in range(count):
            for run_id in ids:
                store.log_batch(run_id, batch=shared_batch("here", number))
        assert [logger.answer() for logger in started] == ["done"] * PROCESSES
    owners = ["here", *(f"p{number}" for number in range(PROCESSES))]
    for run_id in ids:
        check_whole(store, run_id, owners, count)


def test_threads_that_bring_the_same_new_names_do_not_wait_for_each_other_for_ever(
    store: SqlStore, new_run: Callable[[], str]
) -> None:
    ids = [new_run() for _ in range(THREADS)]

    def log(thread: int) -> None:
        names = [f"new {i}" for i in range(40)]
        for name in names if thread % 2 else names[::-1]:
            point = Metric(name, 1.0, 1, 1, None, f"data {name}")
            store.log_batch(ids[thread], batch=Batch(metrics=(point,)))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(log, range(THREADS)))
    for run_id in ids:
        assert len(store.get_run(run_id).data.latest_metrics) == 40


def test_runs_that_measure_the_same_models_do_not_wait_for_each_other_for_ever(
    store: SqlStore, experiment_id: str, new_run: Callable[[], str]
) -> None:
    models = [
        store.create_logged_model(NewLoggedModel(experiment_id=experiment_id)).model_id
        for _ in range(4)
    ]
    ids = [new_run() for _ in range(THREADS)]

    def log(thread: int) -> None:
        own = models if thread % 2 else models[::-1]
        for step in range(15):
            logged = tuple(
                Metric("accuracy", float(thread), step, step, model_id) for model_id in own
            )
            store.log_batch(ids[thread], batch=Batch(metrics=logged))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(log, range(THREADS)))
    for model_id in models:
        (latest,) = store.get_logged_model(model_id).metrics
        assert (latest.step, latest.timestamp, latest.value) == (14, 14, THREADS - 1.0)


def test_of_threads_that_create_the_same_run_one_does(store: SqlStore, experiment_id: str) -> None:
    for number in range(5):
        new = NewRun(experiment_id=experiment_id, idempotency_key=f"key {number}")
        barrier = threading.Barrier(THREADS)

        def create(_: int, new: NewRun = new, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            return store.create_run(new).info.run_id

        with ThreadPoolExecutor(THREADS) as pool:
            assert len(set(pool.map(create, range(THREADS)))) == 1
