"""Commands that plugins bring.

The help must be there at once, but asking plugins costs as much as the help itself. So the commands
of this project's own distributions are listed here, and plugins are asked for the help only where
others have commands.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from tracking_core.cli.groups import LazyGroup
from tracking_core.cli.session import SHARED_OPTIONS

if TYPE_CHECKING:
    from tracking_core.config import Settings
    from tracking_core.discovery.manager import PluginManager

OWN_COMMANDS = {"db": ("sql", "The tables of a SQL database: upgrade, look, check.")}
"""By name: the extra of tracking-core that brings the command, and the line of the help."""

_OWN_DISTRIBUTIONS = frozenset(
    f"tracking_core{suffix}"
    for suffix in (
        "",
        *("_databricks", "_file", "_models", "_projects", "_rest", "_server", "_sql", "_ui"),
    )
)


class PluginGroup(LazyGroup):
    """A group to which plugins add commands; its own win."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return list(self._summaries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, of a plugin if it isn't one of the group's own."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name.startswith("-"):
            return own
        # Local, as in the functions below: the help does without.
        from tracking_core.errors import TrackingError

        try:
            return _command_of_a_plugin(cmd_name)
        except TrackingError:
            if ctx.resilient_parsing:  # a shell completes, and shows no errors
                return None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of the help without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries().items()))

    def _summaries(self) -> dict[str, str]:
        summaries = {name: summary for name, (_, summary) in self._lazy.items()}
        summaries |= {name: summary for name, (_, summary) in OWN_COMMANDS.items()}
        # Where discovery is there already, asking is cheap, and a program may have registered some.
        if "tracking_core.discovery" in sys.modules or _others_have_commands():
            for found in _manager().commands(_settings()):
                summaries.setdefault(found.spec.name, found.spec.summary)
        return summaries

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one is near, and which plugin could not be asked."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            broken = _manager().broken(_settings())
            if not broken:
                raise
            from tracking_core.discovery.manager import without_a_say

            raise click.UsageError(f"{error.message} {without_a_say(broken)}", ctx) from error


def _command_of_a_plugin(name: str) -> click.Command | None:
    from tracking_core.discovery.opening import import_command, wrong_kind
    from tracking_core.errors import MissingDependencyError

    found = _manager().command(name, _settings())
    if found is None:
        if name not in OWN_COMMANDS or _manager().broken(_settings()):
            return None
        extra, _ = OWN_COMMANDS[name]
        raise MissingDependencyError(
            f"No plugin that is installed and switched on has the command {name!r}; install it:"
            f" pip install 'tracking-core[{extra}]'."
        )
    command = import_command(found)
    if not isinstance(command, click.Command):
        raise wrong_kind(found, "click command")
    _share_options(command)
    return command


def _share_options(command: click.Command) -> None:
    """Give a plugin's command the options that all commands have, if it has none of that name."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _share_options(below)
        return
    taken = {name for parameter in command.params for name in parameter.opts}
    options = [option() for option in SHARED_OPTIONS]
    command.params.extend(option for option in options if not taken.intersection(option.opts))


def _manager() -> PluginManager:
    from tracking_core.discovery import default_manager

    return default_manager()


def _settings() -> Settings:
    # Not the session's, which are read once: options after the command have a say in those.
    from tracking_core.config import load_settings

    return load_settings().settings


def _others_have_commands() -> bool:
    """Tell whether a distribution that isn't the project's own may have commands.

    Finds entry points as `importlib.metadata` would, at a tenth of its cost, and looks for the
    hook's name in the text of the modules, for importing one imports all of discovery. What isn't
    in a plain directory is missing from the help only.
    """
    for directory in dict.fromkeys(sys.path):
        try:
            names = os.listdir(directory or ".")
        except OSError:  # not there, or not a directory: nothing is found in it
            continue
        for name in names:
            if (
                name.endswith((".dist-info", ".egg-info"))
                and name.partition("-")[0].lower() not in _OWN_DISTRIBUTIONS
                and any(
                    _may_have_commands(module)
                    for module in _plugins(os.path.join(directory, name, "entry_points.txt"))
                )
            ):
                return True
    return False


def _plugins(path: str) -> list[str]:
    """Return the modules of a distribution's plugins."""
    try:
        with open(path, encoding="utf-8") as file:
            _, _, below = file.read().partition("[tracking_core]")
    except OSError:  # most have no entry points
        return []
    lines = below.partition("[")[0].splitlines()
    return [line.partition("=")[2].partition(":")[0].strip() for line in lines if "=" in line]


def _may_have_commands(module: str) -> bool:
    package, *inside = module.split(".")
    spec = find_spec(package)  # of the outermost package, for that imports nothing
    for place in (spec and spec.submodule_search_locations) or ():
        try:
            with open(os.path.join(place, *inside) + ".py", "rb") as file:
                return b"tracking_commands" in file.read()
        except OSError:  # in another place, or no file at all
            continue
    return spec is not None
