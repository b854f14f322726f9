from __future__ import annotations

import pytest

from tests.cli.conftest import CommandLine
from tracking_core.client import Client


@pytest.fixture
def model(client: Client) -> str:
    name = "o'digits 100%"
    client.create_registered_model(name)
    for source in ("s3://bucket/one", "s3://bucket/two"):
        client.create_model_version(name, source)
    return name


def test_models_are_listed_with_their_newest_version(
    command_line: CommandLine, client: Client, model: str
) -> None:
    client.create_registered_model("o'digits 100x")
    listed = command_line.json("models", "list")
    assert [each["name"] for each in listed] == [model, "o'digits 100x"]
    line = command_line("models", "list").stdout.splitlines()[1]
    assert line.startswith(f"{model}  ")
    assert " 2 " in line
    assert len(command_line.json("models", "list", "--limit", "1")) == 1


def test_versions_come_newest_first_and_of_this_model_alone(
    command_line: CommandLine, client: Client, model: str
) -> None:
    client.create_registered_model("other")
    client.create_model_version("other", "s3://bucket/other")
    versions = command_line.json("models", "versions", model)
    assert [int(version["version"]) for version in versions] == [2, 1]
    assert "s3://bucket/one" in command_line("models", "versions", model).stdout


def test_an_alias_moves_and_goes(command_line: CommandLine, model: str) -> None:
    command_line("models", "alias", "set", model, "champion", "1")
    set_again = command_line.json("models", "alias", "set", model, "champion", "2")
    assert {alias: int(v) for alias, v in set_again["aliases"].items()} == {"champion": 2}
    assert "champion=2" in command_line("models", "describe", model).stdout
    assert command_line.json("models", "alias", "delete", model, "champion")["aliases"] == {}


def test_tags_are_set_and_deleted_on_models_and_versions(
    command_line: CommandLine, model: str
) -> None:
    tagged = command_line.json("models", "tag", "set", model, "team", "vision")
    assert tagged["tags"] == {"team": "vision"}
    version = command_line.json("models", "tag", "set", model, "ok", "yes", "--version", "2")
    assert version["tags"] == {"ok": "yes"}
    assert command_line.json("models", "tag", "delete", model, "team")["tags"] == {}
    gone = command_line.json("models", "tag", "delete", model, "ok", "--version", "2")
    assert gone["tags"] == {}


def test_a_version_moves_to_a_stage(command_line: CommandLine, model: str) -> None:
    command_line("models", "stage", model, "1", "production")
    moved = command_line.json("models", "stage", model, "2", "Production", "--archive-existing")
    assert moved["current_stage"] == "Production"
    stages = {
        int(v["version"]): v["current_stage"]
        for v in command_line.json("models", "versions", model)
    }
    assert stages == {1: "Archived", 2: "Production"}
    assert "'live' is not one of" in command_line.error(
        "models", "stage", model, "1", "live", status=2
    )


def test_deleting_asks_first(command_line: CommandLine, model: str) -> None:
    command_line("models", "delete", model, answers="n\n", status=1)
    command_line("models", "delete", model, "--version", "1", answers="y\n")
    assert [int(v["version"]) for v in command_line.json("models", "versions", model)] == [2]
    command_line("models", "delete", model, "--yes")
    assert command_line.json("models", "list") == []


def test_a_model_that_is_not_there_is_told(command_line: CommandLine) -> None:
    for arguments in (("describe", "nope"), ("versions", "nope"), ("delete", "nope", "-y")):
        assert "nope" in command_line.error("models", *arguments)
