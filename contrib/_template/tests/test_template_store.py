"""What every store must do, proven for this one by the conformance kit."""

from pathlib import Path

import pytest
from tracking_core_template.store import TemplateStore

from tracking_core.testing import RunStoreTests, StoreLocation


class TestTemplateStore(RunStoreTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> StoreLocation:
        return StoreLocation(TemplateStore, f"template://{tmp_path}/tracking.db")
