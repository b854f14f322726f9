"""Whether a file is still what it was when it was read: as git's index tells it."""

from __future__ import annotations

import os
import time

ABSENT = 0
"""The stamp of what isn't there."""

UNTRUSTED = 1
"""A stamp that no file has: what was read in the moment of its change is read again."""

LOCAL_TICK = 50_000_000
"""Nanoseconds in which a local file system may give two changes one time."""

REMOTE_TICK = 5_000_000_000
"""The same where the clock is another machine's."""


def stamp_of(status: os.stat_result) -> int:
    """Return a number that changes when the file does."""
    return hash((status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino))


def stamp(path: str) -> int:
    """Return the stamp of a path, ABSENT if nothing is there."""
    try:
        return stamp_of(os.stat(path))
    except OSError:
        return ABSENT


class Stamper:
    """Stamps what is read from now on; what changed a moment ago gets UNTRUSTED.

    A file that changes again within the tick of its clock may keep its times, and its size too.
    """

    def __init__(self, tick: int) -> None:
        self._begin = time.time_ns() - tick

    def __call__(self, status: os.stat_result) -> int:
        """Return the stamp of a status that was taken before the file was read."""
        if status.st_mtime_ns >= self._begin or status.st_ctime_ns >= self._begin:
            return UNTRUSTED
        return stamp_of(status)
