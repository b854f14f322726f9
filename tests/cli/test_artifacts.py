from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tracking_core.client import Client


@pytest.fixture
def logged(command_line: CommandLine, digits: dict[str, str]) -> str:
    Path("model.txt").write_text("weights")
    Path("plots/deep").mkdir(parents=True)
    Path("plots/loss.svg").write_text("<svg/>")
    Path("plots/deep/roc.svg").write_text("<svg></svg>")
    command_line("artifacts", "log", digits["svm"], "model.txt")
    command_line("artifacts", "log", digits["svm"], "plots", "model.txt", "--to", "figures")
    return digits["svm"]


def test_files_and_directories_are_logged_and_listed(
    command_line: CommandLine, logged: str
) -> None:
    top = command_line.json("artifacts", "list", logged)
    assert top == [
        {"path": "figures", "is_dir": True, "file_size": None},
        {"path": "model.txt", "is_dir": False, "file_size": 7},
    ]
    everything = command_line.json("artifacts", "list", logged[:12], "--recursive")
    assert [entry["path"] for entry in everything if not entry["is_dir"]] == [
        "figures/deep/roc.svg",
        "figures/loss.svg",
        "figures/model.txt",
        "model.txt",
    ]
    below = command_line.json("artifacts", "list", logged, "figures/deep/")
    assert [entry["path"] for entry in below] == ["figures/deep/roc.svg"]
    assert "figures/" in command_line("artifacts", "list", logged).stdout


def test_a_file_a_directory_and_everything_are_downloaded(
    command_line: CommandLine, logged: str
) -> None:
    one = command_line("artifacts", "download", logged, "model.txt", "--to", "out/one").stdout
    assert Path(one.strip()).read_text() == "weights"
    assert Path("out/one/model.txt").read_text() == "weights"
    some = command_line.json("artifacts", "download", logged, "figures", "-o", "out/some")
    assert (Path(some["path"]) / "deep/roc.svg").read_text() == "<svg></svg>"
    everything = command_line.json("artifacts", "download", logged, "-o", "out/all")
    assert (Path(everything["path"]) / "model.txt").read_text() == "weights"


def test_what_is_not_there_is_told(command_line: CommandLine, logged: str) -> None:
    assert "nowhere.txt" in command_line.error("artifacts", "log", logged, "nowhere.txt", status=2)
    assert "no-such" in command_line.error("artifacts", "download", logged, "no-such")


def test_what_is_not_there_makes_no_directory(command_line: CommandLine, logged: str) -> None:
    command_line.error("artifacts", "download", logged, "no-such", "--to", "in-vain")
    assert not Path("in-vain").exists()


def test_a_deleted_run_takes_no_files(
    command_line: CommandLine, client: Client, logged: str
) -> None:
    client.delete_run(logged)
    assert "is deleted" in command_line.error("artifacts", "log", logged, "model.txt", "--to", "x")
    assert len(command_line.json("artifacts", "list", logged)) == 2


def test_a_path_can_not_leave_the_run(command_line: CommandLine, logged: str) -> None:
    command_line.error("artifacts", "download", logged, "../../meta.yaml")
    command_line.error("artifacts", "log", logged, "model.txt", "--to", "../outside")
    command_line.error("artifacts", "list", logged, "..")
