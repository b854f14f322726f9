"""What fsspec needs to be told, so that its hazards stay out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import fsspec
import pytest
from further_storages import OBJECTS, ObjectStore, open_objects, open_renaming
from msgspec.structs import replace

from tracking_core.artifacts.fsspec_repository import FsspecArtifactRepository
from tracking_core.artifacts.paths import is_temporary
from tracking_core.artifacts.protocols import PROTOCOLS
from tracking_core.config import Settings, Uri
from tracking_core.errors import (
    MissingDependencyError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    UnknownSchemeError,
)
from tracking_core.testing.artifact_tests import contents, read, write


def memory(uri: str) -> FsspecArtifactRepository:
    return FsspecArtifactRepository(Uri.parse(uri), Settings())


def test_roots_in_memory_are_apart_and_the_same_root_is_shared() -> None:
    write(memory("memory://here/a"), "f", b"a")
    assert contents(memory("memory://here/a")) == {"f": b"a"}
    assert contents(memory("memory://here/a/")) == {"f": b"a"}
    assert contents(memory("memory://here")) == {"a/f": b"a"}
    for other in ("memory://here/b", "memory://there/a", "memory://her", "memory://here/a/f/x"):
        assert contents(memory(other)) == {}
    memory("memory://here").delete("")


@pytest.mark.parametrize("root", ["memory:", "memory://", "memory:/"])
def test_the_whole_memory_can_be_a_root(root: str) -> None:
    write(memory(root), "whole-memory/f", b"x")
    assert read(memory("memory://whole-memory"), "f") == b"x"
    assert memory(root).exists("whole-memory")
    memory(root).delete("whole-memory")
    assert not memory(root).exists("whole-memory")


def test_no_file_system_is_opened_before_it_is_used_and_then_one() -> None:
    ObjectStore.opened.clear()
    repository = open_objects(Uri.parse("objects://lazy/x"), Settings())
    assert ObjectStore.opened == []
    write(repository, "f", b"x")
    repository.list()
    assert len(ObjectStore.opened) == 1


def test_neither_cache_of_fsspec_is_used() -> None:
    first = open_objects(Uri.parse("objects://cached/x"), Settings())
    second = open_objects(Uri.parse("objects://cached/x"), Settings())
    assert first._files is not second._files
    assert first._files is first._files
    assert first._files.dircache.use_listings_cache is False


def test_a_file_system_of_another_process_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = open_objects(Uri.parse("objects://forked/x"), Settings())
    mine = repository._files
    process = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: process + 1)
    assert repository._files is not mine


def test_a_store_of_objects_never_sees_half_a_file(tmp_path: Path) -> None:
    repository = open_objects(Uri.parse("objects://half/x"), Settings())
    with pytest.raises(ZeroDivisionError), repository.open_write("f") as file:  # noqa: PT012
        file.write(b"x" * 10_000_000)
        file.flush()
        raise ZeroDivisionError
    assert not [key for key in ObjectStore.objects if key.startswith("half/")]


def test_a_store_of_objects_may_list_a_marker_of_the_directory() -> None:
    repository = open_objects(Uri.parse("objects://marked/x"), Settings())
    write(repository, "d/f", b"x")
    ObjectStore.objects["marked/x/d/"] = b""
    assert [entry.path for entry in repository.list("d")] == ["d/f"]
    repository.delete("d")
    ObjectStore.objects.pop("marked/x/d/", None)
    assert contents(repository) == {}


def test_a_storage_that_renames_keeps_nothing_of_a_block_that_raises(tmp_path: Path) -> None:
    repository = open_renaming(Uri.parse(f"renaming:{tmp_path}/root"), Settings())
    with pytest.raises(ZeroDivisionError), repository.open_write("d/f") as file:  # noqa: PT012
        file.write(b"x" * 1_000_000)
        assert [is_temporary(name) for name in os.listdir(tmp_path / "root/d")] == [True]
        assert list(repository.list("d")) == []
        raise ZeroDivisionError
    assert os.listdir(tmp_path / "root/d") == []


@pytest.mark.parametrize(
    ("raised", "ours"),
    [
        (FileNotFoundError("gone"), NotFoundError),
        (PermissionError("keep out"), PermissionDeniedError),
        (ConnectionResetError("the line is cut"), StoreUnavailableError),
        (TimeoutError(), StoreUnavailableError),
        (OSError(28, "No space left on device"), StoreUnavailableError),
    ],
)
def test_what_the_library_raises_becomes_an_error_that_names_the_file(
    raised: OSError, ours: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = open_objects(Uri.parse("objects://failing/x"), Settings())
    write(repository, "d/f", b"x")

    def fail(*arguments: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr(ObjectStore, "put_file", fail)
    with pytest.raises(ours, match="'d/f'") as caught:
        write(repository, "d/f", b"y")
    assert caught.value.__cause__ is raised
    monkeypatch.setattr(ObjectStore, "info", fail)
    with pytest.raises(ours, match="'d/f'"):
        repository.info("d/f")
    with pytest.raises(ours, match="'d/f'"):
        repository.open_read("d/f")
    monkeypatch.setattr(ObjectStore, "ls", fail)
    if ours is not NotFoundError:
        with pytest.raises(ours, match="'d'"):
            repository.list("d")


def test_a_file_that_fails_while_it_is_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = open_objects(Uri.parse("objects://reading/x"), Settings())
    write(repository, "f", b"x" * 1_000_000)
    with repository.open_read("f") as file:
        file.read(1)

        def fail(size: int) -> bytes:
            raise ConnectionResetError("the line is cut")

        monkeypatch.setattr(file.raw._file, "read", fail, raising=False)  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailableError, match=r"'f' in objects://reading/x: the line"):
            file.read()


def test_a_missing_library_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(OBJECTS, file_system="absent", install="pip install absent-fs")
    monkeypatch.setitem(PROTOCOLS, "absent", row)
    fsspec.register_implementation("absent", "absent_fs.Absent", clobber=True, errtxt="no")
    repository = FsspecArtifactRepository(Uri.parse("absent://x"), Settings())
    with pytest.raises(MissingDependencyError, match="pip install absent-fs"):
        repository.list()


def test_a_scheme_without_a_row_is_refused() -> None:
    with pytest.raises(UnknownSchemeError, match=r"'gopher'.*memory"):
        FsspecArtifactRepository(Uri.parse("gopher://x"), Settings())


def test_a_repository_does_not_import_fsspec_before_it_is_used() -> None:
    import subprocess

    code = """
import sys
from tracking_core.artifacts.fsspec_repository import FsspecArtifactRepository
from tracking_core.config import Settings, Uri
repository = FsspecArtifactRepository(Uri.parse("memory://x"), Settings())
assert "fsspec" not in sys.modules
repository.list()
assert "fsspec" in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_file_deleted_while_the_memory_is_listed_does_not_break_the_listing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository = memory("memory://raced/x")
    write(repository, "f", b"x")
    real = repository._files.ls
    fails = iter([True, True])

    def ls(*arguments: object, **options: object) -> object:
        if next(fails, False):
            raise KeyError("/raced/x/g")
        return real(*arguments, **options)

    monkeypatch.setattr(repository._files, "ls", ls)
    assert [entry.path for entry in repository.list()] == ["f"]
    fails = iter([True] * 100)
    with pytest.raises(StoreUnavailableError, match="changed each time"):
        repository.list()
    monkeypatch.undo()
    repository.delete("")


def test_a_library_may_keep_what_it_is_given_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = open_renaming(Uri.parse(f"renaming:{tmp_path}/root"), Settings())
    real = repository._files.open

    def open_that_writes_late(path: str, mode: str) -> object:
        file = real(path, mode)
        if mode == "wb":
            kept: list[bytes] = []
            close = file.close

            def write_all_and_close() -> None:
                for content in kept:
                    file.f.write(content)
                close()

            monkeypatch.setattr(file, "write", kept.append, raising=False)
            monkeypatch.setattr(file, "close", write_all_and_close, raising=False)
        return file

    write(repository, "made", b"")
    monkeypatch.setattr(repository._files, "open", open_that_writes_late)
    with repository.open_write("f") as target:
        buffer = bytearray(1 << 20)
        for number in range(3):
            buffer[:] = bytes([number]) * len(buffer)
            target.write(buffer)
    assert read(repository, "f") == b"".join(bytes([number]) * (1 << 20) for number in range(3))
