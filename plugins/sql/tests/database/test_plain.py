"""sqlite's short way does what SQLAlchemy does, and steps aside for whoever watches SQLAlchemy."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, String, bindparam, column, event, select, table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.types import JSON, Boolean

from plugins.sql.tests.statements import collected_statements
from tracking_core.config import Settings, Uri
from tracking_core.errors import InvalidStateError
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction, constant, plain

_NAMES = ("name", "value")
_property = schema.schema_property
_named = constant(select(_property.c.value).where(_property.c.name == bindparam("name")))
_unnamed = constant(select(_property.c.value).where(_property.c.name == "own 2"))
_changed = constant(
    _property.update().where(_property.c.name == bindparam("which")).values(value="changed")
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(Uri.parse(f"sqlite:///{tmp_path}/runs.db"), Settings())
    database.write(lambda transaction: None)
    yield database
    database.close()


def _all_kinds_of_statements(transaction: Transaction) -> list[Any]:
    transaction.insert(_property, _NAMES, [("own 1", "a")])
    transaction.insert(_property, _NAMES, [("own 2", "b"), ("own 3", "c")])
    number = transaction.insert_one(_property, {"name": "own 4", "value": "d"})
    changed = transaction.execute(_changed, {"which": "own 1"})
    rows = transaction.rows(_named, {"name": "own 1"})
    first = transaction.first(_unnamed)
    nothing = transaction.first(_named, {"name": "own 5"})
    kept, extra = transaction.rows_of(("test", "kinds"), lambda: (_unnamed, "reads it"))
    text = transaction.plain_rows(
        "SELECT value FROM tracking_schema_property WHERE name = ?", ["own 4"]
    )
    return [
        number is not None,
        changed,
        *([tuple(row) for row in found] for found in (rows, [first], kept, text)),
        nothing,
        extra,
    ]


_EXPECTED = [True, 1, [("changed",)], [("b",)], [("b",)], [("d",)], None, "reads it"]


def test_whoever_listens_to_statements_is_told_of_each(database: Database) -> None:
    with collected_statements() as statements:
        assert database.write(_all_kinds_of_statements) == _EXPECTED
    told = [sql.split()[0] for sql, _ in statements]
    assert told == ["INSERT"] * 3 + ["UPDATE"] + ["SELECT"] * 5
    assert ("own 4", "d") in [parameters for _, parameters in statements]


def test_without_a_listener_the_answers_are_the_same(database: Database) -> None:
    assert database.write(_all_kinds_of_statements) == _EXPECTED


def test_whoever_listens_to_errors_is_told_of_them(database: Database) -> None:
    told: list[BaseException] = []
    engine = database._place._engine
    listener = lambda context: told.append(context.original_exception)  # noqa: E731
    event.listen(engine, "handle_error", listener)
    with pytest.raises(InvalidStateError, match="no such table: nowhere"):
        database.read(lambda transaction: transaction.plain_rows("SELECT * FROM nowhere", ()))
    event.remove(engine, "handle_error", listener)
    assert [type(error) for error in told] == [sqlite3.OperationalError]


def test_an_error_is_sqlalchemys_with_the_statement_and_sqlites_cause(database: Database) -> None:
    def twice(transaction: Transaction) -> None:
        for _ in range(2):
            transaction.insert(_property, _NAMES, [("own 1", "a")])

    def in_one(transaction: Transaction) -> None:
        transaction.insert(_property, _NAMES, [("own 1", "a"), ("own 1", "b")])

    def apart(work: Callable[[Transaction], None]) -> None:
        with database._place.alone() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                work(Transaction(connection))
            finally:
                connection.exec_driver_sql("ROLLBACK")

    for work in (twice, in_one):
        with pytest.raises(IntegrityError) as raised:
            apart(work)
        assert "INSERT INTO tracking_schema_property" in (raised.value.statement or "")
        assert isinstance(raised.value.orig, sqlite3.IntegrityError)
        assert not raised.value.connection_invalidated
    assert database.write(_all_kinds_of_statements) == _EXPECTED


@pytest.mark.parametrize("way", ["rows", "first", "execute", "insert"])
def test_an_interrupted_statement_leaves_no_lock_behind(database: Database, way: str) -> None:
    def work(transaction: Transaction) -> None:
        transaction._driver = _Interrupted()  # type: ignore[assignment]
        if way == "rows":
            transaction.rows(_unnamed)
        elif way == "first":
            transaction.first(_unnamed)
        elif way == "execute":
            transaction.execute(_changed, {"which": "own 1"})
        else:
            transaction.insert(_property, _NAMES, [("own 1", "a"), ("own 2", "a")])

    with pytest.raises(KeyboardInterrupt):
        database.write(work)
    with sqlite3.connect(database._place.path, timeout=0) as other:
        other.execute("INSERT INTO tracking_schema_property (name, value) VALUES ('own 9', 'x')")
    other.close()
    assert database.write(_all_kinds_of_statements) == _EXPECTED


class _Interrupted:
    """A driver's connection in whose statements somebody presses Ctrl-C."""

    def execute(self, *_: object) -> None:
        raise KeyboardInterrupt

    executemany = execute


def test_a_query_is_built_once_for_what_it_depends_on(database: Database) -> None:
    built: list[str] = []

    def ask(name: str) -> list[Any]:
        def build() -> tuple[Any, str]:
            built.append(name)
            return select(_property.c.value).where(_property.c.name == name), name

        rows, extra = database.read(lambda transaction: transaction.rows_of(("test", name), build))
        assert extra == name
        return [row[0] for row in rows]

    database.write(_all_kinds_of_statements)
    assert ask("own 2") == ask("own 2") == ["b"]
    assert ask("own 3") == ["c"]
    assert built == ["own 2", "own 3"]


def test_a_query_whose_key_cannot_be_kept_is_answered_each_time(database: Database) -> None:
    database.write(_all_kinds_of_statements)
    for _ in range(2):
        rows, _ = database.read(
            lambda transaction: transaction.rows_of(("test", []), lambda: (_unnamed, None))
        )
        assert [tuple(row) for row in rows] == [("b",)]


def test_what_is_kept_is_few_and_small(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_kept", {})
    for number in range(1_000):
        plain.keep(("test", number), select(_property.c.name), None)
        assert 1 <= len(plain._kept) <= 256
    before = dict(plain._kept)
    huge = select(_property.c.value).where(_property.c.name == "x" * 30_000)
    rows, _ = database.read(lambda t: t.rows_of("huge", lambda: (huge, None)))
    assert list(rows) == []
    assert plain._kept == before


def test_values_are_handed_over_as_sqlalchemy_would(database: Database) -> None:
    flag = table("t", column("flag", Boolean), column("n", Integer))
    query = select(flag.c.n).where(flag.c.flag == bindparam("flag", True, Boolean))
    kept = plain.keep(("test", "flag"), query, None)
    assert kept is not None
    assert [type(value) for value in kept.values] == [int]


def test_columns_that_sqlalchemy_has_to_read_are_left_to_it() -> None:
    documents = table("t", column("document", JSON), column("name", String))
    assert plain.keep(("test", "json"), select(documents.c.document), None) is None
    assert plain.text_of(constant(select(documents.c.document)), None) is None
    assert plain.keep(("test", "name"), select(documents.c.name), None) is not None


def test_a_statement_that_is_not_declared_constant_is_left_to_sqlalchemy() -> None:
    assert plain.text_of(select(_property.c.name), None) is None


def test_a_connection_that_cannot_be_used_is_made_anew(database: Database) -> None:
    tried: list[str] = []

    def close_once(transaction: Transaction) -> list[Any]:
        driver: Any = transaction._driver
        if not tried:
            driver.close()
        tried.append("once more")
        return list(transaction.rows(_unnamed))

    for way in (database.write, database.read):
        tried.clear()
        assert way(close_once) == []
        assert len(tried) == 2
    assert database.write(_all_kinds_of_statements) == _EXPECTED


def test_who_reads_while_all_is_closed_closes_its_own_connection(database: Database) -> None:
    database.read(lambda transaction: transaction.rows(_unnamed))  # one is open, and kept
    is_reading, go_on = threading.Event(), threading.Event()
    seen: list[Any] = []

    def work(transaction: Transaction) -> list[Any]:
        seen.append(transaction._driver)
        is_reading.set()
        assert go_on.wait(60)
        return list(transaction.rows(_unnamed))

    reader = threading.Thread(target=database.read, args=(work,))
    reader.start()
    assert is_reading.wait(60)
    database.close()
    go_on.set()
    reader.join(60)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        seen[0].execute("SELECT 1")
    assert not database._place._readers
