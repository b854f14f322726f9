from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugins.file.tests.conftest import OpenStore
from plugins.file.tests.processes import run_all, start
from tracking_core.entities import LifecycleStage, Metric, ViewType
from tracking_core.errors import (
    AlreadyExistsError,
    CorruptDataError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
)
from tracking_core.stores import ExperimentChanges, ExperimentQuery, NewExperiment, NewRun, RunQuery
from tracking_core_file.store import FileStore


def names(store: FileStore, view_type: ViewType = ViewType.ALL) -> list[str]:
    found = store.search_experiments(ExperimentQuery(view_type=view_type)).items
    return sorted(experiment.name for experiment in found)


def test_opening_and_reading_makes_nothing(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path / "nowhere" / "mlruns", cache_directory=str(tmp_path / "cache"))
    assert names(store) == []
    assert store.search_runs(RunQuery()).items == ()
    assert store.search_runs(RunQuery(experiment_ids=("0", "models"))).items == ()
    assert store.get_experiment_by_name("x") is None
    store.check_health()
    for ask in (lambda: store.get_experiment("0"), lambda: store.get_run("0" * 32)):
        with pytest.raises(NotFoundError):
            ask()
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_the_first_write_makes_the_default_experiment_too(store: FileStore, root: Path) -> None:
    store.create_experiment(NewExperiment(name="first"))
    assert names(store) == ["Default", "first"]
    assert store.get_experiment("0").name == "Default"
    assert store.get_experiment("0").artifact_location == (root / "0").as_uri()


def test_a_directory_that_is_in_use_gets_no_default_experiment(
    store: FileStore, root: Path
) -> None:
    (root / "something").mkdir(parents=True)
    store.create_experiment(NewExperiment(name="first"))
    assert names(store) == ["first"]


@pytest.mark.parametrize(
    "new", [NewExperiment(name="Default"), NewExperiment(name="other", experiment_id="0")]
)
def test_a_copy_may_bring_its_own_default_experiment(store: FileStore, new: NewExperiment) -> None:
    store.create_experiment(new)
    assert names(store) == [new.name]


def test_processes_that_begin_together_make_one_root(root: Path, store: FileStore) -> None:
    code = """
for step in range(10):
    store.ensure_experiment(NewExperiment(name=f"e{step}"))
"""
    run_all([start(code, root=str(root)) for _ in range(4)])
    assert names(store) == sorted(["Default", *(f"e{step}" for step in range(10))])
    assert not list(root.glob(".lock*"))
    assert not list(root.glob(".tmp*"))


@pytest.mark.parametrize("where", ["", "below"])
def test_a_root_that_is_a_file_is_an_error_with_its_name(
    open_store: OpenStore, tmp_path: Path, where: str
) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    store = open_store(file / where if where else file)
    for ask in (
        lambda: store.search_experiments(ExperimentQuery()),
        lambda: store.search_runs(RunQuery()),
        lambda: store.create_experiment(NewExperiment(name="x")),
        lambda: store.get_run("0" * 32),
    ):
        with pytest.raises(InvalidValueError, match=str(file)):
            ask()
    assert file.read_text() == "kept"


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_a_directory_without_permission_is_an_error_that_says_so(
    store: FileStore, run_id: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.open

    def refuse(path: str, flags: int, *rest: int, **keywords: int) -> int:
        # Modes don't bind root, as which tests may run: what the system would do is done here.
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(13, "Permission denied", path)
        return original(path, flags, *rest, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    for write in (
        lambda: store.create_experiment(NewExperiment(name="x")),
        lambda: store.log_metric(run_id, metric=Metric("m", 1.0, 1)),
        lambda: store.delete_run(run_id),
    ):
        with pytest.raises(PermissionDeniedError, match="permission denied"):
            write()
    assert store.get_run(run_id).data.metrics == {}


def test_a_deleted_experiment_lies_in_the_trash(
    store: FileStore, experiment_id: str, root: Path
) -> None:
    store.delete_experiment(experiment_id)
    assert (root / ".trash" / experiment_id / "meta.yaml").exists()
    assert not (root / experiment_id).exists()
    with pytest.raises(AlreadyExistsError, match="deleted"):
        store.create_experiment(NewExperiment(name="experiment"))
    store.restore_experiment(experiment_id)
    assert (root / experiment_id / "meta.yaml").exists()


def test_logging_goes_on_after_the_experiment_was_away(
    store: FileStore, experiment_id: str, run_id: str
) -> None:
    store.log_metric(run_id, metric=Metric("m", 1.0, 1, 1))
    store.log_metric(run_id, metric=Metric("m", 1.0, 1, 2))
    store.delete_experiment(experiment_id)
    store.restore_experiment(experiment_id)
    store.log_metric(run_id, metric=Metric("m", 1.0, 1, 3))
    assert store.get_run(run_id).data.latest_metrics[0].step == 3


def test_a_run_deleted_at_the_time_of_its_experiment_stays_deleted(
    store: FileStore, experiment_id: str, run_id: str
) -> None:
    other = store.create_run(NewRun(experiment_id=experiment_id)).info.run_id
    store.delete_run(run_id)
    store.delete_experiment(experiment_id)
    store.restore_experiment(experiment_id)
    assert store.get_run(run_id).info.lifecycle_stage is LifecycleStage.DELETED
    assert store.get_run(other).info.lifecycle_stage is LifecycleStage.ACTIVE


def test_unknown_fields_of_meta_yaml_are_kept(
    store: FileStore, experiment_id: str, run_id: str, root: Path
) -> None:
    paths = [root / experiment_id / "meta.yaml", root / experiment_id / run_id / "meta.yaml"]
    for path in paths:
        path.write_text(path.read_text() + "from_the_future: kept\n")
    store.update_experiment(experiment_id, changes=ExperimentChanges(name="renamed"))
    store.delete_run(run_id)
    assert all("from_the_future: kept\n" in path.read_text() for path in paths)


def test_a_corrupt_experiment_costs_itself_alone(
    store: FileStore, experiment_id: str, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / experiment_id / "meta.yaml").write_text("name: [")
    for _ in range(2):
        assert names(store) == ["Default"]
    assert len(caplog.records) == 1
    assert store.search_runs(RunQuery(experiment_ids=(experiment_id, "0"))).items == ()
    with pytest.raises(CorruptDataError, match=experiment_id):
        store.get_experiment(experiment_id)
    store.create_experiment(NewExperiment(name="another"))


def test_an_experiment_that_is_a_link_out_of_the_root_is_read_and_not_written(
    store: FileStore, experiment_id: str, root: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (root / experiment_id).rename(elsewhere)
    (root / experiment_id).symlink_to(elsewhere)
    assert store.get_experiment(experiment_id).name == "experiment"
    before = sorted(elsewhere.rglob("*"))
    for write in (
        lambda: store.create_run(NewRun(experiment_id=experiment_id)),
        lambda: store.update_experiment(experiment_id, changes=ExperimentChanges(name="x")),
    ):
        with pytest.raises(PermissionDeniedError, match="link"):
            write()
    assert [p for p in sorted(elsewhere.rglob("*")) if p.is_file()] == [
        p for p in before if p.is_file()
    ]
