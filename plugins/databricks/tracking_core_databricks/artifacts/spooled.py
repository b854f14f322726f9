"""A file that is written to before it can be sent."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, cast

_IN_MEMORY = 8 << 20


@contextmanager
def spooled() -> Iterator[tuple[BinaryIO, IO[bytes]]]:
    """Give a file twice: as the caller writes it, and as it is read afterwards.

    The first may be closed by whoever writes, as a zip file does; the second is there until the
    block ends.
    """
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        content = cast("IO[bytes]", file)
        yield cast("BinaryIO", _Unclosed(content)), content


def rewound(file: IO[bytes]) -> int:
    """Put a file to its beginning, and return its size."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


class _Unclosed(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        return self._file.write(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None, /) -> int:
        return self._file.truncate(size)
