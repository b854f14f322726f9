"""What can't be read, or isn't to be written, is said in a sentence."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from tracking_core.config import Settings, Uri
from tracking_core.entities import RunInputs, RunOutputs
from tracking_core.errors import (
    CorruptDataError,
    InvalidValueError,
    MissingDependencyError,
    NotFoundError,
    StoreUnavailableError,
    UnsupportedError,
)
from tracking_core.search import Subject, parse_filter
from tracking_core.stores import (
    Batch,
    ExperimentChanges,
    LoggedModelChanges,
    LoggedModelStore,
    MetricHistoryQuery,
    ModelRegistryStore,
    ModelVersionChanges,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    PurgeRequest,
    RegisteredModelChanges,
    RunChanges,
    RunQuery,
)
from tracking_core_sql.stock.recognise import is_mlflow_database
from tracking_core_sql.stock.store import StockMlflowStore

Open = Callable[[str], StockMlflowStore]
Unpack = Callable[[str], Path]

RUN = "a" * 32
MODEL = "m-" + RUN

WRITES: dict[str, Callable[[StockMlflowStore], object]] = {
    "create an experiment": lambda s: s.create_experiment(NewExperiment(name="new")),
    "change an experiment": lambda s: s.update_experiment("1", changes=ExperimentChanges()),
    "create a run": lambda s: s.create_run(NewRun(experiment_id="1")),
    "change a run": lambda s: s.update_run(RUN, changes=RunChanges()),
    "log to a run": lambda s: s.log_batch(RUN, batch=Batch()),
    "delete a tag": lambda s: s.delete_tag(RUN, key="x"),
    "log inputs": lambda s: s.log_inputs(RUN, inputs=RunInputs()),
    "log outputs": lambda s: s.log_outputs(RUN, outputs=RunOutputs()),
    "purge anything": lambda s: s.purge(PurgeRequest()),
    "register a model": lambda s: s.create_registered_model(NewRegisteredModel(name="m")),
    "change a registered model": lambda s: s.update_registered_model(
        "m", changes=RegisteredModelChanges()
    ),
    "delete a registered model": lambda s: s.delete_registered_model("m"),
    "add a model version": lambda s: s.create_model_version(NewModelVersion(name="m", source="s")),
    "change a model version": lambda s: s.update_model_version(
        "m", version=1, changes=ModelVersionChanges()
    ),
    "delete a model version": lambda s: s.delete_model_version("m", version=1),
    "create a logged model": lambda s: s.create_logged_model(NewLoggedModel(experiment_id="1")),
    "change a logged model": lambda s: s.update_logged_model(MODEL, changes=LoggedModelChanges()),
    "delete a logged model": lambda s: s.delete_logged_model(MODEL),
}


@pytest.mark.parametrize("what", WRITES)
def test_every_write_is_refused_with_what_to_do(what: str, store: StockMlflowStore) -> None:
    with pytest.raises(UnsupportedError) as refused:
        WRITES[what](store)
    assert str(refused.value) == (
        f"The backend {store.uri} only reads MLflow's database, so it can't {what}; copy it with"
        " `tracking copy` to a backend of your own and write there."
    )


def test_an_experiment_that_is_there_is_ensured_and_another_is_not(
    store: StockMlflowStore,
) -> None:
    assert store.ensure_experiment(NewExperiment(name="plain")).experiment_id == "1"
    with pytest.raises(UnsupportedError, match="it can't create an experiment"):
        store.ensure_experiment(NewExperiment(name="new"))


def test_a_facet_that_the_release_did_not_know_is_not_there(
    unpack: Unpack, open_store: Open
) -> None:
    store = open_store(f"mlflow+sqlite:///{unpack('1.0.0')}")
    with pytest.raises(UnsupportedError, match=r"has no ModelRegistryStore; it has RunStore\."):
        store.facet(ModelRegistryStore)
    with pytest.raises(UnsupportedError, match=r"has no LoggedModelStore; it has RunStore\."):
        store.facet(LoggedModelStore)


def test_what_is_not_there_is_named(store: StockMlflowStore) -> None:
    for call, sentence in [
        (lambda: store.get_experiment("99"), "There is no experiment with the id '99'."),
        (lambda: store.get_experiment("01"), "There is no experiment with the id '01'."),
        (
            lambda: store.get_experiment("9" * 30),
            f"There is no experiment with the id '{'9' * 30}'.",
        ),
        (lambda: store.get_run(RUN), f"There is no run with the id '{RUN}'."),
        (
            lambda: store.metric_history(RUN, query=MetricHistoryQuery(key="x")),
            f"There is no run with the id '{RUN}'.",
        ),
        (lambda: store.get_registered_model("x"), "There is no registered model 'x'."),
        (
            lambda: store.get_model_version("Forest of trees", version=4),
            "There is no version 4 of the registered model 'Forest of trees'.",
        ),
        (lambda: store.get_logged_model(MODEL), f"There is no logged model with the id '{MODEL}'."),
    ]:
        with pytest.raises(NotFoundError) as missing:
            call()
        assert str(missing.value) == sentence
    assert store.get_experiment_by_name("no such") is None
    assert store.get_experiment_by_name("nul\0") is None


def test_a_history_knows_pages_of_its_own_only(store: StockMlflowStore) -> None:
    with pytest.raises(InvalidValueError, match="is not one of the history of the metric 'loss'"):
        store.metric_history(_parent(store), query=MetricHistoryQuery(key="loss", page_token="x"))


def _parent(store: StockMlflowStore) -> str:
    named = parse_filter("attributes.run_name = 'parent'", Subject.RUNS)
    return store.search_runs(RunQuery(filter=named)).items[0].info.run_id


# --- what isn't MLflow's, or isn't there ---


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, open_store: Open) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(NotFoundError, match=f"There is no file {path}, so there is no MLflow"):
        open_store(f"mlflow+sqlite:///{path}").facets()
    assert not path.exists()


def test_a_relative_path_and_one_with_odd_characters_are_found(
    unpack: Unpack, open_store: Open
) -> None:
    unpacked = unpack("1.8.0")
    for name in ("here.db", "what %20#&=ö.db", "a b.db"):
        Path(name).write_bytes(unpacked.read_bytes())
        assert open_store(f"mlflow+sqlite:///{name}").get_experiment("1").name == "plain"
    assert open_store("mlflow+sqlite:///a%20b.db").get_experiment("1").name == "plain"


@pytest.mark.parametrize("uri", ["mlflow+sqlite://", "mlflow+sqlite:///", "mlflow+sqlite://x/y.db"])
def test_a_uri_without_a_file_is_refused(uri: str, open_store: Open) -> None:
    with pytest.raises(
        InvalidValueError, match=r"names no file; write mlflow\+sqlite:///mlflow.db"
    ):
        open_store(uri).facets()


def test_a_database_of_another_kind_is_refused(open_store: Open) -> None:
    with pytest.raises(
        InvalidValueError, match=r"must be mlflow\+sqlite, mlflow\+postgresql or mlflow\+mysql\."
    ):
        open_store("mlflow+oracle://host/db").facets()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, open_store: Open) -> None:
    path = tmp_path / "text.db"
    path.write_text("nothing of the kind " * 100)
    with pytest.raises(InvalidValueError, match=r"The file of mlflow\+sqlite:.* is no sqlite data"):
        open_store(f"mlflow+sqlite:///{path}").facets()


def test_a_database_of_another_program_is_refused(tmp_path: Path, open_store: Open) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE experiments (id INTEGER)")
        connection.execute("CREATE TABLE runs (id INTEGER)")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.close()
    with pytest.raises(InvalidValueError, match=r"other\.db isn't one of MLflow's: it lacks"):
        open_store(f"mlflow+sqlite:///{path}").facets()


def test_a_schema_that_lacks_what_is_needed_is_refused(unpack: Unpack, open_store: Open) -> None:
    path = unpack("2.22.1")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE runs RENAME COLUMN status TO state")
        connection.execute("ALTER TABLE params RENAME TO parameters")
        connection.execute("UPDATE alembic_version SET version_num = 'fromthefuture'")
    connection.close()
    with pytest.raises(
        UnsupportedError,
        match=r"has the schema revision fromthefuture, in which params and runs.status is missing:"
        r" .* upgrade tracking-core-sql\.",
    ):
        open_store(f"mlflow+sqlite:///{path}").facets()


def test_a_status_that_nobody_knows_is_named(unpack: Unpack, open_store: Open) -> None:
    path = unpack("3.17.2")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE runs SET status = 'PAUSED' WHERE name = 'parent'")
        connection.execute("UPDATE model_versions SET current_stage = 'Attic' WHERE version = 2")
        connection.execute("UPDATE logged_models SET status = 9 WHERE name = 'tree'")
    connection.close()
    store = open_store(f"mlflow+sqlite:///{path}")
    with pytest.raises(CorruptDataError, match="has the status 'PAUSED', which is none of RUNNING"):
        _parent(store)
    with pytest.raises(CorruptDataError, match=r"Version 2 of the .* is in 'Attic', which is none"):
        store.get_registered_model("Forest of trees")
    model = store._database.read(
        lambda r: r.rows(r.tables.select("logged_models", "model_id name"))
    )
    tree = next(row.model_id for row in model if row.name == "tree")
    with pytest.raises(CorruptDataError, match="has the status 9, which is none of 1 to 3"):
        store.get_logged_model(tree)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_server_out_of_reach_is_named_without_the_password(kind: str, open_store: Open) -> None:
    store = open_store(f"mlflow+{kind}://kim:s3cr/et@127.0.0.1:1/runs")
    with pytest.raises(StoreUnavailableError, match=r"can't be read: ") as refused:
        store.facets()
    assert "127.0.0.1:1/runs" in str(refused.value)
    assert "s3cr" not in str(refused.value)


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymysql", None)
    store = StockMlflowStore(Uri.parse("mlflow+mysql://host/db"), Settings())
    with pytest.raises(MissingDependencyError, match=r"needs pymysql.*tracking-core-sql\[mysql\]"):
        store.facets()


# --- workspaces ---


@pytest.fixture
def two_workspaces(unpack: Unpack) -> Path:
    path = unpack("3.17.2")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage, workspace) VALUES"
            " (7, 'plain', 'active', 'team-a')"
        )
        connection.execute(
            "INSERT INTO runs (run_uuid, name, status, lifecycle_stage, experiment_id) VALUES"
            f" ('{RUN}', 'theirs', 'FINISHED', 'active', 7)"
        )
        connection.execute(
            "INSERT INTO registered_models (name, workspace) VALUES ('Forest of trees', 'team-a')"
        )
    connection.close()
    return path


def test_a_database_with_workspaces_is_read_only_when_one_is_named(
    two_workspaces: Path, open_store: Open
) -> None:
    with pytest.raises(
        InvalidValueError,
        match=r"holds the workspaces default, team-a; say which one to read with \?workspace=NAME",
    ):
        open_store(f"mlflow+sqlite:///{two_workspaces}").facets()


def test_one_workspace_shows_nothing_of_another(two_workspaces: Path, open_store: Open) -> None:
    uri = f"mlflow+sqlite:///{two_workspaces}?workspace="
    ours, theirs = open_store(f"{uri}default"), open_store(f"{uri}team-a")
    assert ours.get_experiment_by_name("plain").experiment_id == "1"  # type: ignore[union-attr]
    assert theirs.get_experiment_by_name("plain").experiment_id == "7"  # type: ignore[union-attr]
    assert theirs.get_run(RUN).info.run_name == "theirs"
    with pytest.raises(NotFoundError):
        ours.get_run(RUN)
    with pytest.raises(NotFoundError):
        theirs.get_experiment("1")
    assert ours.get_registered_model("Forest of trees").aliases
    assert not theirs.get_registered_model("Forest of trees").latest_versions


def test_a_workspace_that_is_not_there_is_named(two_workspaces: Path, open_store: Open) -> None:
    with pytest.raises(NotFoundError, match="has no workspace 'team-b'; it has: default, team-a"):
        open_store(f"mlflow+sqlite:///{two_workspaces}?workspace=team-b").facets()


# --- recognising ---


@pytest.mark.parametrize(
    ("release", "revision"), [("1.0.0", "90e64c465722"), ("3.17.2", "dc11669786a5")]
)
def test_a_database_of_mlflow_is_recognised(release: str, revision: str, unpack: Unpack) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{unpack(release)}")
    called = f"an MLflow database (schema revision {revision})"
    assert is_mlflow_database(sqlalchemy.inspect(engine)) == called
    with engine.connect() as connection:
        assert is_mlflow_database(connection) == called
        assert is_mlflow_database(sqlalchemy.inspect(connection)) == called
    engine.dispose()


def test_another_database_is_not_taken_for_mlflow() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        assert is_mlflow_database(connection) is None
        connection.exec_driver_sql("CREATE TABLE experiments (experiment_id INTEGER)")
        connection.exec_driver_sql("CREATE TABLE runs (run_id INTEGER)")
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
        assert is_mlflow_database(connection) is None
    engine.dispose()
