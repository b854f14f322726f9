from __future__ import annotations

import csv
import io

from tests.cli.conftest import CommandLine
from tracking_core.client import Client


def names(command_line: CommandLine, *arguments: str) -> list[str]:
    found = command_line.json("experiments", "search", *arguments)
    return [e["name"] for e in found if e["name"] != "Default"]


def test_an_experiment_is_created_with_its_tags(command_line: CommandLine) -> None:
    created = command_line.json("experiments", "create", "digits", "--tag", "team=vision")
    assert created["name"] == "digits"
    assert created["tags"] == {"team": "vision"}
    assert command_line.json("experiments", "get", "digits") == created
    assert command_line.json("experiments", "get", created["experiment_id"]) == created


def test_a_name_is_taken_once(command_line: CommandLine) -> None:
    command_line("experiments", "create", "digits")
    assert "'digits'" in command_line.error("experiments", "create", "digits")


def test_a_tag_without_a_value_is_refused_and_nothing_is_created(command_line: CommandLine) -> None:
    assert "KEY=VALUE" in command_line.error("experiments", "create", "digits", "--tag", "team")
    assert names(command_line) == []


def test_experiments_are_found_by_filter_and_in_order(command_line: CommandLine) -> None:
    for name in ("b-two", "a-one", "other"):
        command_line("experiments", "create", name)
    ordered = names(command_line, "--filter", "name LIKE '%-%'", "--order-by", "name ASC")
    assert ordered == ["a-one", "b-two"]
    assert len(command_line.json("experiments", "search", "--limit", "1")) == 1


def test_an_experiment_is_renamed_deleted_and_restored(command_line: CommandLine) -> None:
    command_line("experiments", "create", "digits")
    assert command_line.json("experiments", "rename", "digits", "letters")["name"] == "letters"
    deleted = command_line.json("experiments", "delete", "letters")
    assert deleted["lifecycle_stage"] == "deleted"
    assert names(command_line) == []
    assert names(command_line, "--view", "deleted") == ["letters"]
    # Once more changes nothing and is no error.
    command_line("experiments", "delete", "letters")
    command_line("experiments", "restore", "letters")
    command_line("experiments", "restore", "letters")
    assert names(command_line) == ["letters"]


def test_an_unknown_experiment_is_answered_with_those_there_are(command_line: CommandLine) -> None:
    command_line("experiments", "create", "digits")
    error = command_line.error("experiments", "get", "digit")
    assert "no experiment with the name or id 'digit'" in error
    assert "'digits'" in error


def test_people_read_what_was_done(command_line: CommandLine) -> None:
    assert (
        "Created the experiment 'digits'" in command_line("experiments", "create", "digits").stdout
    )
    assert "digits" in command_line("experiments", "search").stdout
    assert "Stage      active" in command_line("experiments", "get", "digits").stdout


def test_the_runs_of_an_experiment_are_written_as_csv(
    command_line: CommandLine, client: Client, digits: dict[str, str]
) -> None:
    rows = list(csv.DictReader(io.StringIO(command_line("experiments", "csv", "digits").stdout)))
    assert {row["run_id"] for row in rows} == set(digits.values())
    (forest,) = (row for row in rows if row["run_name"] == "forest")
    assert forest["params.model"] == "forest"
    assert forest["metrics.accuracy"] == "0.95"
    assert forest["metrics.loss"] == "NaN"
    assert forest["start_time"].isdigit()
