"""Upgrades: interrupted, repeated, two at once, beside readers and writers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Engine, event, insert, select, text

from plugins.sql.tests.migrations import upgrading_child
from plugins.sql.tests.migrations.conftest import (
    LATER,
    by_itself,
    drop_everything,
    make_tables,
    shape,
    upgrade,
)
from tracking_core.errors import InvalidStateError, StoreUnavailableError
from tracking_core_sql import schema
from tracking_core_sql.migrations import revisions
from tracking_core_sql.migrations.exclusion import alone
from tracking_core_sql.migrations.upgrade import Scripts, script

Quiet = Callable[[str], None]
ADDITIVE = Scripts([LATER / "additive"])
BREAKING = Scripts([LATER / "additive", LATER / "breaking"])


class Interrupted(BaseException):
    """Stands for the end of the process: nothing that handles errors handles it."""


@contextmanager
def interrupted_after(engine: Engine, number: int) -> Iterator[list[str]]:
    """Interrupt after this many changes; yields the list of the changes that were made."""
    changes: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.split()[0] in ("CREATE", "ALTER", "INSERT", "UPDATE", "DROP"):
            changes.append(statement)
            if len(changes) == number:
                raise Interrupted

    event.listen(engine, "after_cursor_execute", count)
    try:
        yield changes
    finally:
        event.remove(engine, "after_cursor_execute", count)


def add_runs(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        experiment = {"experiment_id": "1", "name": "e", "artifact_location": ""}
        times = {"creation_time": 0, "last_update_time": 0, "is_deleted": 0}
        connection.execute(insert(schema.experiment), {**experiment, **times})
        number = connection.scalar(select(schema.experiment.c.id))
        for start in range(0, count, 10_000):
            rows = [
                {"run_id": f"r{i}", "experiment": number, "name": "n", "user_id": "", "status": 1}
                | {"start_time": i, "artifact_uri": "", "is_deleted": 0}
                for i in range(start, min(count, start + 10_000))
            ]
            connection.execute(insert(schema.run), rows)


def properties(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return revisions.found_properties(connection)


def unfilled(engine: Engine) -> int:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM tracking_run WHERE coalesce(priority, -1) <> start_time * 2"
        return connection.scalar(text(query)) or 0


# --- interrupted ---


def test_an_upgrade_that_stops_after_any_step_is_completed_by_the_next(
    created: Engine, quiet: Quiet
) -> None:
    add_runs(created, 5)
    with interrupted_after(created, 0) as changes:
        upgrade(created, uri="", progress=quiet, scripts=ADDITIVE)
    whole = shape(created)
    assert len(changes) >= 7
    for number in range(1, len(changes) + 1):
        drop_everything(created)
        make_tables(created)
        add_runs(created, 5)
        with interrupted_after(created, number), pytest.raises(Interrupted):
            upgrade(created, uri="", progress=quiet, scripts=ADDITIVE)
        done = upgrade(created, uri="", progress=quiet, scripts=ADDITIVE)
        assert done.after == "additive"
        assert shape(created) == whole
        assert unfilled(created) == 0
        assert properties(created) == revisions.properties() | {"revision": "additive"}


def test_the_first_revision_too_can_be_interrupted(engine: Engine, quiet: Quiet) -> None:
    with interrupted_after(engine, 0) as changes:
        upgrade(engine, uri="", progress=quiet)
    whole = shape(engine)
    for number in range(1, len(changes) + 1, 9):
        drop_everything(engine)
        with interrupted_after(engine, number), pytest.raises(Interrupted):
            upgrade(engine, uri="", progress=quiet)
        upgrade(engine, uri="", progress=quiet)
        assert shape(engine) == whole
        assert properties(engine) == revisions.properties()


def test_a_killed_upgrade_is_completed_by_the_next(
    created: Engine, database_uri: str, quiet: Quiet
) -> None:
    add_runs(created, 12_000)
    killed = subprocess.run(
        [sys.executable, upgrading_child.__file__, database_uri, "6", str(LATER / "additive")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert properties(created)["revision"] == revisions.HEAD
    upgrade(created, uri="", progress=quiet, scripts=ADDITIVE)
    assert unfilled(created) == 0
    assert properties(created)["revision"] == "additive"


def test_an_index_that_was_interrupted_while_it_was_made_is_made_again(
    created: Engine, database_name: str, quiet: Quiet
) -> None:
    if database_name != "postgresql":
        pytest.skip("only PostgreSQL leaves half an index")
    with created.begin() as connection:
        connection.execute(text("ALTER TABLE tracking_run ADD COLUMN priority bigint"))
        connection.execute(
            text("CREATE INDEX tracking_run_by_priority ON tracking_run (experiment)")
        )
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"),
            {"name": "tracking_run_by_priority"},
        )
    upgrade(created, uri="", progress=quiet, scripts=ADDITIVE)
    (definition,) = [row for row in shape(created)["indexes"] if "by_priority" in row[1]]  # type: ignore[attr-defined]
    assert "(experiment, priority)" in definition[2]


# --- two at once ---


def test_the_second_upgrade_waits_for_the_first(
    created: Engine, database_name: str, quiet: Quiet
) -> None:
    add_runs(created, 5)
    order: list[str] = []
    first_is_in, second_came = threading.Event(), threading.Event()

    def hear_first(message: str) -> None:
        order.append("first")
        first_is_in.set()
        assert second_came.wait(30)

    def hear_second(message: str) -> None:
        order.append(message)
        second_came.set()

    def second() -> None:
        assert first_is_in.wait(30)
        if database_name == "sqlite":
            second_came.set()  # it waits inside sqlite, which tells nothing
        done.append(upgrade(created, uri="", progress=hear_second, scripts=ADDITIVE))

    done: list[tuple[str, str]] = []
    thread = threading.Thread(target=second)
    thread.start()
    assert upgrade(created, uri="", progress=hear_first, scripts=ADDITIVE).after == "additive"
    thread.join(60)
    assert done == [("additive", "additive")], "there was nothing left for it to do"
    if database_name != "sqlite":
        assert "Another upgrade is under way; waiting for it." in order


def test_a_first_write_waits_for_an_upgrade_that_makes_the_tables(
    engine: Engine, database_name: str, quiet: Quiet
) -> None:
    if database_name == "sqlite":
        pytest.skip("where who writes is alone, and others wait inside sqlite")
    asked = threading.Event()

    def see(_: Any, __: Any, statement: str, *___: Any) -> None:
        is_lock = "pg_try_advisory_lock" in statement or "GET_LOCK" in statement
        if threading.current_thread() is writer and is_lock:
            asked.set()

    writer = threading.Thread(target=make_tables, args=(engine,))
    event.listen(engine, "after_cursor_execute", see)
    with by_itself(engine) as connection:
        with alone(connection, patience=0, progress=quiet):
            writer.start()
            assert asked.wait(30)
            assert properties(engine) == {}
        writer.join(60)
    assert properties(engine)["revision"] == revisions.HEAD


def test_who_waits_too_long_is_told(created: Engine, database_name: str, quiet: Quiet) -> None:
    if database_name == "sqlite":
        pytest.skip("how long sqlite waits is its busy_timeout")
    with (
        by_itself(created) as connection,
        alone(connection, patience=0, progress=quiet),
        pytest.raises(StoreUnavailableError, match="has been under way for 0 s; try again when"),
    ):
        upgrade(created, uri="", progress=quiet, scripts=ADDITIVE, patience=0)


# --- online ---


def test_a_hundred_thousand_rows_are_read_and_written_while_they_are_upgraded(
    created: Engine, database_name: str, quiet: Quiet
) -> None:
    add_runs(created, 100_000)
    stop = threading.Event()
    errors: list[BaseException] = []
    read: list[str] = []
    written: list[str] = []
    during_the_index: list[tuple[int, int]] = []

    def count_before(c: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "tracking_run_by_priority" in statement and statement.startswith("CREATE"):
            during_the_index.append((len(read), len(written)))

    def count_after(c: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "tracking_run_by_priority" in statement and statement.startswith("CREATE"):
            during_the_index.append((len(read), len(written)))

    def repeat(sql: str, done: list[str]) -> None:
        options = {"timeout": 60} if database_name == "sqlite" else {}
        engine = sqlalchemy.create_engine(created.url, connect_args=options)
        try:
            while not stop.is_set():
                with engine.begin() as connection:
                    connection.execute(text(sql), {"id": len(done) * 37 % 100_000 + 1})
                done.append("")
        except BaseException as error:
            errors.append(error)
        finally:
            engine.dispose()

    threads = [
        threading.Thread(target=repeat, args=arguments)
        for arguments in (
            ("SELECT name FROM tracking_run WHERE id = :id", read),
            ("UPDATE tracking_run SET status = 2 WHERE id = :id", written),
        )
    ]
    event.listen(created, "before_cursor_execute", count_before)
    event.listen(created, "after_cursor_execute", count_after)
    for thread in threads:
        thread.start()
    try:
        upgrade(created, uri="", progress=quiet, scripts=ADDITIVE)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert errors == []
    assert unfilled(created) == 0
    (read_before, written_before), (read_after, written_after) = during_the_index
    assert read_after > read_before
    if database_name != "sqlite":  # where who writes is alone, and others wait
        assert written_after > written_before + 2


@pytest.mark.parametrize("database_name", ["postgresql", "mariadb"])
@pytest.mark.parametrize("part", ["ADD COLUMN", "CREATE INDEX"])
def test_others_write_while_a_long_transaction_keeps_the_upgrade_waiting(
    created: Engine, database_name: str, part: str
) -> None:
    add_runs(created, 10)
    told: list[str] = []
    long = created.connect()
    waiting, others_wrote = threading.Event(), threading.Event()

    def begin(c: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if part in statement and "tracking_run" in statement and not long.in_transaction():
            long.execute(text("UPDATE tracking_run SET status = 3 WHERE id = 1"))
            waiting.set()

    def others() -> None:
        assert waiting.wait(30)
        try:
            for id in range(2, 10):
                with engine.begin() as connection:
                    query = text("UPDATE tracking_run SET status = 4 WHERE id = :id")
                    connection.execute(query, {"id": id})
                time.sleep(0.01)
            others_wrote.set()
        finally:
            long.rollback()
            event.remove(created, "before_cursor_execute", begin)

    engine = sqlalchemy.create_engine(created.url)
    event.listen(created, "before_cursor_execute", begin)
    thread = threading.Thread(target=others)
    thread.start()
    upgrade(created, uri="", progress=told.append, scripts=ADDITIVE)
    thread.join(60)
    long.close()
    engine.dispose()
    assert others_wrote.is_set()
    assert unfilled(created) == 0


def test_progress_is_told(created: Engine) -> None:
    add_runs(created, 12)
    told: list[str] = []
    upgrade(created, uri="", progress=told.append, scripts=ADDITIVE)
    assert told == [
        "Indexing tracking_note (tracking_note_by_run).",
        "Filling tracking_run.priority: 12 rows.",
        "Indexing tracking_run (tracking_run_by_priority).",
        "The database is of revision additive now.",
    ]


# --- ahead and behind ---


def test_a_breaking_revision_raises_what_it_asks_of_readers_and_writers(
    created: Engine, quiet: Quiet
) -> None:
    assert upgrade(created, uri="", progress=quiet, scripts=BREAKING).after == "breaking"
    assert properties(created) == {
        "revision": "breaking",
        "minimum_reader": "2",
        "minimum_writer": "3",
    }
    columns = {column["name"] for column in sqlalchemy.inspect(created).get_columns("tracking_run")}
    assert "user_id" not in columns


def test_a_database_of_a_later_version_is_not_upgraded(created: Engine, quiet: Quiet) -> None:
    upgrade(created, uri="", progress=quiet, scripts=ADDITIVE)
    before = shape(created)
    with pytest.raises(InvalidStateError) as error:
        upgrade(created, uri="sqlite:///x", progress=quiet)
    assert str(error.value) == (
        "The database sqlite:///x is of the revision additive, which this version doesn't know (its"
        f" own is {revisions.HEAD}); run `pip install --upgrade tracking-core-sql`."
    )
    assert shape(created) == before


def test_the_script_of_an_upgrade_does_what_the_upgrade_does(created: Engine, quiet: Quiet) -> None:
    upgrade(created, uri="", progress=quiet, scripts=BREAKING)
    whole, told = shape(created), properties(created)
    drop_everything(created)
    statements = script(created.dialect, before="", scripts=BREAKING)
    with by_itself(created) as connection:
        for statement in statements.split(";\n"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            if "".join(lines).strip():
                connection.exec_driver_sql("\n".join(lines))
    assert shape(created) == whole
    assert properties(created) == told


# --- what code can do with a database ---


@pytest.mark.parametrize(
    ("found", "readable", "writable", "hint"),
    [
        (("later", 1, 1), True, True, ""),
        (
            ("later", 1, 2),
            True,
            False,
            "it is of the newer revision later, which this version can read but not write to (this"
            f" version knows {revisions.HEAD}); run `pip install --upgrade tracking-core-sql`",
        ),
        (
            ("later", 2, 2),
            False,
            False,
            "it is of the newer revision later, which this version can't read (this version knows"
            f" {revisions.HEAD}); run `pip install --upgrade tracking-core-sql`",
        ),
    ],
)
def test_the_levels_of_a_newer_database_decide(
    found: tuple[str, int, int], readable: bool, writable: bool, hint: str
) -> None:
    revision, reader, writer = found
    rows = {"revision": revision, "minimum_reader": str(reader), "minimum_writer": str(writer)}
    can = revisions.compatibility(rows)
    assert (can.readable, can.writable, can.hint) == (readable, writable, hint)


@pytest.mark.parametrize(
    ("oldest_readable", "oldest_writable", "writing", "said"),
    [
        ("0001", "0001", True, ""),
        ("0001", "0002", False, ""),
        (
            "0001",
            "0002",
            True,
            "The database sqlite:///x can't be written to: it is of the older revision 0001, which"
            " this version can read but not write to; run `tracking db upgrade`.",
        ),
        (
            "0002",
            "0002",
            False,
            "The database sqlite:///x can't be read: it is of the older revision 0001, which this"
            " version can't read; run `tracking db upgrade`.",
        ),
    ],
)
def test_a_later_version_works_with_this_database_or_asks_for_the_upgrade(
    monkeypatch: pytest.MonkeyPatch,
    oldest_readable: str,
    oldest_writable: str,
    writing: bool,
    said: str,
) -> None:
    monkeypatch.setattr(revisions, "HISTORY", ("0001", "0002"))
    monkeypatch.setattr(revisions, "HEAD", "0002")
    monkeypatch.setattr(revisions, "OLDEST_READABLE", oldest_readable)
    monkeypatch.setattr(revisions, "OLDEST_WRITABLE", oldest_writable)
    found = {"revision": "0001", "minimum_reader": "1", "minimum_writer": "1"}
    if said:
        with pytest.raises(InvalidStateError) as error:
            revisions.require(found, uri="sqlite:///x", writing=writing)
        assert str(error.value) == said
    else:
        revisions.require(found, uri="sqlite:///x", writing=writing)


def test_opening_a_database_imports_no_alembic() -> None:
    code = (
        "import sys, tracking_core_sql.migrations.revisions, tracking_core_sql.commands,"
        " tracking_core_sql.database\n"
        "assert 'sqlalchemy' in sys.modules\n"
        "assert not [m for m in sys.modules if m.startswith('alembic')]"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
