"""What a child process must not take over from its parent: locks in mid-use and open files."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Resettable(Protocol):
    """What starts afresh in a child process."""

    def reset_after_fork(self) -> None:
        """Forget what belongs to the parent; no other thread runs yet."""


_registered: weakref.WeakSet[Resettable] = weakref.WeakSet()


def reset_in_children(each: Resettable) -> None:
    """Have an object reset in every process that is forked off from now on, while it lives."""
    _registered.add(each)


def _reset() -> None:
    for each in list(_registered):
        each.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
