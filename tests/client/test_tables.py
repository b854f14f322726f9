from __future__ import annotations

import json
import sys

import pytest

from tracking_core.client import Client
from tracking_core.errors import InvalidValueError, MissingDependencyError, NotFoundError

pandas = pytest.importorskip("pandas")


def stored(client: Client, run_id: str, path: str = "t.json") -> object:
    return json.loads(client.read_artifact(f"runs:/{run_id}/{path}"))


def test_a_dictionary_of_columns_is_a_table_in_split_form(client: Client, run_id: str) -> None:
    client.log_table(run_id, {"a": [1, 2], "b": ["x", None], "c": 0.5}, "t.json")

    assert stored(client, run_id) == {
        "columns": ["a", "b", "c"],
        "data": [[1, "x", 0.5], [2, None, 0.5]],
    }
    tag = client.get_run(run_id).data.tags["mlflow.loggedArtifacts"]
    assert json.loads(tag) == [{"path": "t.json", "type": "table"}]


def test_single_values_are_one_row(client: Client, run_id: str) -> None:
    client.log_table(run_id, {"question": "why", "score": 1}, "t.json")
    assert stored(client, run_id) == {"columns": ["question", "score"], "data": [["why", 1]]}


def test_rows_are_appended_and_columns_united(client: Client, run_id: str) -> None:
    client.log_table(run_id, {"a": [1], "b": [2]}, "t.json")
    client.log_table(run_id, {"c": [4], "a": [3]}, "t.json")

    assert stored(client, run_id) == {
        "columns": ["a", "b", "c"],
        "data": [[1, 2, None], [3, None, 4]],
    }
    tag = client.get_run(run_id).data.tags["mlflow.loggedArtifacts"]
    assert len(json.loads(tag)) == 1


def test_data_frames_of_pandas_and_polars(client: Client, run_id: str) -> None:
    frame = pandas.DataFrame(
        {"i": [1, 2], "f": [0.5, float("nan")], "t": pandas.to_datetime(["2020-01-01", None])}
    )
    client.log_table(run_id, frame, "p.json")
    assert stored(client, run_id, "p.json") == {
        "columns": ["i", "f", "t"],
        "data": [[1, 0.5, "2020-01-01T00:00:00"], [2, None, None]],
    }

    polars = pytest.importorskip("polars")
    client.log_table(run_id, polars.DataFrame({"a": [1, None]}), "q.json")
    assert stored(client, run_id, "q.json") == {"columns": ["a"], "data": [[1], [None]]}


def test_loading_joins_the_tables_of_the_runs(client: Client, experiment_id: str) -> None:
    ids = []
    for number in range(3):
        run = client.create_run(experiment_id)
        ids.append(run.info.run_id)
        client.log_param(run.info.run_id, "number", number)
        if number:
            client.log_table(run.info.run_id, {"n": [number]}, "dir/t.json")

    everything = client.load_table(experiment_id, "dir/t.json", extra_columns=["run_id"])
    one = client.load_table(experiment_id, "dir/t.json", [ids[1]], ["params.number"])

    assert dict(zip(everything["run_id"], everything["n"], strict=True)) == {ids[1]: 1, ids[2]: 2}
    assert one.to_dict("records") == [{"n": 1, "params.number": "1"}]
    with pytest.raises(NotFoundError, match=r"no\.json"):
        client.load_table(experiment_id, "no.json")
    with pytest.raises(NotFoundError, match="among the given"):
        client.load_table(experiment_id, "dir/t.json", [ids[0]])
    with pytest.raises(NotFoundError, match=r"params\.none"):
        client.load_table(experiment_id, "dir/t.json", extra_columns=["params.none"])


@pytest.mark.parametrize(
    ("data", "path", "sentence"),
    [
        ({"a": [1, 2], "b": [1]}, "t.json", "different lengths: 1, 2"),
        ([1, 2], "t.json", "give a DataFrame"),
        ({"a": [object()]}, "t.json", "has no form in JSON"),
        ({"a": [1]}, "t.txt", "must end in .json or .parquet"),
    ],
)
def test_what_is_no_table_is_refused_and_nothing_is_written(
    client: Client, run_id: str, data: object, path: str, sentence: str
) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        client.log_table(run_id, data, path)
    assert client.list_artifacts(run_id) == []
    assert "mlflow.loggedArtifacts" not in client.get_run(run_id).data.tags


def test_a_missing_library_is_named_with_what_installs_it(
    client: Client, experiment_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tracking-core\[pandas\]'"):
        client.load_table(experiment_id, "t.json")


def test_logging_a_dictionary_needs_no_library(
    client: Client, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    client.log_table(run_id, {"a": [1]}, "t.json")
    client.log_table(run_id, {"a": [2]}, "t.json")
    assert stored(client, run_id) == {"columns": ["a"], "data": [[1], [2]]}
