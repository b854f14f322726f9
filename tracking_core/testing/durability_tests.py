"""Crashes: what was acknowledged before a kill is there after it, and nothing is torn."""

from __future__ import annotations

import sys

import pytest

from tracking_core.entities import Experiment, Metric, Param
from tracking_core.stores import BackendStore, Capability, RunQuery, RunStore
from tracking_core.testing.child import Child
from tracking_core.testing.location import StoreLocation
from tracking_core.testing.run_data_tests import history
from tracking_core.testing.store_tests import StoreTests


class DurabilityTests(StoreTests):
    """What Capability.DURABLE says, for stores that declare it."""

    @pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGKILL")
    @pytest.mark.parametrize("lines", [1, 40, 200])
    def test_what_a_killed_process_had_acknowledged_is_there(
        self,
        location: StoreLocation,
        store: BackendStore,
        runs: RunStore,
        experiment: Experiment,
        run_id: str,
        lines: int,
    ) -> None:
        self.need(store, Capability.DURABLE)
        child = Child(location, "log_until_killed", run_id, experiment.experiment_id)
        child.go()
        acknowledged = [child.read_line() for _ in range(lines)]
        acknowledged += child.kill()
        steps = [int(line.split()[1]) for line in acknowledged if line.startswith("step ")]
        made = {line.split()[1] for line in acknowledged if line.startswith("run ")}
        assert steps == list(range(len(steps)))
        with location.open() as reopened:
            for reader in (reopened.runs, runs):
                points = history(reader, run_id, "m")
                # The call that the kill interrupted may be there or not, but only whole.
                assert len(points) - len(steps) in (0, 1)
                assert points == [Metric("m", n / 3, n, n) for n in range(len(points))]
                data = reader.get_run(run_id).data
                wanted = {f"p{n}": f"value {n}" for n in steps if n % 5 == 0}
                assert wanted.items() <= data.params.items()
                assert all(value == f"value {key[1:]}" for key, value in data.params.items())
                if steps:
                    assert int(data.tags["last"]) in (steps[-1] // 3 * 3, steps[-1] + 1)
                query = RunQuery(experiment_ids=(experiment.experiment_id,))
                found = {run.info.run_id for run in reader.search_runs(query).items}
                assert made | {run_id} <= found
            reopened.runs.log_metric(run_id, metric=Metric("after", 1.0, 1))
            reopened.runs.log_param(run_id, param=Param("after", "v"))
        assert runs.get_run(run_id).data.metrics["after"] == 1.0
