"""`tracking doctor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import msgspec

from tracking_core.cli.groups import Command
from tracking_core.cli.output import Cell, Column, answer, print_fields, print_table
from tracking_core.cli.session import Session
from tracking_core.config import DEFAULT_TRACKING_URI, LoadedSettings, redact
from tracking_core.discovery.manager import describe
from tracking_core.discovery.report import PluginReport, describe_plugins
from tracking_core.stores import BackendStore

_ILL = ("broken", "conflict", "refused")


@click.command(cls=Command)
@click.pass_context
def doctor(context: click.Context) -> None:
    """Show each setting and where it came from, whether the store answers, and what is broken.

    The exit status is 1 if something is wrong.
    """
    session = context.ensure_object(Session)
    settings = session.loaded.settings
    tracking_uri = settings.tracking_uri or DEFAULT_TRACKING_URI
    stores = {"store": _examined(lambda: session.client.store, tracking_uri)}
    if settings.registry_uri and settings.registry_uri != tracking_uri:
        stores["registry"] = _examined(lambda: session.client.registry_store, settings.registry_uri)
    ill = [plugin for plugin in describe_plugins(settings=settings) if plugin.state in _ILL]
    well = not ill and all(map(_is_well, stores.values()))
    document: dict[str, Any] = {
        "settings": _settings(session.loaded),
        **stores,
        "plugins": [msgspec.to_builtins(plugin) for plugin in ill],
        "well": well,
    }
    answer(session, document, lambda: _print(document["settings"], stores, ill, well=well))
    if not well:
        context.exit(1)


def _settings(loaded: LoadedSettings) -> dict[str, dict[str, Any]]:
    return {
        name: {"value": loaded.settings.shown(name), "source": source}
        for name, source in loaded.sources.items()
    }


def _examined(opened: Callable[[], BackendStore], uri: str) -> dict[str, Any]:
    """Open a store and return what it says of itself, and what it found wrong."""
    found: dict[str, Any] = {
        "uri": redact(uri),
        "implementation": None,
        "reachable": False,
        "facets": [],
        "capabilities": [],
        "findings": [],
        "error": None,
    }
    # Whatever goes wrong here is what the user wants to be told.
    try:
        store = opened()
        found["implementation"] = f"{type(store).__module__}:{type(store).__qualname__}"
        found["facets"] = sorted(kind.__name__ for kind in store.facets())
        found["capabilities"] = sorted(map(str, store.capabilities))
        store.check_health()
        found["reachable"] = True
        # A store may have more to tell than the contract asks for.
        diagnose = getattr(store, "diagnose", None)
        if diagnose is not None:
            found["findings"] = [msgspec.to_builtins(finding) for finding in diagnose()]
    except Exception as error:
        found["error"] = f"{describe(error)}."
    return found


def _is_well(store: dict[str, Any]) -> bool:
    return store["reachable"] and all(map(_is_note, store["findings"]))


def _is_note(finding: dict[str, Any]) -> bool:
    return finding.get("severity") == "note"


def _print(
    settings: dict[str, dict[str, Any]],
    stores: dict[str, dict[str, Any]],
    ill: list[PluginReport],
    *,
    well: bool,
) -> None:
    rows: list[list[str | Cell]] = []
    for name, setting in settings.items():
        given = setting["source"] != "default"
        rows.append(
            [
                name,
                Cell(_shown(setting["value"]), "bold" if given else ""),
                Cell(setting["source"], "" if given else "dim"),
            ]
        )
    columns = [Column("SETTING", keep=True), Column("VALUE", keep=True), Column("FROM", keep=True)]
    print_table(columns, rows, empty="")
    for title, store in stores.items():
        click.echo()
        _print_store(title.capitalize(), store)
    named = (f"{plugin.distribution} {plugin.version}".strip() for plugin in ill)
    print_fields(
        ("Plugin", Cell(f"{plugin.name} ({of}) is {plugin.state}: {plugin.cause}", "red"))
        for plugin, of in zip(ill, named, strict=True)
    )
    if well:
        click.echo("Nothing is wrong.")


def _print_store(title: str, store: dict[str, Any]) -> None:
    answers = store["reachable"]
    fields: list[tuple[str, str | Cell]] = [
        (title, store["uri"]),
        ("State", Cell("answers", "green") if answers else Cell("doesn't answer", "red")),
        ("Cause", store["error"] or ""),
        ("Facets", ", ".join(store["facets"])),
        ("Capabilities", ", ".join(store["capabilities"])),
    ]
    for finding in store["findings"]:
        text = f"{finding['path']}: {finding['what']} {finding.get('advice', '')}".rstrip()
        fields.append(("Note", text) if _is_note(finding) else ("Problem", Cell(text, "yellow")))
    print_fields(fields)


def _shown(value: object) -> str:
    if value is None or value in ((), {}):
        return "-"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    return str(value)
