"""The conformance kit against each database."""

from __future__ import annotations

import pytest

from tracking_core.testing import (
    LoggedModelStoreTests,
    ModelRegistryStoreTests,
    RunStoreTests,
    StoreLocation,
    WebhookStoreTests,
)
from tracking_core_sql.store import SqlStore


class _InADatabase:
    @pytest.fixture
    def location(self, shared_database_uri: str) -> StoreLocation:
        return StoreLocation(SqlStore, shared_database_uri)


class TestSqlRuns(_InADatabase, RunStoreTests):
    pass


class TestSqlRegistry(_InADatabase, ModelRegistryStoreTests):
    pass


class TestSqlLoggedModels(_InADatabase, LoggedModelStoreTests):
    pass


class TestSqlWebhooks(_InADatabase, WebhookStoreTests):
    pass
