"""`tracking db`: the tables of a SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tracking_core.config import Uri
    from tracking_core.discovery import CommandSession
    from tracking_core_sql.migrations.inspection import Status

# SQLAlchemy and Alembic take longer to import than the help of these commands may take, so the
# functions import what they do their work with.


@click.group()
def db() -> None:
    """Look after the tables of a SQL database; URI is the tracking URI if it isn't given."""


@db.command()
@click.argument("uri", required=False)
@click.option("--sql", is_flag=True, help="Change nothing; print the statements instead.")
@click.pass_obj
def upgrade(session: CommandSession, uri: str | None, sql: bool) -> None:
    """Bring the tables to the newest revision, or make them, while others read and write.

    Only one upgrade runs at a time; others wait. One that was interrupted is run again.
    """
    from tracking_core_sql.database.creation import properties_of
    from tracking_core_sql.migrations.connecting import changing, looking
    from tracking_core_sql.migrations.revisions import HEAD

    database = _named(session, uri)
    with looking(database, session.settings) as connection:
        # It refuses a database of MLflow.
        before = properties_of(connection, database).get("revision", "")
        # Alembic is slow to import, and only this needs it.
        from tracking_core_sql.migrations import upgrade as upgrading

        if sql:
            statements = upgrading.script(connection.dialect, before=before)
            session.answer(
                {"uri": str(database), "before": before, "after": HEAD, "sql": statements},
                lambda: click.echo(statements, nl=False),
            )
            return
    with changing(database, session.settings) as connection:
        done = upgrading.upgrade(connection, uri=database, progress=session.note)

    def show() -> None:
        if not done.before:
            click.echo(f"Made the tables of revision {done.after} in {database}.")
        elif done.before == done.after:
            click.echo(f"{database} is of the newest revision {done.after} already.")
        else:
            click.echo(f"Upgraded {database} from {done.before} to {done.after}.")

    session.answer({"uri": str(database), "before": done.before, "after": done.after}, show)


@db.command()
@click.argument("uri", required=False)
@click.pass_obj
def status(session: CommandSession, uri: str | None) -> None:
    """Show the revision, whether this version can work with it, and the sizes of the tables."""
    from tracking_core_sql.migrations.connecting import looking
    from tracking_core_sql.migrations.revisions import HEAD, OLDEST_READABLE, OLDEST_WRITABLE

    database = _named(session, uri)
    with looking(database, session.settings) as connection:
        found = _status(connection, sized=True)
    document = {
        "uri": str(database),
        "state": found.state,
        "revision": found.revision or None,
        "newest_revision": HEAD,
        "oldest_readable": OLDEST_READABLE,
        "oldest_writable": OLDEST_WRITABLE,
        "readable": found.readable,
        "writable": found.writable,
        "hint": found.hint,
        "tables": [
            {"name": t.name, "rows": t.rows, "rows_estimated": t.is_estimate, "bytes": t.size}
            for t in found.tables
        ],
    }

    def show() -> None:
        needs = f"{OLDEST_READABLE} to read, {OLDEST_WRITABLE} to write, newest {HEAD}"
        session.print_fields(
            [
                ("Database", str(database)),
                ("State", found.state),
                ("Revision", found.revision),
                ("Needed", needs),
                ("Readable", _yes(found.readable)),
                ("Writable", _yes(found.writable)),
                ("Hint", found.hint),
            ]
        )
        if found.tables:
            click.echo()
            rows = [
                [
                    t.name,
                    f"{t.rows:,}{' (estimate)' if t.is_estimate else ''}",
                    "" if t.size is None else f"{t.size:,}",
                ]
                for t in found.tables
            ]
            session.print_table(["TABLE", "ROWS", "BYTES"], rows)

    session.answer(document, show)


@db.command()
@click.argument("uri", required=False)
@click.pass_obj
def check(session: CommandSession, uri: str | None) -> None:
    """Check tables, columns, indexes and collations, and whether rows fit together.

    The exit status is 1 if something is wrong. It reads most of the database, and changes nothing.
    """
    from tracking_core_sql.migrations.checking import problems
    from tracking_core_sql.migrations.connecting import looking

    database = _named(session, uri)
    with looking(database, session.settings) as connection:
        found = _status(connection)
        told = []
        if found.state != "tracking" or not found.readable:
            told = [found.hint]
        else:
            told = list(problems(connection, progress=session.note))

    def show() -> None:
        for problem in told:
            click.echo(problem)
        if not told:
            click.echo(f"Nothing is wrong with {database}.")

    session.answer(
        {"uri": str(database), "revision": found.revision or None, "problems": told}, show
    )
    if told:
        click.get_current_context().exit(1)


def _named(session: CommandSession, uri: str | None) -> Uri:
    from tracking_core.config import DEFAULT_TRACKING_URI, Uri

    return Uri.parse(uri or session.settings.tracking_uri or DEFAULT_TRACKING_URI)


def _status(connection: Connection, *, sized: bool = False) -> Status:
    from tracking_core_sql.migrations.inspection import status

    return status(connection, sized=sized)


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
