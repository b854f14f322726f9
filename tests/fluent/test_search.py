from __future__ import annotations

import sys

import pytest

import tracking_core as tracking
from tracking_core.client import Client
from tracking_core.errors import FilterSyntaxError, InvalidValueError, MissingDependencyError

FIRST = ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]


@pytest.fixture
def runs(store: Client) -> list[str]:
    tracking.set_experiment("digits")
    ids = []
    for number in range(3):
        with tracking.start_run(run_name=f"r{number}") as run:
            tracking.log_metric("loss", number)
            if number:
                tracking.log_param("depth", number)
            ids.append(run.info.run_id)
    return ids


def test_a_data_frame_of_pandas_has_mlflow_s_columns_and_types(runs: list[str]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = tracking.search_runs(order_by=["metrics.loss DESC"])

    assert list(frame.columns[:6]) == FIRST
    assert list(frame["run_id"]) == runs[::-1]
    assert frame["metrics.loss"].dtype == "float64"
    assert str(frame["start_time"].dtype).startswith("datetime64[")
    assert str(frame["start_time"].dtype).endswith("UTC]")
    assert list(frame["params.depth"])[:2] == ["2", "1"]
    assert pandas.isna(frame["params.depth"].iloc[2])
    assert list(frame["status"]) == ["FINISHED"] * 3
    assert type(frame["status"].iloc[0]) is str
    assert frame["tags.mlflow.runName"].iloc[0] == "r2"


def test_no_runs_are_a_data_frame_with_the_same_types(store: Client) -> None:
    pytest.importorskip("pandas")
    frame = tracking.search_runs()
    assert list(frame.columns) == FIRST
    assert len(frame) == 0
    assert str(frame["end_time"].dtype).endswith("UTC]")


def test_a_run_that_goes_on_has_no_end_time(store: Client) -> None:
    pandas = pytest.importorskip("pandas")
    with tracking.start_run():
        assert pandas.isna(tracking.search_runs()["end_time"].iloc[0])


def test_a_data_frame_of_polars(runs: list[str]) -> None:
    polars = pytest.importorskip("polars")
    frame = tracking.search_runs(output_format="polars", order_by=["metrics.loss ASC"])

    assert frame.columns[:6] == FIRST
    assert frame["run_id"].to_list() == runs
    assert frame["params.depth"].to_list() == [None, "1", "2"]
    assert frame.schema["start_time"] == polars.Datetime("ms", "UTC")
    assert frame.schema["metrics.loss"] == polars.Float64
    none = tracking.search_runs(filter_string="metrics.loss > 9", output_format="polars")
    assert none.columns == FIRST


def test_a_list_and_where_to_look(runs: list[str], store: Client) -> None:
    tracking.set_experiment("empty")

    def found(**arguments: object) -> set[str]:
        result = tracking.search_runs(output_format="list", **arguments)  # type: ignore[arg-type]
        return {run.info.run_id for run in result}

    digits = store.get_experiment_by_name("digits")
    assert digits is not None
    assert found() == set()
    assert found(search_all_experiments=True) == set(runs)
    assert found(experiment_names=["digits"]) == set(runs)
    assert found(experiment_ids=[digits.experiment_id]) == set(runs)
    assert found(experiment_names=["digits"], filter_string="params.depth = '1'") == {runs[1]}
    assert len(found(experiment_names=["digits"], max_results=2)) == 2
    assert found(experiment_names=["none"]) == set()


def test_deleted_runs_and_their_return(runs: list[str], store: Client) -> None:
    tracking.delete_run(runs[0])
    assert len(tracking.search_runs(output_format="list")) == 2
    deleted = tracking.search_runs(run_view_type=2, output_format="list")
    assert [run.info.run_id for run in deleted] == [runs[0]]
    tracking.restore_run(runs[0])
    assert tracking.get_run(runs[0]).info.lifecycle_stage == "active"


def test_mistakes(runs: list[str]) -> None:
    with pytest.raises(InvalidValueError, match="'csv' is not one of 'pandas', 'polars', 'list'"):
        tracking.search_runs(output_format="csv")
    with pytest.raises(InvalidValueError, match="not both"):
        tracking.search_runs(experiment_ids=["0"], experiment_names=["digits"])
    with pytest.raises(InvalidValueError, match="must be a list"):
        tracking.search_runs(experiment_names="digits")
    with pytest.raises(InvalidValueError, match="at least 1"):
        tracking.search_runs(max_results=0)
    with pytest.raises(FilterSyntaxError):
        tracking.search_runs(filter_string="metrics.loss >> 1", output_format="list")


def test_searching_makes_nothing(store: Client) -> None:
    tracking.search_runs(output_format="list")
    assert store.search_experiments() == []


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_library_is_named(
    store: Client, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'tracking-core\[{library}\]'"):
        tracking.search_runs(output_format=library)
