"""Moving files: up, down and between repositories; parallel, checked, whole or not at all."""

from __future__ import annotations

import contextvars
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO, Protocol

import msgspec

from tracking_core.artifacts.failures import Failures, failure_of, is_worth_another_try, open_local
from tracking_core.artifacts.paths import check_path, join_path
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.artifacts.source_tree import SourceFile, read_source
from tracking_core.artifacts.whole_file import WholeFile
from tracking_core.entities import FileInfo
from tracking_core.errors import (
    CorruptDataError,
    InvalidStateError,
    NotFoundError,
    TrackingError,
)

_log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_WAITS = (0.1, 0.5)
"""Seconds before the second try of a file, and before the third and last."""

_NAMED = 10
"""How many of the skipped a warning names."""


class TransferredFile(msgspec.Struct, frozen=True):
    """A file that arrived.

    Attributes:
        path: Its path in the repository.
        size: Bytes.
        sha256: Of the content, in hexadecimal.
    """

    path: str
    size: int
    sha256: str


class TransferReport(msgspec.Struct, frozen=True):
    """What a transfer moved.

    Attributes:
        files: Sorted by path.
        skipped: What was left out of an upload, each with the reason.
    """

    files: tuple[TransferredFile, ...]
    skipped: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file by its path; what `download` takes to check."""
        return {file.path: file.sha256 for file in self.files}


class TransferState(msgspec.Struct, frozen=True):
    """How far a transfer is.

    Attributes:
        files_done: Files that have arrived.
        files_total: Files in all.
        bytes_done: Bytes moved; falls when a file is tried again.
        bytes_total: Bytes in all, as far as their sizes are known.
    """

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


class TransferProgress(Protocol):
    """Is told how far a transfer is: at least once for each file, once for each MiB of large ones.

    Called from the transfer's threads, but never twice at the same time. What it raises ends the
    transfer.
    """

    def __call__(self, state: TransferState, /) -> None:
        """Take note."""


def upload(
    source: str | os.PathLike[str],
    repository: ArtifactRepository,
    directory: str = "",
    *,
    workers: int | None = None,
    progress: TransferProgress | None = None,
) -> TransferReport:
    """Copy a local file, or what is in a local directory, into a directory of a repository.

    A file keeps its name; of a directory, the files come with their paths in it. Empty directories
    are not kept. Links inside the directory are followed; those that leave it or lead back to
    where they are, and sockets, pipes and devices, are left out with one warning.

    A file that grows meanwhile arrives as long as it was when it was opened. One that shrinks is
    an error; one that is overwritten in place may arrive mixed.

    Args:
        source: The file or directory.
        repository: Where to.
        directory: Where in it; empty for its root.
        workers: Files moved at the same time; the repository's settings say if not given.
        progress: Is told how far it is.

    Raises:
        InvalidValueError: A name can't be an artifact's; nothing has been moved.
        NotFoundError: The source isn't there.
        InvalidStateError: A file shrank while it was read.
        CorruptDataError: What arrived isn't what was sent, three times.
        PermissionDeniedError: The source or the storage refused.
        StoreUnavailableError: The storage can't be reached, or is full. As with all errors, the
            sentence names the file and tells how many were done.
    """
    directory = check_path(directory, allow_root=True)
    tree = read_source(source)
    if tree.skipped:
        more = len(tree.skipped) - _NAMED
        _log.warning(
            "Not uploaded from %s: %s%s.",
            os.fspath(source),
            ", ".join(tree.skipped[:_NAMED]),
            f" and {more} more" if more > 0 else "",
        )
    by_path = {join_path(directory, file.path): file for file in tree.files}

    def move(path: str, moved: Callable[[int], None]) -> TransferredFile:
        digest = hashlib.sha256()
        with _open_source(by_path[path]) as content:
            size = os.fstat(content.fileno()).st_size
            with repository.open_write(path) as target:
                for chunk in _chunks(content, size):
                    digest.update(chunk)
                    target.write(chunk)
                    moved(len(chunk))
                if content.tell() < size:
                    raise InvalidStateError(
                        f"The local file {by_path[path].local_path!r} shrank while it was read;"
                        " upload it when nobody writes to it."
                    )
        return _arrived(repository, TransferredFile(path, size, digest.hexdigest()))

    sizes = {path: file.size for path, file in by_path.items()}
    workers = repository.settings.transfer_workers if workers is None else workers
    files = _Transfer("Uploading", sizes, move, progress, repository.uri).run(workers)
    return TransferReport(files, tree.skipped)


def download(
    repository: ArtifactRepository,
    path: str,
    destination: str | os.PathLike[str],
    *,
    digests: Mapping[str, str] | None = None,
    workers: int | None = None,
    progress: TransferProgress | None = None,
) -> TransferReport:
    """Copy a file or a directory of a repository to a local directory.

    The files keep their paths in the repository: `download(repository, "model/a", "here")` makes
    `here/model/a`. Each is written under a temporary name and then renamed, in place of one that
    is there.

    Args:
        repository: Where from.
        path: The file or directory; empty for all.
        destination: The local directory; made if it isn't there.
        digests: The SHA-256 in hexadecimal that files must have, by their paths in the repository.
        workers: Files moved at the same time; the repository's settings say if not given.
        progress: Is told how far it is.

    Raises:
        InvalidValueError: The path, or one that the repository lists, would leave the root.
        NotFoundError: There is no such artifact.
        CorruptDataError: A file isn't as long as listed, or has another digest, three times.
        ConflictError: A local directory is where a file must be, or the other way round.
        PermissionDeniedError: The storage or the local file system refused.
        StoreUnavailableError: The storage can't be reached, or the local disk is full.
    """
    root = os.path.abspath(os.path.expanduser(os.fspath(destination)))
    expected = digests or {}
    entries = {entry.path: entry for entry in _files_of(repository, path)}
    with Failures("", root):
        os.makedirs(root, exist_ok=True)

    def move(path: str, moved: Callable[[int], None]) -> TransferredFile:
        target = os.path.join(root, *path.split("/"))
        with repository.open_read(path) as content, WholeFile(target, path, root) as file:
            return _pour(repository, entries[path], content, file, moved, expected.get(path))

    workers = repository.settings.transfer_workers if workers is None else workers
    sizes = {path: entry.file_size for path, entry in entries.items()}
    return TransferReport(
        _Transfer("Downloading", sizes, move, progress, repository.uri).run(workers)
    )


def copy(
    source: ArtifactRepository,
    target: ArtifactRepository,
    path: str = "",
    *,
    digests: Mapping[str, str] | None = None,
    workers: int | None = None,
    progress: TransferProgress | None = None,
) -> TransferReport:
    """Copy a file or a directory of one repository to the same path in another.

    The content streams through this process, a chunk of each file at a time.

    Args:
        source: Where from.
        target: Where to; what else is there stays.
        path: The file or directory; empty for all.
        digests: The SHA-256 in hexadecimal that files must have, by path.
        workers: Files moved at the same time; the target's settings say if not given.
        progress: Is told how far it is.

    Raises:
        TrackingError: What `download` and `upload` raise.
    """
    expected = digests or {}
    entries = {entry.path: entry for entry in _files_of(source, path)}

    def move(path: str, moved: Callable[[int], None]) -> TransferredFile:
        with source.open_read(path) as content, target.open_write(path) as file:
            sent = _pour(source, entries[path], content, file, moved, expected.get(path))
        return _arrived(target, sent)

    workers = target.settings.transfer_workers if workers is None else workers
    sizes = {path: entry.file_size for path, entry in entries.items()}
    return TransferReport(_Transfer("Copying", sizes, move, progress, source.uri).run(workers))


def _files_of(repository: ArtifactRepository, path: str) -> Sequence[FileInfo]:
    path = check_path(path, allow_root=True)
    entry = repository.info(path)
    files = repository.walk(path) if entry.is_dir else [entry]
    for file in files:
        # What a server lists is not trusted to stay below the root.
        if check_path(file.path) != file.path:
            raise CorruptDataError(f"{repository.uri} lists the artifact path {file.path!r}.")
    return files


def _open_source(source: SourceFile) -> BinaryIO:
    with Failures(source.local_path, "the local file system"):
        try:
            return open_local(source.local_path, source.local_path, "the local file system")
        except FileNotFoundError:
            raise NotFoundError(
                f"The local file {source.local_path!r} was deleted meanwhile."
            ) from None


def _chunks(
    content: BinaryIO, limit: int | None = None, *, likely: int | None = None
) -> Iterator[memoryview | bytes]:
    """Yield the content, or its beginning; a chunk holds until the next is asked for.

    Args:
        content: What to read.
        limit: Bytes at most.
        likely: Bytes to expect; a small file needs no large buffer.
    """
    left = float("inf") if limit is None else limit
    expected = limit if likely is None else likely
    buffer = memoryview(bytearray(_CHUNK if expected is None else max(4096, min(_CHUNK, expected))))
    readinto = getattr(content, "readinto", None)
    while left > 0:
        wanted = int(min(len(buffer), left))
        chunk = buffer[: readinto(buffer[:wanted])] if readinto else content.read(wanted)
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def _pour(
    repository: ArtifactRepository,
    entry: FileInfo,
    content: BinaryIO,
    file: BinaryIO,
    moved: Callable[[int], None],
    expected: str | None,
) -> TransferredFile:
    digest = hashlib.sha256()
    size = 0
    for chunk in _chunks(content, likely=entry.file_size):
        digest.update(chunk)
        file.write(chunk)
        size += len(chunk)
        moved(len(chunk))
    found = digest.hexdigest()
    if expected is not None and found != expected.lower():
        raise CorruptDataError(
            f"The artifact {entry.path!r} in {repository.uri} has the SHA-256 {found} instead of"
            f" {expected}."
        )
    if entry.file_size not in (None, size):
        # Somebody may have written it anew since it was listed.
        listed = repository.info(entry.path).file_size
        if listed != size:
            raise CorruptDataError(
                f"Of the artifact {entry.path!r} in {repository.uri} came {size} bytes instead of"
                f" {listed}."
            )
    return TransferredFile(entry.path, size, found)


def _arrived(repository: ArtifactRepository, sent: TransferredFile) -> TransferredFile:
    """Make sure that a file is stored as it was sent."""
    if repository.verifies_writes:
        return sent
    digest = hashlib.sha256()
    with repository.open_read(sent.path) as content:
        for chunk in _chunks(content, likely=sent.size):
            digest.update(chunk)
    if digest.hexdigest() != sent.sha256:
        repository.delete(sent.path)
        raise CorruptDataError(
            f"The artifact {sent.path!r} reads back from {repository.uri} with the SHA-256"
            f" {digest.hexdigest()} instead of {sent.sha256}; it was deleted."
        )
    return sent


class _Stopped(BaseException):
    """Another file failed, or the transfer was interrupted."""


class _Transfer:
    """Moves the files of one call, some at a time; its threads end with `run`."""

    def __init__(
        self,
        doing: str,
        sizes: Mapping[str, int | None],
        move: Callable[[str, Callable[[int], None]], TransferredFile],
        progress: TransferProgress | None,
        where: object,
    ) -> None:
        self._doing = doing
        self._move = move
        self._progress = progress
        self._where = where
        self._total = len(sizes)
        self._bytes_total = sum(size or 0 for size in sizes.values())
        self._bytes_done = 0
        self._waiting = iter(sorted(sizes))
        self._done: list[TransferredFile] = []
        self._failed: tuple[str, Exception] | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def run(self, workers: int) -> tuple[TransferredFile, ...]:
        threads: list[threading.Thread] = []
        try:
            for _ in range(min(workers, self._total) - 1):
                context = contextvars.copy_context()
                # Before it starts, for an interrupt may come while it does.
                threads.append(threading.Thread(target=context.run, args=(self._work,)))
                threads[-1].start()
            self._work()
            for thread in threads:
                thread.join()
        except BaseException:
            self._stop.set()
            for thread in threads:
                # One that is about to begin can't be joined yet, and ends as soon as it has.
                while thread in threading.enumerate():
                    if thread.is_alive():
                        thread.join()
            raise
        if self._failed is not None:
            path, error = self._failed
            told = self._told(path, error)
            raise told from (None if told is error else error)
        return tuple(sorted(self._done, key=lambda file: file.path))

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                path = next(self._waiting, None)
            if path is None:
                return
            try:
                self._try(path)
            except _Stopped:
                return
            except Exception as error:
                with self._lock:
                    self._failed = self._failed or (path, error)
                self._stop.set()
                return

    def _try(self, path: str) -> None:
        for wait in (*_WAITS, None):
            counted = 0

            def moved(count: int) -> None:
                nonlocal counted
                if self._stop.is_set():
                    raise _Stopped
                counted += count
                self._tell(count)

            try:
                file = self._move(path, moved)
            except Exception as error:
                self._tell(-counted)
                again = is_worth_another_try(error) or isinstance(error, CorruptDataError)
                if wait is None or not again:
                    raise
                if self._stop.wait(wait):
                    raise _Stopped from None
            else:
                self._tell(0, file)
                return

    def _tell(self, count: int, file: TransferredFile | None = None) -> None:
        with self._lock:
            self._bytes_done += count
            if file is not None:
                self._done.append(file)
            if self._progress is not None:
                self._progress(
                    TransferState(len(self._done), self._total, self._bytes_done, self._bytes_total)
                )

    def _told(self, path: str, error: Exception) -> Exception:
        """Return the error that names the file; one that is none of ours as it is."""
        if isinstance(error, OSError) and not isinstance(error, TrackingError):
            error = failure_of(error, path, self._where)
        if not isinstance(error, TrackingError):
            return error
        # A plugin's own class may take other arguments; its nearest ancestor of ours doesn't.
        kind: type[TrackingError] = next(
            each for each in type(error).__mro__ if each.__module__ == TrackingError.__module__
        )
        return kind(
            f"{self._doing} {path!r} failed when {len(self._done)} of {self._total} files were"
            f" done: {error}"
        )
