"""The upgrade of a database to the newest revision; the one module that runs Alembic."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Dialect

from tracking_core.errors import InvalidStateError
from tracking_core_sql.migrations.exclusion import alone, silent
from tracking_core_sql.migrations.revisions import (
    HEAD,
    VERSION_TABLE,
    found_properties,
)
from tracking_core_sql.schema import schema_property

_HERE = Path(__file__).parent
# What the first revision asks of readers and writers; later ones change the rows themselves.
_AS_FIRST = {"minimum_reader": "1", "minimum_writer": "1"}
PATIENCE = 600.0
"""Seconds to wait for another upgrade."""


class Upgraded(NamedTuple):
    """What an upgrade did.

    Attributes:
        before: The revision that the database had; empty if it had no tables.
        after: The revision that it has now.
    """

    before: str
    after: str


class Scripts:
    """Revisions in the order in which they follow each other.

    Args:
        others: Directories with revisions that follow those of this package.
    """

    def __init__(self, others: Sequence[Path] = ()) -> None:
        self.directory = ScriptDirectory(
            str(_HERE), version_locations=[str(_HERE / "versions"), *map(str, others)]
        )

    @property
    def history(self) -> tuple[str, ...]:
        """All revisions, the oldest first."""
        found = [script.revision for script in self.directory.walk_revisions()]
        return tuple(reversed(found))

    @property
    def head(self) -> str:
        """The newest revision."""
        return self.history[-1]


def upgrade(
    connection: Connection,
    *,
    uri: object,
    progress: Callable[[str], None],
    scripts: Scripts | None = None,
    target: str = "",
    patience: float = PATIENCE,
) -> Upgraded:
    """Bring a database to the newest revision, or make its tables.

    Waits for another upgrade of it. What an interrupted one left undone is done.

    Args:
        connection: Commits by itself.
        uri: What to call it.
        progress: Hears how far it is, and what it waits for.
        scripts: The revisions; those of this package if None.
        target: The revision to stop at; the newest if empty.
        patience: Seconds to wait for another upgrade.

    Raises:
        InvalidStateError: The database is of a revision that isn't known here.
        StoreUnavailableError: Another upgrade is still under way.
    """
    scripts = scripts or Scripts()
    target = target or scripts.head
    with alone(connection, patience=patience, progress=progress):
        _reconcile(connection)
        before = found_properties(connection).get("revision", "")
        if before and before not in scripts.history:
            raise InvalidStateError(
                f"The database {uri} is of the revision {before}, which this version doesn't know"
                f" (its own is {HEAD}); run `pip install --upgrade tracking-core-sql`."
            )
        _run(connection.dialect, scripts, target, progress, connection=connection)
        after = found_properties(connection).get("revision", "")
    return Upgraded(before, after)


def script(dialect: Dialect, *, before: str, scripts: Scripts | None = None) -> str:
    """Return the SQL that brings a database of this revision, or an empty one, to the newest."""
    output = io.StringIO()
    scripts = scripts or Scripts()
    _run(dialect, scripts, scripts.head, silent, output=output, before=before)
    return output.getvalue()


def _run(
    dialect: Dialect,
    scripts: Scripts,
    target: str,
    progress: Callable[[str], None],
    *,
    connection: Connection | None = None,
    output: io.StringIO | None = None,
    before: str = "",
) -> None:
    def steps(revision: Any, context: MigrationContext) -> Any:
        # As `alembic upgrade` itself does it; nothing public returns the steps.
        return scripts.directory._upgrade_revs(target, revision)

    as_sql = connection is None
    options = {"as_sql": True, "starting_rev": before or None} if as_sql else {}
    with EnvironmentContext(Config(), scripts.directory, fn=steps, **options) as environment:
        environment.configure(
            connection=connection,
            # For the script, where nobody asks the server what it is.
            dialect_name="mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name,
            version_table=VERSION_TABLE,
            on_version_apply=_applied,
            progress=progress,
            # Each step commits by itself, or on sqlite all of them together.
            transactional_ddl=False,
            output_buffer=output,
            literal_binds=as_sql,
        )
        environment.run_migrations()


def _applied(
    ctx: MigrationContext, step: MigrationInfo, heads: object, run_args: object, **_: object
) -> None:
    """Record the revision that was reached."""
    revision = step.up_revision_id or ""
    if ctx.as_sql:
        found = {} if step.down_revision_ids == () else _AS_FIRST | {"revision": "older"}
    else:
        found = found_properties(ctx.connection)  # type: ignore[arg-type]
    _record(ctx, found, revision)
    ctx.opts.get("progress", silent)(f"The database is of revision {revision} now.")


def _reconcile(connection: Connection) -> None:
    """Record the revision that Alembic reached, if that is where an upgrade was interrupted."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    reached = context.get_current_revision()
    found = found_properties(connection)
    if reached is not None and found.get("revision") != reached:
        _record(context, found, reached)


def _record(ctx: MigrationContext, found: Mapping[str, str], revision: str) -> None:
    """Tell readers and writers which revision the database is of; that there is one, last."""
    for name, value in _AS_FIRST.items():
        if name not in found:
            ctx.execute(schema_property.insert().values(name=name, value=value))
    if "revision" not in found:
        ctx.execute(schema_property.insert().values(name="revision", value=revision))
    else:
        change = schema_property.update().where(schema_property.c.name == "revision")
        ctx.execute(change.values(value=revision))
