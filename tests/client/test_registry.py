from __future__ import annotations

from pathlib import Path

import pytest

from tracking_core.client import Client
from tracking_core.errors import (
    AlreadyExistsError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)


@pytest.fixture
def model_uri(client: Client, run_id: str) -> str:
    client.log_text(run_id, "weights", "model/weights.txt")
    return f"runs:/{run_id}/model"


def test_registering_makes_the_name_and_counts_versions(
    client: Client, model_uri: str, run_id: str
) -> None:
    first = client.register_model(model_uri, "digits", tags={"size": 1})
    second = client.register_model(model_uri, "digits")

    assert (first.version, second.version) == (1, 2)
    assert first.run_id == run_id
    assert first.source == f"{client.get_run(run_id).info.artifact_uri}/model"
    assert client.get_model_version("digits", "1").tags == {"size": "1"}
    assert client.get_model_version_download_uri("digits", 2) == second.source


def test_registering_what_is_not_there_registers_no_name(client: Client) -> None:
    with pytest.raises(NotFoundError):
        client.register_model("runs:/" + "0" * 32 + "/model", "digits")
    assert client.search_registered_models() == []


def test_every_form_of_a_models_uri_leads_to_the_files(client: Client, model_uri: str) -> None:
    client.register_model(model_uri, "digits")
    client.set_registered_model_alias("digits", "champion", 1)
    client.transition_model_version_stage("digits", "1", "staging")

    for uri in (
        "models:/digits/1",
        "models:/digits/Staging",
        "models:/digits/latest",
        "models:/digits@champion",
    ):
        assert client.read_artifact(f"{uri}/weights.txt") == b"weights"
        assert [e.path for e in client.list_artifact_uri(uri)] == ["weights.txt"]
        assert Path(client.download_artifact_uri(uri), "weights.txt").read_text() == "weights"

    with pytest.raises(NotFoundError):
        client.read_artifact("models:/digits/Production/weights.txt")
    with pytest.raises(UnsupportedError, match="other"):
        client.read_artifact("models://other/digits/1/weights.txt")


def test_latest_is_the_greatest_number_whatever_the_stage(client: Client, model_uri: str) -> None:
    for _ in range(11):
        client.register_model(model_uri, "digits")
    client.transition_model_version_stage("digits", 11, "Archived")

    assert client.get_model_version_by_alias("digits", "latest").version == 11


def test_a_source_that_is_a_model_is_resolved_when_the_version_is_made(
    client: Client, model_uri: str
) -> None:
    first = client.register_model(model_uri, "a")
    client.set_registered_model_alias("a", "x", 1)
    client.create_registered_model("b")

    version = client.create_model_version("b", "models:/a@x", description="copied")

    assert version.source == first.source
    assert (version.run_id, version.description) == (first.run_id, "copied")


def test_copying_makes_the_name_and_keeps_tags(client: Client, model_uri: str) -> None:
    client.register_model(model_uri, "a", tags={"k": "v"})

    copied = client.copy_model_version("models:/a/1", "b")

    assert (copied.name, copied.version, copied.tags) == ("b", 1, {"k": "v"})
    with pytest.raises(InvalidValueError, match="names no version"):
        client.copy_model_version(model_uri, "b")


def test_aliases(client: Client, model_uri: str) -> None:
    for _ in range(2):
        client.register_model(model_uri, "a")
    client.set_registered_model_alias("a", "x", "1")
    client.set_registered_model_alias("a", "x", 2)
    assert client.get_model_version_by_alias("a", "x").version == 2
    client.delete_registered_model_alias("a", "x")
    client.delete_registered_model_alias("a", "x")
    with pytest.raises(NotFoundError, match="no alias 'x'"):
        client.get_model_version_by_alias("a", "x")
    with pytest.raises(NotFoundError):
        client.delete_registered_model_alias("none", "x")


def test_tags_of_models_and_versions(client: Client, model_uri: str) -> None:
    client.register_model(model_uri, "a")
    client.set_registered_model_tag("a", "k", 1)
    client.set_model_version_tag("a", "1", "k", True)
    client.set_model_version_tag("a", key="by stage", value=1, stage="None")
    assert client.get_registered_model("a").tags == {"k": "1"}
    assert client.get_model_version("a", 1).tags == {"k": "True", "by stage": "1"}
    client.delete_registered_model_tag("a", "k")
    client.delete_registered_model_tag("a", "k")
    client.delete_model_version_tag("a", 1, "k")
    client.delete_model_version_tag("a", key="by stage", stage="None")
    assert client.get_registered_model("a").tags == client.get_model_version("a", 1).tags == {}
    with pytest.raises(InvalidValueError, match="version or stage"):
        client.set_model_version_tag("a", key="k", value=1)
    with pytest.raises(InvalidValueError, match="no key"):
        client.set_model_version_tag("a", 1)
    with pytest.raises(NotFoundError, match="'Production'"):
        client.set_model_version_tag("a", key="k", value=1, stage="Production")


def test_stages(client: Client, model_uri: str) -> None:
    for _ in range(2):
        client.register_model(model_uri, "a")
    client.transition_model_version_stage("a", 1, "Production")
    client.transition_model_version_stage("a", 2, "PRODUCTION", archive_existing_versions=True)

    assert client.get_model_version("a", 1).current_stage == "Archived"
    newest = client.get_latest_versions("a", ["Production"])
    assert [version.version for version in newest] == [2]
    assert {version.version for version in client.get_latest_versions("a")} == {1, 2}
    assert client.get_model_version_stages("a", 1) == ["None", "Staging", "Production", "Archived"]


def test_changing_searching_and_deleting(client: Client, model_uri: str) -> None:
    client.create_registered_model("a", tags={"k": 1}, description="old")
    with pytest.raises(AlreadyExistsError):
        client.create_registered_model("a")
    client.update_registered_model("a", "new")
    client.rename_registered_model("a", "b")
    version = client.create_model_version("b", model_uri)
    client.update_model_version("b", version.version, "of the version")

    assert client.get_registered_model("b").description == "new"
    assert client.get_model_version("b", 1).description == "of the version"
    assert [m.name for m in client.search_registered_models("name LIKE 'b%'")] == ["b"]
    assert [v.version for v in client.search_model_versions("name = 'b'")] == [1]
    client.delete_model_version("b", "1")
    assert client.search_model_versions("name = 'b'") == []
    client.delete_registered_model("b")
    with pytest.raises(NotFoundError):
        client.get_registered_model("b")


def test_a_chain_of_sources_that_bites_its_tail_is_refused(client: Client) -> None:
    from tracking_core.stores import NewModelVersion

    client.create_registered_model("a")
    new = NewModelVersion(name="a", source="models:/a/1")
    client.registry_store.registry.create_model_version(new)

    with pytest.raises(InvalidValueError, match="lead back to itself"):
        client.get_model_version_download_uri("a", 1)
