"""Commands that plugins announce: who has one, and what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tracking_core.config import Settings
from tracking_core.discovery import CommandSpec, PluginManager, hookimpl
from tracking_core.discovery.opening import import_command
from tracking_core.discovery.report import check_plugin, describe_plugins
from tracking_core.errors import (
    ContractVersionError,
    MissingDependencyError,
    PluginConflictError,
    PluginLoadError,
    TrackingError,
)

Install = Callable[..., PluginManager]
SETTINGS = Settings()


def failure(manager: PluginManager, name: str) -> TrackingError:
    found = manager.command(name, SETTINGS)
    assert found is not None
    with pytest.raises(TrackingError) as error:
        import_command(found)
    return error.value


def test_a_command_is_found_without_importing_it(installed: Install) -> None:
    manager = installed("good")
    found = manager.command("greet", SETTINGS)
    assert found is not None
    assert found.plugin.distribution == "tracking-core-fixture-good"
    assert found.spec.summary == "Say hello to the store."
    assert "fixture_good.commands" not in sys.modules
    assert getattr(import_command(found), "name", "") == "greet"


def test_a_command_that_nobody_has_is_none(installed: Install) -> None:
    assert installed("good").command("nope", SETTINGS) is None


def test_a_registered_plugin_wins_over_the_entry_points(installed: Install) -> None:
    class Embedded:
        @hookimpl
        def tracking_commands(self) -> list[CommandSpec]:
            return [CommandSpec(name="greet", implementation="a:b")]

    manager = installed("good")
    with manager.register(Embedded(), name="mine"):
        found = manager.command("greet", SETTINGS)
        assert found is not None
        assert found.plugin.name == "mine"
        states = {
            (report.distribution, report.state)
            for report in describe_plugins(manager)
            if report.name == "greet"
        }
        assert states == {("", "ok"), ("tracking-core-fixture-good", "conflict")}


def test_two_plugins_with_one_command_are_a_conflict_until_one_is_switched_off(
    installed: Install,
) -> None:
    manager = installed("rival_first", "rival_second")
    with pytest.raises(PluginConflictError) as error:
        manager.command("compete", SETTINGS)
    assert str(error.value) == (
        "The command 'compete' is claimed by the plugin 'rival_first' of"
        " tracking-core-fixture-rival-first 1.0 and the plugin 'rival_second' of"
        " tracking-core-fixture-rival-second 1.0; switch off all but one by"
        " TRACKING_DISABLED_PLUGINS=rival_first."
    )
    found = manager.command("compete", Settings(disabled_plugins=("rival_first",)))
    assert found is not None
    assert found.plugin.name == "rival_second"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("say-nothing", "but the module has no Missing."),
        ("say-module", "No module named 'fixture_wrong_names.absent'."),
        ("say-colon", "isn't of the form package.module:command."),
    ],
)
def test_a_command_that_is_not_there_is_said_to_be_wrong(
    installed: Install, name: str, said: str
) -> None:
    error = failure(installed("wrong_names"), name)
    assert isinstance(error, PluginLoadError)
    assert said in str(error)
    assert "tracking-core-fixture-wrong-names 1.0" in str(error)


def test_a_missing_library_is_named_with_what_installs_it(installed: Install) -> None:
    error = failure(installed("missing_library"), "need")
    assert isinstance(error, MissingDependencyError)
    assert "'no_such_driver', which isn't installed" in str(error)
    assert "pip install 'tracking-core-fixture-missing-library[driver]'" in str(error)


def test_a_command_for_another_contract_is_refused(installed: Install) -> None:
    error = failure(installed("old_contract"), "dig")
    assert isinstance(error, ContractVersionError)
    assert "'dig', announced by the plugin" in str(error)


def test_a_plugin_that_announces_something_else_is_broken_and_stops_no_other(
    installed: Install,
) -> None:
    manager = installed("wrong_hooks", "good")
    assert manager.command("greet", SETTINGS) is not None
    ((plugin, cause),) = manager.broken(SETTINGS).items()
    assert plugin.name == "wrong_hooks"
    assert str(cause) == "tracking_commands returned ['play'] instead of a list of CommandSpec."
    assert manager.broken(Settings(disabled_plugins=("wrong_hooks",))) == {}


# --- reports ---


def test_commands_are_in_the_list_of_what_plugins_provide(installed: Install) -> None:
    manager = installed("good", "rival_first", "rival_second", "old_contract")
    reports = {report.name: report for report in describe_plugins(manager)}
    assert reports["greet"].kind == "command"
    assert reports["greet"].state == "ok"
    assert reports["greet"].summary == "Say hello to the store."
    assert reports["compete"].state == "conflict"
    assert reports["compete"].cause.startswith("The command is claimed by the plugin 'rival_")
    assert reports["dig"].state == "refused"


def test_a_check_imports_a_command(installed: Install) -> None:
    check = check_plugin("greet", manager=installed("good"), uri="good://x")
    assert check.problems == ()
    assert check.import_milliseconds is not None
    assert check.healthy is None, "a command has no URI to open"


def test_a_check_says_what_is_wrong_with_a_command(installed: Install) -> None:
    (problem,) = check_plugin("say-nothing", manager=installed("wrong_names")).problems
    assert "has no Missing" in problem
