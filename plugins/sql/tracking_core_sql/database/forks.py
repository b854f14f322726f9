"""Forks: never while sqlite is at work, and no connection of the parent is used by the child.

sqlite has locks of its own: a child that is forked while another thread holds one would wait for it
for ever. So what is done with sqlite passes a gate, which a fork closes and waits behind.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Forkable(Protocol):
    """What has to be made anew in a child."""

    def after_fork(self) -> None:
        """Begin anew, without touching what the parent uses."""


class _Gate:
    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.inside = 0
        self.is_closed = False
        self.own = threading.local()


_gate = _Gate()
_everything: weakref.WeakSet[Forkable] = weakref.WeakSet()
_kept: list[object] = []


@contextmanager
def no_fork() -> Iterator[None]:
    """Keep forks waiting until the block ends."""
    own = _gate.own
    depth = getattr(own, "depth", 0)
    if not depth:
        with _gate.condition:
            while _gate.is_closed:
                _gate.condition.wait()
            _gate.inside += 1
    own.depth = depth + 1
    try:
        yield
    finally:
        own.depth = depth
        if not depth:
            with _gate.condition:
                _gate.inside = max(0, _gate.inside - 1)
                _gate.condition.notify_all()


def remember(forkable: Forkable) -> None:
    """Have something begin anew in each child."""
    _everything.add(forkable)


def keep_for_ever(inherited: object) -> None:
    """Keep what a child has inherited from being closed, which the parent would feel."""
    _kept.append(inherited)


def _before() -> None:
    _gate.condition.acquire()
    _gate.is_closed = True
    while _gate.inside > (1 if getattr(_gate.own, "depth", 0) else 0):
        _gate.condition.wait()


def _after_in_parent() -> None:
    _gate.is_closed = False
    _gate.condition.notify_all()
    _gate.condition.release()


def _after_in_child() -> None:
    global _gate
    _gate = _Gate()
    for forkable in list(_everything):
        forkable.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
