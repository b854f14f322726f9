"""What the distribution announces, and that URIs lead to it."""

from __future__ import annotations

import pytest

from tracking_core.config import Settings
from tracking_core.discovery import open_artifact_repository, open_store
from tracking_core.stores import Capability
from tracking_core_databricks import plugin
from tracking_core_databricks.artifacts.repository import DbfsArtifactRepository
from tracking_core_databricks.store import DatabricksStore, UnityCatalogStore


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("databricks", DatabricksStore),
        ("databricks://work", DatabricksStore),
        ("databricks-uc", UnityCatalogStore),
        ("databricks-uc://work", UnityCatalogStore),
    ],
)
def test_a_uri_of_a_workspace_opens_its_store(uri: str, kind: type[DatabricksStore]) -> None:
    with open_store(uri, Settings()) as store:
        assert type(store) is kind


def test_a_uri_of_files_opens_their_repository() -> None:
    assert isinstance(open_artifact_repository("dbfs:/x", Settings()), DbfsArtifactRepository)


def test_what_is_announced_is_what_a_store_says() -> None:
    for spec in plugin.tracking_backends():
        with open_store(spec.schemes[0], Settings()) as store:
            assert {kind.__name__ for kind in store.facets()} == set(spec.facets)
            assert store.capabilities == {Capability(name) for name in spec.capabilities}
