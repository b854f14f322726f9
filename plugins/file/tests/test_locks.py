from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from plugins.file.tests.processes import run_all, start
from tracking_core.errors import StoreUnavailableError
from tracking_core_file import locks
from tracking_core_file.locks import FileLock, Holder, read_holder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock"


def leave(path: Path, **changes: object) -> Holder:
    """Leave a lock file as a holder would that never came back."""
    with FileLock(str(path)):
        content = path.read_bytes()
    path.write_bytes(content)
    holder = read_holder(str(path))
    assert holder is not None
    holder = msgspec.structs.replace(holder, **changes)
    path.write_bytes(msgspec.json.encode(holder))
    return holder


def take(path: Path, *, wait_limit: float) -> None:
    with FileLock(str(path), wait_limit=wait_limit):
        assert path.exists()


def dead_process() -> int:
    program = subprocess.Popen([sys.executable, "-c", ""])
    program.wait()
    return program.pid


def test_a_lock_leaves_nothing_behind(path: Path) -> None:
    with FileLock(str(path)):
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_a_held_lock_is_waited_for_and_its_holder_named(path: Path) -> None:
    leave(path)
    with pytest.raises(
        StoreUnavailableError, match=rf"process {os.getpid()} on {socket.gethostname()}"
    ):
        take(path, wait_limit=0.05)
    assert path.exists()


def test_a_thread_of_this_process_is_waited_for(path: Path) -> None:
    entered, counts = threading.Event(), []

    def hold() -> None:
        with FileLock(str(path)):
            entered.set()
            counts.append("first")

    thread = threading.Thread(target=hold)
    with FileLock(str(path)):
        thread.start()
        assert not entered.wait(0.05)
        counts.append("zeroth")
    thread.join()
    assert counts == ["zeroth", "first"]


def test_the_lock_of_a_dead_process_is_taken_at_once(path: Path) -> None:
    leave(path, process=dead_process())
    take(path, wait_limit=1)
    assert list(path.parent.iterdir()) == []


def test_a_process_with_the_number_of_a_dead_one_isnt_taken_for_it(path: Path) -> None:
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("the system doesn't tell when a process started")
    leave(path, started="1")
    take(path, wait_limit=1)


def test_the_lock_of_another_machine_is_respected_until_it_is_old(path: Path) -> None:
    leave(path, host="elsewhere/boot", process=dead_process())
    with pytest.raises(StoreUnavailableError, match="elsewhere"):
        take(path, wait_limit=0.05)
    os.utime(path, (0, 0))
    take(path, wait_limit=1)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]"])
def test_a_lock_without_a_holder_counts_by_its_age(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnavailableError, match="no name"):
        take(path, wait_limit=0.05)
    os.utime(path, (0, 0))
    take(path, wait_limit=1)


def test_one_of_many_breaks_an_old_lock_and_they_never_meet(path: Path, tmp_path: Path) -> None:
    leave(path, process=dead_process())
    counter = tmp_path / "counter"
    counter.write_text("0")
    code = """
from tracking_core_file.locks import FileLock
for _ in range(25):
    with FileLock(lock):
        value = int(open(counter).read())
        with open(counter, "w") as file:
            file.write(str(value + 1))
"""
    run_all([start(code, root="x", lock=str(path), counter=str(counter)) for _ in range(4)])
    assert counter.read_text() == "100"
    assert not path.exists()


def test_a_process_that_is_killed_frees_its_locks(path: Path) -> None:
    code = """
from tracking_core_file.locks import FileLock
with FileLock(lock):
    os.kill(os.getpid(), 9)
"""
    start(code, root="x", lock=str(path)).communicate()
    assert path.exists()
    take(path, wait_limit=1)


def test_file_systems_without_links_have_locks_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(locks.os, "link", no_links)
    with FileLock(str(path)):
        # Not the lock between threads, but the file itself.
        locks._inner_locks.pop(str(path))
        with pytest.raises(StoreUnavailableError):
            take(path, wait_limit=0.05)
    assert list(path.parent.iterdir()) == []
