"""The facets of a server that isn't ours, over MLflow's own endpoints.

MLflow 2.x and 3.x, Databricks, FastTrackML: they lack what the storage contract has beyond MLflow.
What can be kept of it is kept here, the rest is refused with a sentence.
"""

from __future__ import annotations

from tracking_core.stores import (
    Capability,
    Facet,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
    WebhookStore,
)
from tracking_core_rest.connection import ServerConnection
from tracking_core_rest.stock.logged_models import StockLoggedModels
from tracking_core_rest.stock.registry import StockRegistry
from tracking_core_rest.stock.runs import StockRuns
from tracking_core_rest.stock.server import STOCK_LIMITS, StockServer
from tracking_core_rest.webhooks import RemoteWebhooks

__all__ = [
    "STOCK_LIMITS",
    "StockLoggedModels",
    "StockRegistry",
    "StockRuns",
    "StockServer",
    "stock_capabilities",
    "stock_facets",
]


def stock_facets(connection: ServerConnection) -> dict[type[Facet], Facet]:
    """Return the facets that a server has; logged models came with 3.0, webhooks with 3.3."""
    server = StockServer(connection)
    runs = StockRuns(server)
    facets: dict[type[Facet], Facet] = {RunStore: runs, ModelRegistryStore: StockRegistry(server)}
    if server.has_logged_models():
        facets[LoggedModelStore] = StockLoggedModels(server, runs)
    if server.version >= (3, 3):
        facets[WebhookStore] = RemoteWebhooks(connection)
    return facets


def stock_capabilities(connection: ServerConnection) -> frozenset[Capability]:
    """Return what a server can do beyond the mandatory.

    METRIC_DATASETS isn't among it: stock servers keep a point's model and data set with the logged
    model, and drop them from the run's history.
    """
    return frozenset({Capability.MULTI_PROCESS, Capability.DURABLE})
