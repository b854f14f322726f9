"""What this distribution announces; imported to be asked, so it imports nothing else."""

from collections.abc import Sequence

from tracking_core.discovery import CommandSpec, hookimpl

_INSTALL = "pip install 'tracking-core[server]'"


@hookimpl
def tracking_commands() -> Sequence[CommandSpec]:
    """Announce `tracking server` and `tracking ui`."""
    return [
        CommandSpec(
            name="server",
            implementation="tracking_core_server.commands:server",
            summary="Serve a backend by MLflow's REST API.",
            install=_INSTALL,
        ),
        CommandSpec(
            name="ui",
            implementation="tracking_core_server.commands:ui",
            summary="Serve a backend on this machine, and open the browser.",
            install=_INSTALL,
        ),
    ]
