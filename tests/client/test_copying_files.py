"""Copying with files: they come to the destination's places, and URIs follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.copying_places import KINDS, open_place
from tracking_core.artifacts import ArtifactRepository
from tracking_core.client.copying import CopyReport, copy
from tracking_core.config import Settings
from tracking_core.discovery import open_artifact_repository
from tracking_core.entities import RunStatus
from tracking_core.stores import (
    BackendStore,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    RunChanges,
)

OPTIONS = {"registry": False, "logged_models": False}
MODEL_ID = "m-" + "1" * 32


def files_at(uri: str) -> ArtifactRepository:
    return open_artifact_repository(uri, Settings())


def put(uri: str, path: str, content: bytes) -> None:
    with files_at(uri).open_write(path) as file:
        file.write(content)


def get(uri: str, path: str) -> bytes:
    with files_at(uri).open_read(path) as file:
        return file.read()


def assert_whole(report: CopyReport) -> None:
    assert report.is_whole, (report.problems, [str(each) for each in report.differences])


@pytest.fixture
def source(tmp_path: Path) -> BackendStore:
    """A file backend with a run that has two files, and one that has none."""
    store = open_place("file", tmp_path, "source")
    store.runs.create_experiment(NewExperiment(name="one", experiment_id="1"))
    for run_id in ("r1", "r2"):
        new = NewRun(experiment_id="1", run_id=run_id, status=RunStatus.FINISHED)
        uri = store.runs.create_run(new).info.artifact_uri
        if run_id == "r1":
            put(uri, "model/weights.bin", b"w" * 3_000_000)
            put(uri, "notes ü.txt", b"hello")
    return store


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_to_the_destinations_places(
    kind: str, source: BackendStore, tmp_path: Path
) -> None:
    with open_place(kind, tmp_path, "dst") as target:
        report = copy(source, target, artifacts=True, **OPTIONS)
        assert_whole(report)
        assert report.written["artifact files"] == 2
        old, new = (store.runs.get_run("r1").info.artifact_uri for store in (source, target))
        assert old != new
        assert get(new, "model/weights.bin") == b"w" * 3_000_000
        assert get(new, "notes ü.txt") == b"hello"
        location = target.runs.get_experiment("1").artifact_location
        assert new.startswith(location)
        (files,) = [each for each in report.tallies if each.kind == "artifact files"]
        assert (files.source_count, files.destination_count) == (2, 2)
        again = copy(source, target, artifacts=True, **OPTIONS)
        assert_whole(again)
        assert again.passed_over == 2


def test_without_the_option_uris_lead_to_where_the_files_are(
    source: BackendStore, tmp_path: Path
) -> None:
    with open_place("file", tmp_path, "dst") as target:
        assert_whole(copy(source, target))
        old, new = (store.runs.get_run("r1").info.artifact_uri for store in (source, target))
        assert old == new
        assert_whole(copy(source, target))
        assert get(new, "notes ü.txt") == b"hello"
        report = copy(source, target, artifacts=True)
        assert any("stay where they are" in note for note in report.notes)


def test_without_the_option_models_lead_to_where_their_files_are(tmp_path: Path) -> None:
    with (
        open_place("file", tmp_path, "source") as source,
        open_place("file", tmp_path, "dst") as target,
    ):
        source.runs.create_experiment(NewExperiment(name="one", experiment_id="1"))
        run = source.runs.create_run(NewRun(experiment_id="1", run_id="r1"))
        model = source.logged_models.create_logged_model(
            NewLoggedModel(experiment_id="1", name="forest", model_id=MODEL_ID)
        )
        source.registry.create_registered_model(NewRegisteredModel(name="m"))
        uris = [f"{run.info.artifact_uri}/model", model.artifact_location]
        for uri in uris:
            source.registry.create_model_version(NewModelVersion(name="m", source=uri))
        assert_whole(copy(source, target))
        there = target.logged_models.get_logged_model(MODEL_ID)
        assert there.artifact_location == model.artifact_location
        assert [
            target.registry.get_model_version("m", version=number).source for number in (1, 2)
        ] == uris


def test_a_file_that_did_not_arrive_is_copied_again(source: BackendStore, tmp_path: Path) -> None:
    with open_place("file", tmp_path, "dst") as target:
        copy(source, target, artifacts=True)
        uri = target.runs.get_run("r1").info.artifact_uri
        files_at(uri).delete("notes ü.txt")
        report = copy(source, target, artifacts=True, verify_only=True)
        assert [str(each) for each in report.differences] == [
            "The run 'r1' differs in artifact['notes ü.txt']: 5 in the source, nothing in the"
            " destination."
        ]
        # As an interruption leaves it: without its end.
        target.runs.update_run("r1", changes=RunChanges(status=RunStatus.RUNNING))
        report = copy(source, target, artifacts=True)
        assert_whole(report)
        assert report.written["artifact files"] == 1
        assert get(uri, "notes ü.txt") == b"hello"


def test_a_file_that_is_missing_in_a_whole_run_is_found_by_the_proof(
    source: BackendStore, tmp_path: Path
) -> None:
    with open_place("file", tmp_path, "dst") as target:
        copy(source, target, artifacts=True)
        files_at(target.runs.get_run("r1").info.artifact_uri).delete("notes ü.txt")
        assert_whole(copy(source, target, artifacts=True))


def test_the_files_of_models_move_and_their_versions_follow(tmp_path: Path) -> None:
    with (
        open_place("file", tmp_path, "source") as source,
        open_place("file", tmp_path, "dst") as target,
    ):
        source.runs.create_experiment(NewExperiment(name="one", experiment_id="1"))
        run = source.runs.create_run(NewRun(experiment_id="1", run_id="r1"))
        model = source.logged_models.create_logged_model(
            NewLoggedModel(experiment_id="1", name="forest", model_id=MODEL_ID)
        )
        put(model.artifact_location, "MLmodel", b"flavors: {}")
        put(run.info.artifact_uri, "model/MLmodel", b"of the run")
        registry = source.registry
        registry.create_registered_model(NewRegisteredModel(name="m"))
        for uri, run_id, model_id in (
            (f"{run.info.artifact_uri}/model", "r1", None),
            (model.artifact_location, None, MODEL_ID),
            ("runs:/r1/model", "r1", None),
            (f"{run.info.artifact_uri}-else/model", "r1", None),
            ("s3://elsewhere/model", "gone", "m-gone"),
        ):
            registry.create_model_version(
                NewModelVersion(name="m", source=uri, run_id=run_id, model_id=model_id)
            )
        assert_whole(copy(source, target, artifacts=True))
        moved_run = target.runs.get_run("r1").info.artifact_uri
        moved_model = target.logged_models.get_logged_model(MODEL_ID).artifact_location
        assert get(moved_model, "MLmodel") == b"flavors: {}"
        assert [target.registry.get_model_version("m", version=n).source for n in range(1, 6)] == [
            f"{moved_run}/model",
            moved_model,
            "runs:/r1/model",
            f"{run.info.artifact_uri}-else/model",
            "s3://elsewhere/model",
        ]


def test_files_that_can_not_be_reached_are_named_and_other_runs_come_across(
    source: BackendStore, tmp_path: Path
) -> None:
    new = NewRun(experiment_id="1", run_id="r3", artifact_uri="nowhere://bucket/r3")
    source.runs.create_run(new)
    with open_place("file", tmp_path, "dst") as target:
        report = copy(source, target, artifacts=True)
        assert not report.is_whole
        assert any(
            "The artifacts of the run 'r3' could not be copied" in problem
            and "'nowhere'" in problem
            for problem in report.problems
        )
        assert target.runs.get_run("r1").info.status is RunStatus.FINISHED
