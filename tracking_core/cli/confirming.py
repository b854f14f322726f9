"""Asking before something is gone for good."""

from __future__ import annotations

import click


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `--yes` was given.

    Raises:
        click.UsageError: Nobody is there to answer.
        click.Abort: The answer is no.
    """
    if yes:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        raise click.UsageError("Nobody answered; --yes goes on without asking.") from None
    if not agreed:
        raise click.Abort
