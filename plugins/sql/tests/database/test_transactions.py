"""What a transaction writes: in order, whole, and on connections that are closed in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Pool, event, select, text

from plugins.sql.tests.statements import collected_statements
from tracking_core.config import Settings, Uri
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction

_NAMES = ("name", "value")
_property = schema.schema_property


@pytest.fixture
def database(database_uri: str) -> Iterator[Database]:
    database = Database(Uri.parse(database_uri), Settings())
    yield database
    database.close()


def found(transaction: Transaction) -> dict[str, str]:
    rows = transaction.rows(select(_property.c.name, _property.c.value))
    return {name: value for name, value in rows if name.startswith("own")}


def test_rows_are_there_for_whatever_is_asked_next(database: Database) -> None:
    def work(transaction: Transaction) -> list[dict[str, str]]:
        seen = []
        transaction.insert(_property, _NAMES, [("own 1", "a")])
        seen.append(found(transaction))
        transaction.insert(_property, _NAMES, [("own 2", "b")])
        transaction.execute(_property.update().where(_property.c.name == "own 2").values(value="c"))
        transaction.insert(_property, _NAMES, [("own 3", "d")])
        changed = text("UPDATE tracking_schema_property SET value = 'e' WHERE name = 'own 3'")
        transaction.connection.execute(changed)
        seen.append(found(transaction))
        return seen

    assert database.write(work) == [
        {"own 1": "a"},
        {"own 1": "a", "own 2": "c", "own 3": "e"},
    ]


def test_a_table_is_written_twice_in_order(database: Database) -> None:
    def work(transaction: Transaction) -> None:
        transaction.insert(_property, _NAMES, [("own 1", "a"), ("own 2", "a")])
        transaction.upsert(_property, _NAMES, [("own 1", "b"), ("own 3", "b")], update=("value",))
        transaction.insert_new(_property, _NAMES, [("own 1", "c"), ("own 4", "c")])

    database.write(work)
    assert database.read(found) == {"own 1": "b", "own 2": "a", "own 3": "b", "own 4": "c"}


@pytest.mark.parametrize("database_name", ["postgresql"])
def test_what_is_inserted_last_goes_to_postgresql_in_one_statement(
    database: Database, database_name: str
) -> None:
    def work(transaction: Transaction) -> None:
        transaction.insert(_property, _NAMES, [("own 1", "a")])
        transaction.insert(schema.batch, ("run", "digest"), [(1, "x")])

    database.write(lambda transaction: None)
    with collected_statements() as statements:
        database.write(work)
    assert len(statements) == 1
    assert database.read(found) == {"own 1": "a"}


def test_every_connection_is_closed_in_the_end(database_uri: str) -> None:
    opened: dict[int, object] = {}

    def open_(dbapi: object, _: object) -> None:
        opened[id(dbapi)] = dbapi

    def close(dbapi: object, _: object) -> None:
        del opened[id(dbapi)]

    event.listen(Pool, "connect", open_)
    event.listen(Pool, "close", close)
    try:
        database = Database(Uri.parse(database_uri), Settings())
        assert database.read(found) == {}  # of a database that isn't there yet, or is empty
        assert len(opened) >= 1
        database.write(lambda transaction: None)
        assert database.read(found) == {}
        database.close()
        assert opened == {}
    finally:
        event.remove(Pool, "connect", open_)
        event.remove(Pool, "close", close)
