"""The Databricks backends: a workspace with its own model registry, or with Unity Catalog's."""

from __future__ import annotations

from tracking_core.config import Settings, Uri
from tracking_core.entities import LoggedModel
from tracking_core.search import Page
from tracking_core.stores import (
    ExperimentQuery,
    Facet,
    LoggedModelQuery,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
)
from tracking_core_databricks.connection import WorkspaceConnection, WorkspaceTransport
from tracking_core_databricks.paging import gathered
from tracking_core_databricks.runs import WorkspaceRuns
from tracking_core_databricks.unity_catalog.registry import UnityCatalogRegistry
from tracking_core_databricks.workspace import WorkspaceName
from tracking_core_rest.stock import StockLoggedModels, StockRegistry, StockServer
from tracking_core_rest.store import RestStore

_MOST_LOGGED_MODELS_FOUND = 50


class DatabricksStore(RestStore):
    """A Databricks workspace: `databricks`, `databricks://PROFILE`, `databricks://SCOPE:PREFIX`.

    The constructor sends nothing, and looks nothing up: which workspace it is, and who one is
    there, is found when the first call is made. What the workspace can do is known and not asked
    for. Otherwise what RestStore says holds.
    """

    def _connect(self, uri: Uri, settings: Settings) -> WorkspaceConnection:
        return connect(WorkspaceName.of(uri), uri, settings)

    def facets(self) -> dict[type[Facet], Facet]:
        with self._lock:
            if not self._found:
                server = WorkspaceServer(self._connection)
                runs = WorkspaceRuns(server)
                self._found = {
                    RunStore: runs,
                    ModelRegistryStore: self._registry(server),
                    LoggedModelStore: WorkspaceLoggedModels(server, runs),
                }
            return dict(self._found)

    def check_health(self) -> None:
        # A workspace has no page that says that it is well.
        self.runs.search_experiments(ExperimentQuery(max_results=1))

    def _registry(self, server: StockServer) -> ModelRegistryStore:
        return StockRegistry(server)


class UnityCatalogStore(DatabricksStore):
    """A workspace, with the registry of its Unity Catalog: `databricks-uc[://PROFILE]`.

    Runs are the workspace's, so that one URI is enough for both.
    """

    def _registry(self, server: StockServer) -> ModelRegistryStore:
        return UnityCatalogRegistry(server, self.settings, authority=_authority(self.uri))


class WorkspaceServer(StockServer):
    """A workspace, which has logged models and isn't asked whether it has."""

    def has_logged_models(self) -> bool:
        return True


class WorkspaceLoggedModels(StockLoggedModels):
    """Logged models of a workspace, which gives smaller pages of them."""

    def search_logged_models(self, query: LoggedModelQuery) -> Page[LoggedModel]:
        return gathered(super().search_logged_models, query, most=_MOST_LOGGED_MODELS_FOUND)


def connect(name: WorkspaceName, uri: Uri, settings: Settings) -> WorkspaceConnection:
    """Return the connection to a workspace; nothing is sent, and nothing looked up."""
    return WorkspaceConnection(WorkspaceTransport(name, settings), shown=str(uri))


def _authority(uri: Uri) -> str:
    return uri.text.partition("://")[2].strip("/")
