"""Threads, processes and forks: nothing lost, nothing torn, nothing twice."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from tracking_core.entities import Experiment, Metric, Param, RunTag
from tracking_core.errors import AlreadyExistsError, ConflictError
from tracking_core.stores import (
    BackendStore,
    Batch,
    Capability,
    NewExperiment,
    NewRun,
    RunQuery,
    RunStore,
)
from tracking_core.testing.child import children
from tracking_core.testing.experiment_tests import named
from tracking_core.testing.location import StoreLocation
from tracking_core.testing.run_data_tests import history
from tracking_core.testing.store_tests import StoreTests, fresh_name

T = TypeVar("T")
THREADS = 8


def at_once(call: Callable[[int], T]) -> list[T]:
    """Make a call in several threads at the same time and return what came of it."""
    barrier = threading.Barrier(THREADS)

    def wait_and_call(number: int) -> T:
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(wait_and_call, range(THREADS)))


class ThreadTests(StoreTests):
    """What RunStore says of threads."""

    @pytest.fixture
    def restless(self) -> Iterator[None]:
        """Let threads take turns as often as can be."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(interval)

    def test_threads_lose_no_point_of_one_run(
        self, restless: None, runs: RunStore, run_id: str
    ) -> None:
        def log(number: int) -> None:
            for step in range(25):
                batch = Batch(
                    metrics=(
                        Metric("shared", number, step, step),
                        Metric(f"own/{number}", step, step, step),
                    ),
                    params=(Param(f"p{number}/{step}", "v"),),
                    tags=(RunTag(f"t{number}", str(step)),),
                )
                runs.log_batch(run_id, batch=batch)

        at_once(log)
        found = Counter((point.step, point.value) for point in history(runs, run_id, "shared"))
        wanted = Counter((step, float(n)) for step in range(25) for n in range(THREADS))
        assert found == wanted
        data = runs.get_run(run_id).data
        assert data.params == {f"p{n}/{step}": "v" for n in range(THREADS) for step in range(25)}
        for number in range(THREADS):
            own = [point.value for point in history(runs, run_id, f"own/{number}")]
            assert own == [float(step) for step in range(25)]
            assert data.tags[f"t{number}"] == "24"

    def test_threads_that_create_one_name_make_one_experiment(
        self, restless: None, runs: RunStore
    ) -> None:
        for _ in range(5):
            name = fresh_name("contested")

            def create(number: int, name: str = name) -> str:
                try:
                    return runs.create_experiment(NewExperiment(name=name)).experiment_id
                except AlreadyExistsError:
                    return "taken"

            made = Counter(at_once(create))
            assert made.pop("taken", 0) == THREADS - 1
            (found,) = runs.search_experiments(named(name)).items
            assert made == {found.experiment_id: 1}

    def test_threads_that_ensure_one_name_get_one_experiment(
        self, restless: None, runs: RunStore
    ) -> None:
        name = fresh_name("ensured")
        made = at_once(lambda _: runs.ensure_experiment(NewExperiment(name=name)))
        assert len({experiment.experiment_id for experiment in made}) == 1

    def test_threads_that_send_one_key_log_once(
        self, restless: None, store: BackendStore, experiment: Experiment, run_id: str
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        for _ in range(5):
            key = fresh_name("key")
            new = NewRun(experiment_id=experiment.experiment_id, idempotency_key=key)

            def send(_: int, new: NewRun = new) -> str:
                key = new.idempotency_key
                batch = Batch(metrics=(Metric(str(key), 1.0, 1),), idempotency_key=key)
                store.runs.log_batch(run_id, batch=batch)
                return store.runs.create_run(new).info.run_id

            made = at_once(send)
            assert len(history(store.runs, run_id, key)) == 1
            assert len(set(made)) == 1

    def test_of_threads_that_contradict_each_other_one_wins(
        self, restless: None, runs: RunStore, run_id: str
    ) -> None:
        def log(number: int) -> str:
            params = (Param(f"own/{number}", "v"), Param("p", str(number)))
            try:
                runs.log_batch(run_id, batch=Batch(params=params))
            except ConflictError:
                return "lost"
            return str(number)

        outcome = Counter(at_once(log))
        assert outcome.pop("lost", 0) == THREADS - 1
        (winner,) = outcome
        assert runs.get_run(run_id).data.params == {"p": winner, f"own/{winner}": "v"}

    def test_who_reads_while_others_write_sees_whole_things(
        self, restless: None, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        query = RunQuery(experiment_ids=(experiment.experiment_id,))

        def read_or_write(number: int) -> None:
            for step in range(20):
                if number % 2:
                    text = f"{step} " * 50
                    batch = Batch(
                        metrics=(Metric("m", step / 3, step, step),),
                        params=(Param(f"p{number}/{step}", text),),
                        tags=(RunTag("t", text),),
                    )
                    runs.log_batch(run_id, batch=batch)
                    continue
                (found,) = runs.search_runs(query).items
                for run in (found, runs.get_run(run_id)):
                    text = run.data.tags.get("t", "")
                    assert text == text[: len(text) // 50] * 50
                    for key, value in run.data.params.items():
                        assert value == f"{key.rpartition('/')[2]} " * 50
                for point in history(runs, run_id, "m"):
                    assert (point.value, point.timestamp) == (point.step / 3, point.step)

        at_once(read_or_write)


class ProcessTests(StoreTests):
    """What RunStore says of processes, for stores that declare MULTI_PROCESS."""

    @pytest.fixture
    def processes(self, store: BackendStore) -> None:
        """Skip where the store isn't for several processes."""
        self.need(store, Capability.MULTI_PROCESS)

    def test_processes_lose_no_point_of_one_run_and_tear_none(
        self, processes: None, location: StoreLocation, runs: RunStore, run_id: str
    ) -> None:
        arguments: list[tuple[object, ...]] = [(run_id, "m", 1000 * n, 250) for n in range(4)]
        with children(location, "log_points", arguments) as started:
            # Meanwhile this process reads and writes too.
            for number in range(30):
                runs.log_metric(run_id, metric=Metric("own", number, number, number))
                for point in history(runs, run_id, "m"):
                    assert (point.value, point.timestamp) == (point.step / 3, point.step)
            for child in started:
                child.finish()
        steps = [1000 * n + i for n in range(4) for i in range(250)]
        assert history(runs, run_id, "m") == [Metric("m", step / 3, step, step) for step in steps]
        assert len(history(runs, run_id, "own")) == 30
        assert runs.get_run(run_id).data.metrics == {"m": 3249 / 3, "own": 29.0}

    def test_processes_that_create_one_name_make_one_experiment(
        self, processes: None, location: StoreLocation, runs: RunStore
    ) -> None:
        name = fresh_name("contested")
        with children(location, "create_experiment", [(name,)] * 4) as started:
            made = Counter(line for child in started for line in child.finish())
        (found,) = runs.search_experiments(named(name)).items
        assert made == {"taken": 3, found.experiment_id: 1}

    def test_processes_that_ensure_one_name_get_one_experiment(
        self, processes: None, location: StoreLocation, runs: RunStore
    ) -> None:
        name = fresh_name("ensured")
        with children(location, "ensure_experiment", [(name,)] * 4) as started:
            made = {line for child in started for line in child.finish()}
        assert made == {each.experiment_id for each in runs.search_experiments(named(name)).items}

    def test_processes_that_send_one_key_log_once(
        self, processes: None, location: StoreLocation, store: BackendStore, run_id: str
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        with children(location, "log_one_batch", [(run_id, "key")] * 4) as started:
            for child in started:
                child.finish()
        assert [point.value for point in history(store.runs, run_id, "m")] == [1.0, 2.0]


class ForkTests(StoreTests):
    """What RunStore says of forks."""

    @pytest.mark.parametrize("threaded", [False, True], ids=["quiet", "while a thread logs"])
    def test_after_a_fork_both_sides_go_on(
        self,
        location: StoreLocation,
        store: BackendStore,
        experiment: Experiment,
        threaded: bool,
    ) -> None:
        if not hasattr(os, "fork"):
            pytest.skip("this system has no fork")
        shared = Capability.MULTI_PROCESS in store.capabilities
        forks = 8
        # A fresh interpreter that can't see what is here makes an experiment of its own.
        experiment_id = experiment.experiment_id if shared else ""
        arguments: list[tuple[object, ...]] = [(experiment_id, forks, threaded)]
        with children(location, "fork_and_log", arguments) as (child,):
            busy, own, logged, failed = child.finish()[-1].split()
        assert failed == "0", f"{failed} of {forks} forked processes failed or hung"
        if shared:
            parent = [point.step for point in history(store.runs, own, "parent")]
            forked = [point.step for point in history(store.runs, own, "child")]
            assert (parent, forked) == (list(range(forks + 1)), list(range(forks)))
            assert len(history(store.runs, busy, "m")) == int(logged)
