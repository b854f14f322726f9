"""Directories that older versions of MLflow wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracking_core.entities import LifecycleStage, RunStatus
from tracking_core.errors import CorruptDataError
from tracking_core.stores import MetricHistoryQuery, RunChanges, RunQuery
from tracking_core_file.store import FileStore

RUN_ID = "0123456789abcdef0123456789abcdef"

VERSION_1 = f"""\
artifact_uri: /somewhere/mlruns/0/{RUN_ID}/artifacts
end_time: 1552550805000
entry_point_name: ''
experiment_id: '0'
lifecycle_stage: active
name: ''
run_uuid: {RUN_ID}
source_name: train.py
source_type: 4
source_version: ''
start_time: 1552550804000
status: 3
tags: []
user_id: someone
"""
VERSION_0 = f"""\
artifact_uri: /somewhere/mlruns/0/{RUN_ID}/artifacts
end_time: null
experiment_id: 0
name: old name
run_uuid: {RUN_ID}
start_time: 1552550804000
status: RUNNING
user_id: 7
"""


@pytest.fixture
def old_run(root: Path) -> Path:
    experiment = root / "0"
    experiment.mkdir(parents=True)
    (experiment / "meta.yaml").write_text(
        "artifact_location: /somewhere/mlruns/0\nexperiment_id: 0\n"
        "lifecycle_stage: active\nname: Default\n"
    )
    run = experiment / RUN_ID
    for part in ("metrics", "params", "artifacts"):
        (run / part).mkdir(parents=True)
    (run / "metrics" / "m").write_text("1552550804 0.5\n1552550805 0.25\n")
    (run / "params" / "p").write_text("1")
    return run


@pytest.mark.parametrize("meta", [VERSION_1, VERSION_0])
def test_runs_of_old_versions_are_read_and_changed(
    store: FileStore, old_run: Path, root: Path, meta: str
) -> None:
    (old_run / "meta.yaml").write_text(meta)
    (run,) = store.search_runs(RunQuery(experiment_ids=("0",))).items
    assert run.info.run_id == RUN_ID
    assert run.info.experiment_id == "0"
    assert run.info.lifecycle_stage is LifecycleStage.ACTIVE
    assert run.info.status is (RunStatus.FINISHED if meta is VERSION_1 else RunStatus.RUNNING)
    assert run.info.run_name == ("" if meta is VERSION_1 else "old name")
    assert run.info.user_id == ("someone" if meta is VERSION_1 else "7")
    assert run.info.artifact_uri == str(root / "0" / RUN_ID / "artifacts")
    assert run.data.metrics == {"m": 0.25}
    assert run.data.params == {"p": "1"}
    history = store.metric_history(RUN_ID, query=MetricHistoryQuery(key="m")).items
    assert [(point.value, point.step) for point in history] == [(0.5, 0), (0.25, 0)]
    store.update_run(RUN_ID, changes=RunChanges(status=RunStatus.KILLED, run_name="new"))
    info = store.get_run(RUN_ID).info
    assert (info.status, info.run_name, info.start_time) == (RunStatus.KILLED, "new", 1552550804000)


@pytest.mark.parametrize("status", ["9", "WAITING", "[]"])
def test_a_status_that_is_none_is_corrupt_and_named(
    store: FileStore, old_run: Path, status: str
) -> None:
    (old_run / "meta.yaml").write_text(VERSION_1.replace("status: 3", f"status: {status}"))
    with pytest.raises(CorruptDataError, match="status"):
        store.get_run(RUN_ID)
    assert store.search_runs(RunQuery(experiment_ids=("0",))).items == ()
