"""Artifacts in local directories: links, leftovers, permissions, speed."""

from __future__ import annotations

import errno
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest

from tracking_core.artifacts.local_repository import LocalArtifactRepository
from tracking_core.artifacts.paths import is_temporary, temporary_name
from tracking_core.artifacts.whole_file import LEFTOVER_AGE
from tracking_core.config import Settings, Uri, path_to_file_uri
from tracking_core.entities import FileInfo
from tracking_core.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
)
from tracking_core.testing.artifact_tests import contents, read, write

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def repository(root: Path) -> LocalArtifactRepository:
    return LocalArtifactRepository(Uri.parse(root), Settings())


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside" / "d").mkdir(parents=True)
    (tmp_path / "outside" / "secret").write_text("secret")
    (tmp_path / "outside" / "d" / "secret").write_text("secret")
    return tmp_path / "outside"


# --- links ---


@pytest.mark.parametrize("relative", [False, True])
def test_a_link_that_leads_out_is_neither_listed_nor_followed(
    repository: LocalArtifactRepository, root: Path, outside: Path, relative: bool
) -> None:
    write(repository, "a/inside", b"x")
    target = Path("../../outside") if relative else outside
    (root / "a" / "file").symlink_to(target / "secret")
    (root / "a" / "directory").symlink_to(target)
    assert contents(repository) == {"a/inside": b"x"}
    for path in ("a/file", "a/directory/secret", "a/directory/d/secret"):
        with pytest.raises(InvalidValueError, match="symbolic link"):
            repository.open_read(path)
        with pytest.raises(InvalidValueError, match="symbolic link"):
            repository.info(path)
    for path in ("a/directory", "a/directory/d"):
        with pytest.raises(InvalidValueError, match="symbolic link"):
            repository.list(path)
    for path in ("a/directory/new", "a/directory/new/file"):
        with pytest.raises(InvalidValueError, match="symbolic link"):
            write(repository, path, b"x")
    with pytest.raises(InvalidValueError, match="symbolic link"):
        repository.delete("a/directory/secret")
    assert sorted(path.name for path in outside.rglob("*")) == ["d", "secret", "secret"]


def test_a_link_that_leads_out_is_deleted_and_replaced_itself(
    repository: LocalArtifactRepository, root: Path, outside: Path
) -> None:
    write(repository, "a/b/inside", b"x")
    (root / "a" / "file").symlink_to(outside / "secret")
    (root / "a" / "b" / "directory").symlink_to(outside)
    (root / "top").symlink_to(outside)
    (root / "other").symlink_to(outside)
    write(repository, "a/file", b"new")
    write(repository, "other", b"new")
    assert read(repository, "other") == b"new"
    assert (outside / "secret").read_text() == "secret"
    assert read(repository, "a/file") == b"new"
    repository.delete("top")
    repository.delete("a/b")
    repository.delete("")
    assert list(root.iterdir()) == []
    assert (outside / "d" / "secret").read_text() == "secret"


def test_a_neighbour_whose_name_begins_like_the_root_is_outside(
    repository: LocalArtifactRepository, root: Path
) -> None:
    write(repository, "x", b"x")
    neighbour = root.with_name(f"{root.name}-secret")
    neighbour.write_text("secret")
    (root / "link").symlink_to(neighbour)
    with pytest.raises(InvalidValueError):
        repository.open_read("link")


def test_links_that_stay_inside_are_followed(
    repository: LocalArtifactRepository, root: Path
) -> None:
    write(repository, "checkpoints/7/weights", b"seven")
    (root / "latest").symlink_to("checkpoints/7")
    (root / "best").symlink_to(root / "checkpoints" / "7" / "weights")
    assert repository.list() == [
        FileInfo("best", False, 5),
        FileInfo("checkpoints", True),
        FileInfo("latest", True),
    ]
    paths = ("best", "checkpoints/7/weights", "latest/weights")
    assert contents(repository) == dict.fromkeys(paths, b"seven")


def test_links_in_a_circle_end(repository: LocalArtifactRepository, root: Path) -> None:
    write(repository, "a/f", b"x")
    write(repository, "b/g", b"y")
    (root / "a" / "self").symlink_to(".")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "b").symlink_to("../b")
    (root / "b" / "a").symlink_to("../a")
    (root / "circle").symlink_to("circle")
    (root / "broken").symlink_to("nowhere")
    assert contents(repository) == {"a/f": b"x", "a/b/g": b"y", "b/g": b"y", "b/a/f": b"x"}
    assert not repository.exists("broken")
    with pytest.raises(InvalidValueError, match="circle"):
        repository.open_read("circle")


# --- what else lies around ---


def test_sockets_pipes_and_names_that_are_no_unicode_are_not_listed(
    repository: LocalArtifactRepository, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository, "file", b"x")
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        (root / os.fsdecode(b"caf\xe9")).write_text("latin")
        assert contents(repository) == {"file": b"x"}
        with pytest.raises(NotFoundError):
            repository.open_read("pipe")  # and doesn't wait for a writer
    repository.delete("")
    assert list(root.iterdir()) == []


def test_leftovers_of_killed_writers_are_not_seen_and_go_after_a_day(
    repository: LocalArtifactRepository, root: Path
) -> None:
    write(repository, "d/f", b"x")
    old, young = root / "d" / temporary_name(), root / "d" / temporary_name()
    for path in (old, young):
        path.write_bytes(b"half")
    long_ago = time.time() - LEFTOVER_AGE - 60
    os.utime(old, (long_ago, long_ago))
    os.utime(root / "d" / "f", (long_ago, long_ago))
    assert contents(repository) == {"d/f": b"x"}
    assert old.exists()  # nothing is removed by looking
    write(LocalArtifactRepository(repository.uri, Settings()), "d/g", b"y")
    assert not old.exists()
    assert young.exists()
    assert contents(repository) == {"d/f": b"x", "d/g": b"y"}


def test_nothing_is_left_of_a_block_that_raises(
    repository: LocalArtifactRepository, root: Path
) -> None:
    with pytest.raises(ZeroDivisionError), repository.open_write("d/f") as file:  # noqa: PT012
        file.write(b"half" * 100_000)
        assert [is_temporary(name) for name in os.listdir(root / "d")] == [True]
        raise ZeroDivisionError
    assert os.listdir(root / "d") == []


def test_files_get_the_mode_that_the_user_wants(
    repository: LocalArtifactRepository, root: Path
) -> None:
    before = os.umask(0o027)
    try:
        write(repository, "f", b"x")
    finally:
        os.umask(before)
    assert (root / "f").stat().st_mode & 0o777 == 0o640


def test_a_directory_deleted_while_it_is_written_to_is_made_again(
    repository: LocalArtifactRepository, root: Path
) -> None:
    writer = repository.open_write("d/e/f")
    write(repository, "d/e/x", b"x")
    repository.delete("d")
    with writer as file:
        file.write(b"y")
    assert contents(repository) == {"d/e/f": b"y"}


def test_deleting_a_directory_under_a_writer_is_an_error_of_the_writer(
    repository: LocalArtifactRepository,
) -> None:
    with pytest.raises(NotFoundError), repository.open_write("d/f") as file:  # noqa: PT012
        file.write(b"y")
        repository.delete("d")
    assert contents(repository) == {}


def test_a_child_forked_inside_a_block_neither_commits_nor_removes_the_file(root: Path) -> None:
    code = """
import os, sys
from tracking_core.artifacts.local_repository import LocalArtifactRepository
from tracking_core.config import Settings, Uri
repository = LocalArtifactRepository(Uri.parse(sys.argv[1]), Settings())
for ending in ("well", "badly"):
    child = None
    try:
        with repository.open_write(ending) as file:
            file.write(b"first ")
            file.flush()
            child = os.fork()
            if child == 0:
                if ending == "badly":
                    raise KeyboardInterrupt
            else:
                os.waitpid(child, 0)
                assert ending not in [each.path for each in repository.list()]
                file.write(b"second")
    except KeyboardInterrupt:
        pass
    if child == 0:
        os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, str(root)], check=True, env=_environment())
    repository = LocalArtifactRepository(Uri.parse(root), Settings())
    assert contents(repository) == {"well": b"first second", "badly": b"first second"}


def test_file_uris_are_decoded(tmp_path: Path) -> None:
    root = tmp_path / "a #?% root"
    repository = LocalArtifactRepository(Uri.parse(path_to_file_uri(root)), Settings())
    write(repository, "f", b"x")
    assert (root / "f").read_bytes() == b"x"


def test_the_constructor_makes_no_directory(
    repository: LocalArtifactRepository, root: Path
) -> None:
    assert repository.list() == []
    repository.delete("")
    repository.open_write("x/y")
    assert not root.exists()


@pytest.mark.parametrize(("durability", "synced"), [("process", 0), ("system", 5)])
def test_a_block_ends_when_the_disk_has_the_file_if_that_is_wanted(
    root: Path,
    durability: Literal["process", "system"],
    synced: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("needs /proc to see what is synced")
    monkeypatch.setattr(os, "fsync", fsync)
    repository = LocalArtifactRepository(Uri.parse(root), Settings(durability=durability))
    write(repository, "d/e/f", b"x")
    assert len(calls) == synced
    if synced:
        # The directories that hold new ones, the file before it is renamed, its directory after.
        assert is_temporary(os.path.basename(calls[-2]))
        assert calls[-1] == str(root / "d" / "e")
        assert set(calls[:-2]) == {str(root.parent), str(root), str(root / "d")}


# --- failures ---


@pytest.mark.skipif(
    not os.path.exists("/dev/full") or sys.platform != "linux", reason="needs /dev/full"
)
def test_a_full_disk_is_told_with_the_path_and_the_cause(
    repository: LocalArtifactRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository, "d/f", b"old")
    monkeypatch.setattr(
        "tracking_core.artifacts.whole_file._create_new",
        lambda file, flags: os.open("/dev/full", os.O_WRONLY),
    )
    for size in (10, 10_000_000):  # found when it is closed, and when it is written
        with pytest.raises(StoreUnavailableError) as caught:
            write(repository, "d/f", b"x" * size)
        assert "'d/f'" in str(caught.value)
        assert os.strerror(errno.ENOSPC) in str(caught.value)
        assert "free some space" in str(caught.value)
    assert contents(repository) == {"d/f": b"old"}


def as_nobody(code: str, *arguments: str) -> str:
    """Run code as a user whom permissions stop."""
    drop = "import os\nif os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
    done = subprocess.run(
        [sys.executable, "-c", OPEN + drop + code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=_environment(),
    )
    return done.stdout


OPEN = """
import sys
from tracking_core.artifacts.local_repository import LocalArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.testing.artifact_tests import read, write
repository = LocalArtifactRepository(Uri.parse(sys.argv[1]), Settings())
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize(
    "call", ["read(repository, 'f')", "write(repository, 'g', b'')", "repository.delete('f')"]
)
def test_missing_permissions_are_told_with_the_path(
    tmp_path_factory: pytest.TempPathFactory, call: str
) -> None:
    root = tmp_path_factory.mktemp("closed")
    for directory in (root, *root.parents):
        if directory.name.startswith("pytest-"):
            directory.chmod(0o755)
    (root / "f").write_text("x")
    (root / "f").chmod(0)
    root.chmod(0o555)
    code = f"try:\n    {call}\nexcept Exception as error:\n    print(type(error).__name__, error)"
    try:
        told = as_nobody(code, str(root))
    finally:
        root.chmod(0o755)
    assert told.startswith(PermissionDeniedError.__name__)
    assert ("'g'" if "'g'" in call else "'f'") in told


def test_a_file_in_the_way_is_told_with_the_path(repository: LocalArtifactRepository) -> None:
    write(repository, "a", b"x")
    with pytest.raises(ConflictError, match="'a/b/c'"):
        write(repository, "a/b/c", b"x")
    write(repository, "d/f", b"x")
    with pytest.raises(ConflictError, match="is a directory"):
        write(repository, "d", b"x")


def test_a_name_that_is_too_long_is_told(repository: LocalArtifactRepository) -> None:
    with pytest.raises(InvalidValueError, match="can't hold the name"):
        write(repository, "x" * 256, b"x")
    assert contents(repository) == {}


# --- speed ---


def test_ten_thousand_entries_are_listed_without_a_call_for_each_path(
    repository: LocalArtifactRepository, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "d").mkdir(parents=True)
    for number in range(10_000):
        (root / "d" / f"{number:05}").touch()
    calls = []
    real = os.lstat
    monkeypatch.setattr(os, "lstat", lambda *args, **named: calls.append(args) or real(*args))
    listed = repository.list("d")
    assert [entry.path for entry in listed] == [f"d/{number:05}" for number in range(10_000)]
    assert len(calls) < 10


def test_nothing_is_logged_by_plain_use(
    repository: LocalArtifactRepository, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        write(repository, "d/f", b"x")
        repository.delete("")
    assert caplog.records == []
