from tracking_core.stores.memory import MemoryStore


class RivalStore(MemoryStore):
    pass
