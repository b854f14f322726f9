from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tracking_core.client import Client
from tracking_core.stores import NewRun


def found(command_line: CommandLine, *arguments: str) -> list[str]:
    return [run["run_name"] for run in command_line.json("runs", "search", *arguments)]


def test_runs_are_found_by_experiment_filter_and_order(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    which = ("--experiment", "digits", "--order-by", "metrics.accuracy DESC")
    assert found(command_line, *which) == ["forest", "svm", "knn"]
    assert found(command_line, *which, "--filter", "metrics.accuracy < 0.95") == ["svm", "knn"]
    assert found(command_line, *which, "--limit", "1") == ["forest"]
    assert found(command_line, *which, "--filter", "metrics.accuracy > 1") == []


def test_without_an_experiment_all_active_ones_are_searched(
    command_line: CommandLine, client: Client, digits: dict[str, str]
) -> None:
    other = client.create_experiment("other")
    client.create_run(other, run_name="elsewhere")
    assert sorted(found(command_line)) == ["elsewhere", "forest", "knn", "svm"]
    client.delete_experiment(other)
    assert sorted(found(command_line)) == ["forest", "knn", "svm"]
    assert found(command_line, "--view", "deleted") == ["elsewhere"]


def test_more_runs_than_a_page_holds_are_all_found(
    command_line: CommandLine,
    client: Client,
    digits: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tracking_core.cli.finding._PAGE", 2)
    assert len(found(command_line, "--limit", "0")) == 3
    assert len(found(command_line, "--limit", "2")) == 2


def test_a_document_has_the_run_and_no_json_that_parsers_refuse(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    (run,) = command_line.json("runs", "search", "--filter", "params.model = 'forest'")
    assert run["run_id"] == digits["forest"]
    assert run["status"] == "FINISHED"
    assert isinstance(run["start_time"], int)
    assert run["params"] == {"model": "forest", "random_state": "0"}
    assert run["metrics"] == {"accuracy": 0.95, "epochs": 5.0, "loss": "NaN"}


def test_a_table_that_nobody_looks_at_is_plain_and_whole(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    text = command_line("runs", "search").stdout
    assert "\x1b" not in text
    for run_id in digits.values():
        assert run_id in text
    first, *_ = text.splitlines()
    keys = ["accuracy", "epochs", "loss", "model", "random_state"]
    assert first.split() == ["RUN", "NAME", "STATUS", "STARTED", "DURATION", *keys]


def test_columns_are_chosen_as_filters_name_them(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    columns = "run_name,metrics.accuracy,params.model,tags.mlflow.runName,metrics.nowhere"
    text = command_line(
        "runs", "search", "--columns", columns, "--filter", "metrics.accuracy > 0.9"
    )
    assert [line.split() for line in text.stdout.splitlines()] == [
        ["NAME", "accuracy", "model", "tags.mlflow.runName", "nowhere"],
        ["forest", "0.95", "forest", "forest"],
    ]


def test_an_unknown_column_names_the_nearest(command_line: CommandLine) -> None:
    assert "Did you mean 'run_name'?" in command_line.error(
        "runs", "search", "--columns", "runname"
    )


def test_a_mistake_in_a_filter_is_shown_at_its_place(
    command_line: CommandLine, client: Client
) -> None:
    client.create_experiment("digits")
    error = command_line.error("runs", "search", "--filter", "metrics.accuracy >> 0.9")
    *_, line, caret = error.rstrip("\n").split("\n")
    assert line[caret.index("^")] == ">"


def test_names_do_not_steer_the_terminal(command_line: CommandLine, client: Client) -> None:
    experiment_id = client.create_experiment("digits")
    client.create_run(experiment_id, run_name="red\x1b[31m\nnext [bold]x")
    text = command_line("runs", "search").stdout
    assert "\x1b" not in text
    assert r"red\x1b[31m\nnext [bold]x" in text
    assert len(text.splitlines()) == 2


# --- one run ---


def test_a_run_is_described_by_as_much_of_its_id_as_is_unique(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    whole = command_line.json("runs", "describe", digits["svm"])
    length = 4
    while sum(run_id.startswith(digits["svm"][:length]) for run_id in digits.values()) > 1:
        length += 1
    assert command_line.json("runs", "describe", digits["svm"][:length]) == whole
    (accuracy,) = (m for m in whole["latest_metrics"] if m["key"] == "accuracy")
    assert (accuracy["value"], accuracy["step"]) == (0.9, 2)
    text = command_line("runs", "describe", digits["svm"]).stdout
    assert "Status      FINISHED" in text
    assert "random_state" in text


def test_a_start_that_several_ids_have_is_refused(
    command_line: CommandLine, client: Client
) -> None:
    experiment_id = client.create_experiment("digits")
    ids = [f"abcd{digit * 28}" for digit in "12"]
    for run_id in ids:
        client.store.runs.create_run(NewRun(experiment_id=experiment_id, run_id=run_id))
    error = command_line.error("runs", "describe", "abcd")
    assert "2 runs' ids begin with 'abcd'" in error
    assert ids[0] in error
    assert command_line.json("runs", "describe", "abcd1")["run_id"] == ids[0]


def test_an_underscore_is_a_letter_like_any_other(
    command_line: CommandLine, client: Client
) -> None:
    experiment_id = client.create_experiment("digits")
    ids = [f"ab{letter}d{'1' * 28}" for letter in "_c"]
    for run_id in ids:
        client.store.runs.create_run(NewRun(experiment_id=experiment_id, run_id=run_id))
    assert command_line.json("runs", "describe", "ab_d")["run_id"] == ids[0]


@pytest.mark.parametrize("text", ["abc", "", "no such run", "a'; --", "..%2f"])
def test_what_is_no_id_is_told(command_line: CommandLine, text: str) -> None:
    assert "is no run id" in command_line.error("runs", "describe", text)


def test_a_run_that_is_not_there_is_told_with_the_store(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    assert command_line.uri.removeprefix("./") in command_line.error("runs", "describe", "zzzz")
    assert "0" * 32 in command_line.error("runs", "describe", "0" * 32)


# --- side by side ---


def test_runs_are_compared_with_their_differences_and_extremes(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    compared = command_line.json("runs", "compare", *digits.values())
    assert [run["run_id"] for run in compared["runs"]] == list(digits.values())
    assert compared["params"]["model"]["differs"] is True
    assert compared["params"]["random_state"]["differs"] is False
    accuracy = compared["metrics"]["accuracy"]
    assert (accuracy["min"], accuracy["max"]) == ([digits["knn"]], [digits["forest"]])
    # NaN is no extreme, and where all are the same there is none.
    loss = compared["metrics"]["loss"]
    assert (loss["min"], loss["max"]) == ([digits["svm"]], [digits["knn"]])
    assert loss["values"][digits["forest"]] == "NaN"
    assert compared["metrics"]["epochs"] == {
        "values": dict.fromkeys(digits.values(), 5.0),
        "differs": False,
        "min": [],
        "max": [],
    }


def test_nan_and_one_number_have_no_extremes(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    for pair in (("svm", "forest"), ("forest", "svm")):
        compared = command_line.json("runs", "compare", *(digits[name] for name in pair))
        loss = compared["metrics"]["loss"]
        assert (loss["min"], loss["max"], loss["differs"]) == ([], [], True)


def test_the_table_of_a_comparison_marks_the_same_things(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    lines = command_line("runs", "compare", "-e", "digits").stdout.splitlines()
    cells = {line[1:].split()[0]: line for line in lines if line.strip()}
    assert cells["model"].startswith("*")
    assert cells["random_state"].startswith(" ")
    assert "0.8 (min)" in cells["accuracy"]
    assert "0.95 (max)" in cells["accuracy"]
    assert "(m" not in cells["epochs"]
    assert all(run_id in cells["RUN"] for run_id in digits.values())


def test_what_is_the_same_can_be_left_out(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    compared = command_line.json("runs", "compare", "-e", "digits", "--differences")
    assert set(compared["params"]) == {"model"}
    assert set(compared["metrics"]) == {"accuracy", "loss"}


def test_a_value_that_a_run_lacks_is_a_difference(
    command_line: CommandLine, client: Client, digits: dict[str, str]
) -> None:
    client.log_metric(digits["svm"], "f1", 0.5)
    f1 = command_line.json("runs", "compare", "-e", "digits")["metrics"]["f1"]
    assert f1["differs"] is True
    assert f1["values"][digits["knn"]] is None
    assert f1["min"] == f1["max"] == []


def test_runs_are_named_or_searched_for_but_not_both(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    assert "not both" in command_line.error("runs", "compare", digits["svm"], "-e", "digits")


def test_comparing_nothing_is_no_error(command_line: CommandLine, client: Client) -> None:
    client.create_experiment("empty")
    assert command_line("runs", "compare", "-e", "empty").stdout == ""
    assert command_line.json("runs", "compare", "-e", "empty")["runs"] == []


# --- delete and restore ---


def test_runs_are_deleted_and_restored(command_line: CommandLine, digits: dict[str, str]) -> None:
    some = [digits["svm"], digits["knn"][:12]]
    deleted = command_line.json("runs", "delete", *some)
    assert [run["lifecycle_stage"] for run in deleted] == ["deleted", "deleted"]
    assert found(command_line) == ["forest"]
    # Once more is no error, nor is it to restore what isn't deleted.
    command_line("runs", "delete", *some)
    assert "Restored the run" in command_line("runs", "restore", *some, digits["forest"]).stdout
    assert sorted(found(command_line)) == ["forest", "knn", "svm"]


def test_one_mistyped_id_deletes_none(command_line: CommandLine, digits: dict[str, str]) -> None:
    command_line.error("runs", "delete", digits["svm"], "zzzz")
    assert len(found(command_line)) == 3


# --- CSV ---


def test_runs_are_written_as_csv_into_a_file(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    which = ("-e", "digits", "--filter", "metrics.accuracy > 0.85")
    command_line("runs", "csv", *which, "--output", "runs.csv")
    rows = list(csv.DictReader(io.StringIO(Path("runs.csv").read_text())))
    assert sorted(row["run_name"] for row in rows) == ["forest", "svm"]
    assert rows[0].keys() >= {"params.model", "metrics.loss", "tags.mlflow.runName"}


def test_a_wrong_filter_leaves_the_file_as_it_was(
    command_line: CommandLine, digits: dict[str, str]
) -> None:
    Path("runs.csv").write_text("old")
    command_line.error("runs", "csv", "--filter", "metrics.", "-o", "runs.csv")
    assert Path("runs.csv").read_text() == "old"
