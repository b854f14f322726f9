"""The laws about imports that import-linter (`make lint`) has no contract for."""

from __future__ import annotations

import ast
from pathlib import Path

import grimp
import pytest

FOR_PLUGINS = {
    "ArtifactRepositorySpec",
    "BackendSpec",
    "CommandSession",
    "CommandSpec",
    "hookimpl",
}


def imported_from(package: str, source: str) -> set[str]:
    """Return the names that source takes from the package itself, not from its modules."""
    return {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
    }


def test_nothing_inside_imports_the_package_itself() -> None:
    """`tracking_core` re-exports the client and the fluent API: through it, any layer is open."""
    graph = grimp.build_graph(
        "tracking_core",
        "tracking_core_file",
        "tracking_core_rest",
        "tracking_core_server",
        "tracking_core_sql",
        cache_dir=None,
    )
    assert graph.find_modules_that_directly_import("tracking_core") == set()


# A server opens what its URIs name; requests to one go out with what other plugins give them.
FURTHER = {
    "plugins/file/tracking_core_file": set(),
    "plugins/rest/tracking_core_rest": {"default_manager"},
    "plugins/server/tracking_core_server": {"open_artifact_repository", "open_store"},
    "plugins/sql/tracking_core_sql": set(),
}


@pytest.mark.parametrize("plugin", FURTHER)
def test_a_plugin_takes_from_discovery_what_it_announces_itself_with(
    plugin: str, root: Path
) -> None:
    paths = list((root / plugin).rglob("*.py"))
    assert paths
    for path in paths:
        names = imported_from("tracking_core.discovery", path.read_text())
        assert names - FOR_PLUGINS - FURTHER[plugin] - {"hookspecs", "specs"} == set(), path


def test_a_name_too_much_is_seen() -> None:
    source = "def f():\n    from tracking_core.discovery import BackendSpec, PluginManager as P\n"
    assert imported_from("tracking_core.discovery", source) == {"BackendSpec", "PluginManager"}
