from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.entities import Metric, Param, RunTag
from tracking_core.errors import InvalidValueError
from tracking_core.stores import Batch, MetricHistoryQuery, validation
from tracking_core_file.keys import (
    _overflow_names,
    key_of_overflow,
    key_path,
    overflow_path,
)
from tracking_core_file.layout import Layout
from tracking_core_file.store import FileStore

KEYS = st.text(st.sampled_from("ab/.é-_ 雪:"), min_size=1, max_size=250).filter(
    lambda key: _is_key(key)
)


def _is_key(key: str) -> bool:
    try:
        validation.check_key(key, what="key")
    except InvalidValueError:
        return False
    return True


@given(KEYS)
def test_no_key_leaves_its_directory(key: str) -> None:
    for path in (key_path("/r", "metrics", key), overflow_path("/r", "metrics", key)):
        assert os.path.normpath(path) == path
        assert path.startswith("/r/")
        assert all(len(os.fsencode(name)) <= 255 for name in path.split("/"))


@given(KEYS)
def test_an_overflowing_key_is_read_back(key: str) -> None:
    assert key_of_overflow(tuple(_overflow_names(key))) == key


@given(KEYS, KEYS)
def test_no_two_overflowing_keys_are_in_each_others_way(one: str, other: str) -> None:
    if one != other:
        a, b = _overflow_names(one), _overflow_names(other)
        assert a[: len(b)] != b
        assert b[: len(a)] != a


@pytest.mark.parametrize("first", ["a", "a/b"])
def test_a_key_may_be_the_beginning_of_another(store: FileStore, run_id: str, first: str) -> None:
    keys = ("a", "a/b", "a/b/c") if first == "a" else ("a/b", "a", "a/b/c")
    for number, key in enumerate(keys):
        for _ in range(2):
            batch = Batch(
                metrics=(Metric(key, float(number), 1, 1),),
                params=(Param(key, f"p{number}"),),
                tags=(RunTag(key, f"t{number}"),),
            )
            store.log_batch(run_id, batch=batch)
    data = store.get_run(run_id).data
    assert data.metrics == {key: float(number) for number, key in enumerate(keys)}
    assert data.params == {key: f"p{number}" for number, key in enumerate(keys)}
    assert {key: data.tags[key] for key in keys} == {k: f"t{n}" for n, k in enumerate(keys)}
    for key in keys:
        assert len(store.metric_history(run_id, query=MetricHistoryQuery(key=key)).items) == 2
        store.delete_tag(run_id, key=key)
    assert set(store.get_run(run_id).data.tags) == {"mlflow.runName"}


def test_the_longest_keys_are_kept(store: FileStore, run_id: str) -> None:
    key = "雪" * 250
    store.log_batch(run_id, batch=Batch(metrics=(Metric(key, 1.0, 1),), tags=(RunTag(key, "t"),)))
    data = store.get_run(run_id).data
    assert data.metrics == {key: 1.0}
    assert data.tags[key] == "t"


@pytest.mark.parametrize("bad", ["..", ".", "", "a/b", "../x", "/etc", "a\0b", "x" * 300, ".trash"])
def test_no_id_makes_a_path_outside(tmp_path: Path, bad: str) -> None:
    layout = Layout(str(tmp_path))
    for make in (
        lambda: layout.experiment(bad),
        lambda: layout.run(str(tmp_path / "1"), bad),
        lambda: layout.logged_model(str(tmp_path / "1"), bad),
    ):
        with pytest.raises(InvalidValueError):
            make()
    if not re.fullmatch(r"[.]trash|x+", bad):
        with pytest.raises(InvalidValueError):
            layout.registered_model(bad)


@pytest.mark.parametrize("name", ["models", ".trash"])
def test_directories_with_another_meaning_are_no_experiments(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValueError, match=name):
        Layout(str(tmp_path)).experiment(name)
    with pytest.raises(InvalidValueError, match="tags"):
        Layout(str(tmp_path)).run(str(tmp_path / "1"), "tags")
