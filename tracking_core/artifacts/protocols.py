"""The storages that fsspec reaches, and in what they differ: rows, not classes."""

from __future__ import annotations

import enum

import msgspec


class Commit(enum.Enum):
    """How a file is put in its place as a whole."""

    RENAME = "rename"
    """Written beside its target and renamed: for storages that rename atomically."""

    PUT = "put"
    """Collected in a local file and sent by one `put_file`: for stores of objects.

    Never written by `open("wb")` there: s3fs commits the half object when the block raises.
    """

    PIPE = "pipe"
    """Collected in memory and handed over by one `pipe_file`."""


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """A storage.

    Attributes:
        file_system: What fsspec calls it.
        install: The command that installs what fsspec needs for it.
        commit: How a file is put in its place as a whole.
        host_in_path: Whether the URI's authority (a bucket, say) is the first part of the paths
            that fsspec takes.
        absolute: Whether those paths begin with a slash.
        directories: Whether it has directories of its own, which must be made before and removed
            after their files; elsewhere they are what the files' names say.
        exclusive_names: Whether a name is either a file or a directory, which is looked at before a
            file is written; stores of objects hold both.
        shared_reader: Whether `open("rb")` hands out one position for all readers, so that the
            content has to be fetched by `cat_file`.
        verifies_writes: See ArtifactRepository.
    """

    file_system: str
    install: str
    commit: Commit
    host_in_path: bool
    absolute: bool
    directories: bool
    exclusive_names: bool
    shared_reader: bool = False
    verifies_writes: bool = False


PROTOCOLS: dict[str, Protocol] = {
    "memory": Protocol(
        file_system="memory",
        install="pip install tracking-core",
        commit=Commit.PIPE,
        host_in_path=True,
        absolute=True,
        directories=False,
        exclusive_names=True,
        shared_reader=True,
        verifies_writes=True,
    ),
}
"""By scheme; `file` is served by LocalArtifactRepository, which is quicker and looks at links."""
