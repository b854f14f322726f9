"""The command as a process: exit status, errors, pipes, terminals, what is loaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.plugins_fixture.installing import install
from tracking_core.cli.application import _COMMANDS
from tracking_core.client import Client

ROOT = Path(__file__).parents[2]
TRACKING = [sys.executable, "-W", "error", "-c", "from tracking_core.cli import main; main()"]


def run(
    *arguments: str, environment: dict[str, str] | None = None, input: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TRACKING, *arguments],
        capture_output=True,
        text=True,
        input=input,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/file", **(environment or {})},
    )


def on_a_terminal(columns: int, *arguments: str) -> str:
    """Run a command on a terminal of this width and return what it shows."""
    import pty

    parent, child = pty.openpty()
    try:
        process = subprocess.Popen(
            [*TRACKING, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=child,
            stderr=child,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/file",
                "COLUMNS": str(columns),
                "LINES": "50",
                "TERM": "xterm-256color",
                "PYTHONIOENCODING": "utf-8",
            },
        )
        os.close(child)
        child = -1
        shown = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        assert process.wait(30) == 0
    finally:
        os.close(parent)
        if child >= 0:
            os.close(child)
    return shown.decode().replace("\r\n", "\n")


@pytest.fixture
def tracked() -> Client:
    """Seven runs with long names and many metrics in ./mlruns."""
    client = Client("./mlruns")
    experiment_id = client.create_experiment("digits")
    for number in range(7):
        run_id = client.create_run(
            experiment_id, run_name=f"a rather long name {number}"
        ).info.run_id
        client.log_param(run_id, "model", f"model-{number}")
        for key in ("accuracy", "loss", "f1_macro", "train_seconds", "precision", "recall"):
            client.log_metric(run_id, key, number / 7)
        client.set_terminated(run_id)
    return client


def digits_of(client: Client) -> str:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    return experiment.experiment_id


# --- help and mistakes ---


def test_the_help_lists_the_commands_and_loads_none_of_them() -> None:
    code = (
        "import sys\nfrom tracking_core.cli import main\n"
        "sys.argv = ['tracking', '--help']\n"
        "try: main()\nexcept SystemExit as exit: assert not exit.code\n"
        "print([m for m in ('rich', 'msgspec', 'pluggy', 'fsspec', 'importlib.metadata',"
        " 'tracking_core.client', 'tracking_core.entities') if m in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.stdout.splitlines()[-1] == "[]", finished.stderr
    for name, (_, summary) in _COMMANDS.items():
        assert f"  {name} " in finished.stdout
        assert summary in finished.stdout


@pytest.mark.parametrize("name", _COMMANDS)
def test_each_command_has_help(name: str) -> None:
    text = CommandLine("./mlruns")(name, "--help").stdout
    assert text.startswith(f"Usage: tracking {name}")


def every_command() -> list[list[str]]:
    import click

    from tracking_core.cli import tracking

    def below(group: click.Group, path: list[str]) -> list[list[str]]:
        context = click.Context(group)
        found = []
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                found += below(command, [*path, name])
            else:
                found.append([*path, name])
        return found

    return below(tracking, [])


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_takes_json_and_the_uris_and_says_what_it_does(
    path: list[str],
) -> None:
    text = CommandLine("./mlruns")(*path, "--help").stdout
    if path != ["completion"]:
        assert "--json" in text
        assert "--tracking-uri" in text
    assert len(text.split("\n\n")[1].strip()) > 5


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        (["run"], "'runs'"),
        (["experiment", "list"], "'experiments'"),
        (["runs", "serach"], "'search'"),
        (["models", "alias", "st"], "'set'"),
        (["docter"], "'doctor'"),
    ],
)
def test_a_mistyped_command_names_the_nearest(mistyped: list[str], meant: str) -> None:
    finished = run(*mistyped)
    assert finished.returncode == 2
    assert f"Did you mean {meant}?" in finished.stderr
    assert finished.stdout == ""


def test_a_command_that_nothing_is_near_to_lists_what_there_is() -> None:
    assert "There are: create, get, search" in run("experiments", "zzz").stderr


# --- errors ---


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "describe", "0" * 32),
        ("runs", "search", "--filter", "metrics."),
        ("runs", "search", "--tracking-uri", "htttps://me:hunter2@example.com"),
        ("--tracking-uri", "nowhere://me:hunter2@x", "experiments", "search"),
        ("models", "describe", "nope", "--registry-uri", "nowhere://me:hunter2@x"),
        ("artifacts", "list", "0" * 32, "--json"),
    ],
)
def test_an_error_is_a_sentence_on_stderr_and_status_one(arguments: tuple[str, ...]) -> None:
    finished = run(*arguments)
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.startswith("Error: ")
    assert "Traceback" not in finished.stderr
    assert "hunter2" not in finished.stderr
    assert not Path("mlruns").exists(), "a mistake must leave no trace"


def test_wrong_usage_is_status_two() -> None:
    for arguments in (
        ["runs", "search", "--nope"],
        ["runs", "describe"],
        ["runs", "search", "--limit", "x"],
    ):
        finished = run(*arguments)
        assert finished.returncode == 2
        assert "Traceback" not in finished.stderr


def test_where_nobody_can_answer_nothing_is_removed(tracked: Client) -> None:
    tracked.delete_experiment(digits_of(tracked))
    finished = run("purge", input="")
    assert finished.returncode == 2
    assert "--yes" in finished.stderr
    assert len(json.loads(run("runs", "search", "--view", "all", "--json").stdout)) == 7


def test_a_traceback_is_shown_on_demand() -> None:
    finished = run("runs", "describe", "0" * 32, environment={"TRACKING_DEBUG": "1"})
    assert "Traceback" in finished.stderr
    assert finished.returncode == 1


def test_what_nobody_foresaw_is_a_sentence_too(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(Client, "search_experiments", break_down)
    error = command_line.error("experiments", "search")
    assert "ZeroDivisionError: by nought" in error
    assert "TRACKING_DEBUG=1" in error


def test_a_file_that_can_not_be_written_is_named(command_line: CommandLine) -> None:
    command_line("experiments", "create", "digits")
    error = command_line.error("runs", "csv", "-o", "no/such/directory/runs.csv")
    assert "no/such/directory/runs.csv" in error


def test_a_closed_pipe_is_no_traceback(tracked: Client) -> None:
    for _ in range(400):
        tracked.create_run(digits_of(tracked), run_name="x" * 200)
    for arguments in (
        ("runs", "search", "--limit", "0"),
        ("runs", "csv"),
        ("runs", "search", "--json"),
    ):
        process = subprocess.Popen(
            [*TRACKING, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/plugins/file"},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        process.wait(60)
        assert error == b""


# --- documents ---


def test_the_document_is_all_there_is_on_stdout(tracked: Client) -> None:
    finished = run("runs", "search", "--limit", "3", "--json")
    assert len(json.loads(finished.stdout)) == 3
    assert finished.stderr == ""
    assert finished.stdout.isascii()


def test_options_win_over_the_environment_before_and_after_the_command(tracked: Client) -> None:
    elsewhere = {"TRACKING_URI": "./elsewhere"}
    for arguments in (
        ("--tracking-uri", "./mlruns", "runs", "search", "--json"),
        ("runs", "search", "--json", "--tracking-uri", "./mlruns"),
    ):
        assert len(json.loads(run(*arguments, environment=elsewhere).stdout)) == 7
    assert json.loads(run("runs", "search", "--json", environment=elsewhere).stdout) == []


# --- terminals ---


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_tables_fit_the_terminal(tracked: Client, columns: int) -> None:
    for arguments in (
        ("runs", "search"),
        ("runs", "compare", "-e", "digits"),
        ("plugins", "list"),
        ("experiments", "search"),
    ):
        shown = on_a_terminal(columns, *arguments)
        plain = _without_colour(shown)
        assert max(map(len, plain.splitlines())) <= columns, plain


def test_a_terminal_gets_short_ids_and_hears_what_had_no_room(tracked: Client) -> None:
    shown = _without_colour(on_a_terminal(80, "runs", "search"))
    run_id = tracked.search_runs([digits_of(tracked)])[0].info.run_id
    assert run_id[:8] in shown
    assert run_id not in shown
    assert "No room for" in shown
    assert "a rather long" in shown
    wide = _without_colour(on_a_terminal(250, "runs", "search"))
    assert "No room for" not in wide
    assert "model-3" in wide


def test_a_comparison_on_a_terminal_shows_all_runs_in_blocks(tracked: Client) -> None:
    shown = _without_colour(on_a_terminal(80, "runs", "compare", "-e", "digits"))
    for number in range(7):
        assert f"model-{number}" in shown
    assert shown.count("METRICS") > 1
    assert "▲" in shown
    assert "▼" in shown


def test_no_colour_is_no_colour(tracked: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in on_a_terminal(80, "runs", "search")


def _without_colour(text: str) -> str:

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


# --- completion ---


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    assert "_TRACKING_COMPLETE" in run("completion", shell).stdout


def test_commands_and_options_complete() -> None:
    def completions(words: str, position: int) -> list[str]:
        environment = {
            "_TRACKING_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(position),
        }
        lines = run(environment=environment).stdout.splitlines()
        return [line.split(",", 1)[1] for line in lines]

    assert completions("tracking ex", 1) == ["experiments"]
    assert completions("tracking runs com", 2) == ["compare"]
    assert "--order-by" in completions("tracking runs search --or", 3)


# --- plugins and doctor ---


def test_the_list_shows_broken_plugins_with_their_cause(tmp_path: Path) -> None:
    site = install(("broken_plugin", "good", "old_contract"), tmp_path / "site")
    path = {"PYTHONPATH": f"{site}:{ROOT}:{ROOT}/plugins/file"}
    listed = {
        each["name"]: each
        for each in json.loads(run("plugins", "list", "--json", environment=path).stdout)
    }
    assert listed["good"]["state"] == "ok"
    assert listed["brittle"]["state"] == "broken"
    assert "licence server" in listed["brittle"]["cause"]
    assert listed["antique"]["state"] == "refused"
    assert listed["file"]["distribution"] == "tracking-core"
    text = run("plugins", "list", environment=path).stdout
    assert "tracking-core-fixture-broken-plugin 1.2.3" in text


def test_a_check_tells_cost_and_health_and_fails_if_something_is_wrong(tmp_path: Path) -> None:
    site = install(("good", "old_contract"), tmp_path / "site")
    path = {"PYTHONPATH": f"{site}:{ROOT}:{ROOT}/plugins/file"}
    good = run("plugins", "check", "good", "--uri", "good://me:hunter2@x", environment=path)
    assert good.returncode == 0, good.stdout
    assert "good://me:***@x answers" in good.stdout
    assert " ms" in good.stdout
    asleep = run("plugins", "check", "good", "--uri", "good://asleep", "--json", environment=path)
    assert asleep.returncode == 1
    assert json.loads(asleep.stdout)["healthy"] is False
    assert run("plugins", "check", "antique", environment=path).returncode == 1
    assert "there are:" in run("plugins", "check", "nope", environment=path).stderr


def test_the_doctor_says_which_source_won(tracked: Client) -> None:
    Path("tracking.toml").write_text('tracking_uri = "./other"\ntransfer_workers = 3\n')
    environment = {"MLFLOW_EXPERIMENT_NAME": "digits"}
    finished = run("doctor", "--json", "--tracking-uri", "./mlruns", environment=environment)
    report = json.loads(finished.stdout)
    settings = report["settings"]
    assert settings["tracking_uri"] == {"value": "./mlruns", "source": "argument"}
    assert settings["experiment_name"] == {"value": "digits", "source": "MLFLOW_EXPERIMENT_NAME"}
    assert settings["transfer_workers"]["value"] == 3
    assert settings["transfer_workers"]["source"].endswith("tracking.toml")
    assert settings["durability"] == {"value": "process", "source": "default"}
    assert report["store"]["reachable"] is True
    assert "durable" in report["store"]["capabilities"]
    assert report["well"] is True, finished.stdout
    assert finished.returncode == 0


def test_the_doctor_hides_passwords_and_says_why_the_store_does_not_answer() -> None:
    environment = {"TRACKING_URI": "nowhere://me:hunter2@example.com"}
    for arguments in (("doctor",), ("doctor", "--json")):
        finished = run(*arguments, environment=environment)
        assert finished.returncode == 1
        assert "hunter2" not in finished.stdout + finished.stderr
        assert "No plugin serves the scheme 'nowhere'" in finished.stdout
    assert json.loads(finished.stdout)["store"]["uri"] == "nowhere://me:***@example.com"


def test_the_doctor_looks_at_a_registry_that_lives_elsewhere(tracked: Client) -> None:
    finished = run("doctor", "--json", "--registry-uri", "nowhere://me:hunter2@x")
    report = json.loads(finished.stdout)
    assert finished.returncode == 1
    assert report["store"]["reachable"] is True
    assert report["registry"]["uri"] == "nowhere://me:***@x"
    assert "'nowhere'" in report["registry"]["error"]
    assert (
        "Registry  nowhere://me:***@x" in run("doctor", "--registry-uri", "nowhere://me:k@x").stdout
    )


def test_the_doctor_shows_what_is_wrong_in_a_directory(tracked: Client) -> None:
    experiment_id = digits_of(tracked)
    Path(f"mlruns/{experiment_id}/meta.yaml").write_text("{ torn")
    finished = run("doctor")
    assert finished.returncode == 1
    assert "Problem" in finished.stdout
    assert f"{experiment_id}/meta.yaml" in finished.stdout.replace("\n", "")


def test_the_version_is_shown() -> None:
    assert run("--version").stdout.startswith("tracking ")


def test_the_page_of_the_command_line_names_every_command_and_no_other() -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    documented = set()
    for row in rows:
        words = re.findall(r"`([\w -]+)`", row.split("|")[1])
        group = words[0].split()[0]
        if " " not in words[0]:
            documented.add(group)
            continue
        documented.add(words[0])
        documented |= {f"{group} {word}" for word in words[1:]}
    assert documented == {" ".join(path) for path in every_command()}
