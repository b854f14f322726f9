"""Storages with other habits than memory, to prove what the rows of protocols can say."""

from __future__ import annotations

import io
from typing import Any, ClassVar

import fsspec
from fsspec import AbstractFileSystem

from tracking_core.artifacts.fsspec_repository import FsspecArtifactRepository
from tracking_core.artifacts.protocols import PROTOCOLS, Commit, Protocol
from tracking_core.config import Settings, Uri


class ObjectStore(AbstractFileSystem):
    """Keys and contents, as S3 has them, with the hazards of s3fs.

    `open("wb")` commits what was written when the block raises, and nothing but the calls for one
    key takes keys literally.
    """

    protocol = "objects"
    objects: ClassVar[dict[str, bytes]] = {}
    opened: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.opened.append(options)

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        found: dict[str, dict[str, Any]] = {}
        for key in list(self.objects):
            if key.startswith(f"{path}/"):
                name, slash, _ = key[len(path) + 1 :].partition("/")
                name = f"{path}/{name}"
                found[name + slash] = (
                    {"name": name, "type": "directory", "size": 0} if slash else self.info(key)
                )
        return list(found.values()) or [self.info(path)]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        if path in self.objects:
            return {"name": path, "type": "file", "size": len(self.objects[path])}
        if any(key.startswith(f"{path}/") for key in list(self.objects)):
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(path)

    def put_file(self, local: str, path: str, **options: Any) -> None:
        with open(local, "rb") as file:
            self.objects[path] = file.read()

    def rm_file(self, path: str) -> None:
        self.objects.pop(path, None)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> io.BytesIO:
        if mode == "rb":
            if path not in self.objects:
                raise FileNotFoundError(path)
            return io.BytesIO(self.objects[path])
        objects = self.objects

        class Committing(io.BytesIO):
            def close(self) -> None:
                if not self.closed:
                    objects[path] = self.getvalue()
                super().close()

        return Committing()


OBJECTS = Protocol(
    file_system="objects",
    install="nothing",
    commit=Commit.PUT,
    host_in_path=True,
    absolute=False,
    directories=False,
    exclusive_names=False,
)
RENAMING = Protocol(
    file_system="file",
    install="nothing",
    commit=Commit.RENAME,
    host_in_path=False,
    absolute=True,
    directories=True,
    exclusive_names=True,
)


def open_objects(uri: Uri, settings: Settings) -> FsspecArtifactRepository:
    """Open a repository in the store of objects."""
    fsspec.register_implementation("objects", ObjectStore, clobber=True)
    PROTOCOLS["objects"] = OBJECTS
    return FsspecArtifactRepository(uri, settings)


def open_renaming(uri: Uri, settings: Settings) -> FsspecArtifactRepository:
    """Open a repository in a storage that renames: here fsspec's own local files."""
    PROTOCOLS["renaming"] = RENAMING
    return FsspecArtifactRepository(uri, settings)
