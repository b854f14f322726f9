"""Several stores on one database, as several processes have them, that work at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from tracking_core.config import Settings, Uri
from tracking_core.errors import TrackingError
from tracking_core_sql.store import SqlStore

T = TypeVar("T")


def at_once(uri: str, *calls: Callable[[SqlStore], T]) -> list[T | TrackingError]:
    """Make the calls at the same time, each with a store of its own.

    Returns:
        What each call returned, or the error that it told its user.
    """
    barrier = threading.Barrier(len(calls))

    def make(store: SqlStore, call: Callable[[SqlStore], T]) -> T | TrackingError:
        barrier.wait(60)
        try:
            return call(store)
        except TrackingError as error:
            return error

    with ExitStack() as stack:
        stores = [stack.enter_context(SqlStore(Uri.parse(uri), Settings())) for _ in calls]
        pool = stack.enter_context(ThreadPoolExecutor(len(calls)))
        return list(pool.map(make, stores, calls))


def only_success(results: Sequence[T | TrackingError]) -> T:
    """Return what the one call returned that succeeded."""
    (success,) = [result for result in results if not isinstance(result, TrackingError)]
    return success
