from tracking_core.errors import StoreUnavailableError
from tracking_core.stores import BackendStore, Capability, RunStore
from tracking_core.stores.memory.runs import MemoryRuns
from tracking_core.stores.memory.state import state_of


class GoodStore(BackendStore, MemoryRuns):
    capabilities = frozenset({Capability.PURGE})

    def __init__(self, uri, settings):
        super().__init__(uri, settings)
        if uri.host == "explodes":
            raise RuntimeError(f"can't connect to {uri.text} with {uri.password}")
        self._state = state_of(uri.host)
        self._artifact_root = "memory://good"

    def facets(self):
        return {RunStore: self}

    def check_health(self):
        if self.uri.host == "asleep":
            raise StoreUnavailableError(f"{self.uri} doesn't answer.")
