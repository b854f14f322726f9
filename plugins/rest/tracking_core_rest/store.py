"""The REST backend: a server that speaks MLflow's REST API, ours or another."""

from __future__ import annotations

import threading

from tracking_core.config import Settings, Uri
from tracking_core.stores import BackendStore, Capability, Facet, Limits, RunStore
from tracking_core_rest.connection import ServerConnection
from tracking_core_rest.contract_facets import remote_facets

_KNOWN = {each.value: each for each in Capability}


class RestStore(BackendStore):
    """A tracking server.

    What it can do, it is asked once, before the first call: a server of ours answers the storage
    contract itself, with all the abilities of the backend behind it; any other is spoken to by
    MLflow's endpoints.

    Any thread may call; after a fork both sides go on, each with connections of its own. What is
    atomic and durable is what the server makes so. A call whose answer is lost is repeated where
    that changes nothing more, and else raises StoreUnavailableError, which says that it may have
    been done.
    """

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._connection = self._connect(uri, settings)
        self._found: dict[type[Facet], Facet] = {}
        self._lock = threading.Lock()

    def _connect(self, uri: Uri, settings: Settings) -> ServerConnection:
        """Return the connection; a backend that is reached in another way overrides it."""
        return ServerConnection.to(uri, settings)

    @property
    def capabilities(self) -> frozenset[Capability]:  # type: ignore[override]
        """What the server's backends can do, both of them."""
        abilities = self._connection.abilities()
        if abilities is None:
            from tracking_core_rest.stock import stock_capabilities

            return stock_capabilities(self._connection)
        both = set(abilities.tracking.capabilities)
        if abilities.registry.facets:
            both &= set(abilities.registry.capabilities)
        # A newer server may know some that this client doesn't.
        return frozenset(_KNOWN[name] for name in both if name in _KNOWN)

    @property
    def limits(self) -> Limits:  # type: ignore[override]
        """What the server's backend refuses for its size."""
        abilities = self._connection.abilities()
        if abilities is None:
            from tracking_core_rest.stock import STOCK_LIMITS

            return STOCK_LIMITS
        return abilities.tracking.limits

    def facets(self) -> dict[type[Facet], Facet]:
        if not self._found:
            if self._connection.abilities() is None:
                from tracking_core_rest.stock import stock_facets

                found = stock_facets(self._connection)
            else:
                found = remote_facets(self._connection)
            with self._lock:
                self._found = self._found or found
        return dict(self._found)

    def check_health(self) -> None:
        self._connection.check_health()
        if RunStore in self.facets():
            super().check_health()

    def close(self) -> None:
        self._connection.close()
