"""The example that `make demo` runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fluent.conftest import program_environment
from tracking_core.client import Client

EXAMPLE = Path(__file__).parents[2] / "examples/sklearn_digits.py"


@pytest.mark.slow
def test_the_demo_tracks_compares_and_reads_back(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("rich")
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)],
        cwd=tmp_path,
        env=program_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "as its metric says" in done.stdout
    with Client(tmp_path / "mlruns") as client:
        experiment = client.get_experiment_by_name("digits")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        assert len(runs) == 6
        for run in runs:
            assert run.info.status == "FINISHED"
            assert len(client.get_metric_history(run.info.run_id, "loss")) == 12
            names = {each.path for each in client.list_artifacts(run.info.run_id, "confusion")}
            assert "confusion/matrix.csv" in names
            assert run.inputs.dataset_inputs[0].dataset.name == "digits"
        assert max(run.data.metrics["accuracy"] for run in runs) > 0.9
