"""Artifacts in a directory of this machine, by plain calls of the operating system."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import BinaryIO

from tracking_core.artifacts.failures import Failures, open_local
from tracking_core.artifacts.paths import check_path, is_temporary, join_path
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.artifacts.whole_file import WholeFile, remove_leftovers
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import InvalidValueError, NotFoundError

_REMOVALS = 10


class LocalArtifactRepository(ArtifactRepository):
    """Files below a directory, which is made when the first is written.

    - **Links** below the root are followed as long as they stay below it. One that leads out is
      not listed and can't be opened; nor is a directory listed that a link makes contain itself.
      The root itself may be a link. This keeps mistakes and foreign data out, not another user
      who may write below the root and exchanges a directory for a link at the right moment.
    - **Durable.** With `durability = "system"` a file is on disk when its block ends.
    - **Killed writers** leave a hidden temporary file, which is not listed; the first write into
      that directory a day later removes it.
    - Names that aren't valid Unicode, sockets, pipes and devices are not listed.
    """

    verifies_writes = True

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._root = os.fspath(uri.local_path)
        self._durable = settings.durability == "system"
        self._tidied: set[str] = set()

    def list(self, path: str = "") -> Sequence[FileInfo]:
        path = check_path(path, allow_root=True)
        prefix = f"{path}/" if path else ""
        found = []
        with Failures(path, self.uri):
            try:
                directory = self._resolve(path)
                with os.scandir(directory) as entries:
                    for entry in entries:
                        name = entry.name
                        if not name.isascii() and not _is_unicode(name):
                            continue
                        with suppress(FileNotFoundError):  # deleted since
                            if entry.is_symlink():
                                status = self._status_of_link(path, name)
                            elif entry.is_dir(follow_symlinks=False):
                                found.append(FileInfo(prefix + name, True))
                                continue
                            else:
                                status = entry.stat(follow_symlinks=False)
                            if status is not None and not is_temporary(name):
                                info = _info(prefix + name, status)
                                found += [info] if info else []
            except (FileNotFoundError, NotADirectoryError):
                return []
        found.sort(key=lambda entry: entry.path)
        return found

    def open_read(self, path: str) -> BinaryIO:
        path = check_path(path)
        with Failures(path, self.uri):
            try:
                return open_local(self._resolve(path), path, self.uri)
            except (IsADirectoryError, NotADirectoryError, FileNotFoundError):
                raise self._no_file(path) from None

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        path = check_path(path)
        with Failures(path, self.uri):
            target = self._resolve_parent(path)
        directory = os.path.dirname(target)
        if directory not in self._tidied:
            self._tidied.add(directory)
            remove_leftovers(directory)
        return WholeFile(target, path, self.uri, durable=self._durable)

    def delete(self, path: str) -> None:
        path = check_path(path, allow_root=True)
        with Failures(path, self.uri), suppress(FileNotFoundError, NotADirectoryError):
            if path:
                _remove(self._resolve_parent(path))
                return
            with os.scandir(self._root) as entries:
                for entry in entries:
                    _remove(entry.path)

    def info(self, path: str) -> FileInfo:
        path = check_path(path, allow_root=True)
        if not path:
            return FileInfo("", True)
        with Failures(path, self.uri):
            try:
                info = _info(path, os.stat(self._resolve(path)))
            except (FileNotFoundError, NotADirectoryError):
                info = None
        if info is None:
            raise NotFoundError(f"There is no artifact {path!r} in {self.uri}.")
        return info

    def _no_file(self, path: str) -> NotFoundError:
        if os.path.isdir(self._resolve(path)):
            return NotFoundError(
                f"The artifact {path!r} in {self.uri} is a directory; name a file in it."
            )
        return NotFoundError(f"There is no artifact {path!r} in {self.uri}.")

    def _resolve(self, path: str) -> str:
        """Return where a path leads, all links below the root followed.

        Raises:
            InvalidValueError: A link leads out of the root.
        """
        location = self._root
        parts = path.split("/") if path else []
        for number, part in enumerate(parts):
            location = f"{location}{os.sep}{part}"
            try:
                status = os.lstat(location)
            except (FileNotFoundError, NotADirectoryError):
                return os.sep.join([location, *parts[number + 1 :]])
            if stat.S_ISLNK(status.st_mode):
                location = self._follow(location, path)
        return location

    def _resolve_parent(self, path: str) -> str:
        directory, _, name = path.rpartition("/")
        return f"{self._resolve(directory)}{os.sep}{name}"

    def _follow(self, link: str, path: str) -> str:
        target = os.path.realpath(link)
        if not _is_below(target, os.path.realpath(self._root)):
            raise InvalidValueError(
                f"The artifact path {path!r} leads out of {self.uri} by a symbolic link, which is"
                " not followed."
            )
        if os.path.islink(target):
            raise InvalidValueError(
                f"The artifact path {path!r} in {self.uri} leads in a circle of symbolic links."
            )
        return target

    def _status_of_link(self, directory: str, name: str) -> os.stat_result | None:
        """Return what a listed link leads to; None where it must not be followed."""
        try:
            target = self._resolve(join_path(directory, name))
            status = os.stat(target)
        except (InvalidValueError, OSError):
            return None
        if stat.S_ISDIR(status.st_mode):
            # Each directory on the way here; a link back to one of them would never end.
            parts = directory.split("/") if directory else []
            for depth in range(len(parts) + 1):
                way = os.path.realpath(self._resolve("/".join(parts[:depth])))
                if os.path.samefile(way, target):
                    return None
        return status


def _info(path: str, status: os.stat_result) -> FileInfo | None:
    if stat.S_ISDIR(status.st_mode):
        return FileInfo(path, True)
    return FileInfo(path, False, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root if root.endswith(os.sep) else root + os.sep)


def _is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _remove(path: str) -> None:
    """Delete a file, a link or a directory; a link in it is deleted, not followed."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    for attempt in range(_REMOVALS):
        try:
            shutil.rmtree(path)
        except OSError as error:
            if not os.path.lexists(path):
                return
            # Others write or delete here at the same time.
            raced = isinstance(error, FileNotFoundError) or error.errno == errno.ENOTEMPTY
            if not raced or attempt == _REMOVALS - 1:
                raise
        else:
            return
