from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.strategies import expressions, orders, subjects
from tracking_core.errors import InvalidValueError
from tracking_core.search import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Not,
    Operator,
    OrderBy,
    Subject,
    format_filter,
    format_order_by,
    is_mlflow_filter,
    parse_filter,
    parse_order_by,
)

PARAM_X = Field(FieldKind.PARAM, "x")


@given(st.data())
def test_a_formatted_filter_is_parsed_to_what_it_was(data: Any) -> None:
    subject = data.draw(subjects)
    expression = data.draw(expressions(subject, wild=True))
    assert parse_filter(format_filter(expression, subject), subject) == expression


@given(st.data())
def test_a_formatted_order_is_parsed_to_what_it_was(data: Any) -> None:
    subject = data.draw(subjects)
    order = data.draw(orders(subject, wild=True))
    assert parse_order_by(format_order_by(order, subject), subject) == order


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("metrics.a>1", "metrics.a > 1.0"),
        ("metric.`a b` > 1e20", "metrics.`a b` > 1e20"),
        ("metrics.a > inf or metrics.a < -inf", "metrics.a > Infinity OR metrics.a < -Infinity"),
        ("metrics.a != nan", "metrics.a != NaN"),
        ("params.in = 'x'", "params.`in` = 'x'"),
        ("params.`a``b` = 'x'", "params.\"a`b\" = 'x'"),
        ("params.x = 'it''s'", 'params.x = "it\'s"'),
        ("params.x = 'a\"b''c'", "params.x = 'a\"b''c'"),
        ("params.x = 'C:\\'", "params.x = 'C:\\\\'"),
        ("params.x = 'a\\b'", "params.x = 'a\\b'"),
        ("created > 5", "start_time > 5"),
        ("datasets.name in ('a',)", "dataset.name IN ('a')"),
        ("run_id not in ('a', 'b')", "run_id NOT IN ('a', 'b')"),
        ("tags.x is not null", "tags.x IS NOT NULL"),
        ("not (run_id = 'a')", "NOT run_id = 'a'"),
        (
            "(run_id = 'a' or run_id = 'b') and not (run_id = 'c' and run_id = 'd')",
            "(run_id = 'a' OR run_id = 'b') AND NOT (run_id = 'c' AND run_id = 'd')",
        ),
        (
            "run_id = 'a' or (run_id = 'b' and run_id = 'c')",
            "run_id = 'a' OR run_id = 'b' AND run_id = 'c'",
        ),
    ],
)
def test_a_filter_is_written_in_one_way(text: str, formatted: str) -> None:

    assert format_filter(parse_filter(text, Subject.RUNS), Subject.RUNS) == formatted


def test_no_filter_is_empty_text() -> None:
    assert format_filter(None, Subject.RUNS) == ""


def test_an_order_on_a_data_set_has_no_words() -> None:
    order = OrderBy(Field(FieldKind.METRIC, "a"), dataset_name="d")
    with pytest.raises(InvalidValueError, match=r"metrics\.a on data set 'd' can't be written"):
        format_order_by([order], Subject.LOGGED_MODELS)


def test_a_field_that_the_subject_lacks_is_refused() -> None:
    expression = Comparison(PARAM_X, Operator.EQUAL, "x")
    with pytest.raises(InvalidValueError, match=r"^Experiments have no param 'x'"):
        format_filter(expression, Subject.EXPERIMENTS)
    nameless = Comparison(Field(FieldKind.PARAM, ""), Operator.EQUAL, "x")
    with pytest.raises(InvalidValueError, match="empty key"):
        format_filter(nameless, Subject.RUNS)


def test_an_expression_nested_too_deeply_is_refused() -> None:
    expression: Expression = Comparison(PARAM_X, Operator.EQUAL, "x")
    for _ in range(300):
        expression = Not(expression)
    with pytest.raises(InvalidValueError, match="nested more than 200 levels deep"):
        format_filter(expression, Subject.RUNS)


MLFLOW = {
    Subject.RUNS: [
        "metrics.a > 1 and metrics.b <= -2.5e-7",
        "params.x = 'it''s' and tags.`a b` LIKE 'x%'",
        "params.x IS NULL and tags.y IS NOT NULL",
        "run_id IN ('a') and dataset.name NOT IN ('b')",
        "start_time > 5 and status != 'FAILED'",
        "params.\"a`b\" = 'x'",
        "params.x = 'a\\b'",
    ],
    Subject.EXPERIMENTS: ["name LIKE 'x' and tags.y IS NULL and experiment_id IN ('1')"],
    Subject.REGISTERED_MODELS: ["name IN ('x') and tags.y = 'z'"],
    Subject.MODEL_VERSIONS: ["name IN ('x') and version_number > 5 and source_path = 'x'"],
    Subject.LOGGED_MODELS: ["params.x IN ('a') and model_id = 'm' and creation_time > 5"],
}
OURS = {
    Subject.RUNS: [
        "metrics.a > 1 or metrics.b > 1",
        "not metrics.a > 1",
        "(metrics.a > 1 and metrics.b > 1) and metrics.c > 1",
        "metrics.a IS NULL",
        "metrics.a IN (1)",
        "metrics.a > inf",
        "metrics.a != nan",
        "params.x IN ('a')",
        "run_name IN ('a')",
        "end_time IS NULL",
        "experiment_id = '1'",
        "lifecycle_stage = 'active'",
        "run_id IN ('a\\b')",
        "run_id IN ('a\nb')",
        "params.x = 'it''s \"it\"'",
        "params.x = 'C:\\'",
        "params.`a``\"b` = 'x'",
        "params.```a``` = 'x'",
    ],
    Subject.EXPERIMENTS: ["name IN ('x')", "name IS NULL", "artifact_location = 'x'"],
    Subject.REGISTERED_MODELS: ["tags.y IS NULL", "creation_timestamp > 5"],
    Subject.MODEL_VERSIONS: [
        "source_path IN ('x')",
        "tags.y IS NULL",
        "version_number IN (1)",
        "version_number > 5.5",
        "stage = 'Production'",
    ],
    Subject.LOGGED_MODELS: ["params.x IS NULL", 'params.x = "it\'s"', "metrics.a IN (1)"],
}


@pytest.mark.parametrize(("subject", "text"), [(s, t) for s, ts in MLFLOW.items() for t in ts])
def test_what_mlflow_has_is_known(subject: Subject, text: str) -> None:
    assert is_mlflow_filter(parse_filter(text, subject), subject)


@pytest.mark.parametrize(("subject", "text"), [(s, t) for s, ts in OURS.items() for t in ts])
def test_what_mlflow_lacks_is_known(subject: Subject, text: str) -> None:
    assert not is_mlflow_filter(parse_filter(text, subject), subject)


def test_no_filter_is_one_of_mlflow() -> None:
    assert is_mlflow_filter(None, Subject.RUNS)


def test_one_term_that_mlflow_lacks_is_enough() -> None:
    plain = Comparison(PARAM_X, Operator.EQUAL, "x")
    assert is_mlflow_filter(And((plain, plain)), Subject.RUNS)
    assert not is_mlflow_filter(And((plain, Not(plain))), Subject.RUNS)
