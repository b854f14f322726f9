"""A URI finds its plugin, or an error that says what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins_fixture.installing import install
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.discovery import (
    BackendSpec,
    PluginManager,
    hookimpl,
    open_artifact_repository,
    open_store,
)
from tracking_core.discovery.built_in import BUILT_INS
from tracking_core.errors import (
    ContractVersionError,
    IncompleteStoreError,
    MissingDependencyError,
    PluginConflictError,
    PluginLoadError,
    UnknownSchemeError,
)
from tracking_core.stores import RunStore
from tracking_core.stores.memory import MemoryStore

Install = Callable[..., PluginManager]
SETTINGS = Settings()
# What else is installed here must not answer.
HERMETIC = Settings(disabled_plugins=("all",))


def sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    assert ".." not in text
    return text


# --- what works ---


def test_the_memory_store_is_built_in() -> None:
    assert isinstance(open_store("memory:", SETTINGS, manager=PluginManager()), MemoryStore)


def test_a_parsed_uri_opens_as_its_text_does() -> None:
    store = open_store(Uri.parse("memory://one"), SETTINGS, manager=PluginManager())
    assert str(store.uri) == "memory://one"


@pytest.mark.parametrize("uri", ["./mlruns", "mlruns", "/tmp/mlruns", r"C:\mlruns", "C:/mlruns"])
def test_a_path_of_any_system_is_a_matter_of_the_file_plugin(uri: str) -> None:
    found = PluginManager().backend(Uri.parse(uri), SETTINGS)
    assert (found.spec.name, found.plugin.distribution) == ("file", "tracking-core")


def test_a_plugin_is_found_by_its_entry_point(installed: Install) -> None:
    manager = installed("good")
    store = open_store("good://place", SETTINGS, manager=manager)
    assert type(store).__name__ == "GoodStore"
    assert store.settings is SETTINGS
    assert type(open_store("better://x", SETTINGS, manager=manager)).__name__ == "GoodStore"


def test_an_artifact_repository_is_found_by_its_entry_point(installed: Install) -> None:
    repository = open_artifact_repository("good://place", SETTINGS, manager=installed("good"))
    assert isinstance(repository, ArtifactRepository)
    assert str(repository.uri) == "good://place"


def test_a_scheme_in_capitals_is_the_same(installed: Install) -> None:
    assert open_store("GOOD://place", SETTINGS, manager=installed("good")).uri.scheme == "good"


def test_a_scheme_with_a_driver_goes_to_who_serves_the_scheme(installed: Install) -> None:
    store = open_store("good+driver://place", SETTINGS, manager=installed("good"))
    assert type(store).__name__ == "GoodStore"


# --- an unknown scheme ---


def test_an_unknown_scheme_lists_the_known_ones(installed: Install) -> None:
    with pytest.raises(UnknownSchemeError) as error:
        open_store("nowhere://x", SETTINGS, manager=installed("good"))
    known = sentence(error).partition("known are ")[2].partition(".")[0].split(", ")
    assert {"better", "file", "good", "memory"} <= set(known)
    assert known == sorted(known)


def test_a_mistyped_scheme_names_the_nearest(installed: Install) -> None:
    with pytest.raises(UnknownSchemeError) as error:
        open_store("goood://x", SETTINGS, manager=installed("good"))
    assert "Did you mean 'good'?" in sentence(error)


def test_a_mistyped_web_address_never_becomes_a_local_directory() -> None:
    with pytest.raises(UnknownSchemeError) as error:
        open_store("htttps://tracking.example.com", HERMETIC, manager=PluginManager())
    assert "Did you mean 'https' (pip install 'tracking-core[rest]')?" in sentence(error)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "extra"),
    [
        ("sqlite:///x.db", "sql"),
        ("postgresql://h/db", "sql"),
        ("postgresql+psycopg://h/db", "sql"),
        ("mysql://h/db", "sql"),
        ("https://h", "rest"),
        ("databricks", "databricks"),
    ],
)
def test_a_backend_of_the_project_that_is_not_installed_says_how(uri: str, extra: str) -> None:
    with pytest.raises(UnknownSchemeError) as error:
        open_store(uri, HERMETIC, manager=PluginManager())
    assert f"pip install 'tracking-core[{extra}]'." in sentence(error)


@pytest.mark.parametrize(
    ("uri", "extra"), [("s3://b/k", "s3"), ("gs://b/k", "gcs"), ("abfss://c@a/k", "azure")]
)
def test_a_repository_of_the_project_that_is_not_installed_says_how(uri: str, extra: str) -> None:
    with pytest.raises(UnknownSchemeError) as error:
        open_artifact_repository(uri, HERMETIC, manager=PluginManager())
    assert f"pip install 'tracking-core[{extra}]'." in sentence(error)


def test_a_name_with_a_colon_is_told_how_to_be_a_directory_or_a_server() -> None:
    with pytest.raises(UnknownSchemeError) as error:
        open_store("localhost:5000", SETTINGS, manager=PluginManager())
    assert "./localhost:5000, a server http://localhost:5000." in sentence(error)


def test_no_sentence_shows_a_password(installed: Install) -> None:
    manager = installed("good", "rival_first", "rival_second", "old_contract", "broken_store")
    for uri in (
        "nowhere://me:hunter2@host?token=hunter2",
        "rival://me:hunter2@host",
        "antique://me:hunter2@host",
        "fragile://me:hunter2@host",
        "good://me:hunter2@explodes",
    ):
        with pytest.raises(Exception, match=r".") as error:
            open_store(uri, SETTINGS, manager=manager)
        assert "hunter2" not in sentence(error)


# --- two that claim the same ---


def test_a_scheme_claimed_twice_names_both_distributions_and_how_to_choose(
    installed: Install,
) -> None:
    with pytest.raises(PluginConflictError) as error:
        open_store("rival://x", SETTINGS, manager=installed("rival_first", "rival_second"))
    text = sentence(error)
    assert "tracking-core-fixture-rival-first 1.0" in text
    assert "tracking-core-fixture-rival-second 1.0" in text
    assert "TRACKING_SCHEME_OWNERS=rival=tracking-core-fixture-rival-first" in text


@pytest.mark.parametrize("owner", ["first", "second"])
def test_the_setting_chooses_between_two_distributions(installed: Install, owner: str) -> None:
    manager = installed("rival_first", "rival_second")
    # Written as an import name, which is the same distribution.
    chosen = Settings(scheme_owners={"rival": f"Tracking_Core.fixture_rival_{owner}"})
    store = open_store("rival://x", chosen, manager=manager)
    assert type(store).__module__ == f"fixture_rival_{owner}.store"


def test_an_owner_that_is_not_there_is_not_replaced_by_another(installed: Install) -> None:
    chosen = Settings(scheme_owners={"rival": "third-party"})
    with pytest.raises(PluginConflictError) as error:
        open_store("rival://x", chosen, manager=installed("rival_first"))
    assert "'third-party', which doesn't serve it here" in sentence(error)
    assert "tracking-core-fixture-rival-first 1.0" in sentence(error)


def test_the_same_distribution_found_twice_is_no_conflict(
    installed: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = installed("rival_first")
    monkeypatch.syspath_prepend(str(install(("rival_first",), tmp_path / "again")))
    assert open_store("rival://x", SETTINGS, manager=manager)


def test_two_of_one_distribution_are_told_how_to_choose() -> None:
    class Twice:
        @hookimpl
        def tracking_backends(self) -> list[BackendSpec]:
            return [
                BackendSpec(name=name, schemes=("twice",), implementation="m:C")
                for name in ("one", "two")
            ]

    manager = PluginManager()
    manager.register(Twice())
    with pytest.raises(PluginConflictError) as error:
        open_store("twice:", SETTINGS, manager=manager)
    assert "TRACKING_DISABLED_PLUGINS=" in sentence(error)


# --- broken ones ---


def test_a_plugin_whose_announcement_breaks_is_named_with_its_cause(installed: Install) -> None:
    with pytest.raises(PluginLoadError) as error:
        open_store("brittle://x", SETTINGS, manager=installed("broken_plugin"))
    text = sentence(error)
    assert "'brittle' of tracking-core-fixture-broken-plugin 1.2.3" in text
    assert "RuntimeError: the licence server is asleep" in text
    assert isinstance(error.value.__cause__, RuntimeError)


def test_a_broken_plugin_stops_no_other(installed: Install) -> None:
    assert open_store("good:", SETTINGS, manager=installed("broken_plugin", "wrong_hooks", "good"))


def test_an_unknown_scheme_mentions_the_broken_plugin_that_might_have_served_it(
    installed: Install,
) -> None:
    with pytest.raises(UnknownSchemeError) as error:
        open_store("nowhere://x", SETTINGS, manager=installed("broken_plugin"))
    assert "tracking-core-fixture-broken-plugin 1.2.3: RuntimeError: the lic" in sentence(error)


def test_a_store_that_can_not_be_imported_is_named_with_its_cause(installed: Install) -> None:
    with pytest.raises(PluginLoadError) as error:
        open_store("fragile://x", SETTINGS, manager=installed("broken_store"))
    text = sentence(error)
    assert "tracking-core-fixture-broken-store 2.0" in text
    assert "SomethingThatNeverWas" in text


def test_a_missing_library_is_named_with_what_installs_it(installed: Install) -> None:
    with pytest.raises(MissingDependencyError) as error:
        open_store("needy://x", SETTINGS, manager=installed("missing_library"))
    text = sentence(error)
    assert "'no_such_driver', which isn't installed" in text
    assert "pip install 'tracking-core-fixture-missing-library[driver]'." in text


def test_a_half_written_store_says_what_it_lacks(installed: Install) -> None:
    with pytest.raises(IncompleteStoreError) as error:
        open_store("half://x", SETTINGS, manager=installed("half_written"))
    assert "RunStore.log_batch" in sentence(error)
    assert "RunStore.create_experiment" not in sentence(error)


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("no-class", "the module has no Missing."),
        ("no-store", "fixture_wrong_names.store:NoStore, which is no BackendStore."),
        ("no-module", "No module named 'fixture_wrong_names.absent'."),
        ("no-colon", "isn't of the form package.module:Class."),
    ],
)
def test_an_implementation_that_is_not_there_is_said_to_be_wrong(
    installed: Install, scheme: str, said: str
) -> None:
    with pytest.raises(PluginLoadError) as error:
        open_store(f"{scheme}://x", SETTINGS, manager=installed("wrong_names"))
    assert said in sentence(error)
    assert "tracking-core-fixture-wrong-names 1.0" in sentence(error)


def test_what_a_constructor_raises_becomes_one_sentence(installed: Install) -> None:
    with pytest.raises(PluginLoadError) as error:
        open_store("good://me:hunter2@explodes", SETTINGS, manager=installed("good"))
    assert "RuntimeError: can't connect to good://me:***@explodes with ***." in sentence(error)


# --- contract versions ---


def test_a_plugin_for_an_older_contract_is_to_be_updated(installed: Install) -> None:
    with pytest.raises(ContractVersionError) as error:
        open_store("antique://x", SETTINGS, manager=installed("old_contract"))
    text = sentence(error)
    assert "for version 0" in text
    assert "has version 1" in text
    assert "pip install --upgrade tracking-core-fixture-old-contract." in text


def test_a_plugin_for_a_newer_contract_wants_a_newer_core(installed: Install) -> None:
    with pytest.raises(ContractVersionError) as error:
        open_store("futuristic://x", SETTINGS, manager=installed("new_contract"))
    assert "for version 99" in sentence(error)
    assert sentence(error).endswith("pip install --upgrade tracking-core.")


def test_a_plugin_that_names_no_contract_was_written_for_the_first() -> None:
    """Were it the current one, no plugin that says nothing would ever be refused."""
    spec = BackendSpec(name="silent", schemes=("silent",), implementation="m:C")
    assert spec.contract_version == 1


# --- what it costs ---

OPEN_MLRUNS = """
import sys
from tracking_core.config import Settings, Uri
from tracking_core.discovery import PluginManager, open_artifact_repository
manager = PluginManager()
assert manager.backend(Uri.parse("./mlruns"), Settings()).spec.name == "file"
assert manager.artifact_repository(Uri.parse("./mlruns"), Settings()).spec.schemes
print("importlib.metadata" in sys.modules, "fixture_broken_plugin" in sys.modules)
"""


def test_a_local_directory_touches_no_plugin_and_reads_no_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install(("broken_plugin",), tmp_path / "site")
    trace = tmp_path / "trace"
    monkeypatch.setenv("PYTHONPATH", f"{site}:{Path(__file__).parents[2]}")
    monkeypatch.setenv("FIXTURE_TRACE", str(trace))

    def run(code: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout

    assert run(OPEN_MLRUNS).split() == ["False", "False"]
    assert not trace.exists()
    # The same plugin is imported as soon as the built-in ones have no answer.
    run("from tracking_core.discovery.report import describe_plugins as d; d()")
    assert trace.read_text() == "imported"


def test_what_is_answered_without_a_scan_is_what_the_distribution_announces() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    section = text.split("[project.entry-points.tracking_core]")[1].split("\n[")[0]
    announced = set(re.findall(r'^(\w+) = "([\w.]+)"', section, re.MULTILINE))
    built_in = {pair for pairs in BUILT_INS.values() for pair in pairs}
    assert announced
    assert announced <= built_in


def test_a_store_can_be_asked_for_its_facets_after_all_this(installed: Install) -> None:
    with open_store("good://x", SETTINGS, manager=installed("good")) as store:
        assert store.facet(RunStore) is store.runs
