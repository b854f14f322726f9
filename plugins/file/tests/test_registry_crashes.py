"""Changes of the registry that end before any one of their steps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from plugins.file.tests.conftest import OpenStore
from plugins.file.tests.processes import run_all, start
from tracking_core.entities import ModelVersionStage
from tracking_core.stores import (
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core_file.layout import META, UNSEEN_MODELS
from tracking_core_file.registry import FileRegistry
from tracking_core_file.store import FileStore
from tracking_core_file.yaml_text import load_yaml

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# For each step that changes something in the file system, a child that ends before it.
_CRASH = """
import shutil
def steps_of(limit):
    taken = 0
    def counted(call):
        def step(*arguments, **keywords):
            nonlocal taken
            if call is not opened or arguments[1] & os.O_CREAT:
                if taken == limit:
                    os._exit(9)
                taken += 1
            return call(*arguments, **keywords)
        return step
    opened = os.open
    for name in ("rename", "replace", "unlink", "link", "mkdir", "rmdir", "open"):
        setattr(os, name, counted(getattr(os, name)))
roots = []
for limit in range(200):
    copy = f"{root}-{limit}"
    shutil.copytree(root, copy)
    child = os.fork()
    if not child:
        steps_of(limit)
        try:
            store = FileStore(Uri.parse(copy), Settings())
            exec(change)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    roots.append(copy)
    if status == 0:
        break
print(json.dumps(roots))
"""

_CHANGES = {
    "create a model": "store.create_registered_model(NewRegisteredModel(name='new',"
    " description='d', tags={'a': '1', 'b/c': '2'}))",
    "create a version": "store.create_model_version(NewModelVersion(name='old', source='s',"
    " tags={'a': '1', 'b/c': '2'}, idempotency_key='k'))",
    "rename": "store.update_registered_model('old', changes=RegisteredModelChanges(name='new'))",
    "delete a model": "store.delete_registered_model('old')",
    "delete a version": "store.delete_model_version('old', version=2)",
    "move an alias": "store.update_registered_model('old',"
    " changes=RegisteredModelChanges(set_aliases={'best': 1}))",
}


@pytest.fixture
def old(store: FileStore) -> FileStore:
    store.create_registered_model(NewRegisteredModel(name="old", tags={"t": "1", "u/v": "2"}))
    store.create_registered_model(NewRegisteredModel(name="bystander"))
    for number in (1, 2):
        new = NewModelVersion(name="old", source=f"s3://bucket/{number}", tags={"n": str(number)})
        store.create_model_version(new)
    staged = ModelVersionChanges(current_stage=ModelVersionStage.PRODUCTION)
    store.update_model_version("old", version=1, changes=staged)
    changes = RegisteredModelChanges(set_aliases={"best": 2, "first": 1})
    store.update_registered_model("old", changes=changes)
    return store


def seen(store: FileStore) -> Any:
    """Return all that the registry tells, but times of a model: they follow what happened."""
    models = store.search_registered_models(RegisteredModelQuery()).items
    versions = store.search_model_versions(ModelVersionQuery()).items
    return (
        {m.name: (m.description, m.tags, m.aliases, len(m.latest_versions)) for m in models},
        {(v.name, v.version): (v.source, v.tags, v.aliases, v.current_stage) for v in versions},
    )


def check_sound(root: Path) -> None:
    """Check what MLflow needs: every directory that it takes for a model or version is one."""
    for model in (root / "models").iterdir():
        for directory in (model, *model.glob("version-*")):
            assert (directory / META).exists(), directory
            assert not list(directory.glob("tags/.*"))
        assert not list(model.glob("aliases/.*"))


def check_names(root: Path) -> None:
    """Check that the files say the names of their directories, as MLflow reads them."""
    for model in (root / "models").iterdir():
        for directory in (model, *model.glob("version-*")):
            path = directory / META
            assert load_yaml(path.read_bytes(), str(path))["name"] == model.name


def check_goes_on(root: Path, store: FileStore) -> None:
    """Check that the next change works, and leaves nothing of the one that ended."""
    names = {m.name for m in store.search_registered_models(RegisteredModelQuery()).items}
    if "old" in names or "new" in names:
        name = "old" if "old" in names else "new"
        new = NewModelVersion(name=name, source="s", idempotency_key="k")
        assert [store.create_model_version(new).version for _ in range(2)] == [3, 3]
        assert store.create_model_version(NewModelVersion(name=name, source="s")).version == 4
    for name in {"old", "new"} - names:
        store.create_registered_model(NewRegisteredModel(name=name))
        assert store.get_registered_model(name).tags == {}
    assert not (root / UNSEEN_MODELS).exists()
    check_sound(root)
    check_names(root)


@pytest.mark.parametrize("change", _CHANGES.values(), ids=_CHANGES.keys())
def test_a_change_that_ends_anywhere_is_whole_or_nothing_and_the_next_one_goes_on(
    old: FileStore, open_store: OpenStore, root: Path, change: str
) -> None:
    before = seen(old)
    (printed,) = run_all([start(_CRASH, root=str(root), change=change)])
    roots = [Path(each) for each in json.loads(printed)]
    assert len(roots) > 4
    after = seen(open_store(roots[-1]))
    assert after != before
    found = [seen(open_store(each)) for each in roots]
    assert all(each in (before, after) for each in found)
    # Once it has happened, it stays.
    assert found == sorted(found, key=lambda each: each == after)
    for each in roots:
        check_sound(each)
        check_goes_on(each, open_store(each))


def test_a_model_that_is_deleted_while_it_is_read_is_not_half_read(
    old: FileStore, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {m.name for m in old.search_registered_models(RegisteredModelQuery()).items}
    original = FileRegistry._seen_versions
    other = open_store()

    def seen_versions(self: FileRegistry, directory: str) -> Any:
        if self is old and directory.endswith("/old"):
            monkeypatch.setattr(FileRegistry, "_seen_versions", original)
            other.delete_registered_model("old")
        return original(self, directory)

    monkeypatch.setattr(FileRegistry, "_seen_versions", seen_versions)
    found = {m.name for m in old.search_registered_models(RegisteredModelQuery()).items}
    assert found == expected - {"old"}
