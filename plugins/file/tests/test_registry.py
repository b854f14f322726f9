from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plugins.file.tests.conftest import OpenStore
from tracking_core.entities import ModelVersionStage
from tracking_core.errors import (
    AlreadyExistsError,
    CorruptDataError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
)
from tracking_core.search import Subject, parse_filter
from tracking_core.stores import (
    ModelVersionChanges,
    ModelVersionQuery,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core_file.store import FileStore
from tracking_core_file.yaml_text import dump_yaml, load_yaml

NAMES = [
    "con",
    "CON.txt",
    "a b",
    " a ",
    "größe",
    "模型",
    ".hidden",
    ".trash",
    "a\\b",
    "%2e%2e",
    "x" * 255,
]
NAMES += ["...", "-rf", "~", "a\nb", "models", "version-1", "$HOME", "*", "été", "👍" * 60]


def names(store: FileStore) -> list[str]:
    found = store.search_registered_models(RegisteredModelQuery(max_results=1000)).items
    return [model.name for model in found]


def versions(store: FileStore) -> list[tuple[str, int]]:
    found = store.search_model_versions(ModelVersionQuery()).items
    return sorted((version.name, version.version) for version in found)


def register(store: FileStore, name: str = "m", *, count: int = 0) -> None:
    store.create_registered_model(NewRegisteredModel(name=name, tags={"t": "1"}))
    for number in range(1, count + 1):
        store.create_model_version(NewModelVersion(name=name, source=f"s3://bucket/{number}"))


def meta_of(directory: Path) -> dict[str, Any]:
    return load_yaml((directory / "meta.yaml").read_bytes(), str(directory))


def outside(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.parent.iterdir())


# --- names ---


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses some, which has a test of its own")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_looks_dangerous_is_a_directory_like_any_other(
    store: FileStore, root: Path, name: str
) -> None:
    register(store, "bystander", count=1)
    before = outside(root)
    register(store, name, count=2)
    store.update_registered_model(name, changes=RegisteredModelChanges(set_aliases={"best": 2}))
    assert store.get_model_version_by_alias(name, alias="best").name == name
    assert sorted(names(store)) == sorted(["bystander", name])
    named = parse_filter("name = '{}'".format(name.replace("'", "")), Subject.MODEL_VERSIONS)
    assert len(store.search_model_versions(ModelVersionQuery(filter=named)).items) == 2
    assert (root / "models" / name / "version-2" / "meta.yaml").exists()
    renamed = RegisteredModelChanges(name="plain")
    store.update_registered_model(name, changes=renamed)
    store.update_registered_model("plain", changes=RegisteredModelChanges(name=name))
    store.delete_registered_model(name)
    assert names(store) == ["bystander"]
    assert versions(store) == [("bystander", 1)]
    assert outside(root) == before


@pytest.mark.parametrize("name", ["x" * 256, "ü" * 128, "👍" * 64])
def test_a_name_that_no_directory_can_have_is_refused_with_the_number_of_its_bytes(
    store: FileStore, root: Path, name: str
) -> None:
    with pytest.raises(InvalidValueError, match=r"has 256 bytes; .* at most 255"):
        register(store, name)
    register(store)
    with pytest.raises(InvalidValueError, match="256 bytes"):
        store.update_registered_model("m", changes=RegisteredModelChanges(name=name))
    assert names(store) == ["m"]


@pytest.mark.parametrize(
    "name", ["con", "CON.txt", "lpt1", "a\\b", "a ", "a.", "a<b", "a?", "a\nb"]
)
def test_a_name_that_windows_has_no_directory_for_is_refused_there(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    layout = store._root.layout
    assert layout.registered_model(name).endswith(name)
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        with pytest.raises(InvalidValueError, match="Windows"):
            layout.registered_model(name)


@pytest.mark.parametrize("name", ["console", "a.b", "größe", ".hidden", "a b"])
def test_other_names_are_taken_on_windows_too(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        assert store._root.layout.registered_model(name).endswith(name)


def test_what_an_alias_or_tag_is_called_leads_nowhere_else(store: FileStore, root: Path) -> None:
    register(store, count=1)
    for call in (
        lambda: RegisteredModelChanges(set_aliases={"../x": 1}),
        lambda: RegisteredModelChanges(set_tags={"../../x": "1"}),
        lambda: NewModelVersion(name="m", source="s", tags={"a/../../x": "1"}),
    ):
        with pytest.raises(InvalidValueError):
            call()
    assert not list(root.rglob("x"))


# --- what else lies in the directory ---


def test_a_directory_that_is_no_model_is_kept_and_told_of(store: FileStore, root: Path) -> None:
    weights = root / "models" / "mine" / "weights.bin"
    weights.parent.mkdir(parents=True)
    weights.write_text("kept")
    register(store)
    assert names(store) == ["m"]
    with pytest.raises(AlreadyExistsError, match=r"no registered model.*move it away"):
        register(store, "mine")
    with pytest.raises(AlreadyExistsError, match="no registered model"):
        store.update_registered_model("m", changes=RegisteredModelChanges(name="mine"))
    with pytest.raises(NotFoundError):
        store.delete_registered_model("mine")
    assert weights.read_text() == "kept"


@pytest.mark.parametrize("left", ["", "tags/t", "aliases/best", ".tracking/x"])
def test_what_others_left_half_made_is_cleared_away(
    store: FileStore, root: Path, left: str
) -> None:
    path = root / "models" / "m" / left
    path.parent.mkdir(parents=True)
    if left:
        path.write_text("1")
    else:
        path.mkdir()
    store.create_registered_model(NewRegisteredModel(name="m"))
    made = store.get_registered_model("m")
    assert (made.tags, made.aliases) == ({}, {})


def test_nothing_is_written_through_a_link_out_of_the_root(
    store: FileStore, root: Path, tmp_path: Path
) -> None:
    register(store, count=1)
    register(store, "other", count=1)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(root / "models" / "m", elsewhere)
    (root / "models" / "m").symlink_to(elsewhere)
    shutil.move(root / "models" / "other" / "version-1", tmp_path / "version")
    (root / "models" / "other" / "version-1").symlink_to(tmp_path / "version")
    assert store.get_registered_model("m").tags == {"t": "1"}
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    described = ModelVersionChanges(description="x")
    calls: list[Callable[[], object]] = [
        lambda: store.update_registered_model("m", changes=RegisteredModelChanges(name="n")),
        lambda: store.update_registered_model("m", changes=RegisteredModelChanges(description="x")),
        lambda: store.update_registered_model(
            "m", changes=RegisteredModelChanges(set_aliases={"a": 1})
        ),
        lambda: store.create_model_version(NewModelVersion(name="m", source="s")),
        lambda: store.update_model_version("m", version=1, changes=described),
        lambda: store.delete_model_version("m", version=1),
        lambda: store.delete_registered_model("m"),
        lambda: store.update_model_version("other", version=1, changes=described),
        lambda: store.delete_model_version("other", version=1),
    ]
    for call in calls:
        with pytest.raises(PermissionDeniedError, match="link"):
            call()
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_registry_that_is_a_link_out_of_the_root_takes_no_model(
    store: FileStore, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    root.mkdir()
    (root / "models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionDeniedError, match="link"):
        register(store)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_reading_makes_nothing(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path / "nowhere", cache_directory=str(tmp_path / "cache"))
    assert (names(store), versions(store)) == ([], [])
    for ask in (
        lambda: store.get_registered_model("m"),
        lambda: store.get_model_version("m", version=1),
        lambda: store.delete_registered_model("m"),
        lambda: store.create_model_version(NewModelVersion(name="m", source="s")),
    ):
        with pytest.raises(NotFoundError, match="'m'"):
            ask()
    assert list(tmp_path.iterdir()) == []


# --- damage ---


@pytest.mark.parametrize("content", [b"", b"name: [", b"- a", b"\xff\xfe", b"a: b: c", b"\x00"])
def test_a_corrupt_model_costs_itself_alone_and_can_be_deleted(
    store: FileStore, root: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("broken", "sound"):
        register(store, name, count=1)
    (root / "models" / "broken" / "meta.yaml").write_bytes(content)
    for _ in range(2):
        assert names(store) == ["sound"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "broken" in caplog.text
    assert versions(store) == [("broken", 1), ("sound", 1)]
    calls: list[Callable[[], object]] = [
        lambda: store.get_registered_model("broken"),
        lambda: store.create_model_version(NewModelVersion(name="broken", source="s")),
        lambda: store.update_registered_model("broken", changes=RegisteredModelChanges(name="x")),
    ]
    for call in calls:
        with pytest.raises(CorruptDataError, match=r"broken.*meta\.yaml"):
            call()
    with pytest.raises(AlreadyExistsError):
        register(store, "broken")
    assert versions(store) == [("broken", 1), ("sound", 1)]
    assert any("broken" in f.path and f.severity == "problem" for f in store.diagnose())
    store.delete_registered_model("broken")
    assert not (root / "models" / "broken").exists()


@pytest.mark.parametrize(
    "content", [b"", b"name: [", b"current_stage: Nowhere\n", b"status: DONE\n", b"\xff"]
)
def test_a_corrupt_version_costs_itself_alone_keeps_its_number_and_can_be_deleted(
    store: FileStore, root: Path, content: bytes
) -> None:
    register(store, count=3)
    changes = RegisteredModelChanges(set_aliases={"best": 3, "first": 1})
    store.update_registered_model("m", changes=changes)
    (root / "models" / "m" / "version-3" / "meta.yaml").write_bytes(content)
    assert versions(store) == [("m", 1), ("m", 2)]
    assert [v.version for v in store.get_registered_model("m").latest_versions] == [2]
    for ask in (
        lambda: store.get_model_version("m", version=3),
        lambda: store.get_model_version_by_alias("m", alias="best"),
    ):
        with pytest.raises(CorruptDataError, match="version-3"):
            ask()
    assert store.create_model_version(NewModelVersion(name="m", source="s")).version == 4
    store.delete_model_version("m", version=3)
    with pytest.raises(NotFoundError, match="version 3"):
        store.get_model_version("m", version=3)
    assert store.get_registered_model("m").aliases == {"first": 1}


def test_a_version_without_meta_yaml_is_none_and_its_number_stays_used(
    store: FileStore, root: Path
) -> None:
    register(store, count=1)
    (root / "models" / "m" / "version-7").mkdir()
    for other in ("version-x", "version-", "version--1", "version-²", "versions"):
        (root / "models" / "m" / other).mkdir()
    assert versions(store) == [("m", 1)]
    with pytest.raises(NotFoundError, match="version 7"):
        store.get_model_version("m", version=7)
    assert store.create_model_version(NewModelVersion(name="m", source="s")).version == 8


@pytest.mark.parametrize("content", [b"", b"x", b"-1", b"0", b"\xff", b"99999999999999999999999"])
def test_a_corrupt_alias_costs_itself_alone(store: FileStore, root: Path, content: bytes) -> None:
    register(store, count=1)
    store.update_registered_model("m", changes=RegisteredModelChanges(set_aliases={"a": 1, "b": 1}))
    (root / "models" / "m" / "aliases" / "a").write_bytes(content)
    (root / "models" / "m" / "aliases" / "c").mkdir()
    assert store.get_registered_model("m").aliases == {"b": 1}
    assert store.get_model_version("m", version=1).aliases == ("b",)
    store.update_registered_model("m", changes=RegisteredModelChanges(set_aliases={"a": 1}))
    assert store.get_registered_model("m").aliases == {"a": 1, "b": 1}


def test_a_corrupt_tag_costs_its_model_or_version_alone(store: FileStore, root: Path) -> None:
    for name in ("broken", "sound"):
        register(store, name, count=2)
    tagged = ModelVersionChanges(set_tags={"t": "1"})
    store.update_model_version("sound", version=1, changes=tagged)
    (root / "models" / "broken" / "tags" / "t").write_bytes(b"\xff")
    (root / "models" / "sound" / "version-1" / "tags" / "t").write_bytes(b"\xff")
    assert names(store) == ["sound"]
    assert versions(store) == [("broken", 1), ("broken", 2), ("sound", 2)]


def test_a_file_in_place_of_the_registry_is_an_error_that_names_it(
    store: FileStore, root: Path
) -> None:
    root.mkdir()
    (root / "models").write_text("kept")
    with pytest.raises(PermissionDeniedError, match=r"models.*move away"):
        register(store)
    with pytest.raises(PermissionDeniedError, match=r"models.*move away"):
        names(store)
    assert (root / "models").read_text() == "kept"


# --- what the files say ---


def test_fields_of_others_are_kept(store: FileStore, root: Path) -> None:
    register(store, count=2)
    directories = [root / "models" / "m", root / "models" / "m" / "version-1"]
    for directory in directories:
        (directory / "meta.yaml").write_bytes(dump_yaml(meta_of(directory) | {"theirs": "kept"}))
    changes = ModelVersionChanges(
        current_stage=ModelVersionStage.STAGING, archive_existing_versions=True
    )
    for number in (1, 2):
        store.update_model_version("m", version=number, changes=changes)
    store.update_registered_model(
        "m", changes=RegisteredModelChanges(description="d", name="n", set_aliases={"a": 1})
    )
    store.delete_model_version("n", version=1)
    for directory in directories:
        assert (
            meta_of(root / "models" / "n" / directory.relative_to(directories[0]))["theirs"]
            == "kept"
        )
    assert meta_of(root / "models" / "n" / "version-1")["current_stage"] == "Deleted_Internal"


def test_where_mlflow_found_the_files_is_kept_until_the_source_changes(
    store: FileStore, root: Path
) -> None:
    register(store)
    store.create_model_version(NewModelVersion(name="m", source="models:/other/1"))
    directory = root / "models" / "m" / "version-1"
    # As MLflow does, which looks up what such a source leads to.
    found = meta_of(directory) | {"storage_location": "s3://bucket/other"}
    (directory / "meta.yaml").write_bytes(dump_yaml(found))
    store.update_model_version("m", version=1, changes=ModelVersionChanges(description="d"))
    assert meta_of(directory)["storage_location"] == "s3://bucket/other"
    store.update_model_version("m", version=1, changes=ModelVersionChanges(source="s3://new"))
    assert meta_of(directory)["source"] == meta_of(directory)["storage_location"] == "s3://new"


@pytest.mark.parametrize("as_uri", [True, False], ids=["URI", "path"])
@pytest.mark.parametrize("stays", [True, False], ids=["copied", "moved"])
def test_sources_in_the_directory_move_with_it(
    store: FileStore,
    open_store: OpenStore,
    experiment_id: str,
    run_id: str,
    root: Path,
    tmp_path: Path,
    as_uri: bool,
    stays: bool,
) -> None:
    logged = store.create_logged_model(NewLoggedModel(experiment_id=experiment_id))
    below = [
        f"{experiment_id}/{run_id}/artifacts/a b/model",
        f"{experiment_id}/models/{logged.model_id}/artifacts",
    ]
    elsewhere = [
        (tmp_path / "own" / "x" / "artifacts" / "m").as_uri(),
        "s3://bucket/1/2/artifacts/m",
        f"models:/{logged.model_id}",
        f"runs:/{run_id}/artifacts/m",
        str(tmp_path / "1" / "artifacts"),
    ]
    register(store)
    for source in (root / path for path in below):
        text = source.as_uri() if as_uri else str(source)
        store.create_model_version(NewModelVersion(name="m", source=text))
    for text in elsewhere:
        store.create_model_version(NewModelVersion(name="m", source=text))
    sources = [store.get_model_version("m", version=n).source for n in range(1, 8)]
    new_root = tmp_path / "new" / "place"
    (shutil.copytree if stays else shutil.move)(root, new_root)
    moved = open_store(new_root)
    expected = [(new_root / p).as_uri() if as_uri else str(new_root / p) for p in below]
    assert [moved.get_model_version("m", version=n).source for n in range(1, 8)] == [
        *expected,
        *elsewhere,
    ]
    assert sources[2:] == elsewhere


def test_names_in_the_files_that_contradict_the_directory_do_not_count(
    store: FileStore, root: Path
) -> None:
    register(store, count=1)
    shutil.copytree(root / "models" / "m", root / "models" / "copy")
    assert names(store) == ["copy", "m"]
    assert versions(store) == [("copy", 1), ("m", 1)]
    store.create_model_version(NewModelVersion(name="copy", source="s"))
    assert meta_of(root / "models" / "copy" / "version-1")["name"] == "copy"
    assert versions(store) == [("copy", 1), ("copy", 2), ("m", 1)]


def test_a_search_by_name_looks_at_no_other_model(
    store: FileStore, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("broken", "sound"):
        register(store, name, count=1)
        (root / "models" / name / "tags" / "other").write_text("x")
    (root / "models" / "broken" / "meta.yaml").write_text("[")
    (root / "models" / "broken" / "version-1" / "meta.yaml").write_text("[")
    for text in ("name = 'sound'", "name = 'sound' AND tags.t IS NOT NULL"):
        query = RegisteredModelQuery(filter=parse_filter(text, Subject.REGISTERED_MODELS))
        assert [m.name for m in store.search_registered_models(query).items] == ["sound"]
    both = "name = 'sound' OR name = 'broken'"
    version = ModelVersionQuery(filter=parse_filter("name = 'sound'", Subject.MODEL_VERSIONS))
    assert len(store.search_model_versions(version).items) == 1
    for text in ("name = '../sound'", "name = ''", "name = 'a/b'", "name = 'missing'"):
        query = RegisteredModelQuery(filter=parse_filter(text, Subject.REGISTERED_MODELS))
        assert store.search_registered_models(query).items == ()
    assert caplog.records == []
    query = RegisteredModelQuery(filter=parse_filter(both, Subject.REGISTERED_MODELS))
    assert [m.name for m in store.search_registered_models(query).items] == ["sound"]
    assert len(caplog.records) == 1
