"""Whether a file lies on another machine, where sqlite's WAL would damage it.

WAL needs memory that all processes share, which those of different machines don't have
(https://sqlite.org/wal.html, "All processes using a database must be on the same host computer").
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_NETWORK = {
    "9p",
    "afpfs",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "panfs",
    "smb3",
    "smbfs",
    "virtiofs",
    "webdav",
}


def network_file_system(path: Path, mounts: Iterable[tuple[str, str]] | None = None) -> str | None:
    """Return the kind of the network file system that a file lies on, or None.

    Args:
        path: The file, which needn't be there yet.
        mounts: Mount points and their kinds; None: those of this machine.
    """
    if os.fspath(path).startswith(("\\\\", "//")):
        return "a network share"
    real = os.path.realpath(path)
    best, kind = "", ""
    for point, its_kind in _mounts() if mounts is None else mounts:
        inside = real == point or real.startswith(point.rstrip(os.sep) + os.sep)
        if inside and len(point) >= len(best):
            best, kind = point, its_kind.lower()
    # fuseblk is a local disk with a foreign format.
    is_network = kind in _NETWORK or (kind.startswith("fuse") and kind != "fuseblk")
    return kind if is_network else None


def _mounts() -> list[tuple[str, str]]:
    # Only whoever opens a sqlite file needs it.
    import psutil

    return [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
