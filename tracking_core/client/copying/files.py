"""Artifacts: copied to the destination's places, and found there."""

from __future__ import annotations

from tracking_core.artifacts import ArtifactRepository
from tracking_core.artifacts.transfer import copy as copy_files
from tracking_core.config import Settings
from tracking_core.discovery import PluginManager, open_artifact_repository


class Files:
    """The files of both sides.

    Args:
        source_settings: What the source's repositories are opened with.
        destination_settings: Likewise.
        manager: Where repositories are found; None: the default.
    """

    def __init__(
        self,
        source_settings: Settings,
        destination_settings: Settings,
        manager: PluginManager | None = None,
    ) -> None:
        self._settings = {True: source_settings, False: destination_settings}
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
        if not from_uri or from_uri == to_uri:
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

    def _open(self, uri: str, *, source: bool) -> ArtifactRepository:
        return open_artifact_repository(uri, self._settings[source], manager=self._manager)


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
