"""`tracking copy`: what it prints, and when it fails."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tracking_core.client import Client
from tracking_core.entities import RunTag
from tracking_core.stores import new_id

TRACKING = [sys.executable, "-W", "error", "-c", "from tracking_core.cli import main; main()"]


@pytest.fixture
def there() -> str:
    """Where to copy to: another backend in the memory of this process."""
    return f"memory://{new_id()}"


def test_everything_is_copied_and_proven(
    command_line: CommandLine, digits: dict[str, str], uri: str, there: str
) -> None:
    shown = command_line("copy", uri, there).stdout.splitlines()
    cells = [line.split() for line in shown if line]
    assert cells[0] == ["KIND", "SOURCE", "DESTINATION", "SHA-256"]
    by_kind = {" ".join(row[:-4]): row[-4:] for row in cells if row[-1] == "equal"}
    assert by_kind["runs"][:2] == ["3", "3"]
    assert by_kind["points"][:2] == ["9", "9"]
    assert shown[-1] == f"{uri} and {there} hold the same."
    again = command_line("copy", uri, there).stdout
    assert "Written: nothing." in again
    assert "Already there and equal: 3 runs." in again
    copied = CommandLine(there).json("runs", "search", "--experiment", "digits")
    assert {run["run_id"] for run in copied} == set(digits.values())


def test_the_report_is_a_document_too(
    command_line: CommandLine, digits: dict[str, str], uri: str, there: str
) -> None:
    document = command_line.json("copy", uri, there)
    assert document["whole"] is True
    assert document["written"]["runs"] == 3
    assert document["problems"] == document["differences"] == []
    runs = next(each for each in document["tallies"] if each["kind"] == "runs")
    assert runs["equal"] is True
    assert runs["source_digest"] == runs["destination_digest"]


def test_a_dry_run_tells_and_writes_nothing(
    command_line: CommandLine, digits: dict[str, str], uri: str, there: str
) -> None:
    assert "Would be written: " in command_line("copy", uri, there, "--dry-run").stdout
    planned = command_line.json("copy", uri, there, "--dry-run")
    assert planned["written"]["runs"] == 3
    assert planned["dry_run"] is True
    assert CommandLine(there).json("experiments", "search", "--view", "all") == []


def test_a_difference_ends_with_its_name_and_a_status(
    command_line: CommandLine, digits: dict[str, str], uri: str, there: str
) -> None:
    command_line("copy", uri, there)
    Client(there).store.runs.set_tag(digits["svm"], tag=RunTag("mlflow.note.content", "mine"))
    checked = command_line("copy", uri, there, "--verify-only", status=1)
    sentence = (
        f"The run '{digits['svm']}' differs in tags['mlflow.note.content']: nothing in the source,"
        " 'mine' in the destination."
    )
    assert f"Difference: {sentence}" in checked.stdout
    assert "DIFFERENT" in checked.stdout
    assert f"Source and destination differ in 1. {sentence}" in checked.stderr
    copied = command_line("copy", uri, there, status=1)
    assert "1 could not be copied. The run" in copied.stderr
    assert f"Problem: The run '{digits['svm']}' is in the destination already" in copied.stdout


def test_of_many_problems_the_first_are_listed(
    command_line: CommandLine, client: Client, uri: str, there: str
) -> None:
    experiment_id = client.create_experiment("many")
    ids = [client.create_run(experiment_id).info.run_id for _ in range(23)]
    command_line("copy", uri, there)
    for run_id in ids:
        Client(there).store.runs.set_tag(run_id, tag=RunTag("mine", "1"))
    shown = command_line("copy", uri, there, status=1)
    assert shown.stdout.count("Problem: ") == shown.stdout.count("Difference: ") == 20
    assert "... and 3 more problems, which --json shows." in shown.stdout
    assert "... and 3 more that differ." in shown.stdout
    assert "23 could not be copied." in shown.stderr


def test_only_chosen_experiments_are_copied(
    command_line: CommandLine, client: Client, digits: dict[str, str], uri: str, there: str
) -> None:
    client.create_experiment("other")
    shown = command_line("copy", uri, there, "--experiment", "digits").stdout
    assert "Note: The model registry was left out" in shown
    names = [each["name"] for each in CommandLine(there).json("experiments", "search")]
    assert names == ["digits"]
    assert "There is no experiment 'nope'" in command_line.error(
        "copy", uri, there, "--experiment", "nope"
    )


def test_files_are_copied_when_asked(
    command_line: CommandLine, client: Client, digits: dict[str, str], uri: str
) -> None:
    Path("weights.txt").write_text("w")
    client.log_artifact(digits["svm"], "weights.txt")
    document = command_line.json("copy", uri, "./copied", "--artifacts")
    assert document["written"]["artifact files"] == 1
    with Client("./copied") as copied:
        info = copied.get_run(digits["svm"]).info
        assert info.artifact_uri.startswith(Path("copied").resolve().as_uri())
        assert copied.list_artifacts(digits["svm"])[0].path == "weights.txt"


def test_wrong_places_are_told_in_a_sentence(
    command_line: CommandLine, digits: dict[str, str], uri: str, there: str
) -> None:
    assert "Source and destination are both" in command_line.error("copy", uri, uri)
    assert "There is nothing in ./nowhere to copy" in command_line.error("copy", "./nowhere", there)
    assert "exclude each other" in command_line.error(
        "copy", uri, there, "--dry-run", "--verify-only", status=2
    )
    secret = "sqlit://me:pass@host/db"
    assert "pass@" not in command_line.error("copy", secret, there)


def test_a_bar_is_drawn_on_a_terminal_alone(command_line: CommandLine, tmp_path: Path) -> None:
    with Client("./here") as client:
        experiment_id = client.create_experiment("digits")
        for _ in range(3):
            client.create_run(experiment_id)
    quiet = subprocess.run(
        [*TRACKING, "copy", "./here", "./one"], capture_output=True, text=True, check=True
    )
    assert quiet.stderr == ""
    parent, terminal = pty.openpty()
    with subprocess.Popen(
        [*TRACKING, "copy", "./here", "./two"],
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
    ) as child:
        os.close(terminal)
        drawn = io.BytesIO()
        with contextlib.suppress(OSError):  # a terminal ends so
            while chunk := os.read(parent, 4096):
                drawn.write(chunk)
    os.close(parent)
    assert child.returncode == 0
    assert b"Comparing" in drawn.getvalue()
    assert b"6/6" in drawn.getvalue()
