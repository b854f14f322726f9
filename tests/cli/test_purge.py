from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tracking_core.client import Client
from tracking_core.config import Settings
from tracking_core.discovery import open_artifact_repository
from tracking_core.stores import NewRun, now


@pytest.fixture
def filled(command_line: CommandLine, client: Client, digits: dict[str, str]) -> dict[str, str]:
    """A deleted run, and a deleted experiment with one run; all have a file."""
    other = client.create_experiment("other")
    ids = {**digits, "other": client.create_run(other, run_name="other").info.run_id}
    for run_id in ids.values():
        Path("weights.txt").write_text(run_id)
        client.log_artifact(run_id, "weights.txt")
    client.delete_run(ids["svm"])
    client.delete_experiment(other)
    return ids


def has_artifacts(artifact_uri: str) -> bool:
    return bool(open_artifact_repository(artifact_uri, Settings()).list())


def test_a_dry_run_shows_and_removes_nothing(
    command_line: CommandLine, filled: dict[str, str]
) -> None:
    planned = command_line.json("purge", "--dry-run")
    assert planned["run_ids"] == sorted([filled["svm"], filled["other"]])
    assert planned["dry_run"] is True
    assert filled["svm"] in command_line("purge", "--dry-run").stdout
    assert len(command_line.json("runs", "search", "--view", "all")) == 4


def test_what_is_deleted_goes_for_good_with_its_artifacts(
    command_line: CommandLine, client: Client, filled: dict[str, str]
) -> None:
    uris = {name: client.get_run(run_id).info.artifact_uri for name, run_id in filled.items()}
    purged = command_line.json("purge", "--yes")
    assert purged["run_ids"] == sorted([filled["svm"], filled["other"]])
    assert len(purged["experiment_ids"]) == 1
    assert purged["problems"] == []
    assert {name: has_artifacts(uri) for name, uri in uris.items()} == {
        "svm": False,
        "other": False,
        "forest": True,
        "knn": True,
    }
    assert len(command_line.json("runs", "search", "--view", "all")) == 2
    assert command_line.json("experiments", "search", "--view", "deleted") == []
    # There is nothing left to ask about.
    command_line("purge")


def test_a_purge_asks_first(command_line: CommandLine, filled: dict[str, str]) -> None:
    refused = command_line("purge", answers="n\n", status=1)
    assert "1 run and 1 experiment with 1 run" in refused.stderr
    assert len(command_line.json("runs", "search", "--view", "all")) == 4
    assert "Removed 2 runs and 1 experiment." in command_line("purge", answers="y\n").stdout


def test_what_was_deleted_lately_can_be_spared(
    command_line: CommandLine,
    client: Client,
    filled: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long ago it ended: the time of the deletion counts."""
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    old = client.store.runs.create_run(
        NewRun(experiment_id=experiment.experiment_id, start_time=1, run_name="old")
    )
    client.set_terminated(old.info.run_id, end_time=2)
    client.delete_run(old.info.run_id)
    assert command_line.json("purge", "--dry-run", "--older-than", "1d12h")["run_ids"] == []
    later = now() + 2 * 86_400_000
    monkeypatch.setattr("tracking_core.cli.purge.now", lambda: later)
    planned = command_line.json("purge", "--dry-run", "--older-than", "1d12h")
    assert old.info.run_id in planned["run_ids"]
    assert "30d" in command_line.error("purge", "--older-than", "soon", status=2)


def test_runs_of_a_deleted_experiment_that_is_spared_are_spared_too(
    command_line: CommandLine, client: Client
) -> None:
    """They read as deleted, but come back with the experiment."""
    other = client.create_experiment("other")
    client.store.runs.create_run(NewRun(experiment_id=other, start_time=1))
    client.delete_experiment(other)
    assert command_line.json("purge", "--dry-run", "--older-than", "1h")["run_ids"] == []


def test_artifacts_that_may_be_shared_stay(
    command_line: CommandLine, client: Client, digits: dict[str, str]
) -> None:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    Path("shared").mkdir()
    Path("shared/precious.txt").write_text("keep me")
    uri = Path("shared").resolve().as_uri()
    new = NewRun(experiment_id=experiment.experiment_id, artifact_uri=uri)
    run = client.store.runs.create_run(new)
    client.delete_run(run.info.run_id)
    command_line("purge", "--yes")
    assert Path("shared/precious.txt").exists()
    assert len(command_line.json("runs", "search", "--view", "all")) == 3


def test_what_can_not_be_removed_keeps_no_other_from_going(
    command_line: CommandLine, client: Client, digits: dict[str, str]
) -> None:
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    stuck = "5" * 32
    new = NewRun(
        experiment_id=experiment.experiment_id,
        run_id=stuck,
        artifact_uri=f"nowhere://bucket/{stuck}",
        start_time=2**40,
    )
    client.store.runs.create_run(new)
    client.delete_run(stuck)
    client.delete_run(digits["svm"])
    result = command_line("purge", "--yes", "--json", status=1)
    assert json.loads(result.stdout)["run_ids"] == [digits["svm"]]
    assert "1 could not be removed" in result.stderr
    assert "'nowhere'" in result.stderr
    assert client.get_run(stuck)
