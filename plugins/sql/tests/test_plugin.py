"""The backends are found by their URIs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracking_core.config import Settings
from tracking_core.discovery import open_store
from tracking_core_sql.plugin import tracking_backends


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sqlite:///{directory}/runs.db", "SqlStore"),
        ("postgresql://postgres@localhost/runs", "SqlStore"),
        ("postgres://postgres@localhost/runs", "SqlStore"),
        ("postgresql+psycopg://postgres@localhost/runs", "SqlStore"),
        ("mysql://root@localhost/runs", "SqlStore"),
        ("mysql+pymysql://root@localhost/runs", "SqlStore"),
        ("mariadb://root@localhost/runs", "SqlStore"),
        ("mlflow+sqlite:///{directory}/mlflow.db", "StockMlflowStore"),
        ("mlflow+postgresql://postgres@localhost/mlflow", "StockMlflowStore"),
        ("mlflow+mysql://root@localhost/mlflow", "StockMlflowStore"),
    ],
)
def test_a_uri_opens_the_backend_that_serves_it_and_leaves_no_trace(
    uri: str, name: str, tmp_path: Path
) -> None:
    with open_store(uri.format(directory=tmp_path), Settings()) as store:
        assert type(store).__name__ == name
        announced = {spec.implementation.rpartition(":")[2]: spec for spec in tracking_backends()}
        assert {str(each) for each in store.capabilities} == set(announced[name].capabilities)
    assert list(tmp_path.iterdir()) == []
