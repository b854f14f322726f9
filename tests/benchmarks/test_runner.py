"""The runner of benchmarks: who runs when, and what the table claims."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import runner
from benchmarks.mlruns import FILTER, write_mlruns
from benchmarks.peers import PeerEnvironment
from benchmarks.runner import Benchmark, BenchmarkError, Line, Measurements, Metric, Side

OURS, THEIRS = (
    Side("ours", "side.py", ("ours", "{log}")),
    Side("peer", "side.py", ("peer", "{log}")),
)

SCRIPT = """
import json, os, sys
name, log = sys.argv[1:]
with open(log, "a") as file:
    file.write(name + " ")
print("talk that is not JSON")
seconds, calls = {"ours": (1, 30), "peer": (4, 10)}[name]
print(json.dumps({"seconds": seconds, "calls": calls}))
"""

SECONDS = Metric("seconds", "s", "lower", ratio=3, limit=2)
CALLS = Metric("calls", "calls/s", "higher", ratio=5)


def benchmark(*metrics: Metric, warm_up: bool = False) -> Benchmark:
    return Benchmark("a test", (OURS, THEIRS), metrics, warm_up=warm_up)


def line(metric: Metric, measurements: Measurements) -> Line:
    (only,) = runner.summarise(benchmark(metric), measurements)
    return only


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "side.py").write_text(SCRIPT)
    monkeypatch.setattr(runner, "SCRIPTS", tmp_path)
    return tmp_path


def measured(rounds: int, log: Path, *, warm_up: bool = False) -> Measurements:
    log.parent.mkdir(exist_ok=True)
    case = Benchmark(
        "a test", (OURS, THEIRS), (SECONDS, CALLS), warm_up=warm_up, prepare=lambda _: {"log": log}
    )
    return runner.measure(case, rounds, Console(file=io.StringIO()))


def test_the_sides_take_turns_and_each_goes_first_as_often(scripts: Path) -> None:
    measurements = measured(2, scripts / "log")
    assert (scripts / "log").read_text().split() == ["ours", "peer", "peer", "ours"]
    assert measurements == {
        "ours": [{"seconds": 1, "calls": 30}] * 2,
        "peer": [{"seconds": 4, "calls": 10}] * 2,
    }


def test_the_warm_up_runs_and_is_not_counted(scripts: Path) -> None:
    measurements = measured(1, scripts / "log", warm_up=True)
    assert len((scripts / "log").read_text().split()) == 4
    assert [len(rounds) for rounds in measurements.values()] == [1, 1]


def test_a_side_that_fails_shows_its_own_words(scripts: Path) -> None:
    (scripts / "side.py").write_text("raise SystemExit('on purpose')")
    with pytest.raises(BenchmarkError, match=r"ours failed in side.py:\non purpose"):
        measured(1, scripts / "log")


@pytest.mark.parametrize(
    ("metric", "ours", "peer", "ratio", "kept"),
    [
        (SECONDS, 1, 4, 4, True),
        (SECONDS, 1, 2, 2, False),
        (SECONDS, 2.5, 100, 40, False),
        (CALLS, 50, 10, 5, True),
        (CALLS, 10, 50, 0.2, False),
        (Metric("calls", "calls/s", "higher"), 10, 50, 0.2, None),
    ],
)
def test_a_ratio_is_how_many_times_better_we_are(
    metric: Metric, ours: float, peer: float, ratio: float, kept: bool | None
) -> None:
    seen = line(metric, {"ours": [{metric.name: ours}], "peer": [{metric.name: peer}]})
    assert (seen.ratios, seen.kept) == ({"peer": ratio}, kept)


def test_medians_are_compared_and_the_best_is_the_best_of_its_direction() -> None:
    rounds = [{"calls": value} for value in (1.0, 9.0, 2.0)]
    seen = line(CALLS, {"ours": rounds, "peer": rounds})
    assert seen.medians == {"ours": 2, "peer": 2}
    assert seen.bests == {"ours": 9, "peer": 9}


def test_what_the_peer_does_not_measure_has_no_ratio_but_keeps_its_limit() -> None:
    seen = line(SECONDS, {"ours": [{"seconds": 1}], "peer": [{}]})
    assert (seen.ratios, seen.kept) == ({}, True)


def test_a_promised_metric_that_nobody_measured_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match=r"No side measured seconds\."):
        line(SECONDS, {"ours": [{}], "peer": [{}]})


def test_a_ratio_may_be_promised_for_one_peer_only() -> None:
    for ratio, kept in ({"peer": 5}, False), ({"another": 5}, None):
        metric = Metric("seconds", "s", "lower", ratio=ratio)
        seen = line(metric, {"ours": [{"seconds": 1}], "peer": [{"seconds": 4}]})
        assert (seen.ratios, seen.kept) == ({"peer": 4}, kept)


def test_what_needs_something_that_is_not_there_is_told_and_breaks_no_promise() -> None:
    metric = Metric("seconds", "s", "lower", ratio={"peer": 3}, limit=2, needs="server")
    case = benchmark(metric)
    lines = runner.summarise(case, {"ours": [{}], "peer": [{}]})
    text = io.StringIO()
    runner.show("speed", case, lines, Console(file=text, width=200))
    assert "≥ 3x peer and ≤ 2 s: not measured, there is no server" in text.getvalue()
    assert lines[0].kept is None


def test_the_table_says_which_promise_was_not_kept_and_the_file_has_every_round(
    tmp_path: Path,
) -> None:
    case = benchmark(SECONDS, CALLS)
    measurements = {
        "ours": [{"seconds": 1.0, "calls": 30.0}],
        "peer": [{"seconds": 4.0, "calls": 10.0}],
    }
    lines = runner.summarise(case, measurements)
    text = io.StringIO()
    runner.show("speed", case, lines, Console(file=text, width=200))
    assert "≥ 3x and ≤ 2 s: kept" in text.getvalue()
    assert "≥ 5x: not kept" in text.getvalue()
    saved = json.loads(runner.save("speed", case, measurements, lines, tmp_path).read_text())
    assert saved["rounds"] == measurements
    assert [metric["kept"] for metric in saved["metrics"]] == [True, False]


def test_the_peer_finds_in_the_generated_runs_what_the_generator_says(
    stock_mlflow: PeerEnvironment, tmp_path: Path
) -> None:
    expected = write_mlruns(tmp_path / "mlruns", 30)
    found = stock_mlflow.run(
        "import mlflow; client = mlflow.MlflowClient(uri);"
        "ids = [experiment.experiment_id for experiment in client.search_experiments()];"
        "print(json.dumps(len(client.search_runs(ids, query))))",
        uri=(tmp_path / "mlruns").as_uri(),
        query=FILTER,
    )
    assert 0 < expected == found
