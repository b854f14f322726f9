"""Registered models of Unity Catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.databricks.tests.conftest import OpenStore
from plugins.databricks.tests.fake_workspace import CATALOG, FakeWorkspace
from tracking_core.entities import ModelVersionStage, ModelVersionStatus
from tracking_core.errors import (
    AlreadyExistsError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    ModelRegistryStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)

NAME = "main.default.model"


@pytest.fixture
def registry(profiles: Path, open_store: OpenStore) -> ModelRegistryStore:
    return open_store("databricks-uc://work").registry


@pytest.fixture
def model(registry: ModelRegistryStore, workspace: FakeWorkspace) -> str:
    """A model with three versions, which others have added."""
    registry.create_registered_model(NewRegisteredModel(name=NAME, tags={"a": "1"}))
    for number in range(1, 4):
        new = NewModelVersion(name=NAME, source="s3://managed/x", tags={"n": str(number)})
        workspace.catalog.create_model_version(new)
    return NAME


def versions_of(name: str, also: str = "") -> ModelVersionQuery:
    text = f"name = '{name}'{also}"
    return ModelVersionQuery(filter=parse_filter(text, Subject.MODEL_VERSIONS))


@pytest.mark.parametrize("name", ["model", "schema.model", "a.b.c.d", "a..c", "a.b. "])
def test_a_name_without_three_levels_is_refused_with_one_that_would_do(
    registry: ModelRegistryStore, workspace: FakeWorkspace, name: str
) -> None:
    with pytest.raises(InvalidValueError, match=r"CATALOG\.SCHEMA\.MODEL"):
        registry.create_registered_model(NewRegisteredModel(name=name))
    with pytest.raises(InvalidValueError, match=r"write 'main\.default\."):
        registry.get_registered_model(name)
    assert workspace.requests == []


def test_a_model_is_registered_changed_and_deleted(registry: ModelRegistryStore) -> None:
    made = registry.create_registered_model(
        NewRegisteredModel(name=NAME, description="old", tags={"a": "1", "b": "2"})
    )
    assert (made.name, made.description, made.tags) == (NAME, "old", {"a": "1", "b": "2"})
    changes = RegisteredModelChanges(
        description="new", set_tags={"a": "3"}, delete_tags=("b",), name="main.default.renamed"
    )
    changed = registry.update_registered_model(NAME, changes=changes)
    assert registry.get_registered_model("main.default.renamed") == changed
    assert (changed.description, changed.tags) == ("new", {"a": "3"})
    registry.delete_registered_model("main.default.renamed")
    with pytest.raises(NotFoundError):
        registry.get_registered_model("main.default.renamed")


def test_a_name_that_is_taken_is_said(registry: ModelRegistryStore, model: str) -> None:
    with pytest.raises(AlreadyExistsError, match=r"main\.default\.model"):
        registry.create_registered_model(NewRegisteredModel(name=NAME))
    other = "main.default.other"
    registry.create_registered_model(NewRegisteredModel(name=other))
    with pytest.raises(AlreadyExistsError, match=r"main\.default\.model"):
        registry.update_registered_model(other, changes=RegisteredModelChanges(name=NAME))


def test_a_catalog_that_is_not_there_is_named(registry: ModelRegistryStore) -> None:
    with pytest.raises(NotFoundError, match="the catalog 'missing' or its schema 'default'"):
        registry.create_registered_model(NewRegisteredModel(name="missing.default.model"))


def test_only_the_endpoints_of_unity_catalog_are_asked(
    registry: ModelRegistryStore, model: str, workspace: FakeWorkspace
) -> None:
    registry.get_model_version(model, version=1)
    assert all(request.path.startswith(CATALOG) for request in workspace.requests)


def test_aliases_point_to_versions_and_move(registry: ModelRegistryStore, model: str) -> None:
    first = RegisteredModelChanges(set_aliases={"best": 1, "old": 1})
    registry.update_registered_model(model, changes=first)
    assert registry.get_model_version(model, version=1).aliases == ("best", "old")
    second = RegisteredModelChanges(set_aliases={"best": 2}, delete_aliases=("old",))
    changed = registry.update_registered_model(model, changes=second)
    assert changed.aliases == {"best": 2}
    assert registry.get_model_version_by_alias(model, alias="best").version == 2
    with pytest.raises(NotFoundError, match="no alias 'old'; it has: best"):
        registry.get_model_version_by_alias(model, alias="old")
    with pytest.raises(NotFoundError, match="version 9"):
        registry.update_registered_model(
            model, changes=RegisteredModelChanges(set_aliases={"x": 9})
        )


def test_a_model_tells_its_newest_version_whole(registry: ModelRegistryStore, model: str) -> None:
    changes = RegisteredModelChanges(set_aliases={"best": 3})
    changed = registry.update_registered_model(model, changes=changes)
    (newest,) = changed.latest_versions
    assert (newest.version, newest.tags, newest.aliases) == (3, {"n": "3"}, ("best",))
    assert registry.latest_versions(model) == [newest]


def test_a_version_is_described_tagged_and_deleted(
    registry: ModelRegistryStore, model: str
) -> None:
    changes = ModelVersionChanges(description="good", set_tags={"a": "b"}, delete_tags=("n",))
    changed = registry.update_model_version(model, version=2, changes=changes)
    assert registry.get_model_version(model, version=2) == changed
    assert (changed.description, changed.tags, changed.status) == (
        "good",
        {"a": "b"},
        ModelVersionStatus.READY,
    )
    registry.delete_model_version(model, version=2)
    found = registry.search_model_versions(versions_of(model)).items
    assert sorted(version.version for version in found) == [1, 3]


# --- searches ---


def test_versions_are_found_whole_though_a_search_tells_no_tags(
    registry: ModelRegistryStore, model: str
) -> None:
    registry.update_registered_model(model, changes=RegisteredModelChanges(set_aliases={"x": 1}))
    found = {v.version: v for v in registry.search_model_versions(versions_of(model)).items}
    assert found[1].tags == {"n": "1"}
    assert found[1].aliases == ("x",)
    tagged = registry.search_model_versions(versions_of(model, " AND tags.n = '2'")).items
    assert [version.version for version in tagged] == [2]
    query = ModelVersionQuery(
        filter=versions_of(model).filter,
        order_by=parse_order_by(["version_number DESC"], Subject.MODEL_VERSIONS),
        max_results=2,
    )
    page = registry.search_model_versions(query)
    assert [version.version for version in page.items] == [3, 2]
    assert page.next_page_token is not None


def test_versions_of_all_models_cannot_be_searched(registry: ModelRegistryStore) -> None:
    for text in ("", "run_id = 'abc'"):
        query = ModelVersionQuery(filter=parse_filter(text, Subject.MODEL_VERSIONS))
        with pytest.raises(UnsupportedError, match=r"add name = 'CATALOG\.SCHEMA\.MODEL'"):
            registry.search_model_versions(query)
    assert registry.search_model_versions(versions_of("no name")).items == ()


def test_models_are_found_by_what_a_listing_tells(
    registry: ModelRegistryStore, model: str, workspace: FakeWorkspace
) -> None:
    for name in ("main.default.b", "main.other.c"):
        registry.create_registered_model(NewRegisteredModel(name=name))
    query = RegisteredModelQuery(
        filter=parse_filter("name LIKE 'main.default.%'", Subject.REGISTERED_MODELS),
        order_by=parse_order_by(["name DESC"], Subject.REGISTERED_MODELS),
    )
    found = registry.search_registered_models(query).items
    assert [each.name for each in found] == ["main.default.model", "main.default.b"]
    assert found[0] == registry.get_registered_model(model)
    named = parse_filter(f"name = '{model}' AND tags.a = '1'", Subject.REGISTERED_MODELS)
    assert registry.search_registered_models(RegisteredModelQuery(filter=named)).items == (
        found[0],
    )
    tagged = parse_filter("tags.a = '1'", Subject.REGISTERED_MODELS)
    with pytest.raises(UnsupportedError, match="can't search models by their tags"):
        registry.search_registered_models(RegisteredModelQuery(filter=tagged))


# --- what is refused ---


@pytest.mark.parametrize(
    "changes",
    [
        ModelVersionChanges(current_stage=ModelVersionStage.PRODUCTION),
        ModelVersionChanges(status=ModelVersionStatus.FAILED_REGISTRATION),
        ModelVersionChanges(source="s3://elsewhere"),
    ],
)
def test_what_unity_catalog_has_not_is_refused(
    registry: ModelRegistryStore, model: str, changes: ModelVersionChanges
) -> None:
    before = registry.get_model_version(model, version=1)
    with pytest.raises(UnsupportedError):
        registry.update_model_version(model, version=1, changes=changes)
    assert registry.get_model_version(model, version=1) == before


def test_a_version_whose_files_would_have_to_be_moved_is_refused(
    registry: ModelRegistryStore, model: str
) -> None:
    with pytest.raises(UnsupportedError, match="keeps the files of a version itself"):
        registry.create_model_version(NewModelVersion(name=model, source="runs:/abc/model"))
    assert len(registry.search_model_versions(versions_of(model)).items) == 3


def test_runs_are_the_workspaces(profiles: Path, open_store: OpenStore) -> None:
    store = open_store("databricks-uc://work")
    store.check_health()
    assert len(store.facets()) == 3
