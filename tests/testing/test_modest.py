"""The kit asks of a store that declares little only what every store must do."""

from __future__ import annotations

import pytest
from modest_store import ModestStore

from tracking_core.stores import new_id
from tracking_core.testing import RunStoreTests, StoreLocation


class TestModestStore(RunStoreTests):
    @pytest.fixture
    def location(self) -> StoreLocation:
        return StoreLocation(ModestStore, f"memory://{new_id()}")


class TestAPlaceWithOtherData(RunStoreTests):
    @pytest.fixture
    def location(self) -> StoreLocation:
        return StoreLocation(ModestStore, "memory://always-the-same-place")
