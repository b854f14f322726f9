"""`tracking completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog='For one shell session: eval "$(tracking completion bash)". For good, put that line in'
    " ~/.bashrc (or ~/.zshrc with zsh); with fish: tracking completion fish >"
    " ~/.config/fish/completions/tracking.fish."
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes `tracking` in a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell!r}.")
    click.echo(kind(context.find_root().command, {}, "tracking", "_TRACKING_COMPLETE").source())
