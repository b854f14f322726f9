"""Commands of plugins: in the help, called, mistyped, broken, and never in the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_application import ROOT, on_a_terminal, run
from tests.plugins_fixture.installing import install

HELP = (
    "import sys\nfrom tracking_core.cli import main\n"
    "sys.argv = ['tracking', '--help']\n"
    "try: main()\nexcept SystemExit as exit: assert not exit.code\n"
    "print([m for m in {names} if m in sys.modules])"
)


def path_with(site: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{site}:{ROOT}:{ROOT}/plugins/file"}


def show_help(path: dict[str, str], *modules: str) -> tuple[str, list[str]]:
    """Return the help, and which of the modules it loaded."""
    finished = subprocess.run(
        [sys.executable, "-c", HELP.format(names=modules)],
        capture_output=True,
        text=True,
        check=True,
        env=path,
    )
    text, _, loaded = finished.stdout.rstrip().rpartition("\n")
    return text, json.loads(loaded.replace("'", '"'))


@pytest.fixture
def good(tmp_path: Path) -> dict[str, str]:
    return path_with(install(("good",), tmp_path / "site"))


def test_the_help_lists_commands_of_plugins_and_imports_none_of_them(good: dict[str, str]) -> None:
    text, loaded = show_help(good, "fixture_good.plugin", "fixture_good.commands")
    assert "  greet        Say hello to the store." in text
    assert "  band" in text
    assert "Not me." not in text
    assert loaded == ["fixture_good.plugin"]


def test_plugins_without_commands_cost_the_help_nothing(tmp_path: Path) -> None:
    path = path_with(install(("boastful", "half_written"), tmp_path / "site"))
    text, loaded = show_help(path, "pluggy", "msgspec", "importlib.metadata", "fixture_boastful")
    assert "  db " in text
    assert loaded == []


def test_the_command_of_a_plugin_gets_the_session_and_the_shared_options(
    good: dict[str, str],
) -> None:
    text = run("greet", "Ada", environment=good | {"TRACKING_URI": "./here"})
    assert text.stdout == "Hello  Ada\nFrom   ./here\n"
    assert text.stderr == "", "notes are for terminals"
    for arguments in (
        ("--tracking-uri", "./there", "greet", "--json"),
        ("greet", "--json", "--tracking-uri", "./there"),
    ):
        document = json.loads(run(*arguments, environment=good).stdout)
        assert document == {"hello": "you", "from": "./there", "value": "NaN"}


def test_the_table_of_a_plugin_is_one_of_ours(good: dict[str, str]) -> None:
    assert run("greet", "Ada", "--table", environment=good).stdout == (
        "NAME  LENGTH\nAda        3\nx          1\n"
    )


def test_a_note_is_seen_on_a_terminal(
    good: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(good["PYTHONPATH"].partition(":")[0])
    assert "A note, which nobody sees" in on_a_terminal(80, "greet").replace("\n", " ")


def test_groups_of_plugins_work_and_keep_options_of_their_own(good: dict[str, str]) -> None:
    assert run("band", "drum", "--json", environment=good).stdout == "Boom True.\n"
    assert "--tracking-uri" in run("band", "drum", "--help", environment=good).stdout
    assert "--json" in run("band", "fall", "--help", environment=good).stdout


def test_what_a_plugin_raises_is_a_sentence(good: dict[str, str]) -> None:
    finished = run("band", "fall", environment=good)
    assert finished.returncode == 1
    assert "ValueError: mind the gap" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_commands_of_the_core_win(good: dict[str, str]) -> None:
    assert run("runs", "search", "--json", environment=good).stdout == "[]\n"


def test_a_mistyped_command_of_a_plugin_is_suggested(good: dict[str, str]) -> None:
    finished = run("great", environment=good)
    assert finished.returncode == 2
    assert "Did you mean 'greet'?" in finished.stderr


def test_a_plugin_that_could_not_be_asked_is_named(tmp_path: Path) -> None:
    path = path_with(install(("broken_plugin",), tmp_path / "site"))
    finished = run("fly", environment=path)
    assert finished.returncode == 2
    assert (
        "Broken, and so without a say: the plugin 'brittle' of tracking-core-fixture-broken-plugin"
        " 1.2.3: RuntimeError: the licence server is asleep." in finished.stderr
    )


@pytest.mark.parametrize(
    ("distributions", "arguments", "said"),
    [
        (("rival_first", "rival_second"), ("compete",), "is claimed by the plugin 'rival_first'"),
        (("missing_library",), ("need",), "'no_such_driver', which isn't installed"),
        (("old_contract",), ("dig",), "version 0 of the storage contract"),
        (("wrong_names",), ("say-module",), "No module named 'fixture_wrong_names.absent'"),
        (
            ("wrong_names",),
            ("say-store",),
            "'say-store', announced by the plugin 'wrong' of tracking-core-fixture-wrong-names 1.0,"
            " says that it is fixture_wrong_names.store:NoStore, which is no click command.",
        ),
    ],
)
def test_what_is_wrong_with_a_command_is_one_sentence(
    tmp_path: Path, distributions: tuple[str, ...], arguments: tuple[str, ...], said: str
) -> None:
    finished = run(*arguments, environment=path_with(install(distributions, tmp_path / "site")))
    assert finished.returncode == 1, finished.stderr
    assert finished.stdout == ""
    assert finished.stderr.startswith("Error: ")
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_command_of_ours_that_is_not_installed_says_what_brings_it() -> None:
    off = {"TRACKING_DISABLED_PLUGINS": "all"}
    finished = run("db", "status", environment=off)
    assert finished.returncode == 1
    assert "pip install 'tracking-core[sql]'" in finished.stderr
    assert "  db " in run("--help", environment=off).stdout


def test_a_plugin_that_is_switched_off_has_no_command(good: dict[str, str]) -> None:
    off = good | {"TRACKING_DISABLED_PLUGINS": "good"}
    assert run("greet", environment=off).returncode == 2
    assert "greet" not in run("--help", environment=off).stdout


def test_a_shell_completes_commands_of_plugins_and_hears_of_no_errors(tmp_path: Path) -> None:
    path = path_with(install(("good", "rival_first", "rival_second"), tmp_path / "site"))

    def completions(words: str) -> subprocess.CompletedProcess[str]:
        return run(
            environment=path
            | {"_TRACKING_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "1"}
        )

    assert completions("tracking gre").stdout == "plain,greet\n"
    conflicting = completions("tracking compe")
    assert (conflicting.stdout.strip(), conflicting.stderr) == ("", "")


def test_the_list_of_plugins_has_their_commands(good: dict[str, str]) -> None:
    reports = json.loads(run("plugins", "list", "--json", environment=good).stdout)
    kinds = {report["name"]: report["kind"] for report in reports}
    assert kinds["greet"] == "command"
