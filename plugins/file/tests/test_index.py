from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.file.tests.conftest import OpenStore
from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    Metric,
    Param,
    RunInputs,
    RunTag,
    ViewType,
)
from tracking_core.search import parse_filter, parse_order_by
from tracking_core.search.ast import Subject
from tracking_core.stores import Batch, NewExperiment, NewRun, RunQuery
from tracking_core_file import stamps
from tracking_core_file.store import FileStore

FILTERS = (
    None,
    "metrics.m > 0.5",
    "metrics.m > 0.5 AND params.p = 'x'",
    "params.p = 'y' AND tags.t = '1' AND attributes.status = 'RUNNING'",
    "NOT metrics.m > 0.5",
    "metrics.`deep/key` > 0.5",
    "metrics.new > 0.2 AND tags.`deep/key` = 'x'",
    "params.`deep/key` IS NOT NULL",
    "tags.t IS NULL OR params.`deep/key` = '1'",
    "run_name LIKE '%a%'",
    "dataset.name = 'wine'",
)


def query(experiment_id: str, text: str | None, order: str = "") -> RunQuery:
    return RunQuery(
        experiment_ids=(experiment_id,),
        filter=None if text is None else parse_filter(text, Subject.RUNS),
        order_by=parse_order_by([order], Subject.RUNS) if order else (),
        view_type=ViewType.ALL,
    )


def make_runs(store: FileStore, experiment_id: str, count: int) -> list[str]:
    run_ids = []
    for number in range(count):
        new = NewRun(experiment_id=experiment_id, run_name=f"run {number}", start_time=number)
        run_id = store.create_run(new).info.run_id
        batch = Batch(
            metrics=(Metric("m", number / count, 1, 0), Metric("other/n", 1.0, 1, 0)),
            params=(Param("p", "xyz"[number % 3]), Param("q", "1")),
            tags=(RunTag("t", str(number % 2)),),
        )
        store.log_batch(run_id, batch=batch)
        if number % 2:
            used = DatasetInput(Dataset("wine", f"d{number}", "local", "{}"))
            store.log_inputs(run_id, inputs=RunInputs((used,)))
        run_ids.append(run_id)
    return run_ids


def age(directory: Path) -> None:
    """Wait until what was written is old enough to be trusted."""
    time.sleep(stamps.LOCAL_TICK / 1e9 * 1.2)
    assert directory.exists()


def disturb(root: Path, experiment_id: str, chance: random.Random) -> None:
    """Change something as another tool would: by plain writes, in place and otherwise."""
    runs = [path for path in (root / experiment_id).iterdir() if (path / "meta.yaml").exists()]
    run = chance.choice(runs)
    path = {
        "metric": run / "metrics" / chance.choice(["m", "new"]),
        "param": run / "params" / chance.choice(["p", "q"]),
        "tag": run / "tags" / chance.choice(["t", "u", "mlflow.runName"]),
        "nested": run / chance.choice(["params", "metrics", "tags"]) / "deep" / "key",
        "meta": run / "meta.yaml",
        "dataset": next((root / experiment_id / "datasets").glob("*/meta.yaml")),
        "run": run,
    }
    kind = chance.choice(list(path))
    target = path[kind]
    target.parent.mkdir(exist_ok=True)
    if kind == "metric":
        with target.open(chance.choice("aw")) as file:
            file.write(f"2 {chance.random()} {chance.randrange(3)}\n")
    elif kind == "nested" and "metrics" in str(target):
        target.write_text("2 0.75 0\n")
    elif kind in ("param", "tag", "nested"):
        if chance.random() < 0.3:
            target.unlink(missing_ok=True)
        elif chance.random() < 0.5:
            target.write_text(chance.choice("xyz01a"))
        else:
            other = run / ".other"
            other.write_text(chance.choice("xyz01a"))
            os.replace(other, target)
    elif kind == "meta":
        stage = chance.choice(["active", "deleted"])
        status = chance.choice("123")
        lines = target.read_text().splitlines()
        lines = [line for line in lines if not line.startswith(("lifecycle_stage", "status"))]
        target.write_text("\n".join([*lines, f"lifecycle_stage: {stage}", f"status: {status}", ""]))
    elif kind == "dataset":
        target.write_text(target.read_text().replace("wine", "beer"))
    elif chance.random() < 0.5:
        new = run.with_name("".join(chance.choice("0123456789abcdef") for _ in range(32)))
        shutil.copytree(run, new)
    elif len(runs) > 3:
        shutil.rmtree(run)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_the_index_never_shows_in_the_answer(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = random.Random(seed)
    directory = tmp_path_factory.mktemp("index")
    root = directory / "mlruns"

    def open_store(**settings: object) -> FileStore:
        cache = {"cache_directory": str(directory / "cache"), **settings}
        return FileStore(Uri.parse(root), Settings(**cache))  # type: ignore[arg-type]

    store = open_store()
    experiment_id = store.create_experiment(NewExperiment(name="e")).experiment_id
    make_runs(store, experiment_id, 5)
    age(root)
    for _ in range(12):
        for _ in range(chance.randrange(1, 4)):
            disturb(root, experiment_id, chance)
        if chance.random() < 0.2:
            age(root)
        # One question each time: asking for everything would bring everything up to date.
        order = chance.choice(["", "metrics.m DESC", "tags.t"])
        wanted = query(experiment_id, chance.choice(FILTERS), order)
        expected = open_store(file_index=False).search_runs(wanted)
        if chance.random() < 0.3:
            assert open_store().search_runs(wanted) == expected
        assert store.search_runs(wanted) == expected


def test_changes_within_one_tick_of_the_clock_are_seen(
    store: FileStore, experiment_id: str, run_id: str, run_directory: Path
) -> None:
    path = run_directory / "tags" / "t"
    for number in range(300):
        value = str(number % 10)
        path.write_text(value)
        assert store.get_run(run_id).data.tags["t"] == value
        (run,) = store.search_runs(query(experiment_id, f"tags.t = '{value}'")).items
        assert run.data.tags["t"] == value


def expected_of(open_store: OpenStore, experiment_id: str, text: str | None = None) -> object:
    return open_store(file_index=False).search_runs(query(experiment_id, text))


@pytest.fixture
def indexed(store: FileStore, experiment_id: str, root: Path) -> FileStore:
    make_runs(store, experiment_id, 5)
    age(root)
    store.search_runs(query(experiment_id, None))
    assert Path(store._index.path).exists()
    return store


def test_a_second_process_reads_no_files_of_runs(
    indexed: FileStore,
    open_store: OpenStore,
    experiment_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = expected_of(open_store, experiment_id)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a run was read")

    monkeypatch.setattr("tracking_core_file.index.RunReader.read", refuse)
    assert open_store().search_runs(query(experiment_id, None)) == expected


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 4096])
def test_a_broken_index_is_made_anew(
    indexed: FileStore, open_store: OpenStore, experiment_id: str, content: bytes
) -> None:
    path = Path(indexed._index.path)
    path.write_bytes(content)
    expected = expected_of(open_store, experiment_id)
    assert open_store().search_runs(query(experiment_id, None)) == expected
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (5,)
    connection.close()


def test_an_index_of_another_version_is_made_anew(
    indexed: FileStore, open_store: OpenStore, experiment_id: str
) -> None:
    with closing(sqlite3.connect(indexed._index.path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("DROP TABLE shapes")
    connection.close()
    expected = expected_of(open_store, experiment_id)
    assert open_store().search_runs(query(experiment_id, None)) == expected


@pytest.mark.parametrize("change", ["runs SET run = x'00'", "shapes SET paths = x'00'"])
def test_entries_that_cant_be_read_are_passed_over(
    indexed: FileStore, open_store: OpenStore, experiment_id: str, change: str
) -> None:
    with closing(sqlite3.connect(indexed._index.path)) as connection, connection:
        if change.startswith("shapes"):
            # Each list of paths is there once.
            connection.execute("DELETE FROM shapes WHERE shape > 1")
        connection.execute(f"UPDATE {change}")
    connection.close()
    expected = expected_of(open_store, experiment_id)
    assert open_store().search_runs(query(experiment_id, None)) == expected


def test_a_locked_index_is_gone_without(
    indexed: FileStore, open_store: OpenStore, experiment_id: str
) -> None:
    connection = sqlite3.connect(indexed._index.path)
    connection.execute("BEGIN EXCLUSIVE")
    expected = expected_of(open_store, experiment_id)
    assert open_store().search_runs(query(experiment_id, None)) == expected
    connection.close()


def test_a_cache_directory_that_cant_be_is_gone_without(
    open_store: OpenStore, tmp_path: Path, experiment_id: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    store = open_store(cache_directory=str(file / "cache"))
    make_runs(store, experiment_id, 3)
    assert len(store.search_runs(query(experiment_id, None)).items) == 3


def test_without_an_index_nothing_is_put_in_the_cache_directory(
    open_store: OpenStore, tmp_path: Path, experiment_id: str
) -> None:
    store = open_store(cache_directory=str(tmp_path / "cache"), file_index=False)
    make_runs(store, experiment_id, 3)
    store.search_runs(query(experiment_id, None))
    assert not (tmp_path / "cache").exists()


def test_a_corrupt_run_costs_itself_alone_and_is_told_once(
    store: FileStore, experiment_id: str, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken, empty, fine = make_runs(store, experiment_id, 3)
    (root / experiment_id / broken / "meta.yaml").write_text("status: [")
    (root / experiment_id / empty / "meta.yaml").unlink()
    (root / experiment_id / fine / "params" / "bad").write_bytes(b"\xff")
    for _ in range(2):
        (found,) = store.search_runs(query(experiment_id, None)).items
        assert found.info.run_id == fine
        assert set(found.data.params) == {"p", "q"}
    assert [broken in record.message for record in caplog.records].count(True) == 1
    assert [fine in record.message for record in caplog.records].count(True) == 1


def test_a_run_that_changes_between_check_and_answer_is_seen_as_it_is(
    indexed: FileStore, experiment_id: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = indexed._index.refresh
    run_id = indexed.search_runs(query(experiment_id, None)).items[0].info.run_id
    changed = []

    def refresh(*arguments: object) -> bool:
        if not changed:
            changed.append(True)
            (root / experiment_id / run_id / "params" / "p").write_text("changed")
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(indexed._index, "refresh", refresh)
    found = indexed.search_runs(query(experiment_id, "metrics.m >= 0")).items
    values = {run.info.run_id: run.data.params["p"] for run in found}
    assert values[run_id] == "changed"
