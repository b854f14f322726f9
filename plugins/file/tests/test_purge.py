from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tracking_core.entities import ViewType
from tracking_core.errors import NotFoundError
from tracking_core.stores import NewExperiment, NewRun, PurgeRequest, RunQuery
from tracking_core_file.store import FileStore


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", stop)
    return monkeypatch


def test_an_interrupted_purge_of_a_run_shows_nothing_of_it_and_goes_on(
    store: FileStore,
    experiment_id: str,
    run_id: str,
    run_directory: Path,
    interrupted: pytest.MonkeyPatch,
) -> None:
    store.delete_run(run_id)
    request = PurgeRequest(run_ids=(run_id,))
    with pytest.raises(KeyboardInterrupt):
        store.purge(request)
    assert run_directory.exists()
    query = RunQuery(experiment_ids=(experiment_id,), view_type=ViewType.ALL)
    assert store.search_runs(query).items == ()
    with pytest.raises(NotFoundError):
        store.get_run(run_id)
    assert str(run_directory) in {f.path for f in store.diagnose() if "purge" in f.what}
    interrupted.undo()
    store.purge(request)
    assert not run_directory.exists()
    store.purge(request)


def test_an_interrupted_purge_of_an_experiment_frees_its_name_and_goes_on(
    store: FileStore, experiment_id: str, run_id: str, root: Path, interrupted: pytest.MonkeyPatch
) -> None:
    store.delete_experiment(experiment_id)
    request = PurgeRequest(experiment_ids=(experiment_id,))
    with pytest.raises(KeyboardInterrupt):
        store.purge(request)
    with pytest.raises(NotFoundError):
        store.get_experiment(experiment_id)
    store.create_experiment(NewExperiment(name="experiment"))
    interrupted.undo()
    store.purge(request)
    assert os.listdir(root / ".trash") == []


def test_what_is_left_of_a_purge_is_no_part_of_a_new_run(
    store: FileStore, experiment_id: str, interrupted: pytest.MonkeyPatch
) -> None:
    new = NewRun(experiment_id=experiment_id, run_id="chosen", tags={"old": "1"})
    store.create_run(new)
    store.delete_run("chosen")
    with pytest.raises(KeyboardInterrupt):
        store.purge(PurgeRequest(run_ids=("chosen",)))
    interrupted.undo()
    store.create_run(NewRun(experiment_id=experiment_id, run_id="chosen"))
    assert "old" not in store.get_run("chosen").data.tags


def test_a_run_that_is_half_made_is_no_run_and_can_be_made(
    store: FileStore, experiment_id: str, root: Path
) -> None:
    (root / experiment_id / "chosen" / "metrics").mkdir(parents=True)
    with pytest.raises(NotFoundError):
        store.get_run("chosen")
    store.create_run(NewRun(experiment_id=experiment_id, run_id="chosen"))
    assert store.get_run("chosen").info.run_id == "chosen"
