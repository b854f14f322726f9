"""The databases that benchmarks of SQL work on: each side finds in its own what all must find."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from benchmarks import databases
from benchmarks.databases import Point, RunData
from benchmarks.peers import FASTTRACKML, MLFLOW, PeerEnvironment, PeerError, make_environment
from benchmarks.runner import SCRIPTS
from benchmarks.scripts.sql_postgresql import new_database
from tracking_core import MlflowClient

RUNS = databases.make_runs(120)
POINTS = [
    Point(f"m{key}", step / 7, 1_700_000_000_000 + step, step)
    for step in range(300)
    for key in range(3)
]

FIND = """
import importlib
sys.path.insert(0, scripts)
client = importlib.import_module(module).MlflowClient(uri)
experiment_id = client.get_experiment_by_name(asked["experiment"]).experiment_id
found = client.search_runs([experiment_id], asked["filter"], order_by=[asked["order_by"]])
everything = client.search_runs([experiment_id])
runs = [(run.info.run_name, run.data.metrics, run.data.params, run.data.tags)
    for run in sorted(everything, key=lambda run: run.info.start_time)]
print(json.dumps([[run.info.run_name for run in found], runs]))
"""
READ = """
import importlib
sys.path.insert(0, scripts)
client = importlib.import_module(module).MlflowClient(uri)
experiment_id = client.get_experiment_by_name("speed").experiment_id
(run,) = client.search_runs([experiment_id])
points = client.get_metric_history(run.info.run_id, "m1")
latest = run.data.metrics
print(json.dumps([[[p.key, p.value, p.timestamp, p.step] for p in points], latest]))
"""
FAIL = """
import sql_fasttrackml
client = sql_fasttrackml.MlflowClient("sqlite:///" + sys.argv[1])
print(client._server.pid)
sys.exit("on purpose")
"""


@pytest.fixture(scope="session")
def fasttrackml() -> PeerEnvironment:
    try:
        return make_environment(FASTTRACKML)
    except PeerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no FastTrackML here: {error}")


@pytest.fixture
def server() -> str:
    uri = databases.postgresql_server()
    if not uri:
        pytest.skip(f"there is no {databases.SERVER}")
    return uri


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    databases.write_search(tmp_path / "search.json", RUNS)
    document: dict[str, Any] = json.loads((tmp_path / "search.json").read_text())
    return document


def in_peer(environment: PeerEnvironment, code: str, path: Path, **arguments: Any) -> Any:
    module = "mlflow" if environment.peer is MLFLOW else "sql_fasttrackml"
    return environment.run(
        code,
        working_directory=path.parent,
        module=module,
        scripts=str(SCRIPTS),
        uri=f"sqlite:///{path}",
        **arguments,
    )


@contextmanager
def opened(path: Path) -> Iterator[tuple[MlflowClient, str]]:
    with MlflowClient(f"sqlite:///{path}") as client:
        experiment = client.get_experiment_by_name(databases.EXPERIMENT)
        assert experiment is not None
        yield client, experiment.experiment_id


def as_logged(run: RunData) -> list[object]:
    return [run.name, run.metrics, run.params, {**run.tags, "mlflow.runName": run.name}]


def check_in_peer(environment: PeerEnvironment, path: Path, asked: dict[str, Any]) -> None:
    databases.write_peer_runs(environment.peer, path, RUNS)
    found, runs = in_peer(environment, FIND, path, asked=asked)
    assert found == asked["found"]
    assert runs == [as_logged(run) for run in RUNS]


def check_points_in_peer(environment: PeerEnvironment, path: Path) -> None:
    databases.write_peer_points(environment.peer, path, POINTS)
    points, latest = in_peer(environment, READ, path)
    assert points == [list(point) for point in POINTS if point.key == "m1"]
    assert latest == {point.key: point.value for point in POINTS}


def test_equal_numbers_give_equal_runs_some_of_which_are_found(asked: dict[str, Any]) -> None:
    assert databases.make_runs(120) == RUNS
    assert len({run.run_id for run in RUNS}) == 120
    assert 5 < len(asked["found"]) < 60


def test_we_find_in_our_database_what_must_be_found(tmp_path: Path, asked: dict[str, Any]) -> None:
    path = tmp_path / "runs.db"
    databases.write_our_runs(path, RUNS)
    with opened(path) as (client, experiment_id):
        found = client.search_runs([experiment_id], asked["filter"], order_by=[asked["order_by"]])
        runs = client.search_runs([experiment_id], order_by=["start_time"])
    assert [run.info.run_name for run in found] == asked["found"]
    assert [
        [run.info.run_name, run.data.metrics, run.data.params, run.data.tags] for run in runs
    ] == [as_logged(run) for run in RUNS]


@pytest.mark.slow
def test_stock_mlflow_finds_in_its_database_what_must_be_found(
    stock_mlflow: PeerEnvironment, tmp_path: Path, asked: dict[str, Any]
) -> None:
    check_in_peer(stock_mlflow, tmp_path / "runs.db", asked)


@pytest.mark.peer
def test_fasttrackml_finds_in_its_database_what_must_be_found(
    fasttrackml: PeerEnvironment, tmp_path: Path, asked: dict[str, Any]
) -> None:
    check_in_peer(fasttrackml, tmp_path / "runs.db", asked)


def test_a_grown_database_has_so_many_times_the_runs_each_with_metrics_of_its_own(
    tmp_path: Path,
) -> None:
    databases.write_our_runs(tmp_path / "small.db", RUNS)
    databases.grow_our_runs(tmp_path / "small.db", tmp_path / "large.db", 4)
    with opened(tmp_path / "large.db") as (client, experiment_id):
        runs = client.search_runs([experiment_id])
        found = client.search_runs(
            [experiment_id], databases.FILTER, order_by=[databases.ORDER], max_results=50
        )
        client.log_metric(runs[0].info.run_id, "m0", 2.0, step=1)
        assert client.get_run(runs[0].info.run_id).data.metrics["m0"] == 2
    assert len(runs) == len({run.info.run_id for run in runs}) == 480
    assert len({run.data.metrics["m1"] for run in runs}) == 480
    assert all(0 <= run.data.metrics["m1"] <= 1 for run in runs)
    assert all(len(run.data.params) == 10 and len(run.data.tags) == 5 for run in runs)
    values = [run.data.metrics["m1"] for run in found]
    assert values == sorted(values, reverse=True)
    matching = [r for r in runs if r.data.metrics["m0"] > 0.5 and r.data.params["p0"] == "x"]
    assert len(found) == min(50, len(matching)) > 0


def test_our_points_come_back_as_they_were_made(tmp_path: Path) -> None:
    databases.write_our_points(tmp_path / "runs.db", POINTS)
    with opened(tmp_path / "runs.db") as (client, experiment_id):
        (run,) = client.search_runs([experiment_id])
        points = client.get_metric_history(run.info.run_id, "m2")
    assert [(p.key, p.value, p.timestamp, p.step) for p in points] == [
        tuple(point) for point in POINTS if point.key == "m2"
    ]


@pytest.mark.slow
def test_stock_mlflow_reads_its_points(stock_mlflow: PeerEnvironment, tmp_path: Path) -> None:
    check_points_in_peer(stock_mlflow, tmp_path / "runs.db")


@pytest.mark.peer
def test_fasttrackml_reads_its_points(fasttrackml: PeerEnvironment, tmp_path: Path) -> None:
    check_points_in_peer(fasttrackml, tmp_path / "runs.db")


def test_a_history_has_a_million_points_and_says_which_ten_thousand_must_be_read(
    tmp_path: Path,
) -> None:
    points = databases.make_points()
    databases.write_history(tmp_path / "history.json", points)
    history = json.loads((tmp_path / "history.json").read_text())
    assert history["count"] == len(points) == 1_000_000
    assert len({point.key for point in points}) == 10
    assert len(history["points"]) == len(history["window"]) == 10_000
    first, last = history["window_steps"]
    assert [step for step, _, _ in history["window"]] == list(range(first, last + 1))


@pytest.mark.peer
def test_the_server_of_a_script_that_fails_ends_with_it(
    fasttrackml: PeerEnvironment, tmp_path: Path
) -> None:
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n{FAIL}"
    finished = subprocess.run(
        [fasttrackml.python, "-c", code, tmp_path / "runs.db"],
        cwd=tmp_path,
        env=fasttrackml.variables(),
        capture_output=True,
        text=True,
    )
    assert (finished.returncode, finished.stderr) == (1, "on purpose\n")
    assert not psutil.pid_exists(int(finished.stdout))


def test_a_database_on_the_server_goes_even_if_the_script_fails_while_connected(
    server: str,
) -> None:
    with suppress(RuntimeError), new_database(server) as uri:
        with psycopg.connect(uri) as connection:
            connection.execute("CREATE TABLE something (id integer)")
        still_connected = psycopg.connect(uri)
        raise RuntimeError("on purpose")
    still_connected.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(uri)


def test_without_a_server_there_is_no_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_POSTGRESQL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert databases.postgresql_server() == ""
