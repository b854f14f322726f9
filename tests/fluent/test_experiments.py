from __future__ import annotations

from pathlib import Path

import pytest

import tracking_core as tracking
from tracking_core.client import Client
from tracking_core.errors import AlreadyExistsError, InvalidStateError, InvalidValueError


def test_setting_an_experiment_makes_it_and_new_runs_go_there(store: Client) -> None:
    experiment = tracking.set_experiment("digits")
    assert tracking.set_experiment("digits") == experiment
    with tracking.start_run() as run:
        assert run.info.experiment_id == experiment.experiment_id
        tracking.set_experiment_tag("a", 1)
        tracking.set_experiment_tags({"b": 2})
        tracking.delete_experiment_tag("a")
    assert tracking.get_experiment(experiment.experiment_id).tags == {"b": "2"}

    other = tracking.create_experiment("other")
    tracking.set_experiment(experiment_id=other)
    with tracking.start_run() as run:
        assert run.info.experiment_id == other


def test_a_deleted_experiment_says_how_to_restore_it(store: Client) -> None:
    experiment_id = tracking.create_experiment("gone")
    tracking.delete_experiment(experiment_id)
    with pytest.raises(InvalidStateError, match=rf"restore_experiment\('{experiment_id}'\)"):
        tracking.set_experiment("gone")
    with pytest.raises(InvalidStateError, match="restore_experiment"):
        tracking.set_experiment(experiment_id=experiment_id)
    tracking.restore_experiment(experiment_id)
    assert tracking.set_experiment("gone").experiment_id == experiment_id


def test_one_of_name_and_id(store: Client) -> None:
    for arguments in ({}, {"experiment_name": "a", "experiment_id": "1"}):
        with pytest.raises(InvalidValueError, match="experiment_name or experiment_id"):
            tracking.set_experiment(**arguments)


def test_the_environment_names_the_experiment(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from the environment")
    with tracking.start_run() as run:
        pass
    assert tracking.get_experiment(run.info.experiment_id).name == "from the environment"


def test_creating_finding_and_searching(store: Client) -> None:
    for name in ("a", "b"):
        tracking.create_experiment(name, tags={"k": 1})
    with pytest.raises(AlreadyExistsError):
        tracking.create_experiment("a")
    named = tracking.get_experiment_by_name("a")
    assert named is not None
    assert named.tags == {"k": "1"}
    assert tracking.get_experiment_by_name("none") is None
    found = tracking.search_experiments(filter_string="tags.k = '1'", order_by=["name DESC"])
    assert [experiment.name for experiment in found] == ["b", "a"]
    assert len(tracking.search_experiments(max_results=1)) == 1
    with pytest.raises(InvalidValueError, match="at least 1"):
        tracking.search_experiments(max_results=0)


def test_an_experiment_follows_to_another_store_by_its_name(tmp_path: Path) -> None:
    tracking.set_tracking_uri(tmp_path / "a")
    first = tracking.set_experiment("digits")
    tracking.set_tracking_uri(tmp_path / "b")
    with tracking.start_run() as run:
        assert run.info.experiment_id != first.experiment_id
        assert tracking.get_experiment(run.info.experiment_id).name == "digits"


def test_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = (Path.cwd() / "mlruns").as_uri()
    assert not tracking.is_tracking_uri_set()
    assert tracking.get_tracking_uri() == tracking.get_registry_uri() == default

    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "env"))
    assert tracking.is_tracking_uri_set()
    assert tracking.get_tracking_uri() == (tmp_path / "env").as_uri()

    tracking.set_tracking_uri("relative")
    monkeypatch.chdir(tmp_path)
    assert tracking.get_tracking_uri() != (tmp_path / "relative").as_uri()
    assert tracking.get_tracking_uri().endswith("/relative")

    tracking.set_registry_uri(tmp_path / "registry")
    assert tracking.get_registry_uri() == (tmp_path / "registry").as_uri()
    tracking.set_registry_uri("")
    assert tracking.get_registry_uri() == tracking.get_tracking_uri()
    with pytest.raises(InvalidValueError):
        tracking.set_tracking_uri(7)  # type: ignore[arg-type]


def test_memory_is_one_store_for_all_who_follow() -> None:
    tracking.set_tracking_uri("memory:")
    tracking.create_experiment("a")
    assert tracking.MlflowClient().get_experiment_by_name("a") is not None
    assert tracking.Client("memory:").get_experiment_by_name("a") is None


def test_a_client_without_a_uri_takes_that_of_the_functions(tmp_path: Path) -> None:
    tracking.set_tracking_uri(tmp_path / "a")
    assert tracking.MlflowClient().tracking_uri == (tmp_path / "a").as_uri()
    assert tracking.Client().tracking_uri == (Path.cwd() / "mlruns").as_uri()
    assert tracking.MlflowClient(str(tmp_path / "b")).tracking_uri == (tmp_path / "b").as_uri()
