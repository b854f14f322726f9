from __future__ import annotations

import functools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.strategies import collections, orders, subjects
from tracking_core.entities import (
    Experiment,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
)
from tracking_core.errors import InvalidValueError
from tracking_core.search import (
    Field,
    FieldKind,
    OrderBy,
    Ordering,
    Subject,
    effective_order,
    format_order_by,
    parse_order_by,
    sort_key,
)


def run(run_id: str, start_time: int | None = None, **metrics: float) -> Run:
    points = tuple(Metric(key, value, 1) for key, value in metrics.items())
    info = RunInfo(run_id=run_id, experiment_id="1", start_time=start_time)
    return Run(info=info, data=RunData(latest_metrics=points, params={"p": run_id.upper()}))


def sorted_ids(items: list[Any], subject: Subject, *clauses: str) -> list[str]:
    name = {
        Subject.RUNS: lambda r: r.info.run_id,
        Subject.EXPERIMENTS: lambda e: e.experiment_id,
        Subject.REGISTERED_MODELS: lambda m: m.name,
        Subject.MODEL_VERSIONS: lambda v: f"{v.name}{v.version}",
        Subject.LOGGED_MODELS: lambda m: m.model_id,
    }[subject]
    key = sort_key(parse_order_by(clauses, subject), subject)
    return [name(item) for item in sorted(items, key=key)]


@pytest.mark.parametrize(
    ("subject", "clauses", "whole"),
    [
        (Subject.RUNS, [], ["start_time DESC", "run_id ASC"]),
        (Subject.RUNS, ["metrics.a"], ["metrics.a ASC", "start_time DESC", "run_id ASC"]),
        (Subject.RUNS, ["created"], ["start_time ASC", "run_id ASC"]),
        (Subject.RUNS, ["run_id DESC"], ["run_id DESC", "start_time DESC"]),
        (Subject.EXPERIMENTS, [], ["creation_time DESC", "experiment_id ASC"]),
        (Subject.EXPERIMENTS, ["name"], ["name ASC", "experiment_id DESC"]),
        (Subject.REGISTERED_MODELS, [], ["name ASC"]),
        (
            Subject.REGISTERED_MODELS,
            ["timestamp DESC"],
            ["last_updated_timestamp DESC", "name ASC"],
        ),
        (
            Subject.MODEL_VERSIONS,
            [],
            ["last_updated_timestamp DESC", "name ASC", "version_number DESC"],
        ),
        (Subject.MODEL_VERSIONS, ["name DESC"], ["name DESC", "version_number DESC"]),
        (Subject.LOGGED_MODELS, [], ["creation_timestamp DESC", "model_id ASC"]),
        (
            Subject.LOGGED_MODELS,
            ["metrics.a"],
            ["metrics.a ASC", "creation_timestamp DESC", "model_id ASC"],
        ),
    ],
)
def test_every_order_ends_in_the_id(subject: Subject, clauses: list[str], whole: list[str]) -> None:
    order = effective_order(parse_order_by(clauses, subject), subject)
    assert format_order_by(order, subject) == whole


METRICS = [
    run("none"),
    run("nan", a=math.nan),
    run("inf", a=math.inf),
    run("low", a=-math.inf),
    run("one", a=1),
    run("two", a=2),
]


def test_nan_comes_after_numbers_and_lacking_last_in_both_directions() -> None:
    up = sorted_ids(METRICS, Subject.RUNS, "metrics.a")
    assert up == ["low", "one", "two", "inf", "nan", "none"]
    down = sorted_ids(METRICS, Subject.RUNS, "metrics.a DESC")
    assert down == ["inf", "two", "one", "low", "nan", "none"]


def test_runs_come_latest_first_and_those_without_a_start_last() -> None:
    runs = [run("c", 5), run("b", 5), run("a"), run("z", 7)]
    assert sorted_ids(runs, Subject.RUNS) == ["z", "b", "c", "a"]


def test_text_is_ordered_by_code_point_in_both_directions() -> None:
    runs = [run("b"), run("ab"), run("a"), run("é"), run("")]
    assert sorted_ids(runs, Subject.RUNS, "params.p") == ["", "a", "ab", "b", "é"]
    assert sorted_ids(runs, Subject.RUNS, "params.p DESC") == ["é", "b", "ab", "a", ""]


def test_each_subject_has_its_default_order() -> None:
    experiments = [
        Experiment(experiment_id=i, name=i, creation_time=t)
        for i, t in (("b", 1), ("a", 1), ("c", 2))
    ]
    assert sorted_ids(experiments, Subject.EXPERIMENTS) == ["c", "a", "b"]
    assert sorted_ids(experiments, Subject.EXPERIMENTS, "creation_time") == ["b", "a", "c"]
    models = [RegisteredModel(name=name) for name in ("b", "a")]
    assert sorted_ids(models, Subject.REGISTERED_MODELS) == ["a", "b"]
    versions = [
        ModelVersion(name=name, version=version, last_updated_timestamp=time)
        for name, version, time in (("b", 9, 1), ("a", 9, 1), ("a", 10, 1), ("c", 1, 2))
    ]
    assert sorted_ids(versions, Subject.MODEL_VERSIONS) == ["c1", "a10", "a9", "b9"]
    logged = [
        LoggedModel(model_id=i, experiment_id="1", name="m", creation_timestamp=t)
        for i, t in (("b", 1), ("a", 1), ("c", 2))
    ]
    assert sorted_ids(logged, Subject.LOGGED_MODELS) == ["c", "a", "b"]


def logged(model_id: str, *metrics: tuple[float, int, str]) -> LoggedModel:
    points = tuple(
        Metric("a", v, t, dataset_name=name, dataset_digest="1") for v, t, name in metrics
    )
    return LoggedModel(model_id=model_id, experiment_id="1", name="m", metrics=points)


def test_logged_models_are_ordered_by_the_newest_value_on_the_data_set() -> None:
    models = [
        logged("x", (0.9, 1, "train"), (0.1, 2, "test")),
        logged("y", (0.5, 1, "train"), (0.6, 2, "test")),
        logged("z", (0.7, 1, "train")),
    ]
    metric = Field(FieldKind.METRIC, "a")

    def order(measured_on: Any = (), **limits: str) -> str:
        orders = (OrderBy(metric, ascending=False, **limits),)  # type: ignore[arg-type]
        key = sort_key(orders, Subject.LOGGED_MODELS, measured_on=measured_on)
        return "".join(model.model_id for model in sorted(models, key=key))

    assert order() == "zyx"
    assert order(dataset_name="train") == "xzy"
    assert order(dataset_name="test") == "yxz"
    assert order(dataset_name="test", dataset_digest="2") == "xyz"
    assert order(measured_on=(("train", None),)) == "xzy"


def test_the_newest_value_is_that_of_the_latest_time_then_of_the_last_step() -> None:
    def newest(*points: tuple[float, int, int]) -> object:
        metrics = tuple(Metric("a", value, time, step) for value, time, step in points)
        model = LoggedModel(model_id="m", experiment_id="1", name="m", metrics=metrics)
        order = (OrderBy(Field(FieldKind.METRIC, "a")),)
        return Ordering(order, Subject.LOGGED_MODELS).values(model)[0]

    assert newest((1.0, 5, 0), (2.0, 4, 9)) == 1.0
    assert newest((1.0, 5, 0), (2.0, 5, 1), (math.nan, 5, 1)) == 2.0
    assert newest() is None


def test_what_has_no_order_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="dataset 'name' can have several values"):
        sort_key((OrderBy(Field(FieldKind.DATASET, "name")),), Subject.RUNS)
    with pytest.raises(InvalidValueError, match="Only metrics of logged models are measured on"):
        sort_key((OrderBy(Field(FieldKind.METRIC, "a"), dataset_name="d"),), Subject.RUNS)
    with pytest.raises(InvalidValueError, match=r"^Experiments have no metric 'a'"):
        sort_key((OrderBy(Field(FieldKind.METRIC, "a")),), Subject.EXPERIMENTS)


# --- a second, naive statement of the order ---


def compare(a: Any, b: Any, *, ascending: bool) -> int:
    """Compare two values as documented: values, NaN, lacking."""

    def rank(value: Any) -> int:
        return 2 if value is None else 1 if value != value else 0

    if rank(a) or rank(b):
        return rank(a) - rank(b)
    result = (a > b) - (a < b)
    return result if ascending else -result


@given(st.data())
def test_the_order_agrees_with_a_naive_model_and_is_total(data: Any) -> None:
    subject = data.draw(subjects)
    order_by = data.draw(orders(subject))
    items = data.draw(collections(subject))
    ordering = Ordering(order_by, subject)

    def naive(a: Any, b: Any) -> int:
        for order, x, y in zip(ordering.order, ordering.values(a), ordering.values(b), strict=True):
            result = compare(x, y, ascending=order.ascending)
            if result:
                return result
        raise AssertionError("two entities are equal in order")

    by_key = sorted(items, key=ordering.key)
    assert by_key == sorted(items, key=functools.cmp_to_key(naive))
    assert by_key == sorted(items, key=lambda item: ordering.key_of_values(ordering.values(item)))
