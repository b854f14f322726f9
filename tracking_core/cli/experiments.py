"""`tracking experiments`."""

from __future__ import annotations

import itertools
from typing import IO

import click

from tracking_core.cli.documents import experiment_document
from tracking_core.cli.finding import VIEWS, all_experiments, find_experiment, found_runs
from tracking_core.cli.groups import Group
from tracking_core.cli.output import (
    Column,
    answer,
    moment,
    note,
    print_fields,
    print_table,
    printable,
    when,
)
from tracking_core.cli.run_tables import write_csv
from tracking_core.cli.session import Session, pass_session
from tracking_core.entities import Experiment
from tracking_core.errors import InvalidValueError


@click.group(cls=Group)
def experiments() -> None:
    """Create, find, rename, delete experiments; EXPERIMENT is a name or an id."""


@experiments.command()
@click.argument("name")
@click.option("--artifact-location", metavar="URI", help="Where its runs put their artifacts.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be repeated.")
@pass_session
def create(
    session: Session, name: str, artifact_location: str | None, tags: tuple[str, ...]
) -> None:
    """Create an experiment."""
    pairs = dict(parsed_tag(tag) for tag in tags)
    created = session.client.create_experiment(
        name, artifact_location=artifact_location, tags=pairs or None
    )
    _tell(session, "Created", session.client.get_experiment(created))


@experiments.command()
@click.argument("experiment")
@pass_session
def get(session: Session, experiment: str) -> None:
    """Show one experiment."""
    found = find_experiment(session.client, experiment)

    def show() -> None:
        print_fields(
            [
                ("Name", found.name),
                ("Id", found.experiment_id),
                ("Stage", str(found.lifecycle_stage)),
                ("Artifacts", found.artifact_location),
                ("Created", when(found.creation_time)),
                ("Changed", when(found.last_update_time)),
                *(("Tag", f"{key} = {value}") for key, value in sorted(found.tags.items())),
            ]
        )

    answer(session, experiment_document(found), show)


@experiments.command()
@click.option("--filter", "filter_string", metavar="TEXT", help="Such as: name LIKE 'digits%'.")
@click.option("--order-by", multiple=True, metavar="TEXT", help="Such as: name DESC.")
@click.option("--view", type=click.Choice(list(VIEWS)), default="active", show_default=True)
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="0: all.")
@pass_session
def search(
    session: Session, filter_string: str | None, order_by: tuple[str, ...], view: str, limit: int
) -> None:
    """List experiments."""
    matching = all_experiments(
        session.client, VIEWS[view], filter_string=filter_string, order_by=order_by
    )
    found = list(itertools.islice(matching, limit or None))
    rows = [
        [e.name, e.experiment_id, str(e.lifecycle_stage), moment(e.last_update_time)] for e in found
    ]
    columns = [Column("NAME", keep=True), Column("ID"), Column("STAGE"), Column("CHANGED")]
    answer(
        session,
        [experiment_document(e) for e in found],
        lambda: print_table(columns, rows, empty="No experiment matches."),
    )
    if limit and len(found) == limit and next(matching, None) is not None:
        note(f"There are more than {limit}; --limit 0 shows all.")


@experiments.command()
@click.argument("experiment")
@click.argument("new_name")
@pass_session
def rename(session: Session, experiment: str, new_name: str) -> None:
    """Give an experiment another name."""
    found = find_experiment(session.client, experiment)
    session.client.rename_experiment(found.experiment_id, new_name)
    _tell(session, "Renamed", session.client.get_experiment(found.experiment_id))


@experiments.command()
@click.argument("experiment")
@pass_session
def delete(session: Session, experiment: str) -> None:
    """Move an experiment to the bin; `restore` takes it out, `tracking purge` empties it."""
    found = find_experiment(session.client, experiment)
    session.client.delete_experiment(found.experiment_id)
    _tell(session, "Deleted", session.client.get_experiment(found.experiment_id))


@experiments.command()
@click.argument("experiment")
@pass_session
def restore(session: Session, experiment: str) -> None:
    """Take an experiment out of the bin."""
    found = find_experiment(session.client, experiment)
    session.client.restore_experiment(found.experiment_id)
    _tell(session, "Restored", session.client.get_experiment(found.experiment_id))


@experiments.command()
@click.argument("experiment")
@click.option("--output", "-o", type=click.File("w", encoding="utf-8", lazy=True), default="-")
@pass_session
def csv(session: Session, experiment: str, output: IO[str]) -> None:
    """Write all active runs of an experiment as CSV (with --json: as documents)."""
    write_csv(session, found_runs(session.client, (experiment,)), output)


def parsed_tag(text: str) -> tuple[str, str]:
    """Split `KEY=VALUE`.

    Raises:
        InvalidValueError: There is no equals sign, or no key.
    """
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise InvalidValueError(f"The tag {text!r} isn't of the form KEY=VALUE.")
    return key, value


def _tell(session: Session, done: str, experiment: Experiment) -> None:
    answer(
        session,
        experiment_document(experiment),
        lambda: click.echo(
            f"{done} the experiment {printable(experiment.name)!r} (id {experiment.experiment_id})."
        ),
    )
