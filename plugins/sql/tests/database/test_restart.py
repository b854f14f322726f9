"""A server that restarts in the middle: no error reaches a user, and nothing is lost or doubled."""

from __future__ import annotations

import time

import pytest

from plugins.sql.tests.database.conftest import Cluster
from plugins.sql.tests.test_many_writers import (
    SECONDS,
    check_that_nothing_is_lost,
    start_writers,
)
from tracking_core.config import Settings, Uri
from tracking_core.stores import NewExperiment, RunQuery
from tracking_core_sql.store import SqlStore


@pytest.mark.timeout(SECONDS + 180)
def test_writers_go_on_when_the_server_has_restarted(cluster: Cluster) -> None:
    with SqlStore(Uri.parse(cluster.uri), Settings()) as store:
        experiment = store.create_experiment(NewExperiment(name="before"))
        writers = start_writers(cluster.uri)
        query = RunQuery(experiment_ids=None)
        while store.count_runs(query) < len(writers):
            time.sleep(0.05)
        cluster.restart()
        assert store.get_experiment(experiment.experiment_id) == experiment
    check_that_nothing_is_lost(cluster.uri, writers)
