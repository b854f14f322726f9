"""Transfers: whole or not at all, checked, tried again, and told about."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest
from further_storages import open_objects

from tracking_core.artifacts import TransferState, copy, download, transfer, upload
from tracking_core.artifacts.fsspec_repository import FsspecArtifactRepository
from tracking_core.artifacts.local_repository import LocalArtifactRepository
from tracking_core.artifacts.paths import temporary_name
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import (
    ConflictError,
    CorruptDataError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core.testing.artifact_tests import contents, read, write


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_WAITS", (0.0, 0.0))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def repository(tmp_path: Path) -> LocalArtifactRepository:
    return local(tmp_path / "repository")


def local(root: Path) -> LocalArtifactRepository:
    return LocalArtifactRepository(Uri.parse(root), Settings())


def tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def fill(directory: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


FILES = {
    "empty": b"",
    "a b#c?%.txt": b"text",
    "d/e/f": b"deep",
    "d/.hidden": b"hidden",
    "d/large": random.Random(0).randbytes((3 << 20) + 1),
}


# --- what goes where ---


@pytest.mark.parametrize("workers", [1, 3, 50])
def test_a_directory_goes_up_and_down_and_keeps_its_paths(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path, workers: int
) -> None:
    fill(source, FILES)
    report = upload(source, repository, "x/y", workers=workers)
    wanted = {f"x/y/{path}": content for path, content in FILES.items()}
    assert contents(repository) == wanted
    assert [(file.path, file.size, file.sha256) for file in report.files] == [
        (path, len(wanted[path]), digest(wanted[path])) for path in sorted(wanted)
    ]
    assert report.size == sum(map(len, wanted.values()))
    down = download(repository, "x", tmp_path / "down", digests=report.digests, workers=workers)
    assert tree(tmp_path / "down") == wanted
    assert down == report


def test_a_file_keeps_its_name(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path
) -> None:
    fill(source, FILES)
    upload(source / "d/e/f", repository)
    upload(str(source / "d/e/f"), repository, "x")
    assert contents(repository) == {"f": b"deep", "x/f": b"deep"}
    report = download(repository, "x/f", str(tmp_path / "down"))
    assert tree(tmp_path / "down") == {"x/f": b"deep"}
    assert report.digests == {"x/f": digest(b"deep")}


def test_where_things_go_does_not_depend_on_what_is_there(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path
) -> None:
    fill(source, {"d/f": b"1"})
    for _ in range(2):
        upload(source, repository, "x")
        download(repository, "x", tmp_path / "down")
    assert list(contents(repository)) == ["x/d/f"]
    assert list(tree(tmp_path / "down")) == ["x/d/f"]


def test_empty_directories_are_not_kept(repository: LocalArtifactRepository, source: Path) -> None:
    (source / "empty" / "below").mkdir(parents=True)
    assert upload(source, repository).files == ()
    assert repository.list() == []


def test_downloading_an_empty_repository_makes_an_empty_directory(
    repository: LocalArtifactRepository, tmp_path: Path
) -> None:
    assert download(repository, "", tmp_path / "down").files == ()
    assert list((tmp_path / "down").iterdir()) == []


def test_copying_keeps_paths_and_what_else_is_there(
    repository: LocalArtifactRepository,
) -> None:
    for path, content in FILES.items():
        write(repository, path, content)
    target = FsspecArtifactRepository(Uri.parse("memory://copied/here"), Settings())
    objects = open_objects(Uri.parse("objects://copied/there"), Settings())
    write(target, "other", b"stays")
    report = copy(repository, target)
    assert contents(target) == {**FILES, "other": b"stays"}
    copy(target, objects, "d", digests=report.digests)
    assert contents(objects) == {p: c for p, c in FILES.items() if p.startswith("d/")}
    copy(target, objects, "other")
    assert read(objects, "other") == b"stays"
    for each in (target, objects):
        each.delete("")


def test_what_was_there_is_replaced(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path
) -> None:
    write(repository, "f", b"old and longer")
    fill(source, {"f": b"new"})
    fill(tmp_path / "down", {"f": b"old and longer"})
    upload(source, repository)
    download(repository, "f", tmp_path / "down")
    assert read(repository, "f") == b"new"
    assert tree(tmp_path / "down") == {"f": b"new"}


# --- what is in a local tree ---


@pytest.mark.skipif(os.name == "nt", reason="links, pipes and sockets of POSIX")
def test_links_inside_are_followed_and_what_can_not_be_sent_is_named_once(
    repository: LocalArtifactRepository,
    source: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(tmp_path / "outside", {"secret": b"secret"})
    fill(source, {"a/f": b"1", "b/g": b"2"})
    (source / "a/link").symlink_to("../b/g")
    (source / "linked").symlink_to(source / "b")
    (source / "a/out").symlink_to(tmp_path / "outside/secret")
    (source / "outside").symlink_to("../outside")
    (source / "a/self").symlink_to(".")
    (source / "a/up").symlink_to("..")
    (source / "b/a").symlink_to("../a")
    (source / "broken").symlink_to("nowhere")
    (source / "circle").symlink_to("circle")
    os.mkfifo(source / "pipe")
    (source / temporary_name()).write_bytes(b"half")
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as server, caplog.at_level(logging.INFO):
        server.bind("socket")
        report = upload(source, repository)
    assert contents(repository) == {
        "a/f": b"1",
        "a/link": b"2",
        "b/g": b"2",
        "b/a/f": b"1",
        "b/a/link": b"2",
        "linked/g": b"2",
        "linked/a/f": b"1",
        "linked/a/link": b"2",
    }
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for name in ("a/out", "outside", "a/self", "a/up", "broken", "circle", "pipe", "socket"):
        assert any(each.startswith(f"{name} (") for each in report.skipped), name
    told = record.getMessage()
    assert "a/out (a link that leaves the directory)" in told
    assert "pipe (neither a file nor a directory)" in told or "more" in told
    assert len(told) < 1500


def test_what_is_given_may_be_a_link_itself(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path
) -> None:
    fill(source, {"d/f": b"1"})
    (tmp_path / "to-directory").symlink_to(source)
    (tmp_path / "to-file").symlink_to(source / "d/f")
    upload(tmp_path / "to-directory", repository, "x")
    upload(tmp_path / "to-file", repository)
    assert contents(repository) == {"x/d/f": b"1", "to-file": b"1"}


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_a_name_that_is_no_unicode_is_refused_before_anything_is_sent(
    repository: LocalArtifactRepository, source: Path
) -> None:
    fill(source, {"a": b"1"})
    (source / os.fsdecode(b"caf\xe9")).write_text("x")
    with pytest.raises(InvalidValueError, match="surrogate"):
        upload(source, repository)
    assert contents(repository) == {}


def test_a_missing_source_is_told(repository: LocalArtifactRepository, source: Path) -> None:
    with pytest.raises(NotFoundError, match="missing"):
        upload(source / "missing", repository)


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_source_that_is_neither_file_nor_directory_is_refused(
    repository: LocalArtifactRepository, source: Path
) -> None:
    os.mkfifo(source / "pipe")
    with pytest.raises(InvalidValueError, match="neither a file nor a directory"):
        upload(source / "pipe", repository)


@pytest.mark.parametrize("directory", ["..", "/x", "a/../..", "a//b"])
def test_a_directory_that_would_leave_the_root_is_refused(
    repository: LocalArtifactRepository, source: Path, directory: str
) -> None:
    fill(source, {"f": b"1"})
    with pytest.raises(InvalidValueError):
        upload(source, repository, directory)
    with pytest.raises(InvalidValueError):
        download(repository, directory, source / "down")
    assert not (source / "down").exists()


# --- files that change meanwhile ---


class Meddling(LocalArtifactRepository):
    """Does something to the source when a file is opened for writing."""

    meddle: Callable[[], None]

    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        self.meddle()
        return super().open_write(path)


def test_a_file_that_grows_arrives_as_long_as_it_was_when_opened(
    source: Path, tmp_path: Path
) -> None:
    fill(source, {"log": b"first\n"})
    repository = Meddling(Uri.parse(tmp_path / "r"), Settings())

    def grow() -> None:
        with (source / "log").open("ab") as file:
            file.write(b"second\n")

    repository.meddle = grow
    report = upload(source, repository)
    assert contents(repository) == {"log": b"first\n"}
    assert report.digests == {"log": digest(b"first\n")}


def test_a_file_that_shrinks_is_an_error_and_leaves_what_was_there(
    source: Path, tmp_path: Path
) -> None:
    fill(source, {"log": b"first\nsecond\n"})
    repository = Meddling(Uri.parse(tmp_path / "r"), Settings())
    repository.meddle = lambda: None
    write(repository, "log", b"old")
    repository.meddle = lambda: os.truncate(source / "log", 3)
    with pytest.raises(InvalidStateError, match="shrank while it was read"):
        upload(source, repository)
    assert contents(repository) == {"log": b"old"}


def test_a_file_that_is_replaced_or_deleted_meanwhile_arrives_as_it_was(
    source: Path, tmp_path: Path
) -> None:
    fill(source, {"f": b"old"})
    repository = Meddling(Uri.parse(tmp_path / "r"), Settings())
    repository.meddle = lambda: (source / "f").unlink()
    upload(source, repository)
    assert contents(repository) == {"f": b"old"}


def test_an_artifact_that_is_written_anew_after_the_listing_is_taken_as_it_is(
    repository: LocalArtifactRepository, tmp_path: Path
) -> None:
    write(repository, "f", b"old")

    class ListsTheOldOne(LocalArtifactRepository):
        def walk(self, path: str = "") -> Sequence[FileInfo]:
            return [FileInfo("f", False, 300)]

    download(ListsTheOldOne(repository.uri, Settings()), "", tmp_path / "down")
    assert tree(tmp_path / "down") == {"f": b"old"}


# --- checks ---


class Corrupting(LocalArtifactRepository):
    """Stores or delivers something else, the first `times`."""

    verifies_writes = False
    times = 1000
    written = 0

    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        self.written += 1
        with super().open_write(path) as file:
            if self.written > self.times:
                yield file
                return
            buffer = io.BytesIO()
            yield buffer
            file.write(buffer.getvalue().replace(b"e", b"E"))


def test_what_arrives_is_read_back_where_the_repository_does_not_verify(
    source: Path, tmp_path: Path
) -> None:
    fill(source, {"f": b"text"})
    repository = Corrupting(Uri.parse(tmp_path / "r"), Settings())
    with pytest.raises(CorruptDataError, match=r"'f'.*0 of 1 files.*reads back"):
        upload(source, repository)
    assert repository.written == 3
    assert contents(repository) == {}
    with pytest.raises(CorruptDataError, match="reads back"):
        copy(local(source), repository)
    assert contents(repository) == {}


def test_a_file_that_arrives_at_the_second_try_is_fine(source: Path, tmp_path: Path) -> None:
    fill(source, {"f": b"text"})
    repository = Corrupting(Uri.parse(tmp_path / "r"), Settings())
    repository.times = 1
    assert upload(source, repository).digests == {"f": digest(b"text")}
    assert contents(repository) == {"f": b"text"}


@pytest.mark.parametrize("kind", ["digest", "short"])
def test_a_download_that_is_not_what_it_should_be_leaves_nothing(
    repository: LocalArtifactRepository, tmp_path: Path, kind: str
) -> None:
    write(repository, "d/f", b"x" * 1000)

    class Short(LocalArtifactRepository):
        def open_read(self, path: str) -> BinaryIO:
            return io.BytesIO(b"x" * 999)

    reading = Short(repository.uri, Settings()) if kind == "short" else repository
    digests = {"d/f": "0" * 64} if kind == "digest" else None
    fill(tmp_path / "down", {"d/f": b"old"})
    with pytest.raises(CorruptDataError, match="'d/f'") as caught:
        download(reading, "", tmp_path / "down", digests=digests)
    assert ("999 bytes instead of 1000" if kind == "short" else "0" * 64) in str(caught.value)
    assert tree(tmp_path / "down") == {"d/f": b"old"}
    with pytest.raises(CorruptDataError):
        copy(reading, local(tmp_path / "copied"), digests=digests)
    assert not tree(tmp_path / "copied")


def test_digests_may_be_in_capitals_and_of_other_files_too(
    repository: LocalArtifactRepository, tmp_path: Path
) -> None:
    write(repository, "f", b"x")
    digests = {"f": digest(b"x").upper(), "other": "0" * 64}
    download(repository, "", tmp_path / "down", digests=digests)
    assert tree(tmp_path / "down") == {"f": b"x"}


@pytest.mark.parametrize("listed", ["../../evil", "/evil", "a/../../evil", "a//b", "a/./b", "a\0"])
def test_a_repository_that_lists_paths_outside_is_not_trusted(
    repository: LocalArtifactRepository, tmp_path: Path, listed: str
) -> None:
    class Evil(LocalArtifactRepository):
        def walk(self, path: str = "") -> Sequence[FileInfo]:
            return [FileInfo(listed, False, 1)]

        def open_read(self, path: str) -> BinaryIO:
            return io.BytesIO(b"x")

    evil = Evil(repository.uri, Settings())
    before = tree(tmp_path)
    with pytest.raises((InvalidValueError, CorruptDataError)):
        download(evil, "", tmp_path / "a" / "b" / "down")
    with pytest.raises((InvalidValueError, CorruptDataError)):
        copy(evil, repository)
    assert tree(tmp_path) == before


# --- failures ---


class Failing(LocalArtifactRepository):
    """Fails on some files, the first `times`."""

    error: Exception = StoreUnavailableError("The line is cut.")
    on = "f5"
    times = 1000
    tries = 0

    def _fail(self, path: str) -> None:
        if path.endswith(self.on):
            self.tries += 1
            if self.tries <= self.times:
                raise self.error

    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        with super().open_write(path) as file:
            yield file
            self._fail(path)

    def open_read(self, path: str) -> BinaryIO:
        self._fail(path)
        return super().open_read(path)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "error", [StoreUnavailableError("The line is cut."), ConnectionResetError(), OSError(5, "EIO")]
)
def test_what_may_succeed_later_is_tried_three_times(
    source: Path, tmp_path: Path, times: int, error: Exception
) -> None:
    fill(source, {f"f{number}": b"x" for number in range(10)})
    repository = Failing(Uri.parse(tmp_path / "r"), Settings())
    repository.times, repository.error = times, error
    states: list[TransferState] = []
    upload(source, repository, progress=states.append)
    assert repository.tries == times + 1
    assert states[-1] == TransferState(10, 10, 10, 10)
    repository.tries = 0
    download(repository, "", tmp_path / "down")
    assert repository.tries == times + 1
    assert tree(tmp_path / "down") == tree(source)


@pytest.mark.parametrize(
    ("error", "raised", "tries"),
    [
        (StoreUnavailableError("The line is cut."), StoreUnavailableError, 3),
        (ConnectionResetError("cut"), StoreUnavailableError, 3),
        (PermissionDeniedError("Keep out."), PermissionDeniedError, 1),
        (PermissionError(13, "Keep out"), PermissionDeniedError, 1),
        (NotFoundError("Gone."), NotFoundError, 1),
        (OSError(28, "No space left on device"), StoreUnavailableError, 1),
        (IsADirectoryError("x"), ConflictError, 1),
        (InvalidValueError("No."), InvalidValueError, 1),
    ],
)
@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_failure_names_the_file_and_how_many_were_done(
    source: Path,
    tmp_path: Path,
    error: Exception,
    raised: type[TrackingError],
    tries: int,
    workers: int,
) -> None:
    fill(source, {f"f{number}": b"x" for number in range(10)})
    repository = Failing(Uri.parse(tmp_path / "r"), Settings())
    repository.error = error
    with pytest.raises(raised, match=r"^Uploading 'd/f5' failed when \d of 10 files") as caught:
        upload(source, repository, "d", workers=workers)
    assert repository.tries == tries
    assert caught.value.__cause__ is error
    assert not repository.exists("d/f5")
    if workers == 1:
        assert "5 of 10" in str(caught.value)
        assert sorted(contents(repository)) == [f"d/f{number}" for number in range(5)]


def test_an_error_of_a_plugin_with_other_arguments_is_told_as_its_nearest_of_ours(
    source: Path, tmp_path: Path
) -> None:
    class QuotaError(StoreUnavailableError):
        def __init__(self, used: int, allowed: int) -> None:
            super().__init__(f"{used} of {allowed} used.")

    fill(source, {"f5": b"x"})
    repository = Failing(Uri.parse(tmp_path / "r"), Settings())
    repository.error = QuotaError(5, 4)
    with pytest.raises(StoreUnavailableError, match=r"'f5'.*5 of 4 used"):
        upload(source, repository)


def test_a_mistake_in_a_repository_comes_out_as_it_is(source: Path, tmp_path: Path) -> None:
    fill(source, {"f5": b"x"})
    repository = Failing(Uri.parse(tmp_path / "r"), Settings())
    repository.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        upload(source, repository)


def test_a_missing_artifact_is_told(repository: LocalArtifactRepository, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="'missing'"):
        download(repository, "missing", tmp_path / "down")
    assert not (tmp_path / "down").exists()


def test_a_local_directory_in_the_way_is_told(
    repository: LocalArtifactRepository, tmp_path: Path
) -> None:
    write(repository, "f", b"x")
    (tmp_path / "down" / "f").mkdir(parents=True)
    with pytest.raises(ConflictError, match="'f'"):
        download(repository, "f", tmp_path / "down")


# --- threads, interrupts, kills ---


def test_threads_live_only_as_long_as_the_call(
    repository: LocalArtifactRepository, source: Path
) -> None:
    fill(source, {f"f{number}": b"x" for number in range(20)})
    before = set(threading.enumerate())
    seen = set()
    meet = threading.Barrier(4)

    class Meeting(LocalArtifactRepository):
        def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
            if threading.current_thread() not in seen:
                seen.add(threading.current_thread())
                meet.wait(10)  # as many at the same time as were asked for
            return super().open_write(path)

    upload(source, Meeting(repository.uri, Settings(transfer_workers=4)))
    assert len(seen) == 4
    assert set(threading.enumerate()) == before


# Nothing can close a file when the interrupt falls between its opening and its with block.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.skipif(sys.platform == "win32", reason="this system has no pthread_kill")
@pytest.mark.parametrize("workers", [1, 4])
def test_an_interrupt_leaves_no_half_file_and_no_thread(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path, workers: int
) -> None:
    fill(source, {f"f{number}": b"x" * (2 << 20) for number in range(6)})
    before = set(threading.enumerate())
    pressed: list[bool] = []

    def interrupt(state: TransferState) -> None:
        if state.bytes_done >= 3 << 20 and not pressed:
            pressed.append(True)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    for move in (
        lambda: upload(source, repository, "x", workers=workers, progress=interrupt),
        lambda: download(local(source), "", tmp_path / "down", workers=workers, progress=interrupt),
    ):
        pressed.clear()
        with pytest.raises(KeyboardInterrupt):
            move()
    assert set(threading.enumerate()) == before
    for directory in (repository.uri.local_path, tmp_path / "down"):
        # An interrupt between two steps of opening a file may leave its temporary one, unseen.
        assert {len(content) for content in contents(local(directory)).values()} <= {2 << 20}
        assert {path.rpartition("/")[2][0] for path in tree(directory)} <= {"f", "."}
    gc.collect()  # while the filter above holds


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGKILL")
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_killed_transfer_leaves_nothing_half_to_see(
    source: Path, tmp_path: Path, direction: str
) -> None:
    fill(source, {f"f{number}": os.urandom(1) * (3 << 20) for number in range(4)})
    code = """
import sys, time
from tracking_core.artifacts import download, upload
from tracking_core.artifacts.local_repository import LocalArtifactRepository
from tracking_core.config import Settings, Uri
direction, source, target = sys.argv[1:]
def stop(state):
    if state.bytes_done >= 7 << 20:
        print("far enough", flush=True)
        time.sleep(60)
if direction == "up":
    upload(source, LocalArtifactRepository(Uri.parse(target), Settings()), progress=stop)
else:
    download(LocalArtifactRepository(Uri.parse(source), Settings()), "", target, progress=stop)
"""
    target = tmp_path / "target"
    with subprocess.Popen(
        [sys.executable, "-c", code, direction, str(source), str(target)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"far enough\n"
        child.kill()
    wanted = tree(source)
    assert len(tree(target)) > 0, "nothing was under way"
    seen = contents(local(target))
    assert seen.items() <= wanted.items()
    assert {name for name in tree(target) if not name.startswith(".")} == set(seen)
    upload(source, local(target))
    assert contents(local(target)) == wanted


def test_a_transfer_in_a_running_event_loop(
    repository: LocalArtifactRepository, source: Path
) -> None:
    import asyncio

    fill(source, FILES)

    async def move() -> None:
        upload(source, repository)

    asyncio.run(move())
    assert contents(repository) == FILES


# --- progress and memory ---


def test_progress_rises_to_the_whole(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path
) -> None:
    fill(source, FILES)
    total = sum(map(len, FILES.values()))
    for move in (
        lambda progress: upload(source, repository, progress=progress, workers=1),
        lambda progress: download(repository, "", tmp_path / "down", progress=progress, workers=1),
        lambda progress: copy(repository, local(tmp_path / "c"), progress=progress, workers=1),
    ):
        states: list[TransferState] = []
        move(states.append)
        assert states[-1] == TransferState(len(FILES), len(FILES), total, total)
        assert [state.bytes_done for state in states] == sorted(x.bytes_done for x in states)
        assert [state.files_done for state in states] == sorted(x.files_done for x in states)
        assert {(state.files_total, state.bytes_total) for state in states} == {(len(FILES), total)}
        assert len(states) >= len(FILES) + 4  # the large one more than once


def test_what_progress_raises_ends_the_transfer(
    repository: LocalArtifactRepository, source: Path
) -> None:
    fill(source, FILES)

    def refuse(state: TransferState) -> None:
        raise ZeroDivisionError("of the callback")

    with pytest.raises(ZeroDivisionError, match="of the callback"):
        upload(source, repository, progress=refuse)


def test_memory_does_not_grow_with_the_file(
    repository: LocalArtifactRepository, source: Path, tmp_path: Path
) -> None:
    with (source / "large").open("wb") as file:
        file.truncate(100 << 20)
    tracemalloc.start()
    try:
        upload(source, repository)
        download(repository, "", tmp_path / "down")
        copy(repository, local(tmp_path / "copied"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20
