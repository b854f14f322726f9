"""What all parts of the file backend share: the directory, and how it is written to."""

from __future__ import annotations

import logging
import os
import stat
import sys

from tracking_core.config import Settings
from tracking_core.errors import InvalidValueError
from tracking_core_file.files import Files
from tracking_core_file.layout import LOCK_NAME, Layout, subdirectories
from tracking_core_file.locks import FileLock
from tracking_core_file.stamps import LOCAL_TICK, REMOTE_TICK

logger = logging.getLogger("tracking_core_file")

# Where one machine doesn't see at once what another wrote: appending there needs a lock.
_REMOTE_TYPES = frozenset(
    ("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ncpfs", "vboxsf", "virtiofs")
)


class Root:
    """One root directory, opened by one store.

    Attributes:
        path: The directory.
        layout: The paths in it.
        files: Writes whole files in it.
        settings: The store's.
        lock_appends: Whether each append takes a lock; None: where the file system needs it.
    """

    def __init__(self, path: str, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self.layout = Layout(path)
        self.files = Files(durable=settings.durability == "system")
        self.lock_appends: bool | None = None
        self._is_remote: bool | None = None
        self._warned: set[str] = set()

    @property
    def is_new(self) -> bool:
        """Whether no directory is in the root yet, or no root.

        Raises:
            InvalidValueError: It is a file.
        """
        self.check_usable()
        return not subdirectories(self.path)

    def check_usable(self) -> None:
        """Check that the root is a directory, or nothing yet.

        Raises:
            InvalidValueError: It is a file.
        """
        try:
            is_directory = stat.S_ISDIR(os.stat(self.path).st_mode)
        except FileNotFoundError:
            is_directory = not os.path.islink(self.path)
        except NotADirectoryError:
            is_directory = False
        if not is_directory:
            raise InvalidValueError(
                f"{self.path!r} is not a directory, so no runs can be kept in it; name another."
            )

    @property
    def is_remote(self) -> bool:
        """Whether the root lies on a file system that other machines write to as well."""
        if self._is_remote is None:
            self._is_remote = _is_remote(self.path)
        return self._is_remote

    @property
    def appends_need_lock(self) -> bool:
        """Whether two appends at the same time could meet in the file."""
        if self.lock_appends is None:
            self.lock_appends = self.is_remote or os.name == "nt"
        return self.lock_appends

    @property
    def tick(self) -> int:
        """Nanoseconds in which two changes of a file may get one time."""
        return REMOTE_TICK if self.is_remote else LOCAL_TICK

    def warn(self, message: str) -> None:
        """Log a warning, once for each message."""
        if message not in self._warned:
            self._warned.add(message)
            logger.warning("%s `tracking doctor` tells more.", message)

    def lock(self, name: str) -> FileLock:
        """Return a lock of the whole root, for what needs to be unique in it; never for long work.

        The root must be there.
        """
        return FileLock(os.path.join(self.path, f"{LOCK_NAME}-{name}"))

    def directory_lock(self, directory: str) -> FileLock:
        """Return the lock of one run's or model's directory; never for long work."""
        return FileLock(os.path.join(directory, LOCK_NAME))


def _is_remote(path: str) -> bool:
    """Tell whether a path lies on a remote file system, as far as the system says so."""
    if not sys.platform.startswith("linux"):
        return False
    path = os.path.realpath(path)
    kind, longest = "", -1
    try:
        with open("/proc/self/mounts", "rb") as file:
            mounts = file.read().decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    for mount in mounts:
        _, point, mount_kind, *_ = mount.split(" ", 3)
        point = point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        # The last of several mounts on one point is the one that is seen.
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= longest:
            kind, longest = mount_kind, len(point)
    return kind in _REMOTE_TYPES or kind.startswith("fuse")
