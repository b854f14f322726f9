"""The conformance kit: what the author of a storage plugin inherits to prove it.

```python
import pytest
from tracking_core.testing import RunStoreTests, StoreLocation
from my_plugin.store import MyStore


class TestMyStore(RunStoreTests):
    @pytest.fixture
    def location(self, tmp_path):
        return StoreLocation(MyStore, f"mine://{tmp_path}/data")
```

`ModelRegistryStoreTests`, `LoggedModelStoreTests` and `WebhookStoreTests` are used alike, and so is
`ArtifactRepositoryTests`, whose fixture `location` returns a `RepositoryLocation`.
`validate(location)` runs the same checks without pytest's command and returns a report, and
`python -m tracking_core.testing my_plugin.store:MyStore URI` prints one.

Needs `pip install tracking-core[testing]`, that is pytest and hypothesis.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracking_core.testing.artifact_tests import ArtifactRepositoryTests
    from tracking_core.testing.location import StoreLocation
    from tracking_core.testing.logged_model_tests import LoggedModelStoreTests
    from tracking_core.testing.registry_tests import ModelRegistryStoreTests
    from tracking_core.testing.report import Check, Report, validate
    from tracking_core.testing.repository_location import RepositoryLocation
    from tracking_core.testing.run_tests import RunStoreTests
    from tracking_core.testing.store_tests import StoreTests
    from tracking_core.testing.webhook_tests import WebhookStoreTests

_HOMES = {
    "ArtifactRepositoryTests": "artifact_tests",
    "Check": "report",
    "LoggedModelStoreTests": "logged_model_tests",
    "ModelRegistryStoreTests": "registry_tests",
    "Report": "report",
    "RepositoryLocation": "repository_location",
    "RunStoreTests": "run_tests",
    "StoreLocation": "location",
    "StoreTests": "store_tests",
    "WebhookStoreTests": "webhook_tests",
    "validate": "report",
}

__all__ = [
    "ArtifactRepositoryTests",
    "Check",
    "LoggedModelStoreTests",
    "ModelRegistryStoreTests",
    "Report",
    "RepositoryLocation",
    "RunStoreTests",
    "StoreLocation",
    "StoreTests",
    "WebhookStoreTests",
    "validate",
]

if "pytest" in sys.modules:  # else nobody looks at what a failing assert would say
    import pytest

    pytest.register_assert_rewrite(
        *(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__))
    )


def __getattr__(name: str) -> Any:
    # Late, so that the package can be imported without pytest and hypothesis.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
