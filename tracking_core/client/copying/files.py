"""Artifacts: copied to the destination's places, and found there."""

from __future__ import annotations

import msgspec

from tracking_core.artifacts import ArtifactRepository
from tracking_core.artifacts.transfer import copy as copy_files
from tracking_core.config import Settings
from tracking_core.discovery import PluginManager, open_artifact_repository
from tracking_core.stores import BackendStore


class Files:
    """The files of both sides.

    Args:
        source: Where the files are; some URIs (`mlflow-artifacts:/...`) mean a place on its server.
        destination: Where they are to be.
        manager: Where repositories are found; None: the default.
    """

    def __init__(
        self, source: BackendStore, destination: BackendStore, manager: PluginManager | None = None
    ) -> None:
        self._settings = {True: _at(source), False: _at(destination)}
        self._manager = manager

    def listing(self, uri: str, *, source: bool) -> list[tuple[str, int | None]]:
        """Return path and size of each file below a URI."""
        if not uri:
            return []
        files = self._open(uri, source=source).walk()
        return [(file.path, file.file_size) for file in files]

    def move(self, from_uri: str, to_uri: str) -> int:
        """Copy the files that aren't there yet; return how many those were.

        Raises:
            TrackingError: What the transfer raises; what has arrived stays.
        """
        if not from_uri or (from_uri == to_uri and not self._is_elsewhere(from_uri)):
            return 0
        there = set(self.listing(to_uri, source=False))
        wanted = self.listing(from_uri, source=True)
        missing = [path for path, size in wanted if (path, size) not in there]
        if not missing:
            return 0
        source = self._open(from_uri, source=True)
        target = self._open(to_uri, source=False)
        if len(missing) == len(wanted):
            copy_files(source, target)
        else:
            for path in missing:
                copy_files(source, target, path)
        return len(missing)

    def _is_elsewhere(self, uri: str) -> bool:
        """Tell whether one URI means different places on both sides."""
        on_the_server = uri.startswith("mlflow-artifacts:") and "://" not in uri
        places = {settings.tracking_uri for settings in self._settings.values()}
        return on_the_server and len(places) > 1

    def _open(self, uri: str, *, source: bool) -> ArtifactRepository:
        return open_artifact_repository(uri, self._settings[source], manager=self._manager)


def _at(store: BackendStore) -> Settings:
    return msgspec.structs.replace(store.settings, tracking_uri=store.uri.text)


def moved_uri(uri: str, places: list[tuple[str, str]]) -> str:
    """Return where a URI leads after files were moved: itself, if it lies in none of the places.

    Args:
        uri: The URI of some files.
        places: Pairs of an old and a new root.
    """
    for old, new in places:
        root = old.rstrip("/")
        if root and (uri == root or uri.startswith(f"{root}/")):
            return new.rstrip("/") + uri[len(root) :]
    return uri
