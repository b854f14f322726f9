"""What every artifact repository must do, wherever it keeps the files."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.artifacts.transfer import download, upload
from tracking_core.config import join_uri
from tracking_core.entities import FileInfo
from tracking_core.errors import ConflictError, InvalidValueError, NotFoundError, TrackingError
from tracking_core.testing.artifact_child import start
from tracking_core.testing.repository_location import RepositoryLocation
from tracking_core.testing.store_tests import fresh_name

PATHS_THAT_LEAVE = [
    "..",
    "../x",
    "a/..",
    "a/../..",
    "a/../b",
    "a/../../x",
    "./..",
    "./../x",
    ".././x",
    "a/./../../x",
    "/",
    "/x",
    "/etc/passwd",
    "//x",
    "//server/share/x",
    "../../../../../../etc/passwd",
    "a//../x",
    "a//b",
    "a/",
    "../",
    "a/../",
    "C:/x",
    "C:\\x",
    "c:",
    "\0",
    "a\0b",
    "../\0",
    "\ud800",
    "a/\udfff.txt",
]
"""Each must be refused by every method."""

NAMES = [
    "a b",
    " leading and trailing ",
    "a#b",
    "a?b=c&d",
    "a%20b",
    "%2e%2e",
    "..%2fx",
    "%",
    "a+b",
    "w[1]*.txt",
    "{a,b}",
    "~",
    "$HOME",
    "...",
    "..a",
    "a..",
    ".hidden",
    "-rf",
    "a:b",
    "'quoted' \"twice\"",
    "a\nb",
    "a;b|c",
    "NUL.txt",
    "con",
    "naïve-日本語-🎉.txt",
    "e\u0301",
    "x" * 255,
    "é" * 127,
]
"""Names that must be taken as they are (on Windows those of them that it has)."""

_ON_WINDOWS = [name for name in NAMES if not set(name) & set('*?:|"\n') and name not in ("...",)]


class ArtifactRepositoryTests:
    """Inherit it and override the fixture `location`.

    No test expects an empty place: each works in a directory of its own below it.

    ```python
    class TestMyRepository(ArtifactRepositoryTests):
        @pytest.fixture
        def location(self, tmp_path):
            return RepositoryLocation(MyRepository, f"mine://{tmp_path}/artifacts")
    ```
    """

    @pytest.fixture
    def location(self) -> RepositoryLocation:
        """Where the repository under test keeps its files; each test class overrides it."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `location` that returns a RepositoryLocation."
        )

    @pytest.fixture
    def root(self, location: RepositoryLocation) -> RepositoryLocation:
        """A place below that one that no other test uses."""
        return replace(location, uri=join_uri(location.uri, fresh_name("artifacts")))

    @pytest.fixture
    def repository(self, root: RepositoryLocation) -> ArtifactRepository:
        """The repository under test."""
        return root.open()

    # --- one file ---

    @pytest.mark.parametrize("size", [0, 1, 4096, (3 << 20) + 17])
    def test_what_is_written_is_read_back(self, repository: ArtifactRepository, size: int) -> None:
        content = random.Random(size).randbytes(size)
        write(repository, "directory/file", content)
        assert read(repository, "directory/file") == content
        assert repository.info("directory/file") == FileInfo("directory/file", False, size)

    def test_an_empty_file_is_a_file(self, repository: ArtifactRepository) -> None:
        with repository.open_write("empty"):
            pass
        assert repository.list() == [FileInfo("empty", False, 0)]
        assert read(repository, "empty") == b""
        assert repository.exists("empty")

    def test_a_file_can_be_read_in_parts(self, repository: ArtifactRepository) -> None:
        write(repository, "f", bytes(range(256)) * 100)
        with repository.open_read("f") as file:
            assert file.seekable()
            file.seek(1000)
            assert file.read(4) == bytes([232, 233, 234, 235])
            assert file.tell() == 1004
            file.seek(-2, io.SEEK_END)
            assert file.read() == bytes([254, 255])
            file.seek(0)
            assert file.read(1) == b"\0"

    def test_each_reader_has_a_position_of_its_own(self, repository: ArtifactRepository) -> None:
        write(repository, "f", b"0123456789")
        with repository.open_read("f") as first, repository.open_read("f") as second:
            assert first.read(4) == b"0123"
            assert second.read(2) == b"01"
            assert first.read(2) == b"45"

    def test_a_file_can_be_written_as_text_or_closed_by_the_block(
        self, repository: ArtifactRepository
    ) -> None:
        with repository.open_write("text") as file, io.TextIOWrapper(file, "utf-8") as text:
            text.write("naïve")
        assert read(repository, "text") == "naïve".encode()

    def test_writing_again_replaces_the_whole_file(self, repository: ArtifactRepository) -> None:
        write(repository, "f", b"a long first version")
        write(repository, "f", b"short")
        assert read(repository, "f") == b"short"
        assert repository.list() == [FileInfo("f", False, 5)]

    @pytest.mark.parametrize("before", [None, b"old"])
    @pytest.mark.parametrize("size", [0, 3, 2 << 20])
    def test_a_block_that_raises_leaves_what_was_there(
        self, repository: ArtifactRepository, before: bytes | None, size: int
    ) -> None:
        if before is not None:
            write(repository, "d/f", before)
        with pytest.raises(InterruptedError), repository.open_write("d/f") as file:  # noqa: PT012
            file.write(b"n" * size)
            raise InterruptedError
        assert contents(repository) == ({} if before is None else {"d/f": before})

    def test_an_interrupt_by_the_user_leaves_what_was_there(
        self, repository: ArtifactRepository
    ) -> None:
        with pytest.raises(KeyboardInterrupt), repository.open_write("f") as file:  # noqa: PT012
            file.write(b"half")
            raise KeyboardInterrupt
        assert contents(repository) == {}

    def test_a_file_is_not_seen_before_its_block_ends(
        self, root: RepositoryLocation, repository: ArtifactRepository
    ) -> None:
        other = root.open()
        write(repository, "d/there", b"old")
        with repository.open_write("d/new") as new, repository.open_write("d/there") as there:
            for file in (new, there):
                file.write(b"n" * (1 << 20))
                file.flush()
            assert contents(other) == {"d/there": b"old"}
            assert not other.exists("d/new")
        assert set(contents(other)) == {"d/new", "d/there"}

    def test_opening_for_writing_without_a_block_changes_nothing(
        self, repository: ArtifactRepository
    ) -> None:
        write(repository, "f", b"old")
        repository.open_write("f")
        repository.open_write("other")
        assert contents(repository) == {"f": b"old"}

    @pytest.mark.parametrize("path", ["missing", "directory", "file/below", "missing/below"])
    def test_reading_what_is_no_file_is_refused(
        self, repository: ArtifactRepository, path: str
    ) -> None:
        write(repository, "file", b"x")
        write(repository, "directory/file", b"x")
        with pytest.raises(NotFoundError) as caught, repository.open_read(path) as file:
            file.read()
        assert path in str(caught.value)

    # --- listings ---

    def test_a_listing_is_one_level_sorted_and_relative_to_the_root(
        self, repository: ArtifactRepository
    ) -> None:
        for path in ("b/2", "b/1", "b/c/3", "a.txt", "a/x", "Z"):
            write(repository, path, path.encode())
        assert repository.list() == [
            FileInfo("Z", False, 1),
            FileInfo("a", True),
            FileInfo("a.txt", False, 5),
            FileInfo("b", True),
        ]
        assert repository.list("b") == [
            FileInfo("b/1", False, 3),
            FileInfo("b/2", False, 3),
            FileInfo("b/c", True),
        ]
        assert repository.list("./b/.") == repository.list("b")
        assert [file.path for file in repository.walk()] == [
            *("Z", "a.txt", "a/x", "b/1", "b/2", "b/c/3")
        ]
        assert [file.path for file in repository.walk("b/c")] == ["b/c/3"]

    def test_what_is_not_there_has_an_empty_listing(self, repository: ArtifactRepository) -> None:
        assert list(repository.list()) == []
        write(repository, "file", b"x")
        assert list(repository.list("file")) == []
        assert list(repository.list("missing")) == []
        assert list(repository.list("file/below")) == []
        assert list(repository.walk("missing")) == []

    def test_info_and_exists_know_files_directories_and_what_is_missing(
        self, repository: ArtifactRepository
    ) -> None:
        write(repository, "directory/file", b"four")
        assert repository.info("directory/file") == FileInfo("directory/file", False, 4)
        assert repository.info("directory") == FileInfo("directory", True)
        assert repository.info("") == FileInfo("", True)
        for path in ("missing", "direct", "directory/file/below", "directory/missing"):
            assert not repository.exists(path)
            with pytest.raises(NotFoundError):
                repository.info(path)

    def test_listings_show_what_others_wrote_and_deleted_since(
        self, root: RepositoryLocation, repository: ArtifactRepository
    ) -> None:
        other = root.open()
        for number in range(3):
            assert [entry.path for entry in repository.list("d")] == [
                f"d/{each}" for each in range(number)
            ]
            write(other, f"d/{number}", b"x")
            assert repository.exists(f"d/{number}")
        assert repository.info("d/1") == FileInfo("d/1", False, 1)
        write(other, "d/1", b"longer")
        assert repository.info("d/1") == FileInfo("d/1", False, 6)
        other.delete("d/1")
        assert [entry.path for entry in repository.list("d")] == ["d/0", "d/2"]
        assert not repository.exists("d/1")

    # --- deleting ---

    def test_deleting_takes_a_file_or_a_whole_directory_and_no_neighbour(
        self, repository: ArtifactRepository
    ) -> None:
        for path in ("a", "ab", "a.txt", "d/1", "d/e/2", "d/e/f/3", "d.txt", "de/4"):
            write(repository, path, path.encode())
        repository.delete("a")
        repository.delete("d")
        assert sorted(contents(repository)) == ["a.txt", "ab", "d.txt", "de/4"]
        assert not repository.exists("d")

    def test_deleting_what_is_not_there_does_nothing(self, repository: ArtifactRepository) -> None:
        repository.delete("missing")
        repository.delete("")
        write(repository, "file", b"x")
        for path in ("missing", "missing/below", "file/below", "fil"):
            repository.delete(path)
        assert contents(repository) == {"file": b"x"}
        repository.delete("file")
        repository.delete("file")
        assert contents(repository) == {}

    def test_the_empty_path_deletes_everything_and_the_root_can_be_used_again(
        self, repository: ArtifactRepository
    ) -> None:
        for path in ("a", ".hidden", "d/e/f"):
            write(repository, path, b"x")
        repository.delete("")
        assert list(repository.list()) == []
        write(repository, "d/new", b"y")
        assert contents(repository) == {"d/new": b"y"}

    # --- paths ---

    @pytest.mark.parametrize("path", PATHS_THAT_LEAVE)
    def test_a_path_that_would_leave_the_root_is_refused(
        self, repository: ArtifactRepository, path: str
    ) -> None:
        write(repository, "a/b", b"x")
        for call in (
            repository.list,
            lambda path: repository.open_read(path).close(),
            repository.delete,
            repository.info,
            repository.exists,
            lambda path: write(repository, path, b"x"),
        ):
            with pytest.raises(InvalidValueError) as caught:
                call(path)
            assert "artifact path" in str(caught.value)
        assert contents(repository) == {"a/b": b"x"}

    @pytest.mark.parametrize("path", ["", ".", "./."])
    def test_the_root_is_no_file(self, repository: ArtifactRepository, path: str) -> None:
        with pytest.raises(InvalidValueError):
            repository.open_read(path)
        with pytest.raises(InvalidValueError):
            write(repository, path, b"x")

    @pytest.mark.parametrize("path", [None, b"x", 1, ["x"]])
    def test_a_path_that_is_no_string_is_refused(
        self, repository: ArtifactRepository, path: Any
    ) -> None:
        for call in (repository.list, repository.open_read, repository.delete):
            with pytest.raises(InvalidValueError):
                call(path)

    @pytest.mark.parametrize("name", _ON_WINDOWS if os.name == "nt" else NAMES)
    def test_a_name_is_taken_as_it_is(self, repository: ArtifactRepository, name: str) -> None:
        for path in (name, f"{name}/{name}"):
            write(repository, path, path.encode())
            assert read(repository, path) == path.encode()
            assert repository.info(path) == FileInfo(path, False, len(path.encode()))
            assert [entry.path for entry in repository.walk()] == [path]
            assert repository.list(name) == ([] if path == name else [repository.info(path)])
            repository.delete(path.partition("/")[0])
            assert contents(repository) == {}

    def test_awkward_names_lie_side_by_side(self, repository: ArtifactRepository) -> None:
        names = _ON_WINDOWS if os.name == "nt" else NAMES
        for name in [*names, "w1z.txt", "ab", "a"]:
            write(repository, f"d/{name}", name.encode())
        assert contents(repository) == {
            f"d/{name}": name.encode() for name in [*names, "w1z.txt", "ab", "a"]
        }
        for name in names:
            repository.delete(f"d/{name}")
        assert contents(repository) == {
            f"d/{name}": name.encode() for name in ("w1z.txt", "ab", "a")
        }

    @pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
    def test_a_file_where_a_directory_is_is_refused_or_both_stay_whole(
        self, repository: ArtifactRepository, first: str, second: str
    ) -> None:
        write(repository, first, b"first")
        try:
            write(repository, second, b"second")
        except ConflictError:
            assert contents(repository) == {first: b"first"}
        else:
            assert contents(repository) == {first: b"first", second: b"second"}

    def test_a_name_that_is_too_long_is_refused_or_kept(
        self, repository: ArtifactRepository
    ) -> None:
        name = "x" * 300
        try:
            write(repository, name, b"x")
        except TrackingError:
            assert contents(repository) == {}
        else:
            assert contents(repository) == {name: b"x"}

    # --- many callers ---

    def test_any_sequence_of_calls_leaves_what_a_dictionary_would_hold(
        self, repository: ArtifactRepository
    ) -> None:
        chance = random.Random(20)
        paths = ["a", "b", "d/a", "d/b", "d/e/a", "d/e/b", "f/g/h/a"]
        model: dict[str, bytes] = {}
        for _ in range(150):
            path = chance.choice(paths)
            if chance.random() < 0.65:
                content = chance.randbytes(chance.choice([0, 10, 5000]))
                write(repository, path, content)
                model[path] = content
            else:
                gone = path[: chance.choice([len(path), path.find("/")])] if "/" in path else path
                repository.delete(gone)
                model = {
                    each: content
                    for each, content in model.items()
                    if each != gone and not each.startswith(f"{gone}/")
                }
            assert contents(repository) == model

    def test_threads_share_a_repository(self, repository: ArtifactRepository) -> None:
        def use(number: int) -> None:
            for each in range(10):
                path = f"d{each % 3}/{number}-{each}"
                write(repository, path, path.encode())
                assert read(repository, path) == path.encode()
                assert repository.exists(path)
                repository.list(f"d{each % 3}")
                repository.delete(f"d{each % 3}/{number}-missing")

        run_at_the_same_time(use, 8)
        assert len(repository.walk()) == 80
        run_at_the_same_time(lambda _: repository.delete(""), 4)
        assert contents(repository) == {}

    def test_of_several_writers_of_one_path_one_wins_whole(
        self, root: RepositoryLocation, repository: ArtifactRepository
    ) -> None:
        versions = [bytes([65 + number]) * (100_000 + number) for number in range(4)]
        write(repository, "d/f", versions[0])

        def use(number: int) -> None:
            own = root.open()
            for _ in range(10):
                if number < 4:
                    write(own, "d/f", versions[number])
                else:
                    assert read(own, "d/f") in versions
                    assert [entry.path for entry in own.list("d")] == ["d/f"]

        run_at_the_same_time(use, 6)
        assert read(repository, "d/f") in versions

    def test_a_running_event_loop_is_no_hindrance(self, root: RepositoryLocation) -> None:
        async def use() -> bytes:
            repository = root.open()
            write(repository, "d/f", b"x")
            repository.list("d")
            content = read(repository, "d/f")
            repository.delete("d")
            await asyncio.sleep(0)
            return content

        assert asyncio.run(use()) == b"x"

    def test_opening_a_repository_starts_and_makes_nothing(self, root: RepositoryLocation) -> None:
        threads = threading.active_count()
        repositories = [root.open() for _ in range(3)]
        assert threading.active_count() == threads
        assert list(repositories[0].list()) == []

    # --- other processes ---

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_fork_leaves_both_sides_usable(self, root: RepositoryLocation) -> None:
        assert start(root, "fork").finish() == ["0 parent"]

    @pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGKILL")
    @pytest.mark.parametrize("size", [100, 5 << 20])
    def test_a_writer_that_is_killed_leaves_nothing_to_see(
        self, root: RepositoryLocation, repository: ArtifactRepository, size: int
    ) -> None:
        self.need_processes(root)
        write(repository, "d/there", b"old")
        for path in ("d/there", "d/new"):
            child = start(root, "write_and_wait", path, size)
            assert child.read_line() == "half"
            child.kill()
        assert contents(repository) == {"d/there": b"old"}
        write(repository, "d/new", b"new")
        assert contents(repository) == {"d/there": b"old", "d/new": b"new"}
        repository.delete("d")
        assert list(repository.list()) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGKILL")
    def test_processes_that_write_one_path_leave_one_whole_version(
        self, root: RepositoryLocation, repository: ArtifactRepository
    ) -> None:
        self.need_processes(root)
        size = 400_000
        write(repository, "d/f", b"z" * size)
        children = [start(root, "write_again_and_again", "d/f", x, size) for x in "ab"]
        seen: list[bytes] = []
        try:
            while len(seen) < 200 or seen[-1] == b"z":  # until one of them has come so far
                content = read(repository, "d/f")
                assert content == content[:1] * size
                seen.append(content[:1])
                assert [entry.path for entry in repository.list("d")] == ["d/f"]
        finally:
            for child in children:
                child.kill()
        assert contents(repository) in ({"d/f": b"a" * size}, {"d/f": b"b" * size})

    # --- transfers ---

    def test_a_tree_that_was_uploaded_comes_back_the_same(
        self, repository: ArtifactRepository, tmp_path: Path
    ) -> None:
        files = {
            f"d{number % 3}/e{number % 2}/f {number}#%?.bin": bytes([number]) * number * 1000
            for number in range(12)
        }
        files["big"] = random.Random(1).randbytes((2 << 20) + 5)
        for path, content in files.items():
            target = tmp_path / "source" / path.replace("?", "")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        wanted = {f"x/{path.replace('?', '')}": content for path, content in files.items()}
        report = upload(tmp_path / "source", repository, "x")
        assert contents(repository) == wanted
        assert report.digests == {
            path: hashlib.sha256(content).hexdigest() for path, content in wanted.items()
        }
        back = download(repository, "x", tmp_path / "back", digests=report.digests)
        assert back.digests == report.digests
        assert {
            path.relative_to(tmp_path / "back").as_posix(): path.read_bytes()
            for path in (tmp_path / "back").rglob("*")
            if path.is_file()
        } == wanted

    @staticmethod
    def need_processes(root: RepositoryLocation) -> None:
        """Skip the test unless another process sees the same files."""
        if not root.reopens:
            pytest.skip(f"{root!r} declares that no other process sees its files")


def write(repository: ArtifactRepository, path: str, content: bytes) -> None:
    """Write a file."""
    with repository.open_write(path) as file:
        file.write(content)


def read(repository: ArtifactRepository, path: str) -> bytes:
    """Read a file."""
    with repository.open_read(path) as file:
        return file.read()


def contents(repository: ArtifactRepository) -> dict[str, bytes]:
    """Read all files, and look whether the listings tell their sizes."""
    found = {}
    for entry in repository.walk():
        found[entry.path] = read(repository, entry.path)
        assert entry.file_size == len(found[entry.path])
    return found


def run_at_the_same_time(function: Callable[[int], object], count: int) -> None:
    """Call a function in so many threads, with the number of each."""
    failed: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            barrier.wait()
            function(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
