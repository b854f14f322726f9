"""Which revisions of the schema there are, and whether this code can work with one.

A database says in `tracking_schema_property` what it is (`revision`) and what it asks of code that
is older than it (`minimum_reader`, `minimum_writer`); code says here what it asks of databases that
are older than it. A revision that only adds raises neither, so that programs of both versions work
on one database while a team updates.

Imports no Alembic: every process that opens a database comes by here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect

from tracking_core.errors import InvalidStateError
from tracking_core_sql.schema import schema_property

HISTORY: tuple[str, ...] = ("0001", "0002")
"""All revisions that this code knows, the oldest first."""

HEAD = HISTORY[-1]
"""The revision that `schema` declares and that a new database gets."""

LEVEL = 1
"""What this code understands, to be compared with a database's minimum_reader and _writer."""

MINIMUM_READER = 1
"""The lowest LEVEL that can read a database of revision HEAD."""

MINIMUM_WRITER = 1
"""The lowest LEVEL that can write to a database of revision HEAD."""

OLDEST_READABLE = "0001"
"""The oldest revision that this code can read without an upgrade."""

OLDEST_WRITABLE = "0001"
"""The oldest revision that this code can write to without an upgrade."""

VERSION_TABLE = "tracking_schema_revision"
"""Where Alembic keeps the revision: a table of our own, so as not to meet MLflow's."""

# As Alembic itself would make it.
_version = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


class Compatibility(NamedTuple):
    """What this code can do with a database.

    Attributes:
        revision: The database's revision.
        readable: Whether it can read it.
        writable: Whether it can write to it.
        hint: What isn't possible and what to do, half a sentence; empty if all is possible.
        is_older: Whether the database can be upgraded.
    """

    revision: str
    readable: bool
    writable: bool
    hint: str
    is_older: bool


def properties() -> dict[str, str]:
    """Return the rows of `tracking_schema_property` of a database of revision HEAD."""
    return {
        "revision": HEAD,
        "minimum_reader": str(MINIMUM_READER),
        "minimum_writer": str(MINIMUM_WRITER),
    }


def stamp(connection: Connection) -> None:
    """Write into a database whose tables were just made that it is of revision HEAD.

    In the caller's transaction, after `metadata.create_all`. Repeating it does nothing; two
    callers at once have to be kept apart by whoever keeps them apart in creating the tables.
    """
    _version.create(connection, checkfirst=True)
    if connection.execute(_version.select()).first() is None:
        connection.execute(_version.insert(), {"version_num": HEAD})
    there = found_properties(connection)
    rows = [
        {"name": name, "value": value} for name, value in properties().items() if name not in there
    ]
    if rows:
        connection.execute(schema_property.insert(), rows)


def found_properties(connection: Connection) -> dict[str, str]:
    """Return the rows of a database's `tracking_schema_property`; none if it has no such table."""
    if not inspect(connection).has_table(schema_property.name):
        return {}
    return {row.name: row.value for row in connection.execute(schema_property.select())}


def compatibility(found: Mapping[str, str]) -> Compatibility:
    """Return what this code can do with a database that has these properties."""
    revision = found["revision"]
    if revision in HISTORY:
        age = HISTORY.index(revision)
        readable = age >= HISTORY.index(OLDEST_READABLE)
        writable = readable and age >= HISTORY.index(OLDEST_WRITABLE)
        what = _what_is_impossible(readable, writable)
        hint = ""
        if what:
            hint = f"it is of the older revision {revision}, {what}; run `tracking db upgrade`"
    else:
        readable = int(found["minimum_reader"]) <= LEVEL
        writable = readable and int(found["minimum_writer"]) <= LEVEL
        what = _what_is_impossible(readable, writable)
        hint = ""
        if what:
            hint = (
                f"it is of the newer revision {revision}, {what} (this version knows {HEAD});"
                " run `pip install --upgrade tracking-core-sql`"
            )
    is_older = revision in HISTORY and revision != HEAD
    return Compatibility(revision, readable, writable, hint, is_older)


def require(found: Mapping[str, str], *, uri: object, writing: bool) -> None:
    """Refuse to work with a database that this code can't work with.

    Args:
        found: The rows of its `tracking_schema_property`.
        uri: What to call it.
        writing: Whether it is to be written to.

    Raises:
        InvalidStateError: This code is too old or too new for it.
    """
    can = compatibility(found)
    if not (can.writable if writing else can.readable):
        verb = "written to" if writing else "read"
        raise InvalidStateError(f"The database {uri} can't be {verb}: {can.hint}.")


def is_before(found: Mapping[str, str], revision: str) -> bool:
    """Tell whether a database that has these properties lacks what a revision added."""
    own = found["revision"]
    # What this code doesn't know is newer than all that it knows.
    return own in HISTORY and HISTORY.index(own) < HISTORY.index(revision)


def _what_is_impossible(readable: bool, writable: bool) -> str:
    if not readable:
        return "which this version can't read"
    return "" if writable else "which this version can read but not write to"
