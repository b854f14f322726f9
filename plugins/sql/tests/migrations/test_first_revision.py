"""The revisions, run one after the other, make what `schema` declares."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from plugins.sql.tests.migrations.conftest import drop_everything, shape, upgrade
from tracking_core_sql import schema
from tracking_core_sql.migrations import revisions
from tracking_core_sql.migrations.upgrade import Scripts, script

Quiet = Callable[[str], None]


def test_the_upgrade_of_nothing_makes_what_the_first_write_makes(
    created: Engine, quiet: Quiet
) -> None:
    by_first_write = shape(created)
    with created.connect() as connection:
        properties = revisions.found_properties(connection)
    drop_everything(created)
    assert shape(created) != by_first_write
    done = upgrade(created, uri="", progress=quiet)
    assert (done.before, done.after) == ("", revisions.HEAD)
    assert shape(created) == by_first_write
    with created.connect() as connection:
        assert revisions.found_properties(connection) == properties == revisions.properties()


def test_a_new_database_needs_no_upgrade(created: Engine, quiet: Quiet) -> None:
    before = shape(created)
    assert upgrade(created, uri="", progress=quiet) == (revisions.HEAD, revisions.HEAD)
    assert shape(created) == before


def test_the_list_of_revisions_is_that_of_the_files() -> None:
    assert Scripts().history == revisions.HISTORY
    assert Scripts().head == revisions.HEAD


@pytest.mark.parametrize(
    "dialect",
    [sqlite.dialect(), postgresql.dialect(), mysql.dialect(), mssql.dialect()],
    ids=lambda dialect: dialect.name,
)
def test_the_script_has_the_statements_that_the_schema_declares(
    dialect: sqlalchemy.Dialect,
) -> None:
    written = statements(script(dialect, before=""))
    for table in schema.metadata.sorted_tables:
        assert one_line(CreateTable(table).compile(dialect=dialect)) in written
        for index in table.indexes:
            assert one_line(CreateIndex(index).compile(dialect=dialect)) in written
    tables = sum(statement.startswith("CREATE TABLE") for statement in written)
    assert tables == len(schema.metadata.tables) + 1, "and Alembic's own"


def one_line(text: object) -> str:
    return " ".join(str(text).split()).replace("( ", "(").replace(" )", ")")


def statements(sql: str) -> set[str]:
    lines = [line for line in sql.splitlines() if not line.startswith("--")]
    return {one_line(text) for text in "\n".join(lines).replace("\nGO\n", ";").split(";")}
