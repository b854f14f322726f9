"""Where calls of a backend run: in threads while they wait, at once where they only compute."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tracking_core.errors import StoreUnavailableError

if sys.platform != "win32":
    import resource

T = TypeVar("T")

# A call that takes no longer, and waits for nothing, is answered by the event loop itself: the way
# to a thread and back would cost it more than the threads could win.
_QUICK_SECONDS = 0.008
# A call that held up the event loop so long isn't tried there again soon.
_HELD_UP_SECONDS = 0.02
_FIRST_TRY, _LAST_TRY = 4, 256
_MOST_WAITING = 2_000


class _Kind:
    """What is known of one kind of call, from those that the event loop made itself.

    In a thread a call waits for the others' turns too, which says nothing of the call.
    """

    __slots__ = (
        "_elapsed",
        "_interval",
        "_last",
        "_until_try",
        "_waits",
        "is_quick",
        "only_computes",
    )

    def __init__(self) -> None:
        self.is_quick = False
        self.only_computes = False
        self._elapsed = 0.0
        self._waits = 0.0
        self._last = math.inf  # until one has come back, it may be any time
        self._interval = _FIRST_TRY
        self._until_try = _FIRST_TRY

    def goes_at_once(self) -> bool:
        """Tell whether the event loop makes the next call itself, or tries to."""
        if self.is_quick:
            return True
        self._until_try -= 1
        return self._until_try < 0 and self._last < _HELD_UP_SECONDS

    def note_in_thread(self, elapsed: float, computing: float | None) -> None:
        """Learn from a call that a thread made.

        Args:
            elapsed: Seconds that it took.
            computing: Seconds of them in which it computed; None: there were other calls.
        """
        self._last = elapsed
        if computing is not None:
            self.only_computes = computing > elapsed / 2

    def note_at_once(self, elapsed: float, *, has_waited: bool | None) -> None:
        """Learn from a call that the event loop made.

        Args:
            elapsed: Seconds that it took.
            has_waited: None: nobody knows.
        """
        self._last = elapsed
        weight = 0.2 if self.is_quick else 1.0
        self._elapsed += (elapsed - self._elapsed) * weight
        if has_waited is not None:
            self._waits += (has_waited - self._waits) * weight
            self.only_computes = self._waits < 0.5
        self.is_quick = (
            elapsed < _HELD_UP_SECONDS and self._elapsed < _QUICK_SECONDS and self._waits < 0.5
        )
        if self.is_quick:
            self._interval = _FIRST_TRY
        else:
            is_slow = elapsed >= _HELD_UP_SECONDS
            self._interval = _LAST_TRY if is_slow else min(2 * self._interval, _LAST_TRY)
            self._until_try = self._interval


class Execution:
    """Runs the calls of one event loop."""

    def __init__(self, *, threads: int, timeout: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tracking-server")
        # Calls that only compute take turns anyway; made in several threads they would hand on
        # Python's lock with each row that a database gives, and take several times as long.
        self._computing = ThreadPoolExecutor(1, thread_name_prefix="tracking-server-computing")
        self._timeout = timeout
        self._kinds: dict[str, _Kind] = {}
        self._waiting = 0

    async def run(self, name: str, call: Callable[[], T]) -> T:
        """Return what a call returns.

        Args:
            name: The kind of call; calls of one kind take about as long as each other.
            call: What is to be done.

        Raises:
            StoreUnavailableError: Too many others wait, or it took too long.
        """
        kind = self._kinds.get(name)
        if kind is None:
            kind = self._kinds[name] = _Kind()
        if kind.goes_at_once():
            return self._at_once(kind, call)
        if self._waiting >= _MOST_WAITING:
            raise StoreUnavailableError(
                f"The server has {self._waiting} calls to make already; try again later."
            )
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            pool = self._computing if kind.only_computes else self._pool
            is_alone = self._waiting == 1
            work = loop.run_in_executor(pool, lambda: _in_thread(kind, call, is_alone=is_alone))
            return await asyncio.wait_for(work, self._timeout)
        except asyncio.TimeoutError:
            raise StoreUnavailableError(
                f"The call took longer than {self._timeout:g} seconds, and was given up."
            ) from None
        finally:
            self._waiting -= 1

    def _at_once(self, kind: _Kind, call: Callable[[], T]) -> T:
        began, waits = time.perf_counter(), _waits()
        try:
            return call()
        finally:
            elapsed = time.perf_counter() - began
            has_waited = _waits() > waits
            # Beside a thread it may have waited for Python's lock alone.
            is_known = not (has_waited and self._waiting)
            kind.note_at_once(elapsed, has_waited=has_waited if is_known else None)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Return what a call returns that waits, and for how long nobody knows."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._computing.shutdown(wait=True, cancel_futures=True)


def _in_thread(kind: _Kind, call: Callable[[], T], *, is_alone: bool) -> T:
    began, computed = time.perf_counter(), time.thread_time()
    try:
        return call()
    finally:
        computing = time.thread_time() - computed if is_alone else None
        kind.note_in_thread(time.perf_counter() - began, computing)


if sys.platform == "linux":

    def _waits() -> float:
        """Return how often this thread has given up the processor to wait for something."""
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

else:

    def _waits() -> float:
        """Return roughly how long this thread has waited: the time in which it didn't compute."""
        return round(time.perf_counter() - time.thread_time(), 3)
