"""Reading leaves no trace, whatever state the database is in and whoever writes to it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.exc import DBAPIError

from plugins.sql.tests.stock.as_read import everything_read
from plugins.sql.tests.stock.conftest import RELEASES
from tracking_core.config import Uri
from tracking_core.entities import ViewType
from tracking_core.errors import StoreUnavailableError
from tracking_core.search import Subject, parse_filter
from tracking_core.stores import ExperimentQuery, MetricHistoryQuery, RunQuery
from tracking_core_sql.stock.engine import engine_of
from tracking_core_sql.stock.store import StockMlflowStore

Open = Callable[[str], StockMlflowStore]
Unpack = Callable[[str], Path]


def traces(path: Path) -> dict[str, str]:
    """The files beside a database and what is in them."""
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in path.parent.iterdir()
    }


def read_all_ways(store: StockMlflowStore) -> None:
    assert everything_read(store)["runs"]
    query = RunQuery(filter=parse_filter("metrics.score > 0.1", Subject.RUNS))
    run = store.runs.search_runs(query).items[0]
    store.runs.get_run(run.info.run_id)
    store.runs.count_runs(query)
    store.runs.metric_histories([run.info.run_id], query=MetricHistoryQuery(key="score"))
    store.runs.search_datasets([run.info.experiment_id])
    store.check_health()


@pytest.mark.parametrize("release", RELEASES)
def test_no_byte_is_written_and_no_file_is_made(
    release: str, unpack: Unpack, open_store: Open
) -> None:
    path = unpack(release)
    before = traces(path)
    read_all_ways(open_store(f"mlflow+sqlite:///{path}"))
    assert list(before) == ["mlflow.db"]
    assert traces(path) == before


def test_no_file_is_made_beside_a_database_with_a_write_ahead_log(
    unpack: Unpack, open_store: Open
) -> None:
    path = unpack("3.17.2")
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    connection.close()
    before = traces(path)
    read_all_ways(open_store(f"mlflow+sqlite:///{path}"))
    assert list(before) == ["mlflow.db"]
    assert traces(path) == before


def test_what_is_in_the_write_ahead_log_of_a_running_server_is_read(
    unpack: Unpack, open_store: Open
) -> None:
    path = unpack("3.17.2")
    store = open_store(f"mlflow+sqlite:///{path}")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    for number in range(3):
        writer.execute("UPDATE experiments SET name = ? WHERE name = ?", _names(number))
        writer.commit()
        assert store.get_experiment("1").name == f"plain{number + 1}"
    writer.close()
    assert store.get_experiment("1").name == "plain3"


def _names(number: int) -> tuple[str, str]:
    return (f"plain{number + 1}", f"plain{number}" if number else "plain")


def test_a_writer_that_comes_while_a_quiet_log_is_read_is_noticed(
    unpack: Unpack, open_store: Open
) -> None:
    path = unpack("3.17.2")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    store = open_store(f"mlflow+sqlite:///{path}")
    writer = sqlite3.connect(path)
    reads = 0

    def work(reading: object) -> str:
        nonlocal reads
        reads += 1
        if reads == 1:
            writer.execute("UPDATE experiments SET name = 'renamed' WHERE name = 'plain'")
            writer.commit()
        return store.get_experiment("1").name

    assert store._database.read(work) == "renamed"
    assert reads == 2
    writer.close()


def test_a_transaction_on_a_server_refuses_writes(server_uri: str) -> None:
    writer = sqlalchemy.create_engine(server_uri)
    with writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE experiments (name VARCHAR(9))")
    engine = engine_of(Uri.parse(f"mlflow+{server_uri}"))
    for _ in range(2):
        with (
            pytest.raises(DBAPIError, match=r"(?i)read.only transaction"),
            engine.begin() as connection,
        ):
            connection.exec_driver_sql("INSERT INTO experiments VALUES ('new')")
    with writer.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM experiments").scalar() == 0
    writer.dispose()
    engine.dispose()


def test_a_transaction_on_a_file_refuses_writes(unpack: Unpack) -> None:
    engine = engine_of(Uri.parse(f"mlflow+sqlite:///{unpack('1.0.0')}"))
    with (
        pytest.raises(DBAPIError, match="attempt to write a readonly database"),
        engine.begin() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM experiments")
    engine.dispose()


def test_a_write_that_was_interrupted_is_explained(unpack: Unpack, open_store: Open) -> None:
    path = unpack("2.9.2")
    crashed = path.parent.parent / "crashed" / "mlflow.db"
    crashed.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("PRAGMA cache_spill = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE tags SET value = value || hex(zeroblob(3000))")
    connection.execute("UPDATE params SET value = value || hex(zeroblob(3000))")
    for name in ("mlflow.db", "mlflow.db-journal"):
        shutil.copy(path.with_name(name), crashed.with_name(name))
    connection.close()
    with pytest.raises(
        StoreUnavailableError, match=r"interrupted while it wrote .* open it once with MLflow"
    ):
        open_store(f"mlflow+sqlite:///{crashed}").get_experiment("1")


def test_a_database_is_read_while_others_write_to_it(unpack: Unpack, open_store: Open) -> None:
    path = unpack("3.17.2")
    store = open_store(f"mlflow+sqlite:///{path}")
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        connection = sqlite3.connect(path, timeout=60)
        while not stop.is_set():
            # Both in one transaction: whoever sees one without the other saw half of it.
            connection.execute(
                "UPDATE experiments SET name = ? WHERE experiment_id = 1", (written,)
            )
            connection.execute(
                "INSERT OR REPLACE INTO experiment_tags (experiment_id, key, value) "
                "VALUES (1, 'name', ?)",
                (written,),
            )
            connection.commit()
            written += 1
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = set()
        while len(seen) < 5:
            experiment = store.get_experiment("1")
            assert experiment.tags.get("name", experiment.name) == experiment.name
            seen.add(experiment.name)
    finally:
        stop.set()
        thread.join()
    assert written >= len(seen) - 1


def test_a_schema_that_is_upgraded_meanwhile_is_noticed(unpack: Unpack, open_store: Open) -> None:
    path = unpack("1.0.0")
    store = open_store(f"mlflow+sqlite:///{path}")
    assert len(store.facets()) == 1
    path.write_bytes(unpack("3.1.4").read_bytes())
    assert len(store.facets()) == 3
    query = ExperimentQuery(view_type=ViewType.ALL)
    assert any(each.tags for each in store.search_experiments(query).items)


def test_a_file_that_takes_the_place_of_another_is_read(unpack: Unpack, open_store: Open) -> None:
    path = unpack("3.17.2")
    store = open_store(f"mlflow+sqlite:///{path}")
    assert store.get_experiment("1").name == "plain"
    new = path.with_name("new.db")
    shutil.copy(path, new)
    with closing(sqlite3.connect(new)) as connection, connection:
        connection.execute("UPDATE experiments SET name = 'replaced' WHERE name = 'plain'")
    connection.close()
    new.replace(path)
    assert store.get_experiment("1").name == "replaced"


def test_a_log_goes_with_its_last_writer_though_it_was_read(
    unpack: Unpack, open_store: Open
) -> None:
    path = unpack("3.17.2")
    store = open_store(f"mlflow+sqlite:///{path}")
    store.get_experiment("1")
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("UPDATE experiments SET name = 'new' WHERE name = 'plain'")
    writer.commit()
    assert store.get_experiment("1").name == "new"
    assert len(traces(path)) == 3
    writer.close()
    assert list(traces(path)) == ["mlflow.db"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_both_sides_of_a_fork_go_on(server_uri: str, open_store: Open) -> None:
    writer = sqlalchemy.create_engine(server_uri)
    store = open_store(f"mlflow+{server_uri}")
    engine = store._database._connected()
    with engine.connect() as connection:
        ours = connection.exec_driver_sql(_WHO[writer.dialect.name]).scalar()
    child = os.fork()
    if child == 0:
        with store._database._connected().connect() as connection:
            theirs = connection.exec_driver_sql(_WHO[writer.dialect.name]).scalar()
        os._exit(0 if theirs != ours else 1)
    assert os.waitpid(child, 0)[1] == 0
    with store._database._connected().connect() as connection:
        assert connection.exec_driver_sql(_WHO[writer.dialect.name]).scalar() == ours
    writer.dispose()


_WHO = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
