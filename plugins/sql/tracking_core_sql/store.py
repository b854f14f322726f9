"""The SQL backend: a connection and its facets."""

from __future__ import annotations

from tracking_core.config import Settings, Uri
from tracking_core.stores import BackendStore, Capability
from tracking_core_sql.database import Database
from tracking_core_sql.database.address import sqlite_path
from tracking_core_sql.experiments import SqlExperiments, default_artifact_root
from tracking_core_sql.keys import Keys
from tracking_core_sql.logged_models import SqlLoggedModels
from tracking_core_sql.purge import SqlPurge
from tracking_core_sql.registry import SqlRegistry
from tracking_core_sql.runs.data import SqlRunData
from tracking_core_sql.runs.headers import SqlRunHeaders
from tracking_core_sql.runs.locking import Runs
from tracking_core_sql.runs.origins import Origins
from tracking_core_sql.searching.runs import SqlRunSearch
from tracking_core_sql.webhooks import SqlWebhooks


class SqlStore(
    BackendStore,
    SqlExperiments,
    SqlRunHeaders,
    SqlRunData,
    SqlRunSearch,
    SqlPurge,
    SqlLoggedModels,
    SqlRegistry,
    SqlWebhooks,
):
    """A database: sqlite, PostgreSQL, MySQL, MariaDB or MS SQL Server.

    Any thread and any number of processes may use it; after a fork both sides go on. Each call is
    one transaction. What a call acknowledged survives the end of the process, and with the setting
    `durability` at `system` that of the machine.
    """

    capabilities = frozenset(Capability)

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        self._database = Database(uri, settings)
        path = sqlite_path(uri) if uri.scheme.partition("+")[0] == "sqlite" else None
        self._artifact_root = settings.artifact_root or default_artifact_root(path)
        self._keys = Keys(self._database)
        self._runs = Runs(self._database)
        self._origins = Origins(self._database)

    def close(self) -> None:
        self._database.close()
