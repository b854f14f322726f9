"""`tracking runs`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

import click

from tracking_core.cli.comparing import compared, comparison_document, print_comparison
from tracking_core.cli.documents import run_document, whole_run_document
from tracking_core.cli.finding import VIEWS, find_run, found_runs
from tracking_core.cli.groups import Group
from tracking_core.cli.output import (
    Column,
    answer,
    how_long,
    note,
    number,
    print_fields,
    print_table,
    printable,
    when,
)
from tracking_core.cli.run_tables import (
    cells_of,
    columns_of,
    default_columns,
    status_cell,
    write_csv,
)
from tracking_core.cli.session import Session, pass_session
from tracking_core.entities import Run
from tracking_core.errors import InvalidValueError

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Group)
def runs() -> None:
    """Find, describe, compare, delete runs; RUN is an id, or as much of it as is unique."""


def _which_runs(default_limit: int) -> Callable[[F], F]:
    """Add the options that say which runs are meant."""

    def decorate(function: F) -> F:
        for option in (
            click.option(
                "--limit",
                type=click.IntRange(min=0),
                default=default_limit,
                show_default=True,
                help="0: all.",
            ),
            click.option(
                "--view", type=click.Choice(list(VIEWS)), default="active", show_default=True
            ),
            click.option(
                "--order-by",
                "--order",
                multiple=True,
                metavar="TEXT",
                help='Such as: "metrics.accuracy DESC"; may be repeated. Default: newest first.',
            ),
            click.option(
                "--filter",
                "filter_string",
                default="",
                metavar="TEXT",
                help="Such as: \"metrics.accuracy > 0.9 AND params.model = 'svm'\".",
            ),
            click.option(
                "--experiment",
                "-e",
                "experiments",
                multiple=True,
                metavar="NAME|ID",
                help="May be repeated; all active ones if there is none.",
            ),
        ):
            function = option(function)
        return function

    return decorate


def _matching(
    session: Session,
    experiments: tuple[str, ...],
    filter_string: str,
    order_by: tuple[str, ...],
    view: str,
    *,
    limit: int,
) -> Iterator[Run]:
    return found_runs(
        session.client,
        experiments,
        filter_string=filter_string,
        view=VIEWS[view],
        order_by=order_by,
        limit=limit,
    )


@runs.command()
@_which_runs(default_limit=50)
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Such as: run_id,run_name,metrics.loss,params.lr,tags.team. Default: metrics and params.",
)
@pass_session
def search(session: Session, /, limit: int, columns: str | None, **which: Any) -> None:
    """List runs with their metrics and params."""
    names = [name.strip() for name in columns.split(",") if name.strip()] if columns else []
    columns_of(names)
    matching = _matching(session, **which, limit=limit)
    found = list(itertools.islice(matching, limit or None))
    names = names or default_columns(found)
    answer(
        session,
        [run_document(run) for run in found],
        lambda: print_table(
            columns_of(names), [cells_of(run, names) for run in found], empty="No run matches."
        ),
    )
    if limit and len(found) == limit and next(matching, None) is not None:
        note(f"There are more than {limit}; --limit 0 shows all.")


@runs.command()
@click.argument("run")
@pass_session
def describe(session: Session, run: str) -> None:
    """Show everything about one run."""
    found = find_run(session.client, run)
    answer(session, whole_run_document(found), lambda: _print_run(found))


@runs.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@_which_runs(default_limit=10)
@click.option("--differences", is_flag=True, help="Leave out what is the same in all of them.")
@pass_session
def compare(
    session: Session, /, runs: tuple[str, ...], limit: int, differences: bool, **which: Any
) -> None:
    """Show params and metrics of runs side by side: of those named, or of those that match."""
    if runs and (which["experiments"] or which["filter_string"] or which["order_by"]):
        raise InvalidValueError("Name the runs, or say by options which ones; not both.")
    if runs:
        found = [find_run(session.client, run) for run in runs]
    else:
        matching = _matching(session, **which, limit=limit)
        found = list(itertools.islice(matching, limit or None))
    comparison = compared(found, only_differences=differences)
    answer(session, comparison_document(comparison), lambda: print_comparison(comparison))
    if not runs and limit and len(found) == limit and next(matching, None) is not None:
        note(f"There are more than {limit}; --limit 0 compares all.")


@runs.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@pass_session
def delete(session: Session, runs: tuple[str, ...]) -> None:
    """Move runs to the bin; `restore` takes them out, `tracking purge` empties it."""
    # All are looked up first, so that a mistyped one stops the whole.
    found = [find_run(session.client, run) for run in runs]
    for run in found:
        session.client.delete_run(run.info.run_id)
    _tell(session, "Deleted", found)


@runs.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@pass_session
def restore(session: Session, runs: tuple[str, ...]) -> None:
    """Take runs out of the bin."""
    found = [find_run(session.client, run) for run in runs]
    for run in found:
        session.client.restore_run(run.info.run_id)
    _tell(session, "Restored", found)


@runs.command()
@_which_runs(default_limit=0)
@click.option("--output", "-o", type=click.File("w", encoding="utf-8", lazy=True), default="-")
@pass_session
def csv(session: Session, /, limit: int, output: IO[str], **which: Any) -> None:
    """Write runs as CSV, a column for each param, metric and tag (with --json: as documents)."""
    write_csv(
        session, itertools.islice(_matching(session, **which, limit=limit), limit or None), output
    )


def _tell(session: Session, done: str, found: list[Run]) -> None:
    now = [session.client.get_run(run.info.run_id) for run in found]

    def show() -> None:
        for run in now:
            click.echo(f"{done} the run {run.info.run_id} ({printable(run.info.run_name)}).")

    answer(session, [run_document(run) for run in now], show)


def _print_run(run: Run) -> None:
    info = run.info
    print_fields(
        [
            ("Run", info.run_id),
            ("Name", info.run_name),
            ("Experiment", info.experiment_id),
            ("Status", status_cell(run).text),
            ("User", info.user_id),
            ("Started", when(info.start_time)),
            ("Ended", when(info.end_time)),
            ("Duration", how_long(info.start_time, info.end_time)),
            ("Artifacts", info.artifact_uri),
        ]
    )
    pair = [Column("KEY", keep=True), Column("VALUE", keep=True)]
    if run.data.params:
        _heading("Params")
        print_table(pair, [[k, v] for k, v in sorted(run.data.params.items())], empty="")
    if run.data.latest_metrics:
        _heading("Metrics")
        print_table(
            [
                Column("KEY", keep=True),
                Column("LATEST", "right", keep=True),
                Column("STEP", "right"),
                Column("TIME"),
            ],
            [
                [metric.key, number(metric.value), str(metric.step), when(metric.timestamp)]
                for metric in run.data.latest_metrics
            ],
            empty="",
        )
    if run.data.tags:
        _heading("Tags")
        print_table(pair, [[k, v] for k, v in sorted(run.data.tags.items())], empty="")
    if run.inputs.dataset_inputs:
        _heading("Data sets")
        print_table(
            [Column("NAME", keep=True), Column("DIGEST"), Column("CONTEXT"), Column("SOURCE")],
            [
                [
                    used.dataset.name,
                    used.dataset.digest,
                    next((t.value for t in used.tags if t.key == "mlflow.data.context"), ""),
                    used.dataset.source,
                ]
                for used in run.inputs.dataset_inputs
            ],
            empty="",
        )


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True)
