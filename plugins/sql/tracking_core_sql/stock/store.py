"""The backend of stock MLflow's databases."""

from __future__ import annotations

from tracking_core.config import Settings, Uri
from tracking_core.stores import (
    BackendStore,
    Capability,
    Facet,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
)
from tracking_core_sql.stock.logged_models import StockLoggedModels
from tracking_core_sql.stock.reading import StockDatabase
from tracking_core_sql.stock.registry import StockRegistry
from tracking_core_sql.stock.runs import StockRuns


class StockMlflowStore(BackendStore, StockRuns, StockRegistry, StockLoggedModels):
    """A database that stock MLflow 1.x, 2.x or 3.x made, read where it is.

    `mlflow+sqlite:///mlflow.db`, `mlflow+postgresql://...` and `mlflow+mysql://...`; of a database
    with workspaces, `?workspace=NAME` says which one. Nothing is ever written, and MLflow may go on
    using it: each call is one read-only transaction, which sees one moment of the database. What
    would change something is refused. Facets that came later than the database aren't there.

    Any thread and any number of processes may use it; after a fork both sides go on.
    """

    capabilities = frozenset({Capability.RICH_FILTERS, Capability.MULTI_PROCESS})

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._database = StockDatabase(uri)

    def facets(self) -> dict[type[Facet], Facet]:
        tables = self._database.read(lambda reading: reading.tables)
        found: dict[type[Facet], Facet] = {RunStore: self}
        if tables.has_registry:
            found[ModelRegistryStore] = self
        if tables.has_logged_models:
            found[LoggedModelStore] = self
        return found

    def close(self) -> None:
        self._database.close()
