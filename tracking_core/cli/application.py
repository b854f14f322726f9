"""The root of the commands: global options, errors to sentences, exit status."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

import click

from tracking_core.cli.plugin_commands import PluginGroup
from tracking_core.cli.session import Session, registry_uri_option, tracking_uri_option

_HELP = """Track experiments, look at runs, keep models.

Run ids may be shortened to what is unique. Every command takes --json. For completion in your
shell, see `tracking completion --help`."""

_COMMANDS = {
    "experiments": ("experiments:experiments", "Create, find, rename, delete experiments."),
    "runs": ("runs:runs", "Find, describe, compare, delete runs."),
    "artifacts": ("artifacts:artifacts", "Log, list, download the files of a run."),
    "models": ("models:models", "Registered models, their versions, aliases and stages."),
    "plugins": ("plugins:plugins", "What is installed, and whether it works."),
    "doctor": ("doctor:doctor", "Show the settings in force and whether the store is well."),
    "copy": ("copy:copy", "Copy everything from one backend to another, and prove it."),
    "purge": ("purge:purge", "Remove what was deleted, for good, with its artifacts."),
    "completion": ("completion:completion", "Print the script for completion in a shell."),
}


class Failure(click.ClickException):
    """An error that the user sees as one sentence; the process ends with status 1."""

    exit_code = 1


class Application(PluginGroup):
    """The root group: what goes wrong in a command becomes a sentence, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with TRACKING_DEBUG=1, let errors through as they are."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("TRACKING_DEBUG") == "1":
                raise
            raise Failure(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    # Local, because the help must not wait for it.
    from tracking_core.errors import TrackingError

    if isinstance(error, TrackingError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    return (
        f"Something unforeseen happened ({type(error).__name__}: {error});"
        " TRACKING_DEBUG=1 shows where."
    )


def _show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    # Local, because it is slow to import and only this option wants it.
    from importlib import metadata

    try:
        version = metadata.version("tracking-core")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    click.echo(f"tracking {version}")
    context.exit()


@click.group(
    cls=Application,
    help=_HELP,
    lazy={
        name: (f"tracking_core.cli.{path}", summary) for name, (path, summary) in _COMMANDS.items()
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[tracking_uri_option(), registry_uri_option()],
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.pass_context
def tracking(context: click.Context) -> None:
    """Hold what all commands share."""
    context.ensure_object(Session)


def main() -> NoReturn:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped rather than being an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    tracking(prog_name="tracking")
    raise SystemExit(0)
