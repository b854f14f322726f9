from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.file.tests.conftest import OpenStore
from tracking_core.entities import Metric, Param
from tracking_core.stores import Batch, RunQuery
from tracking_core_file.locks import FileLock
from tracking_core_file.store import FileStore


def problems(store: FileStore, *, severity: str = "problem") -> dict[str, str]:
    return {f.path: f.what for f in store.diagnose() if f.severity == severity}


@pytest.fixture
def used(store: FileStore, run_id: str, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    # What was written this moment goes into the index too, as later.
    monkeypatch.setattr("tracking_core_file.root.LOCAL_TICK", -(10**9))
    batch = Batch(metrics=(Metric("m", 1.0, 1),), params=(Param("p", "1"),))
    store.log_batch(run_id, batch=batch)
    store.search_runs(RunQuery())
    return store


def test_a_sound_directory_has_no_problems(used: FileStore) -> None:
    assert problems(used) == {}
    assert any("1 runs" in what for what in problems(used, severity="note").values())


def test_a_directory_that_isnt_there_is_no_problem(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(tmp_path / "nowhere")
    assert problems(store) == {}
    assert next(iter(problems(store, severity="note"))) == str(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_what_is_wrong_is_found_with_its_path_and_advice(
    used: FileStore, run_directory: Path, root: Path, experiment_id: str
) -> None:
    (run_directory / "metrics" / "m").write_text("1 2 3\n4 5")
    (run_directory / "metrics" / "empty").write_text("")
    (run_directory / "params" / "bad").write_bytes(b"\xff")
    (root / experiment_id / ("f" * 32) / "metrics").mkdir(parents=True)
    (root / experiment_id / ("e" * 32) / "params").mkdir(parents=True)
    (root / experiment_id / ("e" * 32) / "meta.yaml").write_text("status: [")
    old = root / ".tmp-old"
    old.write_text("")
    os.utime(old, (0, 0))
    (root / ".tmp-new").write_text("")
    Path(used._index.path).write_bytes(b"no database at all, but long enough" * 100)
    expected = {
        str(run_directory / "metrics" / "m"): "1 of 2 lines are torn",
        str(run_directory / "metrics" / "empty"): "empty",
        str(run_directory / "params" / "bad"): "UTF-8",
        str(root / experiment_id / ("f" * 32)): "no meta.yaml",
        str(root / experiment_id / ("e" * 32) / "meta.yaml"): "not valid YAML",
        str(old): "temporary",
        used._index.path: "can't be read",
    }
    found = problems(used)
    assert found.keys() == expected.keys()
    assert all(part in found[path] for path, part in expected.items())
    assert all(f.advice for f in used.diagnose() if f.severity == "problem")


def test_ids_that_contradict_their_directories_are_found(
    used: FileStore, run_directory: Path
) -> None:
    meta = run_directory / "meta.yaml"
    meta.write_text(meta.read_text().replace(run_directory.name, "a" * 32))
    assert "run_id" in problems(used)[str(meta)]


def test_an_experiment_that_is_there_twice_is_found(
    used: FileStore, root: Path, experiment_id: str
) -> None:
    twin = root / ".trash" / experiment_id
    twin.mkdir(parents=True)
    (twin / "meta.yaml").write_bytes((root / experiment_id / "meta.yaml").read_bytes())
    assert str(twin) in problems(used)


def test_the_lock_of_a_dead_process_is_noted_and_one_in_use_is_not(
    used: FileStore, root: Path, run_directory: Path
) -> None:
    lock = root / ".lock-experiments"
    code = "import os, sys; from tracking_core_file.locks import FileLock\n"
    code += "FileLock(sys.argv[1]).__enter__(); os._exit(0)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", code, lock], check=True, env=environment)
    with FileLock(str(run_directory / ".lock")):
        assert problems(used) == {}
        notes = problems(used, severity="note")
    assert str(lock) in notes
    assert str(run_directory / ".lock") not in notes
