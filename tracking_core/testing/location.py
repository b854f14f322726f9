"""Where a store under test keeps its data, so that it can be opened again and elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tracking_core.config import Settings, Uri, redact
from tracking_core.stores import BackendStore


@dataclass(frozen=True)
class StoreLocation:
    """A store's class and the place that it opens.

    It can be pickled, so that the kit opens the same place from other processes too; `open_with`
    must therefore be importable there: a class or function at the top of a module.

    Attributes:
        open_with: The store's class, or any function of the same two arguments.
        uri: The place. It needn't be empty: the kit looks only at what it has made itself.
        settings: What the store is opened with.
        reopens: Whether a second connection sees the same data; what needs one is skipped if not.
    """

    open_with: Callable[[Uri, Settings], BackendStore]
    uri: str
    settings: Settings = field(default_factory=Settings)
    reopens: bool = True

    def open(self) -> BackendStore:
        """Open a connection, another one each time."""
        return self.open_with(Uri.parse(self.uri), self.settings)

    def __repr__(self) -> str:
        name = getattr(self.open_with, "__qualname__", repr(self.open_with))
        return f"StoreLocation({name}, {redact(self.uri)!r})"
