"""Group commit: threads that write at the same time share a transaction, and no mistake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, select

from tracking_core.config import Settings, Uri
from tracking_core.errors import ConflictError
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction

THREADS = 8


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(Uri.parse(f"sqlite:///{tmp_path}/runs.db"), Settings())
    database.write(lambda transaction: None)
    yield database
    database.close()


def put(transaction: Transaction, name: str) -> None:
    transaction.insert(schema.schema_property, ("name", "value"), [(name, "x")])


def names(database: Database) -> set[str]:
    rows = database.read(lambda t: t.rows(select(schema.schema_property.c.name)))
    return {row[0] for row in rows if row[0].startswith("own")}


def begun(database: Database) -> list[str]:
    statements: list[str] = []
    engine = database._place._engine

    @event.listens_for(engine, "before_cursor_execute")
    def see(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("BEGIN IMMEDIATE"):
            statements.append(statement)

    return statements


def test_what_waits_is_committed_in_one_transaction_and_a_mistake_harms_no_other(
    database: Database,
) -> None:
    first_is_in, go_on = threading.Event(), threading.Event()
    failed: list[int] = []
    statements = begun(database)

    def first(transaction: Transaction) -> None:
        first_is_in.set()
        assert go_on.wait(60)
        put(transaction, "own first")

    def write(number: int) -> None:
        def work(transaction: Transaction) -> None:
            put(transaction, f"own {number}")
            if number % 2:
                raise ConflictError("This one is refused.")

        try:
            database.write(work)
        except ConflictError:
            failed.append(number)

    leader = threading.Thread(target=database.write, args=(first,))
    leader.start()
    assert first_is_in.wait(60)
    others = [threading.Thread(target=write, args=(number,)) for number in range(THREADS)]
    for thread in others:
        thread.start()
    while len(database._place._waiting) < THREADS:
        pass
    go_on.set()
    for thread in (leader, *others):
        thread.join(60)
    assert sorted(failed) == [1, 3, 5, 7]
    assert names(database) == {"own first", "own 0", "own 2", "own 4", "own 6"}
    assert len(statements) == 2, "the first alone, all others together"


def test_who_is_interrupted_takes_nobody_along(database: Database) -> None:
    first_is_in, go_on = threading.Event(), threading.Event()
    interrupted: list[BaseException] = []

    def first() -> None:
        def work(transaction: Transaction) -> None:
            put(transaction, "own first")
            first_is_in.set()
            assert go_on.wait(60)
            raise KeyboardInterrupt

        try:
            database.write(work)
        except KeyboardInterrupt as error:
            interrupted.append(error)

    def second() -> None:
        database.write(lambda transaction: put(transaction, "own second"))

    leader, other = threading.Thread(target=first), threading.Thread(target=second)
    leader.start()
    assert first_is_in.wait(60)
    other.start()
    while not database._place._waiting:
        pass
    go_on.set()
    leader.join(60)
    other.join(60)
    assert interrupted
    assert names(database) == {"own second"}


def test_readers_go_on_while_another_writes(database: Database) -> None:
    database.write(lambda transaction: put(transaction, "own before"))
    seen: list[set[str]] = []

    def work(transaction: Transaction) -> None:
        put(transaction, "own now")
        reader = threading.Thread(target=lambda: seen.append(names(database)))
        reader.start()
        reader.join(60)

    database.write(work)
    assert seen == [{"own before"}]
    assert names(database) == {"own before", "own now"}


def test_a_statement_that_is_interrupted_leaves_no_lock_behind(
    database: Database, tmp_path: Path
) -> None:
    def interrupt(_: object, __: object, statement: str, *___: object) -> None:
        if "RETURNING" in statement:
            raise KeyboardInterrupt

    def work(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql(
            "INSERT INTO tracking_schema_property (name, value) VALUES ('own 1', 'x') RETURNING 1"
        )

    engine = database._place._engine
    event.listen(engine, "after_cursor_execute", interrupt)
    with pytest.raises(KeyboardInterrupt) as kept:  # and the cursor with it, as notebooks do
        database.write(work)
    event.remove(engine, "after_cursor_execute", interrupt)
    other = Database(Uri.parse(f"sqlite:///{tmp_path}/runs.db?retry_seconds=0"), Settings())
    other.write(lambda transaction: put(transaction, "own 2"))
    other.close()
    database.write(lambda transaction: put(transaction, "own 3"))
    assert names(database) == {"own 2", "own 3"}
    assert kept.value is not None
