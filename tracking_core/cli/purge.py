"""`tracking purge`."""

from __future__ import annotations

import re
from typing import NamedTuple

import click

from tracking_core.cli.confirming import confirm
from tracking_core.cli.finding import all_experiments, found_runs
from tracking_core.cli.groups import Command
from tracking_core.cli.output import Cell, Column, answer, print_table, progress, when
from tracking_core.cli.session import Session, pass_session
from tracking_core.entities import Experiment, Run, ViewType
from tracking_core.errors import InvalidStateError, TrackingError
from tracking_core.stores import Capability, now

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000}


class _Bin(NamedTuple):
    """What is to be purged: runs deleted on their own, and experiments with all their runs."""

    runs: list[Run]
    experiments: list[Experiment]
    runs_of_experiments: list[Run]


class _Purged(NamedTuple):
    """What was removed, and what could not be, as sentences."""

    run_ids: list[str]
    experiment_ids: list[str]
    problems: list[str]


def _age(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    """Return the milliseconds of `30d` or `1d12h`."""
    if text is None:
        return None
    if not re.fullmatch(r"(\d+[dhms])+", text):
        raise click.BadParameter(f"{text!r} is no age; write 30d, 12h, 1d12h.")
    return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([dhms])", text))


@click.command(cls=Command)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option(
    "--older-than",
    callback=_age,
    metavar="AGE",
    help="Only runs that were deleted, and experiments that were last changed, longer ago: 30d.",
)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_session
def purge(session: Session, dry_run: bool, older_than: int | None, yes: bool) -> None:
    """Remove deleted runs and experiments for good, with their artifacts.

    Artifacts stay whose URI doesn't name the run, since others may use them too. What can't be
    removed is told; purging again goes on where it stopped.
    """
    store = session.client.store
    store.require(Capability.PURGE, to="purge")
    found = _deleted(session, None if older_than is None else now() - older_than)
    if dry_run or not (found.runs or found.experiments):
        ids = [run.info.run_id for run in (*found.runs_of_experiments, *found.runs)]
        experiments = [experiment.experiment_id for experiment in found.experiments]
        answer(session, _document(ids, experiments, [], dry_run=dry_run), lambda: _print(found))
        return
    if not session.as_json:
        _print(found)
    confirm(f"Remove {_counted(found)} for good?", yes=yes)
    purged = _purge(session, found)
    answer(
        session,
        _document(purged.run_ids, purged.experiment_ids, purged.problems, dry_run=False),
        lambda: click.echo(
            f"Removed {_number(len(purged.run_ids), 'run')} and"
            f" {_number(len(purged.experiment_ids), 'experiment')}."
        ),
    )
    if purged.problems:
        listed = " ".join(purged.problems[:5]) + (" ..." if purged.problems[5:] else "")
        raise InvalidStateError(f"{len(purged.problems)} could not be removed. {listed}")


def _deleted(session: Session, before: int | None) -> _Bin:
    client = session.client

    def is_old(moment: int | None) -> bool:
        return before is None or (moment is not None and moment < before)

    deleted = list(all_experiments(client, ViewType.DELETED_ONLY))
    experiments = [e for e in deleted if is_old(e.last_update_time)]
    hidden = {e.experiment_id for e in deleted}
    purged = {e.experiment_id for e in experiments}
    bin_ = _Bin([], experiments, [])
    for run in found_runs(client, (), view=ViewType.DELETED_ONLY):
        if run.info.experiment_id in purged:
            bin_.runs_of_experiments.append(run)
        # Runs of other deleted experiments only read as deleted until those are restored.
        elif run.info.experiment_id not in hidden and is_old(
            run.info.deleted_time or run.info.end_time or run.info.start_time
        ):
            bin_.runs.append(run)
    return bin_


def _purge(session: Session, found: _Bin) -> _Purged:
    """Remove one after the other, so that what can't be removed keeps no other from going."""
    purged = _Purged([], [], [])
    items: list[Run | Experiment] = [*found.experiments, *found.runs]
    with progress(items, title="Removing") as each:
        for item in each:
            try:
                if isinstance(item, Run):
                    what = f"Run {item.info.run_id}"
                    report = session.client.purge(run_ids=[item.info.run_id])
                else:
                    what = f"Experiment {item.experiment_id}"
                    report = session.client.purge(experiment_ids=[item.experiment_id])
            except TrackingError as error:
                purged.problems.append(f"{what}: {error}")
                continue
            purged.run_ids.extend(report.run_ids)
            purged.experiment_ids.extend(report.experiment_ids)
    return purged


def _counted(found: _Bin) -> str:
    parts = []
    if found.runs:
        parts.append(_number(len(found.runs), "run"))
    if found.experiments:
        inside = _number(len(found.runs_of_experiments), "run")
        parts.append(f"{_number(len(found.experiments), 'experiment')} with {inside}")
    return " and ".join(parts)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _document(
    run_ids: list[str], experiment_ids: list[str], problems: list[str], *, dry_run: bool
) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "run_ids": sorted(set(run_ids)),
        "experiment_ids": experiment_ids,
        "problems": problems,
    }


def _print(found: _Bin) -> None:
    names = {experiment.experiment_id: experiment.name for experiment in found.experiments}
    rows: list[list[str | Cell]] = [
        ["experiment", e.experiment_id, e.name, when(e.last_update_time)] for e in found.experiments
    ]
    rows += [
        [
            "run",
            run.info.run_id,
            f"{run.info.run_name} (in {names[run.info.experiment_id]})"
            if run.info.experiment_id in names
            else run.info.run_name,
            when(run.info.end_time or run.info.start_time),
        ]
        for run in (*found.runs_of_experiments, *found.runs)
    ]
    columns = [
        Column("KIND", keep=True),
        Column("ID", identifier=True, keep=True),
        Column("NAME", keep=True),
        Column("CHANGED"),
    ]
    print_table(columns, rows, empty="Nothing is deleted, so there is nothing to purge.")
