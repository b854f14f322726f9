from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plugins.file.tests.conftest import OpenStore
from tracking_core.stores import NewExperiment, NewRun, RunQuery
from tracking_core_file.relocation import current_location
from tracking_core_file.store import FileStore


def locations(store: FileStore, experiment_id: str, run_id: str) -> set[str]:
    location = store.get_experiment(experiment_id).artifact_location
    found = store.search_runs(RunQuery(experiment_ids=(experiment_id,))).items
    run = next(run for run in found if run.info.run_id == run_id)
    assert store.get_run(run_id) == run
    assert run.info.artifact_uri == f"{location}/{run_id}/artifacts"
    return {location}


@pytest.mark.parametrize("stays", [False, True])
def test_artifacts_move_with_the_directory(
    store: FileStore,
    open_store: OpenStore,
    experiment_id: str,
    run_id: str,
    root: Path,
    tmp_path: Path,
    stays: bool,
) -> None:
    new_root = tmp_path / "new" / "place"
    assert locations(store, experiment_id, run_id) == {(root / experiment_id).as_uri()}
    (shutil.copytree if stays else shutil.move)(root, new_root)
    moved = open_store(new_root)
    assert locations(moved, experiment_id, run_id) == {(new_root / experiment_id).as_uri()}
    run = moved.create_run(NewRun(experiment_id=experiment_id))
    assert run.info.artifact_uri.startswith((new_root / experiment_id).as_uri())
    # Moved on, with headers that were written at each of the places.
    moved.update_run(run_id, changes=_renamed())
    third = tmp_path / "third"
    shutil.move(new_root, third)
    again = open_store(third)
    for each in (run_id, run.info.run_id):
        assert locations(again, experiment_id, each) == {(third / experiment_id).as_uri()}


def _renamed() -> object:
    from tracking_core.stores import RunChanges

    return RunChanges(run_name="renamed")


@pytest.mark.parametrize("location", ["s3://bucket/{id}", "{tmp}/artifacts/{id}", "{tmp}/own"])
def test_a_chosen_location_stays_where_it_is(
    open_store: OpenStore, root: Path, tmp_path: Path, location: str
) -> None:
    chosen = location.format(id="7", tmp=tmp_path)
    store = open_store()
    new = NewExperiment(name="e", experiment_id="7", artifact_location=chosen)
    store.create_experiment(new)
    run_id = store.create_run(NewRun(experiment_id="7")).info.run_id
    assert locations(store, "7", run_id) == {chosen}
    shutil.move(root, tmp_path / "moved")
    assert locations(open_store(tmp_path / "moved"), "7", run_id) == {chosen}


def test_the_artifact_root_of_the_settings_wins_and_stays(
    open_store: OpenStore, root: Path, tmp_path: Path
) -> None:
    artifacts = tmp_path / "artifacts"
    store = open_store(artifact_root=str(artifacts))
    made = store.create_experiment(NewExperiment(name="e"))
    run_id = store.create_run(NewRun(experiment_id=made.experiment_id)).info.run_id
    expected = {str(artifacts / made.experiment_id)}
    assert locations(open_store(), made.experiment_id, run_id) == expected
    shutil.move(root, tmp_path / "moved")
    assert locations(open_store(tmp_path / "moved"), made.experiment_id, run_id) == expected


def test_a_root_that_is_there_and_holds_no_runs_was_meant(tmp_path: Path) -> None:
    suffix = ("7",)
    artifacts, root = tmp_path / "artifacts", str(tmp_path / "mlruns")
    location = (artifacts / "7").as_uri()
    assert current_location(location, suffix=suffix, root=root) == (tmp_path / "mlruns/7").as_uri()
    artifacts.mkdir()
    assert current_location(location, suffix=suffix, root=root) == location
    (artifacts / ".trash").mkdir()
    assert current_location(location, suffix=suffix, root=root) == (tmp_path / "mlruns/7").as_uri()


@pytest.mark.parametrize(
    "location",
    ["/old/mlruns/8", "s3://bucket/mlruns/7", "mlruns/7", "file://host/mlruns/7", "/old/77", ""],
)
def test_other_locations_are_left_alone(tmp_path: Path, location: str) -> None:
    assert current_location(location, suffix=("7",), root=str(tmp_path)) == location


def test_a_path_stays_a_path_and_a_uri_a_uri(tmp_path: Path) -> None:
    root = str(tmp_path / "a b")
    assert current_location("/old/7", suffix=("7",), root=root) == f"{root}/7"
    moved = current_location("file:///old%20one/7", suffix=("7",), root=root)
    assert moved == (tmp_path / "a b" / "7").as_uri()
