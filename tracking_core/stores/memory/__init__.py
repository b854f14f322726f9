"""The memory store: the reference implementation of the contract, as plain as it can be."""

from tracking_core.stores.memory.store import MemoryStore

__all__ = ["MemoryStore"]
