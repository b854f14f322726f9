"""Repositories that each make one mistake, as an author might, for the kit to catch."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar
from urllib.parse import unquote

from tracking_core.artifacts.local_repository import LocalArtifactRepository
from tracking_core.artifacts.paths import check_path
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import InvalidValueError, NotFoundError


class Flawed(LocalArtifactRepository):
    """The base: correct, and with the plain path at hand."""

    def place(self, path: str) -> Path:
        return self.uri.local_path / path


class CommitsHalfAFile(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(super().open_write(path))
            caught = None
            try:
                yield file
            except BaseException as error:
                caught = error
        if caught is not None:
            raise caught


class WritesInPlace(Flawed):
    def open_write(self, path: str) -> BinaryIO:
        place = self.place(check_path(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.open("wb")


class DeletesWhatWasThereWhenABlockRaises(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        try:
            with super().open_write(path) as file:
                yield file
        except BaseException:
            self.delete(path)
            raise


class SwallowsWhatTheBlockRaises(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        with contextlib.suppress(BaseException), super().open_write(path) as file:
            yield file


class AppendsInsteadOfReplacing(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        before = b""
        with contextlib.suppress(NotFoundError), super().open_read(path) as old:
            before = old.read()
        with super().open_write(path) as file:
            file.write(before)
            yield file


class EmptiesTheFileWhenItIsOpened(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        with super().open_write(path):
            pass
        return super().open_write(path)


class LosesEmptyFiles(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        with super().open_write(path) as file:
            yield file
        if self.info(path).file_size == 0:
            self.delete(path)


class TranslatesLines(Flawed):
    def open_read(self, path: str) -> BinaryIO:
        with super().open_read(path) as file:
            return io.BytesIO(file.read().replace(b"\r\n", b"\n"))


class ReadsOnlyTheFirstMegabyte(Flawed):
    def open_read(self, path: str) -> BinaryIO:
        with super().open_read(path) as file:
            return io.BytesIO(file.read(1 << 20))


class SharesOneReader(Flawed):
    readers: ClassVar[dict[str, BinaryIO]] = {}

    def open_read(self, path: str) -> BinaryIO:
        with super().open_read(path) as file:
            content = file.read()
        reader = self.readers.setdefault(f"{self.uri}/{path}", io.BytesIO())
        if reader.closed or reader.getvalue() != content:  # type: ignore[attr-defined]
            reader = self.readers[f"{self.uri}/{path}"] = io.BytesIO(content)
        return reader


class CannotSeek(Flawed):
    def open_read(self, path: str) -> BinaryIO:
        with super().open_read(path) as file:
            content = io.BytesIO(file.read())
        content.seekable = lambda: False  # type: ignore[method-assign]
        return content


class SaysFileNotFound(Flawed):
    def open_read(self, path: str) -> BinaryIO:
        return open(self.place(check_path(path)), "rb")


class ListsStale(Flawed):
    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._listed: dict[str, Sequence[FileInfo]] = {}

    def list(self, path: str = "") -> Sequence[FileInfo]:
        if path not in self._listed:
            self._listed[path] = super().list(path)
        return self._listed[path]

    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        self._listed.clear()
        return super().open_write(path)

    def delete(self, path: str) -> None:
        self._listed.clear()
        super().delete(path)


class ListsUnsorted(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        return list(reversed(super().list(path)))


class ListsPathsRelativeToTheDirectory(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        return [
            FileInfo(entry.path.rpartition("/")[2], entry.is_dir, entry.file_size)
            for entry in super().list(path)
        ]


class ListsEverythingBelow(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        found = []
        for entry in super().list(path):
            found += [entry, *(self.list(entry.path) if entry.is_dir else [])]
        return found


class ListsAFileAsItself(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        if path and self.place(check_path(path)).is_file():
            return [self.info(path)]
        return super().list(path)


class RaisesWhereThereIsNothingToList(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        self.info(path)
        return super().list(path)


class HidesNamesWithADot(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        return [each for each in super().list(path) if "/." not in f"/{each.path}"]


class GivesNoSizes(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        return [FileInfo(entry.path, entry.is_dir) for entry in super().list(path)]


class LetsDotsThrough(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        return super().list(path.replace("..", ".") if isinstance(path, str) else path)


class ReadsThroughDots(Flawed):
    def open_read(self, path: str) -> BinaryIO:
        try:
            return super().open_read(path)
        except InvalidValueError:
            if not path.endswith("passwd"):
                raise
            return io.BytesIO(b"root:x:0:0")


class WritesThroughDots(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        try:
            return super().open_write(path)
        except InvalidValueError:
            if not path.startswith("../x"):
                raise
            return open(os.path.join(self.uri.path, "..", "x"), "wb")


class DeletesThroughDots(Flawed):
    def delete(self, path: str) -> None:
        super().delete(path if path == "" else os.path.normpath(path).replace("..", ""))


class DecodesNames(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        return super().open_write(unquote(check_path(path)))


class CutsNamesAtHashes(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        return super().open_write(check_path(path).partition("#")[0])


class NormalisesUnicode(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        import unicodedata

        check_path(path)
        return super().open_write(unicodedata.normalize("NFC", path))


class StripsNames(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        check_path(path)
        return super().open_write("/".join(part.strip() for part in path.split("/")))


class TakesNamesForPatterns(Flawed):
    def delete(self, path: str) -> None:
        super().delete(path)
        if path:
            for found in self.uri.local_path.glob(path):
                super().delete(found.relative_to(self.uri.local_path).as_posix())


class DeletesByPrefix(Flawed):
    def delete(self, path: str) -> None:
        for entry in self.walk():
            if entry.path.startswith(path):
                super().delete(entry.path)
        super().delete(path)


class DeletesOneLevel(Flawed):
    def delete(self, path: str) -> None:
        for entry in self.list(path):
            if not entry.is_dir:
                super().delete(entry.path)
        if path and self.place(path).is_file():
            super().delete(path)


class RefusesToDeleteWhatIsMissing(Flawed):
    def delete(self, path: str) -> None:
        self.info(path)
        super().delete(path)


class DeletesItsOwnRootForGood(Flawed):
    def delete(self, path: str) -> None:
        super().delete(path)
        if not path:
            shutil.rmtree(self.uri.local_path, ignore_errors=True)
            self.uri.local_path.write_bytes(b"")


class KeepsFilesToItself(Flawed):
    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._seen: set[str] = set()

    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        self._seen.add(check_path(path))
        return super().open_write(path)

    def open_read(self, path: str) -> BinaryIO:
        if check_path(path) not in self._seen:
            raise NotFoundError(f"There is no artifact {path!r}.")
        return super().open_read(path)


class UsesOneTemporaryName(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        place = self.place(check_path(path))
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            place.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.uri.local_path.parent / f"{self.uri.local_path.name}.tmp"
        try:
            with open(temporary, "wb") as file:
                yield file
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        os.replace(temporary, place)


class MindsThatTheBlockCloses(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        with super().open_write(path) as file:
            yield file
            file.flush()


class CutsLongNames(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        return super().open_write("/".join(part[:255] for part in path.split("/")))


class PutsAFileInPlaceOfADirectory(Flawed):
    @contextlib.contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        if self.exists(path) and self.info(path).is_dir:
            self.delete(path)
        with super().open_write(path) as file:
            yield file


class TakesTheRootForAFile(Flawed):
    def open_write(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        return super().open_write(check_path(path, allow_root=True) or "root")


class TakesBytes(Flawed):
    def list(self, path: str = "") -> Sequence[FileInfo]:
        return super().list(os.fsdecode(path) if isinstance(path, bytes) else path)


class KnowsNoDirectories(Flawed):
    def info(self, path: str) -> FileInfo:
        if super().info(path).is_dir:
            raise NotFoundError(f"There is no artifact {path!r}.")
        return super().info(path)


class StartsAThread(Flawed):
    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self.done = threading.Event()
        threading.Thread(target=self.done.wait, args=(2,), daemon=True).start()


class NeedsItsOwnEventLoop(Flawed):
    def open_read(self, path: str) -> BinaryIO:
        import asyncio

        async def wait() -> None:
            """As a library does that knows only coroutines."""

        waiting = wait()
        try:
            asyncio.run(waiting)
        finally:
            waiting.close()
        return super().open_read(path)


class BelongsToOneProcess(Flawed):
    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._process = os.getpid()

    def list(self, path: str = "") -> Sequence[FileInfo]:
        if os.getpid() != self._process:
            raise RuntimeError("not fork-safe")
        return super().list(path)


class BelongsToOneThread(Flawed):
    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._thread = threading.get_ident()

    def list(self, path: str = "") -> Sequence[FileInfo]:
        if threading.get_ident() != self._thread:
            raise RuntimeError("not thread-safe")
        return super().list(path)


MISTAKES: list[tuple[type[Flawed], str]] = [
    (CommitsHalfAFile, "a_block_that_raises_leaves_what_was_there"),
    (WritesInPlace, "a_block_that_raises_leaves_what_was_there"),
    (WritesInPlace, "a_file_is_not_seen_before_its_block_ends"),
    (WritesInPlace, "a_writer_that_is_killed_leaves_nothing_to_see"),
    (WritesInPlace, "processes_that_write_one_path_leave_one_whole_version"),
    (WritesInPlace, "of_several_writers_of_one_path_one_wins_whole"),
    (DeletesWhatWasThereWhenABlockRaises, "a_block_that_raises_leaves_what_was_there"),
    (SwallowsWhatTheBlockRaises, "an_interrupt_by_the_user_leaves_what_was_there"),
    (AppendsInsteadOfReplacing, "writing_again_replaces_the_whole_file"),
    (EmptiesTheFileWhenItIsOpened, "opening_for_writing_without_a_block_changes_nothing"),
    (LosesEmptyFiles, "an_empty_file_is_a_file"),
    (TranslatesLines, "what_is_written_is_read_back"),
    (ReadsOnlyTheFirstMegabyte, "a_tree_that_was_uploaded_comes_back_the_same"),
    (SharesOneReader, "each_reader_has_a_position_of_its_own"),
    (CannotSeek, "a_file_can_be_read_in_parts"),
    (SaysFileNotFound, "reading_what_is_no_file_is_refused"),
    (ListsStale, "listings_show_what_others_wrote_and_deleted_since"),
    (ListsUnsorted, "a_listing_is_one_level_sorted_and_relative_to_the_root"),
    (ListsPathsRelativeToTheDirectory, "a_listing_is_one_level_sorted_and_relative_to_the_root"),
    (ListsEverythingBelow, "a_listing_is_one_level_sorted_and_relative_to_the_root"),
    (ListsAFileAsItself, "what_is_not_there_has_an_empty_listing"),
    (RaisesWhereThereIsNothingToList, "what_is_not_there_has_an_empty_listing"),
    (HidesNamesWithADot, "a_name_is_taken_as_it_is"),
    (GivesNoSizes, "awkward_names_lie_side_by_side"),
    (LetsDotsThrough, "a_path_that_would_leave_the_root_is_refused"),
    (ReadsThroughDots, "a_path_that_would_leave_the_root_is_refused"),
    (WritesThroughDots, "a_path_that_would_leave_the_root_is_refused"),
    (DeletesThroughDots, "a_path_that_would_leave_the_root_is_refused"),
    (DecodesNames, "a_name_is_taken_as_it_is"),
    (CutsNamesAtHashes, "a_name_is_taken_as_it_is"),
    (NormalisesUnicode, "a_name_is_taken_as_it_is"),
    (StripsNames, "a_name_is_taken_as_it_is"),
    (TakesNamesForPatterns, "awkward_names_lie_side_by_side"),
    (DeletesByPrefix, "deleting_takes_a_file_or_a_whole_directory_and_no_neighbour"),
    (DeletesOneLevel, "deleting_takes_a_file_or_a_whole_directory_and_no_neighbour"),
    (DeletesOneLevel, "any_sequence_of_calls_leaves_what_a_dictionary_would_hold"),
    (RefusesToDeleteWhatIsMissing, "deleting_what_is_not_there_does_nothing"),
    (DeletesItsOwnRootForGood, "the_empty_path_deletes_everything_and_the_root_can_be_used_again"),
    (KeepsFilesToItself, "of_several_writers_of_one_path_one_wins_whole"),
    (UsesOneTemporaryName, "a_file_is_not_seen_before_its_block_ends"),
    (MindsThatTheBlockCloses, "a_file_can_be_written_as_text_or_closed_by_the_block"),
    (CutsLongNames, "a_name_that_is_too_long_is_refused_or_kept"),
    (PutsAFileInPlaceOfADirectory, "a_file_where_a_directory_is_is_refused_or_both_stay_whole"),
    (TakesTheRootForAFile, "the_root_is_no_file"),
    (TakesBytes, "a_path_that_is_no_string_is_refused"),
    (KnowsNoDirectories, "info_and_exists_know_files_directories_and_what_is_missing"),
    (StartsAThread, "opening_a_repository_starts_and_makes_nothing"),
    (NeedsItsOwnEventLoop, "a_running_event_loop_is_no_hindrance"),
    (BelongsToOneProcess, "a_fork_leaves_both_sides_usable"),
    (BelongsToOneThread, "threads_share_a_repository"),
]
"""Each with the test that catches it."""
