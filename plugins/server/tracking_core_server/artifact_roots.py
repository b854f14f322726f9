"""The places whose artifacts the server shows, and what of them a stored URI names.

What clients store as artifact locations is theirs to choose, and the server has rights that they
haven't. So it opens the places it was started with and nothing else.
"""

from __future__ import annotations

import os
import posixpath
import threading

from tracking_core.artifacts.paths import check_path, join_path
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri, path_to_file_uri, redact
from tracking_core.discovery import open_artifact_repository
from tracking_core.errors import InvalidValueError, PermissionDeniedError, UnsupportedError
from tracking_core_server.configuration import ServerConfiguration

PROXY_SCHEME = "mlflow-artifacts"


class ArtifactRoots:
    """Opens artifacts that lie in one of the places that the server was started with."""

    def __init__(self, configuration: ServerConfiguration, settings: Settings) -> None:
        self._settings = settings
        self._destination = configuration.artifacts_destination
        self._roots = [_place_of(root) for root in configuration.readable_roots]
        self._opened: dict[str, ArtifactRepository] = {}
        self._lock = threading.Lock()

    @property
    def serves_proxy(self) -> bool:
        """Whether artifacts go through the server."""
        return self._destination is not None

    def proxied(self) -> ArtifactRepository:
        """Return the repository of what goes through the server.

        Raises:
            UnsupportedError: Nothing does.
        """
        if self._destination is None:
            raise UnsupportedError(
                "This server serves no artifacts; start it with --artifacts-destination to let"
                " them go through it."
            )
        return self._open(_place_of(self._destination))

    def place(self, uri: str) -> tuple[ArtifactRepository, str]:
        """Return the repository that holds what a stored URI names, and the path in it.

        Raises:
            PermissionDeniedError: It lies in none of the server's places.
            InvalidValueError: It isn't a URI, or its path would leave its root.
            UnsupportedError: It goes through the server, which serves no artifacts.
        """
        parsed = Uri.parse(uri)
        if parsed.scheme == PROXY_SCHEME and not parsed.host:
            path = parsed.path.strip("/")
            return self.proxied(), check_path(path, allow_root=True)
        location = _place_of(uri)
        for root in self._roots:
            if location == root:
                return self._open(root), ""
            prefix = root if root.endswith("/") else root + "/"
            if location.startswith(prefix):
                below = location[len(prefix) :]
                if parsed.scheme == "file":
                    below = os.path.relpath(parsed.path, Uri.parse(root).path).replace(os.sep, "/")
                return self._open(root), check_path(below.strip("/"), allow_root=True)
        raise PermissionDeniedError(
            f"The artifacts at {redact(uri)} lie in no place that this server was started with;"
            " name it by --artifact-root, or read them where they are."
        )

    def holds(self, uri: str) -> bool:
        """Tell whether a URI lies in one of the server's places."""
        try:
            self.place(uri)
        except (PermissionDeniedError, InvalidValueError, UnsupportedError):
            return False
        return True

    def _open(self, root: str) -> ArtifactRepository:
        with self._lock:
            if root not in self._opened:
                self._opened[root] = open_artifact_repository(root, self._settings)
            return self._opened[root]


def below(path: str, inner: str | None) -> str:
    """Return the path of something below a directory of a repository.

    Raises:
        InvalidValueError: It would leave the directory.
    """
    inner = check_path((inner or "").strip() and (inner or "").rstrip("/"), allow_root=True)
    return join_path(path, inner) if inner else path


def _place_of(uri: str) -> str:
    """Return a URI in the one form that it is compared in."""
    parsed = Uri.parse(uri)
    if parsed.scheme == "file":
        return path_to_file_uri(posixpath.normpath(parsed.path))
    return uri.rstrip("/")
