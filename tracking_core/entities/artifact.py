"""What a listing of artifacts shows."""

from __future__ import annotations

import msgspec


class FileInfo(msgspec.Struct, frozen=True):
    """One entry of a listing.

    Attributes:
        path: POSIX path relative to the repository's root.
        is_dir: Whether it is a directory.
        file_size: Bytes; None for a directory.
    """

    path: str
    is_dir: bool
    file_size: int | None = None
