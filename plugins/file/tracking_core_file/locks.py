"""Locks between processes and machines that need no locking from the file system.

A lock is a file that is created exclusively and says who holds it. A holder that died on this
machine is noticed at once; one on another machine when its lock is older than any lock is ever
held, by the clock of the file system, for machines disagree.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import msgspec

from tracking_core.errors import StoreUnavailableError

FOREIGN_LIMIT = 20.0
"""Seconds after which the lock of another machine's process counts as left behind."""

WAIT_LIMIT = 30.0
"""Seconds that a lock is waited for."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock.

    Attributes:
        host: The machine: its name, its boot and the name space of its process numbers.
        process: The number of the process there.
        started: When it started, as the machine counts; tells it from later ones of the number.
        nonce: Unique for each time that the lock is taken.
    """

    host: str
    process: int
    started: str
    nonce: str

    @property
    def is_here(self) -> bool:
        """Whether the process numbers of the holder mean the same as ours."""
        return self.host == _host()

    @property
    def is_dead(self) -> bool:
        """Whether the holder is known to have ended; never of another machine's."""
        if not self.is_here:
            return False
        if self.started:
            return _started(self.process) != self.started
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def __str__(self) -> str:
        return f"process {self.process} on {self.host.partition('/')[0]}"


class FileLock:
    """A lock file; `with FileLock(path):` holds it. Not reentrant, an object for each holding."""

    def __init__(
        self, path: str, *, wait_limit: float = WAIT_LIMIT, foreign_limit: float = FOREIGN_LIMIT
    ) -> None:
        self.path = path
        self.wait_limit = wait_limit
        self.foreign_limit = foreign_limit

    def __enter__(self) -> FileLock:
        """Take the lock.

        Raises:
            StoreUnavailableError: Somebody else held it for as long as is waited.
            OSError: The lock file can't be written.
        """
        deadline = time.monotonic() + self.wait_limit
        self._inner = _inner_lock(self.path)
        if not self._inner.acquire(timeout=self.wait_limit):
            raise self._busy("another thread of this process")
        try:
            self._acquire(deadline)
        except BaseException:
            self._inner.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            # Left behind too long, somebody else may have taken it: that one isn't ours to end.
            held = read_holder(self.path)
            if held is not None and held.nonce == self._nonce:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path)
        finally:
            self._inner.release()

    def _acquire(self, deadline: float) -> None:
        pause = 0.0005
        while True:
            holder = _new_holder()
            self._nonce = holder.nonce
            if _create_exclusively(self.path, holder):
                return
            self._break_if_left_behind()
            if time.monotonic() > deadline:
                raise self._busy(str(read_holder(self.path) or "a process that left no name"))
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def _busy(self, holder: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"The lock {self.path!r} is held by {holder} since more than {self.wait_limit:g} s;"
            " try again, and delete the file if that process is gone."
        )

    def _break_if_left_behind(self) -> None:
        known = read_holder(self.path)
        if not _is_left_behind(self.path, known, self.foreign_limit):
            return
        # Whoever makes this file is the only one that may end this very lock.
        claim = f"{self.path}-{known.nonce if known else 'nameless'}"
        if _create_exclusively(claim, _new_holder()):
            try:
                # Ended and taken again meanwhile? Then it is another's, and in use.
                if _is_left_behind(self.path, read_holder(self.path), self.foreign_limit):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self.path)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(claim)
        elif _is_left_behind(claim, read_holder(claim), self.foreign_limit):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(claim)


def read_holder(path: str) -> Holder | None:
    """Return who holds a lock file; None if it is gone or doesn't say so."""
    try:
        with open(path, "rb") as file:
            return _decode(file.read())
    except (OSError, msgspec.DecodeError):
        return None


def is_left_behind(path: str) -> bool:
    """Tell whether a lock file's holder is gone."""
    return _is_left_behind(path, read_holder(path), FOREIGN_LIMIT)


def _is_left_behind(path: str, holder: Holder | None, limit: float) -> bool:
    if holder is not None and holder.is_here:
        return holder.is_dead
    try:
        changed = os.stat(path).st_mtime
    except FileNotFoundError:
        return False
    return _file_system_time(os.path.dirname(path)) - changed > limit


def _file_system_time(directory: str) -> float:
    path = _temporary_name(os.path.join(directory, ".lock"))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError:
        return time.time()
    try:
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
        os.unlink(path)


def _create_exclusively(path: str, holder: Holder) -> bool:
    temporary = _temporary_name(path)
    content = _encode(holder)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    try:
        os.link(temporary, path)
    except FileExistsError:
        # An answer of NFS may get lost, and the repeated request then finds its own link.
        return os.stat(temporary).st_nlink == 2
    except OSError:
        return _create_without_links(path, content)
    finally:
        os.unlink(temporary)
    return True


def _create_without_links(path: str, content: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    return True


def _temporary_name(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".tmp-{name}-{uuid.uuid4().hex[:16]}")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Holder).decode


def _new_holder() -> Holder:
    process = os.getpid()
    return Holder(_host(), process, _own_start(process), uuid.uuid4().hex)


@functools.lru_cache(maxsize=8)
def _own_start(process: int) -> str:
    return _started(process)


@functools.lru_cache(maxsize=1)
def _host() -> str:
    """Return the name of this machine, and what tells it from others of that name."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        parts.append(file.read().strip())
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def _started(process: int) -> str:
    """Return when a process started, in the kernel's words; empty if it is gone or not told."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    # A zombie holds nothing any more.
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


_inner_locks: dict[str, threading.Lock] = {}
_inner_locks_guard = threading.Lock()


def _inner_lock(path: str) -> threading.Lock:
    with _inner_locks_guard:
        if len(_inner_locks) > 4096:
            for known in [p for p, lock in _inner_locks.items() if not lock.locked()]:
                del _inner_locks[known]
        return _inner_locks.setdefault(path, threading.Lock())


@contextlib.contextmanager
def no_lock() -> Iterator[None]:
    """Return what stands for a lock where none is needed."""
    yield


def _forget_after_fork() -> None:
    # A lock that another thread of the parent held would never be released in the child.
    global _inner_locks_guard
    _inner_locks_guard = threading.Lock()
    _inner_locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
