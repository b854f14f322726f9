"""`tracking db`, as a user meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Engine, insert, text

from plugins.sql.tests.migrations.conftest import LATER, engine_of, make_tables, shape, upgrade
from tests.cli.conftest import CommandLine
from tracking_core.cli.application import tracking
from tracking_core.cli.plugin_commands import OWN_COMMANDS
from tracking_core_sql import schema
from tracking_core_sql.migrations import revisions
from tracking_core_sql.migrations.upgrade import Scripts
from tracking_core_sql.plugin import tracking_commands

Quiet = Callable[[str], None]


@pytest.fixture
def db(database_uri: str) -> CommandLine:
    return CommandLine(database_uri)


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def fill(engine: Engine) -> None:
    """Put one of each into a database, as it should be."""
    times = {"creation_timestamp": 0, "last_updated_timestamp": 0}
    rows: list[tuple[sqlalchemy.Table, dict[str, Any]]] = [
        (schema.experiment, {"experiment_id": "1", "name": "e", "artifact_location": ""}),
        (schema.run, {"run_id": "r", "experiment": 1, "name": "n", "user_id": "", "status": 1}),
        (schema.key, {"experiment": 1, "name": "loss"}),
        (schema.metric, {"run": 1, "key": 1, "value": 0.5, "step": 0, "points": 3}),
        (schema.metric_block, {"run": 1, "key": 1, "number": 0, "points": 1, "data": b""}),
        (schema.metric_block, {"run": 1, "key": 1, "number": 1, "points": 2, "data": b""}),
        (schema.registered_model, {"name": "m", "description": "", **times}),
        (schema.model_version, {"model": 1, "version": 1, "description": "", "source": ""} | times),
        (schema.registered_model_alias, {"model": 1, "alias": "champion", "version": 1}),
    ]
    with engine.begin() as connection:
        for table, row in rows:
            zeros = {
                column.name: 0
                for column in table.columns
                if not column.nullable and not isinstance(column.type, sqlalchemy.String)
            }
            texts = {
                column.name: ""
                for column in table.columns
                if not column.nullable and isinstance(column.type, sqlalchemy.String)
            }
            zeros.pop("id", None)
            connection.execute(insert(table), texts | zeros | row)


# --- upgrade ---


def test_the_tables_are_made_and_then_there_is_nothing_to_do(
    db: CommandLine, engine: Engine, database_name: str
) -> None:
    with engine.connect() as connection:  # for sqlite, whose file must be there
        connection.exec_driver_sql("VACUUM" if database_name == "sqlite" else "SELECT 1")
    head = revisions.HEAD
    assert db("db", "upgrade").stdout == f"Made the tables of revision {head} in {db.uri}.\n"
    assert db("db", "upgrade").stdout == f"{db.uri} is of the newest revision {head} already.\n"
    assert db.json("db", "upgrade") == {"uri": db.uri, "before": head, "after": head}
    assert db("db", "check").stdout == f"Nothing is wrong with {db.uri}.\n"


def test_the_uri_is_an_argument_an_option_or_the_tracking_uri(
    created: Engine, database_uri: str
) -> None:
    elsewhere = CommandLine("./mlruns")
    for arguments in (
        ("db", "status", database_uri),
        ("db", "status", "--tracking-uri", database_uri),
        ("--tracking-uri", database_uri, "db", "status"),
    ):
        assert elsewhere.json(*arguments)["state"] == "tracking"
    assert CommandLine(database_uri).json("db", "status")["state"] == "tracking"


def test_the_script_changes_nothing_and_is_empty_where_nothing_is_to_do(
    db: CommandLine, created: Engine
) -> None:
    before = shape(created)
    assert db("db", "upgrade", "--sql").stdout.strip() == ""
    execute(created, "DROP TABLE tracking_schema_property", "DROP TABLE tracking_schema_revision")
    printed = db("db", "upgrade", "--sql").stdout
    assert "CREATE TABLE tracking_run (" in printed
    assert db.json("db", "upgrade", "--sql")["sql"] == printed
    assert len(shape(created)) <= len(before)


def test_an_interrupted_creation_is_finished_by_the_upgrade(
    db: CommandLine, created: Engine
) -> None:
    whole = shape(created)
    execute(
        created,
        "DROP TABLE tracking_schema_property",
        "DROP TABLE tracking_schema_revision",
        "DROP TABLE tracking_model_version_tag",
    )
    assert db.json("db", "status")["state"] == "unfinished"
    (problem,) = db.json("db", "check", status=1)["problems"]
    assert problem == (
        "Making the tables was interrupted; the next write finishes it, or an upgrade."
    )
    db("db", "upgrade")
    assert shape(created) == whole


def test_a_database_of_mlflow_stays_as_it_is(db: CommandLine, engine: Engine) -> None:
    execute(
        engine,
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        "CREATE TABLE experiments (experiment_id INT)",
        "CREATE TABLE runs (run_uuid VARCHAR(32), experiment_id INT)",
        "INSERT INTO alembic_version VALUES ('cafe')",
    )
    before = shape(engine)
    assert "This is a database of MLflow" in db("db", "status").stdout
    assert "This is a database of MLflow" in db("db", "check", status=1).stdout
    assert db.error("db", "upgrade").startswith(
        f"Error: {db.uri} is an MLflow database (schema revision cafe), which this backend leaves"
        " alone: "
    )
    assert shape(engine) == before


def test_a_later_database_is_not_touched(db: CommandLine, created: Engine, quiet: Quiet) -> None:
    later = Scripts([LATER / "additive", LATER / "breaking"])
    upgrade(created, uri="", progress=quiet, scripts=later)
    status = db.json("db", "status")
    assert (status["readable"], status["writable"]) == (False, False)
    assert status["revision"] == "breaking"
    assert status["hint"].startswith("It is of the newer revision breaking, which this version")
    assert "pip install --upgrade tracking-core-sql" in db.error("db", "upgrade")
    assert "newer revision breaking" in db("db", "check", status=1).stdout


# --- status ---


def test_the_status_tells_revision_and_sizes(db: CommandLine, created: Engine) -> None:
    fill(created)
    status = db.json("db", "status")
    assert status["state"] == "tracking"
    assert status["revision"] == status["newest_revision"] == revisions.HEAD
    assert status["readable"] is True
    assert status["writable"] is True
    assert status["hint"] == ""
    sizes = {table["name"]: table for table in status["tables"]}
    assert set(sizes) == set(schema.metadata.tables)
    assert sizes["tracking_metric_block"]["rows"] == 2
    assert sizes["tracking_metric_block"]["rows_estimated"] is False
    assert sizes["tracking_metric_block"]["bytes"] > 1000
    shown = db("db", "status").stdout
    assert f"Revision  {revisions.HEAD}\n" in shown
    assert "TABLE " in shown
    assert "tracking_metric_block" in shown


def test_the_rows_of_a_large_table_are_an_estimate(
    db: CommandLine, created: Engine, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracking_core_sql.migrations.inspection._MANY", 1)
    fill(created)
    if database_name != "sqlite":
        analyze = "ANALYZE" if database_name == "postgresql" else "ANALYZE TABLE"
        execute(created, f"{analyze} tracking_metric_block")
    sizes = {table["name"]: table for table in db.json("db", "status")["tables"]}
    assert sizes["tracking_metric_block"]["rows"] == 2
    assert sizes["tracking_metric_block"]["rows_estimated"] is (database_name != "sqlite")


def test_an_older_database_that_works_may_be_upgraded_later(
    db: CommandLine, created: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("revisions", "inspection"):
        monkeypatch.setattr(f"tracking_core_sql.migrations.{module}.HEAD", "later")
    monkeypatch.setattr(revisions, "HISTORY", (*revisions.HISTORY, "later"))
    status = db.json("db", "status")
    assert (status["readable"], status["writable"]) == (True, True)
    assert status["hint"] == (
        "`tracking db upgrade` brings it to later; until then all works as it is."
    )


def test_a_database_without_tables_waits_for_the_first_write(
    db: CommandLine, engine: Engine, database_name: str
) -> None:
    if database_name == "sqlite":
        assert db.error("db", "status") == (
            f"Error: There is no file {engine.url.database}; the first write to {db.uri} makes"
            " it.\n"
        )
        assert not Path(str(engine.url.database)).exists()
        return
    status = db.json("db", "status")
    assert (status["state"], status["revision"], status["tables"]) == ("empty", None, [])
    assert "There are no tables yet; the first write makes them" in status["hint"]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("./mlruns", "./mlruns is no SQL database; name one, such as sqlite:///runs.db"),
        ("memory:", "memory: is no SQL database; name one"),
        ("sqlite:///nowhere/runs.db", "/nowhere/runs.db; the first write to sqlite:///nowhere"),
        (
            "postgresql://me:hunter2@127.0.0.1:1/x",
            "The database postgresql://me:***@127.0.0.1:1/x can't be reached",
        ),
        (
            "mysql://me:hunter2@127.0.0.1:1/x",
            "The database mysql://me:***@127.0.0.1:1/x can't be reached",
        ),
    ],
)
@pytest.mark.parametrize("command", ["upgrade", "status", "check"])
def test_what_can_not_be_opened_is_one_sentence(uri: str, said: str, command: str) -> None:
    error = CommandLine("./mlruns").error("db", command, uri)
    assert error.startswith("Error: ")
    assert said in error
    assert "hunter2" not in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ["upgrade", "status", "check"])
def test_a_file_that_is_no_database_stays_as_it_is(command: str) -> None:
    Path("notes.txt").write_text("nothing but notes, and more of them than a header has bytes" * 9)
    error = CommandLine("./mlruns").error("db", command, "sqlite:///notes.txt")
    assert error == "Error: The file notes.txt is no sqlite database; name another one.\n"
    assert Path("notes.txt").read_text().startswith("nothing but notes")


# --- check ---


BROKEN = {
    "a table": (
        ["DROP TABLE tracking_model_version_tag"],
        "The table tracking_model_version_tag is missing from the database; restore a backup.",
    ),
    "a column": (
        ["ALTER TABLE tracking_run DROP COLUMN deleted_time"],
        "The column tracking_run.deleted_time is missing from the database; restore a backup.",
    ),
    "an index": (
        ["DROP INDEX tracking_run_by_end_time{on_run}"],
        "The index tracking_run_by_end_time is missing, without which searches are slow; run:"
        " CREATE INDEX tracking_run_by_end_time ON tracking_run (experiment, end_time);",
    ),
    "an index on another column": (
        [
            "DROP INDEX tracking_run_by_end_time{on_run}",
            "CREATE INDEX tracking_run_by_end_time ON tracking_run (experiment, status)",
        ],
        "The index tracking_run_by_end_time of tracking_run is on ['experiment', 'status'] rather"
        " than ['experiment', 'end_time']; drop it and check again.",
    ),
    "a metric of no run": (
        [
            "UPDATE tracking_metric SET run = 7",
            "UPDATE tracking_metric_block SET run = 7",
        ],
        "Rows of tracking_metric whose run isn't in tracking_run, and which nobody sees: 1; remove"
        " them: DELETE FROM tracking_metric WHERE run NOT IN (SELECT id FROM tracking_run);",
    ),
    "blocks that were lost": (
        ["DELETE FROM tracking_metric_block WHERE number = 1"],
        "The history of 'loss' of the run r has not as many points as were logged; restore a"
        " backup, or log them again to another run.",
    ),
    "blocks that don't follow": (
        ["UPDATE tracking_metric_block SET number = 5 WHERE number = 1"],
        "The history of 'loss' of the run r has not as many points as were logged; restore a"
        " backup, or log them again to another run.",
    ),
    "blocks of no metric": (
        ["DELETE FROM tracking_metric"],
        "Rows of tracking_metric_block that belong to no metric, and which nobody sees: 2; they"
        " take room and do no harm.",
    ),
    "an alias of no version": (
        ["UPDATE tracking_registered_model_alias SET version = 9"],
        "Aliases of registered models whose version isn't there: 1; set or delete them by `tracking"
        " models alias`.",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_check_says_what_is_wrong_and_what_to_do(
    db: CommandLine, created: Engine, database_name: str, what: str
) -> None:
    fill(created)
    assert db.json("db", "check")["problems"] == []
    statements, said = BROKEN[what]
    on_run = " ON tracking_run" if database_name == "mariadb" else ""
    execute(created, *(statement.format(on_run=on_run) for statement in statements))
    problems = db.json("db", "check", status=1)["problems"]
    assert said in problems
    assert db("db", "check", status=1).stdout == "".join(f"{each}\n" for each in problems)


def test_text_that_would_compare_otherwise_is_told(
    db: CommandLine, created: Engine, database_name: str
) -> None:
    if database_name == "sqlite":
        pytest.skip("sqlite compares bytes")
    execute(
        created,
        {
            "postgresql": "ALTER TABLE tracking_key ALTER name TYPE VARCHAR(250)"
            ' COLLATE "und-x-icu"',
            "mariadb": "ALTER TABLE tracking_key MODIFY name VARCHAR(250)"
            " COLLATE utf8mb4_general_ci NOT NULL",
        }[database_name],
    )
    (problem,) = db.json("db", "check", status=1)["problems"]
    assert problem.startswith("The column tracking_key.name has the collation ")
    assert "under which texts that differ may count as equal; declare it VARCHAR(250) " in problem


def test_two_of_one_name_are_kept_out_or_told(
    db: CommandLine, created: Engine, database_name: str
) -> None:
    if database_name == "sqlite":
        pytest.skip("sqlite can't drop a constraint")
    execute(
        created,
        "ALTER TABLE tracking_experiment DROP"
        + (
            " CONSTRAINT tracking_experiment_name_key"
            if database_name == "postgresql"
            else " INDEX name"
        ),
    )
    (problem,) = db.json("db", "check", status=1)["problems"]
    assert problem == (
        "Nothing keeps name of tracking_experiment unique, so two writers can make one thing twice;"
        " add a UNIQUE constraint."
    )


def test_null_where_there_should_be_none_is_told(
    db: CommandLine, created: Engine, database_name: str
) -> None:
    if database_name == "sqlite":
        pytest.skip("sqlite can't change a column")
    execute(
        created,
        "ALTER TABLE tracking_run "
        + (
            "ALTER status DROP NOT NULL"
            if database_name == "postgresql"
            else "MODIFY status SMALLINT"
        ),
    )
    (problem,) = db.json("db", "check", status=1)["problems"]
    assert problem == (
        "The column tracking_run.status lets NULL in, which it shouldn't; declare it NOT NULL."
    )


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    db = CommandLine(f"sqlite:///{path}")
    engine = engine_of(db.uri)
    make_tables(engine)
    execute(engine, "INSERT INTO tracking_origin (fingerprint) VALUES ('a'), ('b')")
    root = (
        "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'tracking_origin' AND type = 'index'"
    )
    with engine.connect() as connection:
        page = connection.scalar(text(root))
        size = connection.scalar(text("PRAGMA page_size"))
    engine.dispose()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + size - 40)
        file.write(b"\x00" * 40)
    problems = db.json("db", "check", status=1)["problems"]
    assert problems[0].startswith("The file is damaged (")
    assert "restore a backup, or save what can be read by `sqlite3 FILE .recover`." in problems[0]


# --- the command as a plugin's ---


def test_the_help_of_the_core_and_the_announcement_say_the_same() -> None:
    (spec,) = tracking_commands()
    assert OWN_COMMANDS[spec.name] == ("sql", spec.summary)
    assert spec.name in tracking.list_commands(tracking.make_context("tracking", ["x"]))


def test_the_help_waits_for_no_library() -> None:
    code = (
        "import sys\nfrom tracking_core.cli import main\n"
        "sys.argv = ['tracking', 'db', 'upgrade', '--help']\n"
        "try: main()\nexcept SystemExit as exit: assert not exit.code\n"
        "print([m for m in ('sqlalchemy', 'alembic') if m in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "while others read and write" in " ".join(finished.stdout.split())
    assert finished.stdout.splitlines()[-1] == "[]"
