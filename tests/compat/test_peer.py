"""The environment of stock MLflow itself, which the other tests of compatibility stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import MLFLOW, Peer, PeerEnvironment, PeerError, make_environment


def test_the_peer_is_the_version_that_is_asked_for(stock_mlflow: PeerEnvironment) -> None:
    version = stock_mlflow.run("import mlflow; print(json.dumps(mlflow.__version__))")
    assert MLFLOW.requirements == (f"mlflow=={version}",)


def test_the_peer_may_use_its_file_store(stock_mlflow: PeerEnvironment, tmp_path: Path) -> None:
    value = stock_mlflow.run(
        """
import mlflow
client = mlflow.MlflowClient(uri)
run_id = client.create_run("0").info.run_id
client.log_metric(run_id, "m", 0.5)
print(json.dumps(client.get_run(run_id).data.metrics))
""",
        uri=(tmp_path / "mlruns").as_uri(),
    )
    assert value == {"m": 0.5}


def test_a_failure_in_the_peer_shows_its_own_words(stock_mlflow: PeerEnvironment) -> None:
    with pytest.raises(PeerError, match=r"status 1:(.|\n)*ValueError: on purpose"):
        stock_mlflow.run("raise ValueError('on purpose')")


def test_a_peer_that_prints_no_json_is_an_error(stock_mlflow: PeerEnvironment) -> None:
    with pytest.raises(PeerError, match="no JSON in its last line"):
        stock_mlflow.run("print('hello')")


def test_settings_of_the_developer_do_not_reach_the_peer(
    stock_mlflow: PeerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://nowhere")
    code = "import os; print(json.dumps(os.environ.get('MLFLOW_TRACKING_URI')))"
    assert stock_mlflow.run(code) is None


def test_an_environment_that_can_not_be_made_says_why_and_is_not_taken_for_ready(
    tmp_path: Path,
) -> None:
    peer = Peer("nonsense", ("not a requirement",))
    for _ in range(2):
        with pytest.raises(PeerError, match="nonsense can't be made"):
            make_environment(peer, tmp_path)
