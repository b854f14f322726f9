"""What the commands of one invocation share: options, settings, the client."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tracking_core.client import Client
    from tracking_core.config import LoadedSettings, Settings


class Session:
    """The options that were given, and what follows from them, made when it is needed.

    To the commands of plugins it is a `CommandSession`.
    """

    def __init__(self) -> None:
        self.tracking_uri: str | None = None
        self.registry_uri: str | None = None
        self.as_json = False

    @functools.cached_property
    def loaded(self) -> LoadedSettings:
        """The settings and their sources."""
        # Local, as below: the help must not wait for it.
        from tracking_core.config import load_settings

        return load_settings(tracking_uri=self.tracking_uri, registry_uri=self.registry_uri)

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.loaded.settings

    @functools.cached_property
    def client(self) -> Client:
        """The client for these settings."""
        from tracking_core.client import Client

        settings = self.loaded.settings
        client = Client(settings.tracking_uri, settings.registry_uri, settings=settings)
        context = click.get_current_context(silent=True)
        close = getattr(client, "close", None)
        if context is not None and close is not None:
            context.find_root().call_on_close(close)
        return client

    # Local imports: `output` knows the session.

    def answer(self, document: object, show: Callable[[], None]) -> None:
        """Print the document if JSON is asked for, and else call what prints it for people."""
        from tracking_core.cli.output import answer

        answer(self, document, show)

    def print_table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table; the first column stays where there is little room, numbers go right."""
        from tracking_core.cli.output import Column, print_table

        columns = [
            Column(
                title,
                "right" if rows and all(_is_quantity(row[i]) for row in rows) else "left",
                keep=not i,
            )
            for i, title in enumerate(titles)
        ]
        print_table(columns, rows, empty="There are none.")

    def print_fields(self, fields: Iterable[tuple[str, str]]) -> None:
        """Print names and values, one below the other; what is empty is left out."""
        from tracking_core.cli.output import print_fields

        print_fields(fields)

    def note(self, text: str) -> None:
        """Tell what is no part of the answer: on stderr, and on a terminal only."""
        from tracking_core.cli.output import note

        note(text)


def _is_quantity(text: str) -> bool:
    return not text or text[0].isdigit()


pass_session = click.make_pass_decorator(Session, ensure=True)


def _stored(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.ensure_object(Session), name, value)

    return store


def tracking_uri_option() -> click.Option:
    """Return `--tracking-uri`, which every command takes."""
    return click.Option(
        ["--tracking-uri"],
        metavar="URI",
        expose_value=False,
        callback=_stored("tracking_uri"),
        help="The backend store; else TRACKING_URI, the configuration file, or ./mlruns.",
    )


def registry_uri_option() -> click.Option:
    """Return `--registry-uri`, which every command takes."""
    return click.Option(
        ["--registry-uri"],
        metavar="URI",
        expose_value=False,
        callback=_stored("registry_uri"),
        help="The model registry; else the backend store.",
    )


def _json_option() -> click.Option:
    return click.Option(
        ["--json", "as_json"],
        is_flag=True,
        expose_value=False,
        callback=_stored("as_json"),
        help="Print a JSON document; NaN and the infinities are strings in it.",
    )


SHARED_OPTIONS = (_json_option, tracking_uri_option, registry_uri_option)
