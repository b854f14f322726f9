"""What `tracking plugins` tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tracking_core.config import Settings
from tracking_core.discovery import PluginManager
from tracking_core.discovery.report import PluginReport, check_plugin, describe_plugins
from tracking_core.errors import NotFoundError

Install = Callable[..., PluginManager]


def by_name(manager: PluginManager, settings: Settings | None = None) -> dict[str, PluginReport]:
    return {report.name: report for report in describe_plugins(manager, settings)}


def test_the_built_in_plugins_come_first_and_are_well() -> None:
    memory, file, *_ = describe_plugins(PluginManager())
    assert (memory.name, memory.kind, memory.schemes) == ("memory", "backend", ("memory",))
    assert (file.name, file.state, file.distribution) == ("file", "ok", "tracking-core")
    assert memory.contract_version == 1


def test_each_state_has_its_cause(installed: Install) -> None:
    manager = installed(
        "good", "broken_plugin", "old_contract", "rival_first", "rival_second", "wrong_hooks"
    )
    reports = by_name(manager, Settings(disabled_plugins=("good",)))
    installed_here = {
        report.name: report.state
        for report in reports.values()
        if report.distribution.startswith("tracking-core-fixture-")
    }
    assert installed_here == {
        "good": "disabled",
        "brittle": "broken",
        "antique": "refused",
        "rival-first": "conflict",
        "rival-second": "conflict",
        "compete": "conflict",
        "dig": "refused",
        "wrong_hooks": "broken",
    }
    assert reports["brittle"].cause == "RuntimeError: the licence server is asleep."
    assert reports["brittle"].version == "1.2.3"
    assert "version 0" in reports["antique"].cause
    assert "tracking-core-fixture-rival-second" in reports["rival-first"].cause
    assert "instead of a list of BackendSpec" in reports["wrong_hooks"].cause


def test_a_chosen_owner_ends_the_conflict(installed: Install) -> None:
    manager = installed("rival_first", "rival_second")
    chosen = Settings(scheme_owners={"rival": "tracking-core-fixture-rival-first"})
    reports = by_name(manager, chosen)
    assert reports["rival-first"].state == "ok"
    assert reports["rival-second"].state == "conflict"
    assert "scheme_owners" in reports["rival-second"].cause


def test_a_plugin_checks_out(installed: Install) -> None:
    check = check_plugin("good", manager=installed("good"), uri="good://me:secret@place")
    assert check.problems == ()
    assert check.healthy is True
    assert check.facets == ("RunStore",)
    assert check.capabilities == ("purge",)
    assert check.uri == "good://me:***@place"
    assert check.import_milliseconds is not None
    assert 0 < check.import_milliseconds < 5000


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("memory", "memory:"),
        ("file", "./mlruns"),
        ("local-artifacts", "./mlruns"),
        ("memory-artifacts", "memory://x"),
    ],
)
def test_what_is_built_in_is_what_it_announces(name: str, uri: str) -> None:
    check = check_plugin(name, manager=PluginManager(), uri=uri)
    assert check.problems == ()
    assert check.healthy is True
    assert list(Path().iterdir()) == [], "looking leaves no trace"


def test_a_plugin_that_does_not_answer_is_not_healthy(installed: Install) -> None:
    check = check_plugin("good", manager=installed("good"), uri="good://asleep")
    assert check.healthy is False
    assert check.problems == ("good://asleep doesn't answer.",)


def test_the_uri_of_another_plugin_proves_nothing(installed: Install) -> None:
    check = check_plugin("good", manager=installed("good"), uri="memory:")
    assert check.healthy is False
    assert check.problems == ("It isn't 'good' that serves memory:.",)


def test_declared_and_actual_are_compared(installed: Install) -> None:
    without = check_plugin("boastful", manager=installed("boastful"))
    assert without.facets is None, "its facets are made for each instance"
    (problem,) = without.problems
    assert "too much is durable, rich_filters is left out" in problem

    opened = check_plugin("boastful", manager=installed("boastful"), uri="boastful:")
    assert any("too much is ModelRegistryStore, nothing is" in p for p in opened.problems)


@pytest.mark.parametrize(
    ("distribution", "name", "said"),
    [
        ("broken_plugin", "brittle", "RuntimeError: the licence server is asleep"),
        ("broken_store", "fragile", "SomethingThatNeverWas"),
        ("missing_library", "needy", "'no_such_driver', which isn't installed"),
        ("old_contract", "antique", "version 0"),
        ("half_written", "half", "log_batch"),
        ("wrong_names", "no-class", "has no Missing"),
    ],
)
def test_a_check_says_what_is_wrong(
    installed: Install, distribution: str, name: str, said: str
) -> None:
    check = check_plugin(name, manager=installed(distribution))
    assert said in " ".join(check.problems)


def test_hooks_that_this_version_does_not_know_are_told(installed: Install) -> None:
    manager = installed("good")
    import fixture_good.plugin as module

    from tracking_core.discovery import hookimpl

    @hookimpl
    def tracking_hook_to_come() -> list[str]:
        return []

    module.tracking_hook_to_come = tracking_hook_to_come
    (problem,) = check_plugin("good", manager=manager).problems
    assert "tracking_hook_to_come" in problem


def test_an_unknown_name_lists_the_known(installed: Install) -> None:
    with pytest.raises(NotFoundError, match=r"no plugin 'nope'; there are: .*good"):
        check_plugin("nope", manager=installed("good"))
