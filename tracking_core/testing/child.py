"""Other processes that open the store under test: what they do, and how the suites start them.

A child is a fresh interpreter. It opens the store, says that it is ready, waits for a word, does
its task, and prints what it has to say, a line for each thing that is acknowledged.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import IO, cast

from tracking_core.entities import Metric, Param, RunTag
from tracking_core.errors import AlreadyExistsError
from tracking_core.stores import (
    BackendStore,
    Batch,
    MetricHistoryQuery,
    NewExperiment,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    RegisteredModelChanges,
)
from tracking_core.testing.location import StoreLocation

PATIENCE = 60.0
"""Seconds that a child may take; longer is a deadlock."""


class Child:
    """A process that does one task with the store, or what else the module's `main` opens."""

    def __init__(
        self, location: object, task: str, *arguments: object, module: str = __name__
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        # A child that hangs is a failure, and must not hang the tests.
        self._alarm = threading.Timer(PATIENCE, self._process.kill)
        self._alarm.daemon = True
        self._alarm.start()
        payload = base64.b64encode(pickle.dumps((location, task, arguments))).decode()
        self._say(payload)
        if self.read_line() != "ready":
            raise AssertionError(f"A child can't open {location!r}: {self._end()}")

    def go(self) -> None:
        """Let it begin."""
        self._say("go")

    def read_line(self) -> str:
        """Return the next line that it prints, empty at its end."""
        return cast("IO[str]", self._process.stdout).readline().rstrip("\n")

    def kill(self) -> list[str]:
        """Kill it as the system does when memory runs out; return what it had still printed."""
        self._process.kill()
        lines = cast("IO[str]", self._process.stdout).read().split("\n")
        self._end()
        # The last line may be cut off, and is empty if it isn't.
        return lines[:-1]

    def end(self) -> None:
        """Kill it unless it has ended: no child outlives its test."""
        if self._process.poll() is None:
            self.kill()

    def finish(self) -> list[str]:
        """Wait for its end and return what it printed.

        Raises:
            AssertionError: It failed, or took too long.
        """
        lines = cast("IO[str]", self._process.stdout).read().splitlines()
        told = self._end()
        if self._process.returncode != 0:
            raise AssertionError(f"A child ended with {self._process.returncode}: {told}")
        return lines

    def _say(self, line: str) -> None:
        pipe = cast("IO[str]", self._process.stdin)
        # One that failed at once has closed its end; what it printed says why.
        with contextlib.suppress(BrokenPipeError):
            pipe.write(line + "\n")
            pipe.flush()

    def _end(self) -> str:
        with contextlib.suppress(BrokenPipeError):
            cast("IO[str]", self._process.stdin).close()
        told = cast("IO[str]", self._process.stderr).read()
        self._process.wait()
        self._alarm.cancel()
        for pipe in (self._process.stdout, self._process.stderr):
            cast("IO[str]", pipe).close()
        return told


@contextlib.contextmanager
def children(
    location: StoreLocation, task: str, arguments: list[tuple[object, ...]]
) -> Iterator[list[Child]]:
    """Start a child for each tuple of arguments, and let all go at the same time."""
    started = [Child(location, task, *each) for each in arguments]
    try:
        for child in started:
            child.go()
        yield started
    finally:
        for child in started:
            child.end()


# --- what they do ---


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _log_points(store: BackendStore, run_id: str, key: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        store.runs.log_metric(run_id, metric=Metric(key, number / 3, number, number))


def _log_one_batch(store: BackendStore, run_id: str, idempotency_key: str) -> None:
    points = (Metric("m", 1.0, 1), Metric("m", 2.0, 2))
    store.runs.log_batch(run_id, batch=Batch(metrics=points, idempotency_key=idempotency_key))


def _create_experiment(store: BackendStore, name: str) -> None:
    try:
        _tell(store.runs.create_experiment(NewExperiment(name=name)).experiment_id)
    except AlreadyExistsError:
        _tell("taken")


def _ensure_experiment(store: BackendStore, name: str) -> None:
    _tell(store.runs.ensure_experiment(NewExperiment(name=name)).experiment_id)


def _log_until_killed(store: BackendStore, run_id: str, experiment_id: str) -> None:
    for number in range(10**9):
        batch = Batch(
            metrics=(Metric("m", number / 3, number, number),),
            params=(Param(f"p{number}", f"value {number}"),) if number % 5 == 0 else (),
            tags=(RunTag("last", str(number)),) if number % 3 == 0 else (),
        )
        store.runs.log_batch(run_id, batch=batch)
        _tell(f"step {number}")
        if number % 20 == 0:
            run = store.runs.create_run(NewRun(experiment_id=experiment_id))
            _tell(f"run {run.info.run_id}")


def _register_model(store: BackendStore, name: str) -> None:
    try:
        store.registry.create_registered_model(NewRegisteredModel(name=name))
        _tell("made")
    except AlreadyExistsError:
        _tell("taken")


def _add_versions(store: BackendStore, name: str, key: str | None, count: int) -> None:
    new = NewModelVersion(name=name, source="s3://bucket/model", idempotency_key=key)
    for _ in range(count):
        _tell(str(store.registry.create_model_version(new).version))


def _change_models_until_killed(store: BackendStore, prefix: str) -> None:
    """Make models; each grows a version and an alias, is renamed, and some go again."""
    registry = store.registry
    for number in range(10**9):
        name, renamed = f"{prefix}-{number}", f"{prefix}-{number}-renamed"
        registry.create_registered_model(
            NewRegisteredModel(name=name, description="whole", tags={"a": "1", "b": "2"})
        )
        _tell(f"made {number}")
        registry.create_model_version(
            NewModelVersion(name=name, source="s3://bucket/model", tags={"c": "3", "d": "4"})
        )
        _tell(f"version {number}")
        changes = RegisteredModelChanges(set_aliases={"best": 1})
        registry.update_registered_model(name, changes=changes)
        _tell(f"alias {number}")
        changes = RegisteredModelChanges(name=renamed)
        registry.update_registered_model(name, changes=changes)
        _tell(f"renamed {number}")
        if number % 2:
            registry.delete_model_version(renamed, version=1)
        else:
            registry.delete_registered_model(renamed)
        _tell(f"deleted {number}")


def _fork_and_log(store: BackendStore, experiment_id: str, forks: int, threaded: bool) -> None:
    """Fork, if asked for while a thread logs; parent and children log on."""
    runs = store.runs
    if not experiment_id:
        new = NewExperiment(name=f"forked-{uuid.uuid4().hex}")
        experiment_id = runs.create_experiment(new).experiment_id
    busy, own = (runs.create_run(NewRun(experiment_id=experiment_id)).info.run_id for _ in range(2))
    stop = threading.Event()
    logged = 0

    def keep_logging() -> None:
        nonlocal logged
        while not stop.is_set():
            runs.log_metric(busy, metric=Metric("m", 1.0, logged, logged))
            logged += 1

    thread = threading.Thread(target=keep_logging if threaded else bool)
    thread.start()
    failed = 0
    for number in range(forks):
        runs.log_metric(own, metric=Metric("parent", 1.0, number, number))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                point = Metric("child", number / 3, number, number)
                runs.log_metric(own, metric=point)
                page = runs.metric_history(own, query=MetricHistoryQuery(key="child"))
                status = 0 if point in page.items else 1
            finally:
                os._exit(status)
        if not _ended_well(child):
            failed += 1
            break
    stop.set()
    thread.join()
    runs.log_metric(own, metric=Metric("parent", 1.0, forks, forks))
    _tell(f"{busy} {own} {logged} {failed}")


def _ended_well(child: int) -> bool:
    end = time.monotonic() + PATIENCE / 6  # a loaded machine lets a writer wait for seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.001)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


_TASKS = {
    function.__name__.lstrip("_"): function
    for function in (
        _add_versions,
        _change_models_until_killed,
        _create_experiment,
        _ensure_experiment,
        _fork_and_log,
        _log_one_batch,
        _log_points,
        _log_until_killed,
        _register_model,
    )
}


def main() -> None:
    """Do the task that stands on standard input."""
    location, task, arguments = pickle.loads(base64.b64decode(sys.stdin.readline()))
    with location.open() as store:
        _tell("ready")
        if sys.stdin.readline().strip() == "go":
            _TASKS[task](store, *arguments)


if __name__ == "__main__":
    main()
