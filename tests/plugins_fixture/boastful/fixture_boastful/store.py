from tracking_core.stores import BackendStore, Capability
from tracking_core.stores.memory.runs import MemoryRuns


class BoastfulStore(BackendStore, MemoryRuns):
    capabilities = frozenset({Capability.PURGE, Capability.RICH_FILTERS})

    def facets(self):
        return super().facets()
