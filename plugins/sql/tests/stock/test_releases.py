"""What MLflow's own client reads from a database of its release, we read too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.peers import PeerEnvironment
from plugins.sql.tests.stock.as_read import PARTS, Document, comparable, everything_read
from plugins.sql.tests.stock.conftest import DATABASES, MAKE, RELEASES
from tracking_core.stores import LoggedModelStore, ModelRegistryStore, RunStore
from tracking_core_sql.stock.store import StockMlflowStore

BUILD_AND_READ = """
import runpy
module = runpy.run_path(path)
module["build"](uri)
print(json.dumps(module["read"](uri)))
"""


def assert_equal(ours: Document, theirs: Document) -> None:
    for part in PARTS:
        for one, other in zip(ours[part], theirs[part], strict=True):
            for name, value in other.items():
                # Clients of the first releases don't tell what came later.
                if name in ("run_name", "user_id", "run_link", "creation_time") and value == "":
                    continue
                if name == "last_update_time" and value == "":
                    continue
                assert one[name] == value, (part, name)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def store_of_release(
    release: str, unpack: Callable[[str], Path], open_store: Callable[[str], StockMlflowStore]
) -> StockMlflowStore:
    return open_store(f"mlflow+sqlite:///{unpack(release)}")


def test_everything_that_its_own_client_read_is_read(
    release: str, store_of_release: StockMlflowStore
) -> None:
    theirs = json.loads((DATABASES / f"mlflow-{release}.json").read_text())
    assert theirs["version"] == release
    assert len(theirs["runs"]) == 9
    assert_equal(everything_read(store_of_release), comparable(theirs))


def test_a_database_has_the_facets_that_its_release_knew(
    release: str, store_of_release: StockMlflowStore
) -> None:
    expected = [RunStore]
    if release != "1.0.0":
        expected.append(ModelRegistryStore)
    if release.startswith("3"):
        expected.append(LoggedModelStore)
    assert list(store_of_release.facets()) == expected


@pytest.mark.slow
def test_a_database_that_stock_mlflow_makes_now_is_read_as_it_reads_it(
    stock_mlflow: PeerEnvironment,
    tmp_path: Path,
    open_store: Callable[[str], StockMlflowStore],
) -> None:
    theirs = stock_mlflow.run(
        BUILD_AND_READ,
        path=str(MAKE),
        uri=f"sqlite:///{tmp_path}/mlflow.db",
        working_directory=tmp_path,
    )
    assert len(theirs["logged_models"]) == 3
    assert_equal(
        everything_read(open_store(f"mlflow+sqlite:///{tmp_path}/mlflow.db")), comparable(theirs)
    )


@pytest.mark.slow
def test_a_database_on_a_server_is_read_as_stock_mlflow_reads_it(
    stock_mlflow_with_drivers: PeerEnvironment,
    server_uri: str,
    tmp_path: Path,
    open_store: Callable[[str], StockMlflowStore],
) -> None:
    theirs = stock_mlflow_with_drivers.run(
        BUILD_AND_READ, path=str(MAKE), uri=server_uri, working_directory=tmp_path
    )
    assert len(theirs["logged_models"]) == 3
    assert_equal(everything_read(open_store(f"mlflow+{server_uri}")), comparable(theirs))
