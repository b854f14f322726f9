"""Where calls run: at once if they only compute, in threads if they wait, and not without end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from plugins.server.tests.conftest import Serve
from plugins.server.tests.failing_store import FailingStore
from tracking_core.errors import NotFoundError, StoreUnavailableError
from tracking_core_server.execution import Execution

Run = Callable[..., list[int]]


@pytest.fixture
def execution() -> Iterator[Execution]:
    execution = Execution(threads=4, timeout=30)
    yield execution
    execution.close()


def _threads_of(execution: Execution, call: Callable[[], object], times: int) -> list[int]:
    """Make calls one after the other and return the threads that made them."""

    def noted() -> int:
        call()
        return threading.get_ident()

    async def run() -> list[int]:
        return [await execution.run("kind", noted) for _ in range(times)]

    return asyncio.run(run())


def _waiting(seconds: float) -> Callable[[], object]:
    never = threading.Event()
    return lambda: never.wait(seconds)


def test_calls_that_only_compute_are_soon_made_at_once(execution: Execution) -> None:
    threads = _threads_of(execution, lambda: sum(range(100)), 300)
    at_once = threads.count(threading.get_ident())
    assert at_once > 100
    assert threads[0] != threading.get_ident()  # before anything is known of them


def test_calls_that_wait_are_made_in_threads(execution: Execution) -> None:
    threads = _threads_of(execution, _waiting(0.004), 80)
    assert threads.count(threading.get_ident()) < 20


def test_calls_that_take_long_never_hold_up_the_loop(execution: Execution) -> None:
    threads = _threads_of(execution, _waiting(0.03), 30)
    assert threading.get_ident() not in threads


def test_a_call_that_becomes_slow_holds_up_the_loop_a_few_times_at_most(
    execution: Execution,
) -> None:
    _threads_of(execution, lambda: sum(range(100)), 300)
    threads = _threads_of(execution, _waiting(0.03), 30)
    assert threads.count(threading.get_ident()) <= 3


def test_calls_of_which_none_has_come_back_never_hold_up_the_loop(execution: Execution) -> None:
    release = threading.Event()

    def wait() -> int:
        release.wait(5)
        return threading.get_ident()

    async def run() -> list[int]:
        calls = [asyncio.ensure_future(execution.run("kind", wait)) for _ in range(40)]
        await asyncio.sleep(0)
        release.set()
        return await asyncio.gather(*calls)

    assert threading.get_ident() not in asyncio.run(run())


def test_others_are_answered_while_a_slow_call_goes_on(execution: Execution) -> None:
    slow_is_running, others_are_done = threading.Event(), threading.Event()

    def slow() -> str:
        slow_is_running.set()
        return "done" if others_are_done.wait(20) else "was waited for"

    async def run() -> str:
        slow_one = asyncio.ensure_future(execution.run("slow", slow))
        while not slow_is_running.is_set():
            await asyncio.sleep(0)
        for number in range(50):
            assert await execution.run("quick", lambda number=number: number) == number  # type: ignore[misc]
        others_are_done.set()
        return await slow_one

    assert asyncio.run(run()) == "done"


def test_calls_that_wait_go_on_at_the_same_time(execution: Execution) -> None:
    together = threading.Barrier(4)

    async def run() -> list[int]:
        calls = [execution.run("kind", lambda: together.wait(20)) for _ in range(4)]
        return await asyncio.gather(*calls)

    assert sorted(asyncio.run(run())) == [0, 1, 2, 3]


def test_when_too_many_wait_another_is_sent_away_until_there_is_room(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracking_core_server.execution._MOST_WAITING", 6)
    release = threading.Event()

    async def run() -> None:
        waiting = [
            asyncio.ensure_future(execution.run("kind", lambda: release.wait(20))) for _ in range(6)
        ]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailableError, match="try again later"):
            await execution.run("other", lambda: None)
        release.set()
        assert await asyncio.gather(*waiting) == [True] * 6
        assert await execution.run("other", lambda: 5) == 5

    asyncio.run(run())


def test_a_call_that_takes_too_long_is_given_up() -> None:
    execution = Execution(threads=1, timeout=0.05)
    release = threading.Event()

    async def run() -> None:
        with pytest.raises(StoreUnavailableError, match=r"longer than 0\.05 seconds"):
            await execution.run("kind", lambda: release.wait(20))
        release.set()
        # Its place is free again, once it has come to its end.
        while True:
            try:
                assert await execution.run("other", lambda: 5) == 5
            except StoreUnavailableError:
                continue
            return

    try:
        asyncio.run(run())
    finally:
        release.set()
        execution.close()


def test_what_a_call_raises_is_raised_wherever_it_was_made(execution: Execution) -> None:
    def fail() -> None:
        raise NotFoundError("Not there.")

    async def run() -> None:
        for _ in range(50):
            with pytest.raises(NotFoundError, match="Not there"):
                await execution.run("kind", fail)
        with pytest.raises(NotFoundError, match="Not there"):
            await execution.in_thread(fail)

    asyncio.run(run())


def test_a_backend_that_hangs_is_503_and_others_are_still_answered(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FailingStore()
    monkeypatch.setattr("tracking_core_server.service.open_store", lambda uri, settings: store)
    client = serve(request_timeout=0.05, threads=2)
    target = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert client.get(target).status == 200
    release = threading.Event()
    store.first = lambda: release.wait(20)
    try:
        answer = client.get(target)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert "longer than 0.05 seconds" in answer.message
        assert client.get("/health").status == 200
        assert client.call("experiments/search")["experiments"]
    finally:
        store.first = lambda: None
        release.set()


@pytest.mark.parametrize(
    ("seconds", "most_at_once"),
    [
        (0.03, 1),
        # Short enough for the event loop to try it too, now and then.
        (0.012, 2),
    ],
)
def test_calls_that_compute_for_long_take_turns(
    execution: Execution, seconds: float, most_at_once: int
) -> None:
    running, most = [0], [0]

    def compute() -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        running[0] -= 1

    async def run() -> None:
        for _ in range(3):
            await execution.run("computing", compute)
        most[0] = 0
        await asyncio.gather(*(execution.run("computing", compute) for _ in range(30)))

    asyncio.run(run())
    assert 1 <= most[0] <= most_at_once


def test_calls_that_wait_for_long_do_not_take_turns(execution: Execution) -> None:
    together = threading.Barrier(4)

    async def run() -> None:
        for _ in range(3):
            await execution.run("waiting", _waiting(0.03))
        calls = (execution.run("waiting", lambda: together.wait(20)) for _ in range(4))
        await asyncio.gather(*calls)

    asyncio.run(run())
