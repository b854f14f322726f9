"""`tracking plugins`."""

from __future__ import annotations

import click
import msgspec

from tracking_core.cli.groups import Group
from tracking_core.cli.output import Cell, Column, answer, print_fields, print_table
from tracking_core.cli.session import Session, pass_session
from tracking_core.discovery.report import PluginCheck, check_plugin, describe_plugins

STATE_STYLES = {"ok": "green", "broken": "red", "conflict": "red", "refused": "red"}


@click.group(cls=Group)
def plugins() -> None:
    """What serves which scheme: built in, or found by an entry point."""


@plugins.command("list")
@pass_session
def list_(session: Session) -> None:
    """List what plugins provide, and what is wrong with them."""
    reports = describe_plugins(settings=session.loaded.settings)
    columns = [
        Column("NAME", keep=True),
        Column("KIND"),
        Column("STATE", keep=True),
        Column("SCHEMES"),
        Column("DISTRIBUTION"),
        Column("ABOUT"),
    ]
    rows: list[list[str | Cell]] = [
        [
            report.name,
            report.kind,
            Cell(report.state, STATE_STYLES.get(report.state, "dim")),
            ", ".join(report.schemes),
            f"{report.distribution} {report.version}".strip(),
            report.cause or report.summary,
        ]
        for report in reports
    ]
    answer(
        session,
        [msgspec.to_builtins(report) for report in reports],
        lambda: print_table(columns, rows, empty="There are none."),
    )


@plugins.command()
@click.argument("name")
@click.option("--uri", metavar="URI", help="Open this one, and see whether it answers.")
@click.pass_context
def check(context: click.Context, name: str, uri: str | None) -> None:
    """Import a plugin, and compare what it has with what it announces.

    The exit status is 1 if something is wrong.
    """
    session = context.ensure_object(Session)
    checked = check_plugin(name, settings=session.loaded.settings, uri=uri)
    answer(session, msgspec.to_builtins(checked), lambda: _print_check(checked))
    if checked.problems:
        context.exit(1)


def _print_check(checked: PluginCheck) -> None:
    report = checked.report
    cost = checked.import_milliseconds
    health = {None: "not asked; --uri opens one", True: f"{checked.uri} answers", False: "none"}
    print_fields(
        [
            ("Name", report.name),
            ("Kind", report.kind),
            ("State", report.state),
            ("About", report.summary),
            (
                "Distribution",
                f"{report.distribution} {report.version}".strip() or "registered here",
            ),
            ("Contract", "" if report.contract_version is None else str(report.contract_version)),
            ("Schemes", ", ".join(report.schemes)),
            ("Facets", ", ".join(report.facets)),
            ("Capabilities", ", ".join(report.capabilities)),
            ("Import", "" if cost is None else f"{cost} ms"),
            ("Health", health[checked.healthy]),
            *(("Problem", Cell(problem, "red")) for problem in checked.problems),
        ]
    )
    if not checked.problems:
        click.echo("Nothing is wrong with it.")
