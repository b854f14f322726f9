"""Work done by several threads, with little of it waiting at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_WAITING_PER_WORKER = 3


def each_done(
    work: Callable[[T], R], items: Iterable[T], *, workers: int, stop: Callable[[], None]
) -> Iterator[R]:
    """Yield the results in the order in which they come; the first error ends it.

    The items are taken as threads become free, so that a long iterable is never held as a whole.

    Args:
        work: What to do with each.
        items: What to do it with.
        workers: How many threads do it.
        stop: Called when it ends early, for work that goes on to end soon.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="tracking-copy")
    running: set[Future[R]] = set()
    try:
        for item in items:
            running.add(pool.submit(work, item))
            if len(running) >= workers * _WAITING_PER_WORKER:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BaseException:
        stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
