"""Each hook is documented with an example that works, and some plugin of the tests has it."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
import requests

from tracking_core.config import Settings, Uri
from tracking_core.discovery import PluginManager, hookspecs, open_store

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/hooks.md").read_text()
SETTINGS = Settings()


def specified() -> dict[str, str]:
    """Return the hooks and their signatures, as the page writes them."""
    found = {}
    for name, function in vars(hookspecs).items():
        if hasattr(function, f"{hookspecs.PROJECT_NAME}_spec"):
            code = function.__code__
            found[name] = f"{name}({', '.join(code.co_varnames[: code.co_argcount])})"
    return found


def section(hook: str) -> str:
    return PAGE.partition(f"## {hook}(")[2].partition("\n## ")[0]


def example(hook: str) -> ModuleType:
    (code,) = re.findall(r"```python\n(.*?)```", section(hook), re.DOTALL)
    module = ModuleType(f"example of {hook}")
    exec(code, vars(module))
    return module


def test_there_are_hooks_to_hold_the_page_against() -> None:
    assert set(specified()) == {
        hookspecs.BACKENDS,
        hookspecs.ARTIFACT_REPOSITORIES,
        hookspecs.RUN_CONTEXT_TAGS,
        hookspecs.COMMANDS,
        hookspecs.REQUEST_HEADERS,
        hookspecs.REQUEST_AUTH,
    }


def test_the_page_has_a_section_for_each_hook_and_for_nothing_else() -> None:
    assert re.findall(r"^## (tracking_\w+\(.*\))$", PAGE, re.MULTILINE) == list(
        specified().values()
    )


@pytest.mark.parametrize("hook", specified())
def test_each_hook_has_a_docstring_and_a_plugin_of_the_tests(hook: str) -> None:
    assert getattr(hookspecs, hook).__doc__
    assert (
        f"def {hook}(" in (ROOT / "tests/plugins_fixture/good/fixture_good/plugin.py").read_text()
    )


def test_the_example_of_a_backend_works() -> None:
    manager = PluginManager()
    manager.register(example("tracking_backends"))
    with open_store("scratch:", SETTINGS, manager=manager) as store:
        store.check_health()


def test_the_example_of_an_artifact_repository_works() -> None:
    manager = PluginManager()
    with manager.register(example("tracking_artifact_repositories")):
        found = manager.artifact_repository(Uri.parse("vault://x"), SETTINGS)
    assert found.spec.install == "pip install tracking-core-vault"


def test_the_example_of_run_context_tags_works(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = PluginManager()
    with manager.register(example("tracking_run_context_tags")):
        assert "platform.job" not in manager.run_context_tags(SETTINGS)
        monkeypatch.setenv("PLATFORM_JOB", "17")
        assert manager.run_context_tags(SETTINGS)["platform.job"] == "17"


def test_the_example_of_commands_works() -> None:
    (code, command) = re.findall(r"```python\n(.*?)```", section("tracking_commands"), re.DOTALL)
    module = ModuleType("tracking_core_example.commands")
    exec(command, vars(module))
    plugin = ModuleType("example")
    exec(code, vars(plugin))
    manager = PluginManager()
    with manager.register(plugin):
        found = manager.command("jobs", SETTINGS)
    assert found is not None
    package, _, name = found.spec.implementation.partition(":")
    assert package == module.__name__
    assert vars(module)[name].name == "jobs"


def test_the_example_of_request_headers_works(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = PluginManager()
    with manager.register(example("tracking_request_headers")):
        assert "X-Team" not in manager.request_headers("https://example.org", SETTINGS)
        monkeypatch.setenv("PLATFORM_TEAM", "vision")
        assert manager.request_headers("https://example.org", SETTINGS)["X-Team"] == "vision"


def test_the_example_of_request_auth_works() -> None:
    manager = PluginManager()
    with manager.register(example("tracking_request_auth")):
        signing = manager.request_auth("https://example.org", SETTINGS)
        assert callable(signing)
        assert signing(requests.Request(headers={})).headers == {"Authorization": "Company 42"}
        assert manager.request_auth("https://example.com", SETTINGS) is None
