"""`tracking copy`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from tracking_core.cli.groups import Command
from tracking_core.cli.output import Cell, Column, answer, print_table
from tracking_core.cli.session import Session, pass_session
from tracking_core.client.copying import CopyProgress, CopyReport, CopyState, Tally
from tracking_core.client.copying import copy as copy_all
from tracking_core.discovery import open_store
from tracking_core.errors import ConflictError

_DIGITS = 16
"""Of a digest, in a table; JSON has all of them."""

_NAMED = 20
"""How many problems are listed."""


@click.command(cls=Command)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.option(
    "--experiment",
    "experiments",
    multiple=True,
    metavar="NAME|ID",
    help="Only this one, without the model registry; may be repeated.",
)
@click.option(
    "--artifacts",
    is_flag=True,
    help="Copy files too, to where DST keeps its own; else its URIs lead to where they are now.",
)
@click.option("--skip-registry", is_flag=True, help="Leave registered models out.")
@click.option("--skip-logged-models", is_flag=True, help="Leave logged models out.")
@click.option("--dry-run", is_flag=True, help="Write nothing, show what would be written.")
@click.option("--verify-only", is_flag=True, help="Write nothing, compare both sides.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Runs copied at the same time.",
)
@pass_session
def copy(
    session: Session,
    source: str,
    destination: str,
    experiments: tuple[str, ...],
    artifacts: bool,
    skip_registry: bool,
    skip_logged_models: bool,
    dry_run: bool,
    verify_only: bool,
    workers: int,
) -> None:
    """Copy everything from the backend SRC to the backend DST, and prove that both are equal.

    Nothing is overwritten: what is there and equal is passed over, what differs is named. After an
    interruption, copy again to go on. The status is 0 only if both sides hold the same.
    """
    if dry_run and verify_only:
        raise click.UsageError("--dry-run and --verify-only exclude each other.")
    settings = session.loaded.settings
    with open_store(source, settings) as ours, open_store(destination, settings) as theirs:
        with _progress() as progress:
            report = copy_all(
                ours,
                theirs,
                experiments=experiments,
                artifacts=artifacts,
                registry=not skip_registry,
                logged_models=not skip_logged_models,
                dry_run=dry_run,
                verify_only=verify_only,
                workers=workers,
                progress=progress,
            )
        answer(session, _document(report), lambda: _print(report))
    if not report.is_whole:
        raise ConflictError(_failure(report))


def _failure(report: CopyReport) -> str:
    parts = []
    if report.problems:
        parts.append(f"{len(report.problems)} could not be copied. {report.problems[0]}")
    if report.differing:
        first = report.differences[0] if report.differences else ""
        parts.append(f"Source and destination differ in {report.differing}. {first}")
    return " ".join(parts) or "Source and destination differ."


def _document(report: CopyReport) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(report)
    fields["tallies"] = [
        {**msgspec.to_builtins(each), "equal": each.is_equal} for each in report.tallies
    ]
    fields["differences"] = [
        {**msgspec.to_builtins(each), "text": str(each)} for each in report.differences
    ]
    return {"whole": report.is_whole, **fields}


def _print(report: CopyReport) -> None:
    if report.tallies:
        columns = [
            Column("KIND", keep=True),
            Column("SOURCE", align="right", keep=True),
            Column("DESTINATION", align="right", keep=True),
            Column("SHA-256"),
            Column("", keep=True),
        ]
        print_table(columns, [_row(each) for each in report.tallies], empty="")
    done = "Would be written" if report.dry_run else "Written"
    listed = ", ".join(f"{count:,} {kind}" for kind, count in report.written.items())
    click.echo(f"{done}: {listed or 'nothing'}.")
    if report.passed_over:
        click.echo(f"Already there and equal: {report.passed_over:,} runs.")
    for sentence in report.problems[:_NAMED]:
        click.echo(f"Problem: {sentence}")
    if len(report.problems) > _NAMED:
        click.echo(f"... and {len(report.problems) - _NAMED:,} more problems, which --json shows.")
    for difference in report.differences:
        click.echo(f"Difference: {difference}")
    if report.differing > len(report.differences):
        click.echo(f"... and {report.differing - len(report.differences):,} more that differ.")
    for note in report.notes:
        click.echo(f"Note: {note}")
    for note in report.not_carried:
        click.echo(f"Not carried: {note}")
    if report.is_whole and report.tallies:
        click.echo(f"{report.source} and {report.destination} hold the same.")


def _row(tally: Tally) -> list[str | Cell]:
    digests = [tally.source_digest[:_DIGITS], tally.destination_digest[:_DIGITS]]
    shown = digests[0] if tally.is_equal else f"{digests[0]} {digests[1]}"
    return [
        tally.kind,
        f"{tally.source_count:,}",
        f"{tally.destination_count:,}",
        shown,
        Cell("equal", "green") if tally.is_equal else Cell("DIFFERENT", "red"),
    ]


@contextmanager
def _progress() -> Iterator[CopyProgress | None]:
    """Return what draws a bar: None if there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    # Local, because only a terminal needs it.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs, {task.fields[points]:,} points"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("Looking", total=None, points=0)

        def show(state: CopyState) -> None:
            bar.update(
                task,
                description=state.doing,
                completed=state.runs_done,
                total=state.runs_total,
                points=state.points,
            )

        yield show
