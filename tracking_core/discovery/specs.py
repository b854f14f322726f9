"""What a plugin announces: strings only, so that announcing imports nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from tracking_core.config import Settings


class BackendSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A backend store that a plugin provides.

    Attributes:
        name: Short and unique, such as `file`; what `tracking plugins check NAME` takes.
        schemes: The URI schemes that it serves, in lower case. `postgresql` also serves
            `postgresql+psycopg` and its like, unless someone claims those themselves.
        implementation: `package.module:Class` of a BackendStore; imported on first use.
        summary: One line for people.
        install: The command that installs what it needs, for the error when that is missing.
        facets: Names of its facets.
        capabilities: Names of its capabilities.
        contract_version: The version of the contract that it was written for. A plugin that says
            nothing was written for the first.
    """

    name: str
    schemes: tuple[str, ...]
    implementation: str
    summary: str = ""
    install: str = ""
    facets: tuple[str, ...] = ("RunStore",)
    capabilities: tuple[str, ...] = ()
    contract_version: int = 1


class ArtifactRepositorySpec(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact repository that a plugin provides; the fields mean what BackendSpec's do."""

    name: str
    schemes: tuple[str, ...]
    implementation: str
    summary: str = ""
    install: str = ""
    capabilities: tuple[str, ...] = ()
    contract_version: int = 1


class CommandSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A command, or a group of commands, that a plugin adds to `tracking`.

    Attributes:
        name: What is typed after `tracking`.
        implementation: `package.module:command`, a `click.Command`; imported when it is called. It
            gets the options that all commands share, and a CommandSession by `click.pass_obj`.
        summary: The line of the help.
        install: The command that installs what it needs, for the error when that is missing.
        contract_version: The version of the contract that it was written for.
    """

    name: str
    implementation: str
    summary: str = ""
    install: str = ""
    contract_version: int = 1


class CommandSession(Protocol):
    """What a plugin's command gets: how it was called, and how its answer is printed."""

    @property
    def settings(self) -> Settings:
        """The settings, with what the options `--tracking-uri` and `--registry-uri` say."""

    @property
    def as_json(self) -> bool:
        """Whether a JSON document is asked for."""

    def answer(self, document: object, show: Callable[[], None]) -> None:
        """Print the document if JSON is asked for, and else call what prints it for people."""

    def print_table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table: on a terminal, so that it fits; elsewhere plain and whole."""

    def print_fields(self, fields: Iterable[tuple[str, str]]) -> None:
        """Print names and values, one below the other; what is empty is left out."""

    def note(self, text: str) -> None:
        """Tell what is no part of the answer, as progress is: on stderr, on a terminal only."""
