"""Where an artifact repository under test keeps its files, so that it can be opened again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri, redact


@dataclass(frozen=True)
class RepositoryLocation:
    """A repository's class and the root that it opens.

    It can be pickled, as a StoreLocation.

    Attributes:
        open_with: The repository's class, or any function of the same two arguments; importable.
        uri: The place. It needn't be empty: each test makes a root of its own below it.
        settings: What the repository is opened with.
        reopens: Whether another process sees the same files; what needs one is skipped if not.
    """

    open_with: Callable[[Uri, Settings], ArtifactRepository]
    uri: str
    settings: Settings = field(default_factory=Settings)
    reopens: bool = True

    def open(self) -> ArtifactRepository:
        """Open the repository, another instance each time."""
        return self.open_with(Uri.parse(self.uri), self.settings)

    def __repr__(self) -> str:
        name = getattr(self.open_with, "__qualname__", repr(self.open_with))
        return f"RepositoryLocation({name}, {redact(self.uri)!r})"
