from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tracking_core.client import Client
from tracking_core.entities import LifecycleStage, ViewType
from tracking_core.errors import AlreadyExistsError, InvalidStateError, NotFoundError


def test_creating_returns_the_id_and_keeps_tags_as_text(client: Client) -> None:
    experiment_id = client.create_experiment("a", tags={"team": "x", "size": 3})

    experiment = client.get_experiment(experiment_id)
    assert isinstance(experiment_id, str)
    assert experiment.name == "a"
    assert experiment.tags == {"team": "x", "size": "3"}
    assert client.get_experiment_by_name("a") == experiment
    assert client.get_experiment_by_name("b") is None


def test_a_relative_artifact_location_is_one_from_the_working_directory(client: Client) -> None:
    experiment_id = client.create_experiment("a", artifact_location="files/a")

    location = client.get_experiment(experiment_id).artifact_location
    assert location == (Path.cwd() / "files/a").as_uri()


def test_searching_pages_through(client: Client) -> None:
    for name in ("a1", "a2", "a3", "b"):
        client.create_experiment(name)

    first = client.search_experiments(
        filter_string="name LIKE 'a%'", order_by=["name ASC"], max_results=2
    )
    second = client.search_experiments(
        filter_string="name LIKE 'a%'", order_by=["name ASC"], max_results=2, page_token=first.token
    )

    assert [each.name for each in first] == ["a1", "a2"]
    assert [each.name for each in second] == ["a3"]
    assert second.token is None
    assert isinstance(first, list)


def test_renaming_tagging_deleting_restoring(client: Client, experiment_id: str) -> None:
    client.rename_experiment(experiment_id, "letters")
    client.set_experiment_tag(experiment_id, "n", 1)
    assert client.get_experiment(experiment_id).name == "letters"
    assert client.get_experiment(experiment_id).tags == {"n": "1"}
    client.delete_experiment_tag(experiment_id, "n")
    assert client.get_experiment(experiment_id).tags == {}
    with pytest.raises(NotFoundError):
        client.delete_experiment_tag(experiment_id, "n")

    client.delete_experiment(experiment_id)
    assert client.get_experiment(experiment_id).lifecycle_stage == "deleted"
    assert "letters" not in {each.name for each in client.search_experiments()}
    assert len(client.search_experiments(ViewType.DELETED_ONLY)) == 1
    with pytest.raises(InvalidStateError):
        client.rename_experiment(experiment_id, "x")
    with pytest.raises(AlreadyExistsError, match="restore"):
        client.create_experiment("letters")

    client.restore_experiment(experiment_id)
    assert client.get_experiment(experiment_id).lifecycle_stage is LifecycleStage.ACTIVE


def test_many_who_ensure_one_experiment_get_the_same(client: Client) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(client.ensure_experiment("x").experiment_id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_default_experiment_is_made_by_its_first_use_under_its_id(client: Client) -> None:
    with pytest.raises(NotFoundError):
        client.get_experiment("0")

    run = client.create_run("0")

    assert run.info.experiment_id == "0"
    assert client.get_experiment("0").name == "Default"
    assert client.ensure_experiment("Default").experiment_id == "0"
