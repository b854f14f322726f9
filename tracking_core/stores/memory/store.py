"""The memory store."""

from __future__ import annotations

from tracking_core.config import Settings, Uri
from tracking_core.stores.backend import BackendStore
from tracking_core.stores.capability import Capability
from tracking_core.stores.memory.logged_models import MemoryLoggedModels
from tracking_core.stores.memory.registry import MemoryRegistry
from tracking_core.stores.memory.runs import MemoryRuns
from tracking_core.stores.memory.state import state_of
from tracking_core.stores.memory.webhooks import MemoryWebhooks


class MemoryStore(BackendStore, MemoryRuns, MemoryRegistry, MemoryLoggedModels, MemoryWebhooks):
    """A backend in the memory of this process, gone when it ends.

    `memory:` is the object's own; `memory://name` is shared by all who name it in this process.
    Each call holds one lock, so that calls happen one after the other, each whole or not at all.
    After a fork, parent and child each have their own copy.
    """

    capabilities = frozenset(Capability) - {Capability.MULTI_PROCESS, Capability.DURABLE}

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._state = state_of((uri.host + uri.path).strip("/"))
        self._artifact_root = settings.artifact_root or f"memory://{self._state.name}"
