"""Registering, switching off, asking for tags; threads and forks."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tracking_core.config import Settings, Uri
from tracking_core.discovery import BackendSpec, PluginManager, default_manager, hookimpl
from tracking_core.discovery import manager as manager_module
from tracking_core.errors import PluginConflictError, PluginLoadError, UnknownSchemeError

Install = Callable[..., PluginManager]
SETTINGS = Settings()


class Embedded:
    """Announces one scheme, as a program does that brings its own store."""

    def __init__(self, scheme: str = "embedded") -> None:
        self._scheme = scheme

    @hookimpl
    def tracking_backends(self) -> list[BackendSpec]:
        return [
            BackendSpec(
                name="embedded",
                schemes=(self._scheme,),
                implementation="tracking_core.stores.memory.store:MemoryStore",
            )
        ]

    @hookimpl
    def tracking_run_context_tags(self) -> dict[str, str]:
        return {"embedded": "yes"}


def served_by(manager: PluginManager, uri: str, settings: Settings = SETTINGS) -> str:
    return manager.backend(Uri.parse(uri), settings).plugin.name


# --- registering in the process ---


def test_a_registered_plugin_serves_its_scheme_until_it_is_taken_out() -> None:
    manager = PluginManager()
    registration = manager.register(Embedded(), name="mine")
    assert served_by(manager, "embedded:") == "mine"
    registration.unregister()
    registration.unregister()
    with pytest.raises(UnknownSchemeError):
        served_by(manager, "embedded:")


def test_a_plugin_can_be_registered_for_a_block() -> None:
    manager = PluginManager()
    with manager.register(Embedded()):
        assert served_by(manager, "embedded:") == "Embedded"
    with pytest.raises(UnknownSchemeError):
        served_by(manager, "embedded:")


def test_a_registered_plugin_is_asked_before_the_entry_points(installed: Install) -> None:
    manager = installed("good")
    with manager.register(Embedded("good"), name="mine"):
        assert served_by(manager, "good:") == "mine"
    assert served_by(manager, "good:") == "good"


def test_a_registered_plugin_does_not_take_a_built_in_scheme() -> None:
    manager = PluginManager()
    with manager.register(Embedded("memory"), name="mine"):
        assert served_by(manager, "memory:") == "core"


def test_two_registered_plugins_with_one_scheme_are_a_conflict() -> None:
    manager = PluginManager()
    manager.register(Embedded(), name="one")
    manager.register(Embedded(), name="two")
    with pytest.raises(PluginConflictError, match=r"registered plugin 'one'.*'two'"):
        served_by(manager, "embedded:")


def test_the_same_plugin_is_not_registered_twice() -> None:
    manager, plugin = PluginManager(), Embedded()
    manager.register(plugin)
    with pytest.raises(PluginLoadError, match="registered already"):
        manager.register(plugin, name="again")


def test_a_hook_that_asks_for_more_than_there_is_can_not_be_registered() -> None:
    class Curious:
        @hookimpl
        def tracking_backends(self, password: str) -> list[BackendSpec]:
            raise AssertionError("never called")

    manager = PluginManager()
    with pytest.raises(PluginLoadError, match="password"):
        manager.register(Curious())
    with pytest.raises(UnknownSchemeError) as error:
        served_by(manager, "nowhere:")
    assert "Curious" not in str(error.value)


def test_a_module_that_is_registered_and_has_an_entry_point_is_asked_once(
    installed: Install,
) -> None:
    manager = installed("good")
    import fixture_good.plugin as module

    with manager.register(module, name="editable"):
        assert served_by(manager, "good:") == "editable"
        announced = manager.announcements("tracking_backends", SETTINGS)
        assert [a.plugin.name for a in announced if a.spec.name == "good"] == ["editable"]
    assert served_by(manager, "good:") == "good"


# --- switching off ---


@pytest.mark.parametrize("off", ["all", "brittle", "tracking_core_fixture.broken-plugin"])
def test_a_plugin_that_is_switched_off_is_not_imported(
    installed: Install, off: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIXTURE_TRACE", str(tmp_path / "trace"))
    manager = installed("broken_plugin")
    with pytest.raises(UnknownSchemeError) as error:
        served_by(manager, "brittle:", Settings(disabled_plugins=(off,)))
    switched_off = str(error.value).partition("Switched off: ")[2].rstrip(".").split(", ")
    assert "brittle" in switched_off
    assert not (tmp_path / "trace").exists()
    with pytest.raises(PluginLoadError):
        served_by(manager, "brittle:")


def test_a_hermetic_run_keeps_what_is_built_in_and_what_it_registers(installed: Install) -> None:
    manager, hermetic = installed("good"), Settings(disabled_plugins=("all",))
    manager.register(Embedded(), name="mine")
    assert served_by(manager, "memory:", hermetic) == "core"
    assert served_by(manager, "./mlruns", hermetic) == "file"
    assert served_by(manager, "embedded:", hermetic) == "mine"
    with pytest.raises(UnknownSchemeError):
        served_by(manager, "good:", hermetic)


def test_one_spec_of_a_plugin_can_be_switched_off_by_its_name(installed: Install) -> None:
    manager = installed("good", "rival_first", "rival_second")
    assert served_by(manager, "rival:", Settings(disabled_plugins=("rival-first",))) == (
        "rival_second"
    )


def test_a_built_in_plugin_can_be_switched_off_by_name() -> None:
    with pytest.raises(UnknownSchemeError, match="Switched off: file"):
        served_by(PluginManager(), "./mlruns", Settings(disabled_plugins=("file",)))


# --- tags of the run's context ---


def test_a_platform_adds_its_tags_and_sees_the_settings(installed: Install) -> None:
    tags = installed("good").run_context_tags(Settings(run_id="abc"))
    assert tags["platform.job"] == "42"
    assert tags["mlflow.user"] == "abc"


def test_of_two_plugins_the_one_whose_name_sorts_last_wins(installed: Install) -> None:
    class Late:
        @hookimpl
        def tracking_run_context_tags(self) -> dict[str, str]:
            return {"platform.job": "late"}

    manager = installed("good")
    with manager.register(Late(), name="zeta"):
        assert manager.run_context_tags(SETTINGS)["platform.job"] == "late"
    with manager.register(Late(), name="alpha"):
        assert manager.run_context_tags(SETTINGS)["platform.job"] == "42"


def test_tags_that_fail_cost_one_warning_and_nothing_else(
    installed: Install, caplog: pytest.LogCaptureFixture
) -> None:
    manager = installed("good", "wrong_hooks")
    with caplog.at_level(logging.WARNING, logger="tracking_core"):
        for _ in range(3):
            assert manager.run_context_tags(SETTINGS)["platform.job"] == "42"
    (record,) = [r for r in caplog.records if "wrong_hooks" in r.getMessage()]
    assert "ValueError: no platform here" in record.getMessage()


def test_tags_that_are_no_strings_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    class Numbers:
        @hookimpl
        def tracking_run_context_tags(self) -> dict[str, int]:
            return {"job": 42}

    manager = PluginManager()
    with manager.register(Numbers()):
        assert "job" not in manager.run_context_tags(SETTINGS)
    assert "instead of strings" in caplog.text


def test_switched_off_plugins_add_no_tags(installed: Install) -> None:
    tags = installed("good").run_context_tags(Settings(disabled_plugins=("all",)))
    assert "platform.job" not in tags


# --- requests to servers ---


class _Signing:
    def __init__(self, headers: object, signing: object = None) -> None:
        self._headers, self._signing = headers, signing

    @hookimpl
    def tracking_request_headers(self, uri: str) -> object:
        if isinstance(self._headers, Exception):
            raise self._headers
        return self._headers

    @hookimpl
    def tracking_request_auth(self) -> object:
        if isinstance(self._signing, Exception):
            raise self._signing
        return self._signing


def test_plugins_add_headers_to_requests_and_the_last_name_wins(installed: Install) -> None:
    manager = installed("good")
    assert manager.request_headers("http://a", SETTINGS)["X-Platform"] == "http://a"
    with manager.register(_Signing({"X-Platform": "late"}), name="zeta"):
        assert manager.request_headers("http://a", SETTINGS)["X-Platform"] == "late"
    with manager.register(_Signing({"X-Platform": "early"}), name="alpha"):
        assert manager.request_headers("http://a", SETTINGS)["X-Platform"] == "http://a"


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        (ValueError("no token"), "failed to answer tracking_request_headers: ValueError: no token"),
        ({"X": 1}, "gives request headers that are no strings by name"),
    ],
)
def test_a_plugin_whose_headers_fail_is_named(headers: object, sentence: str) -> None:
    manager = PluginManager()
    with (
        manager.register(_Signing(headers), name="signing"),
        pytest.raises(PluginLoadError, match=f"'signing'.*{sentence}"),
    ):
        manager.request_headers("http://a", SETTINGS)


def test_the_first_that_signs_requests_counts_unless_one_is_named(installed: Install) -> None:
    manager = installed("good")
    one, two = object(), object()
    with (
        manager.register(_Signing({}, one), name="one"),
        manager.register(_Signing({}, two), name="two"),
        manager.register(_Signing({}, None), name="nothing"),
    ):
        assert manager.request_auth("http://a", SETTINGS) is one
        assert manager.request_auth("http://a", Settings(http_auth="two")) is two
        with pytest.raises(PluginLoadError, match=r"no plugin of this name signs .* one, .*two"):
            manager.request_auth("http://a", Settings(http_auth="nothing"))
    with (
        manager.register(_Signing({}, OSError("no key")), name="broken"),
        pytest.raises(PluginLoadError, match="tracking_request_auth: OSError: no key"),
    ):
        manager.request_auth("http://a", SETTINGS)
    assert manager.request_auth("http://a", Settings(disabled_plugins=("all",))) is None


# --- processes and threads ---


def test_there_is_one_manager_for_everyone_who_brings_none() -> None:
    found: set[int] = set()
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.add(id(default_manager()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {id(default_manager())}


def test_threads_that_look_for_a_plugin_at_once_all_find_it(installed: Install) -> None:
    manager = installed("good", "broken_plugin")
    barrier, found = threading.Barrier(8), []

    def ask() -> None:
        barrier.wait()
        found.append(served_by(manager, "good:"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["good"] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_loads_plugins_leaves_the_child_free(
    installed: Install,
) -> None:
    manager = installed("good")
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with manager_module._lock:
            held.set()
            go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    child = os.fork()
    if child == 0:
        threading.Timer(10, os._exit, (1,)).start()
        os._exit(0 if served_by(manager, "good:") == "good" else 2)
    _, status = os.waitpid(child, 0)
    go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_plugin_that_exits_at_import_does_not_take_the_process_with_it(
    installed: Install,
) -> None:
    with pytest.raises(PluginLoadError, match="SystemExit: not on this machine"):
        served_by(installed("exits"), "quitter:")
