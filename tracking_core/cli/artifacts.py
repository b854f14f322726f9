"""`tracking artifacts`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from tracking_core.artifacts.transfer import download as download_files
from tracking_core.artifacts.transfer import upload
from tracking_core.cli.finding import find_run
from tracking_core.cli.groups import Group
from tracking_core.cli.output import Column, answer, print_table, printable, size, transfer_progress
from tracking_core.cli.session import Session, pass_session
from tracking_core.discovery import open_artifact_repository
from tracking_core.entities import FileInfo, LifecycleStage
from tracking_core.errors import InvalidStateError


@click.group(cls=Group)
def artifacts() -> None:
    """Log, list, download the files of a run; RUN is an id, or as much of it as is unique."""


@artifacts.command()
@click.argument("run")
@click.argument(
    "paths", nargs=-1, required=True, metavar="FILE|DIR...", type=click.Path(path_type=Path)
)
@click.option("--to", "directory", metavar="DIR", help="The directory among the run's artifacts.")
@pass_session
def log(session: Session, run: str, paths: tuple[Path, ...], directory: str | None) -> None:
    """Copy files, or all files of directories, to a run."""
    for path in paths:
        if not path.exists():
            raise click.UsageError(f"There is no file or directory {str(path)!r}.")
    found = find_run(session.client, run)
    if found.info.lifecycle_stage is LifecycleStage.DELETED:
        raise InvalidStateError(
            f"The run {found.info.run_id!r} is deleted; restore it before changing it."
        )
    # Not by the client's method, which has no way to show progress.
    repository = open_artifact_repository(found.info.artifact_uri, session.loaded.settings)
    for path in paths:
        with transfer_progress(f"Uploading {path}") as progress:
            upload(path, repository, (directory or "").rstrip("/"), progress=progress)
    named = ", ".join(printable(str(path)) for path in paths)
    answer(
        session,
        {"run_id": found.info.run_id, "logged": [str(path) for path in paths]},
        lambda: click.echo(f"Logged {named} to {found.info.run_id}."),
    )


@artifacts.command("list")
@click.argument("run")
@click.argument("path", default="")
@click.option("--recursive", "-r", is_flag=True, help="Also what is in the directories.")
@pass_session
def list_(session: Session, run: str, path: str, recursive: bool) -> None:
    """List a run's artifacts."""
    run_id = find_run(session.client, run).info.run_id
    entries = list(_entries(session, run_id, path.strip("/"), recursive))
    rows = [
        [entry.path + ("/" if entry.is_dir else ""), size(entry.file_size)] for entry in entries
    ]
    answer(
        session,
        [
            {"path": entry.path, "is_dir": entry.is_dir, "file_size": entry.file_size}
            for entry in entries
        ],
        lambda: print_table(
            [Column("PATH", keep=True), Column("SIZE", "right")],
            rows,
            empty=f"There are no artifacts in {path or 'the run'}.",
        ),
    )


@artifacts.command()
@click.argument("run")
@click.argument("path", default="")
@click.option(
    "--to",
    "-o",
    "directory",
    metavar="DIR",
    type=click.Path(file_okay=False),
    default=".",
    show_default=True,
    help="Where to put them; made if it isn't there.",
)
@pass_session
def download(session: Session, run: str, path: str, directory: str) -> None:
    """Download a file or directory of a run's artifacts, by default all, and print where it is."""
    info = find_run(session.client, run).info
    path = path.rstrip("/")
    repository = open_artifact_repository(info.artifact_uri, session.loaded.settings)
    repository.info(path)  # before a directory is made in vain
    target = Path(directory).absolute()
    with transfer_progress(f"Downloading {path or info.run_id}") as progress:
        download_files(repository, path, target, progress=progress)
    arrived = str(target / path)
    answer(session, {"run_id": info.run_id, "path": arrived}, lambda: click.echo(arrived))


def _entries(session: Session, run_id: str, path: str, recursive: bool) -> Iterator[FileInfo]:
    for entry in session.client.list_artifacts(run_id, path or None):
        yield entry
        if recursive and entry.is_dir:
            yield from _entries(session, run_id, entry.path, recursive)
