from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.strategies import subjects
from tracking_core.errors import FilterSyntaxError
from tracking_core.search import (
    And,
    Expression,
    Field,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Operator,
    Or,
    OrderBy,
    Subject,
    parse_filter,
    parse_order_by,
)
from tracking_core.search.ast import Comparison as ParsedComparison
from tracking_core.search.parser import MAX_LENGTH, MAX_NESTING

RUNS = Subject.RUNS
EXPERIMENTS = Subject.EXPERIMENTS
REGISTERED_MODELS = Subject.REGISTERED_MODELS
MODEL_VERSIONS = Subject.MODEL_VERSIONS
LOGGED_MODELS = Subject.LOGGED_MODELS


def attribute(key: str) -> Field:
    return Field(FieldKind.ATTRIBUTE, key)


def metric(key: str) -> Field:
    return Field(FieldKind.METRIC, key)


def param(key: str) -> Field:
    return Field(FieldKind.PARAM, key)


def tag(key: str) -> Field:
    return Field(FieldKind.TAG, key)


def dataset(key: str) -> Field:
    return Field(FieldKind.DATASET, key)


def Comparison(field: Field, operator: str, value: Any) -> ParsedComparison:  # noqa: N802
    return ParsedComparison(field, Operator(operator), value)


ACCEPTED: list[tuple[Subject, str, Expression]] = [
    (RUNS, "metrics.acc > 0.5", Comparison(metric("acc"), ">", 0.5)),
    (RUNS, "metric.acc>=-0.5", Comparison(metric("acc"), ">=", -0.5)),
    (RUNS, "metrics.acc < +1e-3", Comparison(metric("acc"), "<", 0.001)),
    (RUNS, "metrics.acc<=-1.5E+3", Comparison(metric("acc"), "<=", -1500.0)),
    (RUNS, "metrics.acc != .5", Comparison(metric("acc"), "!=", 0.5)),
    (RUNS, "metrics.acc = 5.", Comparison(metric("acc"), "=", 5.0)),
    (RUNS, "metrics.loss > -Infinity", Comparison(metric("loss"), ">", -math.inf)),
    (RUNS, "metrics.loss < inf", Comparison(metric("loss"), "<", math.inf)),
    (RUNS, "metrics.loss != NaN", Comparison(metric("loss"), "!=", math.nan)),
    (RUNS, 'metrics."a b" > 1', Comparison(metric("a b"), ">", 1.0)),
    (RUNS, "metrics.`a/b` > 1", Comparison(metric("a/b"), ">", 1.0)),
    (RUNS, "metrics.a/b > 1", Comparison(metric("a/b"), ">", 1.0)),
    (RUNS, "metrics.val-loss > 1", Comparison(metric("val-loss"), ">", 1.0)),
    (RUNS, "metrics.a.b.c > 1", Comparison(metric("a.b.c"), ">", 1.0)),
    (RUNS, "metrics.a:b > 1", Comparison(metric("a:b"), ">", 1.0)),
    (RUNS, "metrics.`a``b` > 1", Comparison(metric("a`b"), ">", 1.0)),
    (RUNS, "metrics.1 > 0", Comparison(metric("1"), ">", 0.0)),
    (RUNS, "param.x = 'it''s'", Comparison(param("x"), "=", "it's")),
    (RUNS, "parameter.x = 'it\\'s'", Comparison(param("x"), "=", "it's")),
    (RUNS, 'parameters.x = "it\'s"', Comparison(param("x"), "=", "it's")),
    (RUNS, 'params.x = "a""b"', Comparison(param("x"), "=", 'a"b')),
    (RUNS, "params.x = 'a\"b'", Comparison(param("x"), "=", 'a"b')),
    (RUNS, "params.x = ''", Comparison(param("x"), "=", "")),
    (RUNS, "params.x = 'C:\\'", Comparison(param("x"), "=", "C:\\")),
    (RUNS, "(params.x = 'C:\\' )", Comparison(param("x"), "=", "C:\\")),
    (
        RUNS,
        "params.x = 'C:\\\\' or params.y = 'a\\b'",
        Or((Comparison(param("x"), "=", "C:\\"), Comparison(param("y"), "=", "a\\b"))),
    ),
    (
        RUNS,
        "params.x like 'a\\%b%' and tags.y ILike 'b_'",
        And((Comparison(param("x"), "LIKE", "a\\%b%"), Comparison(tag("y"), "ILIKE", "b_"))),
    ),
    (
        RUNS,
        "params.`a\"b` = 'a' AND params.\"a`b\" = 'b'",
        And((Comparison(param('a"b'), "=", "a"), Comparison(param("a`b"), "=", "b"))),
    ),
    (
        RUNS,
        "`params`.`x` = 'a' and \"params\".x = 'b'",
        And((Comparison(param("x"), "=", "a"), Comparison(param("x"), "=", "b"))),
    ),
    (
        RUNS,
        "params.and = 'a' and params.in = 'b' and params.is = 'c'",
        And(
            (
                Comparison(param("and"), "=", "a"),
                Comparison(param("in"), "=", "b"),
                Comparison(param("is"), "=", "c"),
            )
        ),
    ),
    (RUNS, "params.é = 'naïve ☃'", Comparison(param("é"), "=", "naïve ☃")),
    (RUNS, "params.x IS NULL", NullTest(param("x"))),
    (RUNS, "params.x is  not\n null", NullTest(param("x"), negated=True)),
    (RUNS, "metrics.x IS NOT NULL", NullTest(metric("x"), negated=True)),
    (RUNS, "attributes.run_id IN ('a', \"b\",)", Membership(attribute("run_id"), ("a", "b"))),
    (RUNS, "run_id not in ('a')", Membership(attribute("run_id"), ("a",), negated=True)),
    (RUNS, "metrics.x IN (1, 2.5, -3)", Membership(metric("x"), (1.0, 2.5, -3.0))),
    (RUNS, "end_time IS NULL", NullTest(attribute("end_time"))),
    (
        RUNS,
        "run.status = 'FINISHED' and attr.user_id != 'x'",
        And(
            (
                Comparison(attribute("status"), "=", "FINISHED"),
                Comparison(attribute("user_id"), "!=", "x"),
            )
        ),
    ),
    (
        RUNS,
        "created > 5 and Created <= 10",
        And(
            (
                Comparison(attribute("start_time"), ">", 5),
                Comparison(attribute("start_time"), "<=", 10),
            )
        ),
    ),
    (
        RUNS,
        "`run name` = 'x' and \"Run name\" = 'y' and attributes.`Run Name` = 'z'",
        And(
            (
                Comparison(attribute("run_name"), "=", "x"),
                Comparison(attribute("run_name"), "=", "y"),
                Comparison(attribute("run_name"), "=", "z"),
            )
        ),
    ),
    (RUNS, "start_time > 5.5", Comparison(attribute("start_time"), ">", 5.5)),
    (
        RUNS,
        "start_time > 123456789012345678901234567890",
        Comparison(attribute("start_time"), ">", 123456789012345678901234567890),
    ),
    (
        RUNS,
        "dataset.name = 'x' AND datasets.digest IN ('a') AND dataset.context LIKE 't%'",
        And(
            (
                Comparison(dataset("name"), "=", "x"),
                Membership(dataset("digest"), ("a",)),
                Comparison(dataset("context"), "LIKE", "t%"),
            )
        ),
    ),
    (RUNS, "tags.mlflow.user = 'x'", Comparison(tag("mlflow.user"), "=", "x")),
    (
        RUNS,
        "tags.`mlflow.source.git.commit` = 'x'",
        Comparison(tag("mlflow.source.git.commit"), "=", "x"),
    ),
    (
        RUNS,
        "params.x='a'AND params.y='b'",
        And((Comparison(param("x"), "=", "a"), Comparison(param("y"), "=", "b"))),
    ),
    (
        RUNS,
        "metrics.a > 1 OR metrics.b > 2 AND metrics.c > 3",
        Or(
            (
                Comparison(metric("a"), ">", 1.0),
                And((Comparison(metric("b"), ">", 2.0), Comparison(metric("c"), ">", 3.0))),
            )
        ),
    ),
    (
        RUNS,
        "(metrics.a > 1 OR metrics.b > 2) AND metrics.c > 3",
        And(
            (
                Or((Comparison(metric("a"), ">", 1.0), Comparison(metric("b"), ">", 2.0))),
                Comparison(metric("c"), ">", 3.0),
            )
        ),
    ),
    (
        RUNS,
        "NOT metrics.a > 1 AND NOT NOT (metrics.b > 2)",
        And((Not(Comparison(metric("a"), ">", 1.0)), Not(Not(Comparison(metric("b"), ">", 2.0))))),
    ),
    (RUNS, "not(metrics.a>1)", Not(Comparison(metric("a"), ">", 1.0))),
    (
        EXPERIMENTS,
        "name LIKE 'x%' and tag.y = 'z' and attribute.experiment_id IN ('1')",
        And(
            (
                Comparison(attribute("name"), "LIKE", "x%"),
                Comparison(tag("y"), "=", "z"),
                Membership(attribute("experiment_id"), ("1",)),
            )
        ),
    ),
    (
        EXPERIMENTS,
        "creation_time > 5 or last_update_time IS NULL",
        Or(
            (
                Comparison(attribute("creation_time"), ">", 5),
                NullTest(attribute("last_update_time")),
            )
        ),
    ),
    (
        EXPERIMENTS,
        "lifecycle_stage = 'active'",
        Comparison(attribute("lifecycle_stage"), "=", "active"),
    ),
    (
        REGISTERED_MODELS,
        "name IN ('x') and tags.y IS NULL",
        And((Membership(attribute("name"), ("x",)), NullTest(tag("y")))),
    ),
    (REGISTERED_MODELS, "timestamp > 5", Comparison(attribute("last_updated_timestamp"), ">", 5)),
    (
        MODEL_VERSIONS,
        "name = 'x' and version_number > 5 and run_id IN ('a') and source_path = 's3://x'",
        And(
            (
                Comparison(attribute("name"), "=", "x"),
                Comparison(attribute("version_number"), ">", 5),
                Membership(attribute("run_id"), ("a",)),
                Comparison(attribute("source_path"), "=", "s3://x"),
            )
        ),
    ),
    (MODEL_VERSIONS, "version = '5'", Comparison(attribute("version_number"), "=", 5)),
    (
        MODEL_VERSIONS,
        "stage = 'Production'",
        Comparison(attribute("current_stage"), "=", "Production"),
    ),
    (
        LOGGED_MODELS,
        "name = 'x' and metrics.a > 0.5 and params.lr = 0.01 and tags.y LIKE 'z'",
        And(
            (
                Comparison(attribute("name"), "=", "x"),
                Comparison(metric("a"), ">", 0.5),
                Comparison(param("lr"), "=", "0.01"),
                Comparison(tag("y"), "LIKE", "z"),
            )
        ),
    ),
    (
        LOGGED_MODELS,
        "creation_time > 5 and last_updated_timestamp < 6",
        And(
            (
                Comparison(attribute("creation_timestamp"), ">", 5),
                Comparison(attribute("last_updated_timestamp"), "<", 6),
            )
        ),
    ),
    (
        LOGGED_MODELS,
        "model_id NOT IN ('m-1') and attributes.model_type IS NULL",
        And(
            (
                Membership(attribute("model_id"), ("m-1",), negated=True),
                NullTest(attribute("model_type")),
            )
        ),
    ),
]

RUN_ATTRIBUTES = (
    "run_id, run_name, experiment_id, status, user_id, artifact_uri, lifecycle_stage, start_time"
    " or end_time, or metrics., params., tags. or dataset. before it"
)
NUMBER_OPERATORS = "=, !=, <, <=, >, >=, IN or IS NULL"

# Subject, filter, the place that the caret shows, the sentence.
REFUSED = [
    (RUNS, "statsu = 'x'", 0, "Runs have no attribute 'statsu'; did you mean status?"),
    (RUNS, "Status = 'FINISHED'", 0, "Runs have no attribute 'Status'; did you mean status?"),
    (
        RUNS,
        "accuracy > 0.5",
        0,
        f"Runs have no attribute 'accuracy'; expected {RUN_ATTRIBUTES}.",
    ),
    (RUNS, "metrcs.a > 1", 0, "'metrcs' is no part of a run; did you mean metrics?"),
    (RUNS, "METRICS.a > 1", 0, "'METRICS' is no part of a run; did you mean metrics?"),
    (
        RUNS,
        "foo.bar = 'x'",
        0,
        "'foo' is no part of a run;"
        " expected attributes, metrics, params, tags or dataset before the dot.",
    ),
    (RUNS, "name = 'x'", 0, "Runs have no attribute 'name'; did you mean run_name?"),
    (
        RUNS,
        "dataset.foo = 'x'",
        8,
        "Data sets have no attribute 'foo'; expected name, digest or context.",
    ),
    (RUNS, "datasets.nam = 'x'", 9, "Data sets have no attribute 'nam'; did you mean name?"),
    (
        RUNS,
        "`mlflow.user` = 'x'",
        0,
        f"Runs have no attribute 'mlflow.user'; expected {RUN_ATTRIBUTES}.",
    ),
    (RUNS, "metrics. > 1", 8, "The key after metrics. is missing."),
    (RUNS, "metrics.`` > 1", 8, "The key after metrics. is missing."),
    (RUNS, 'metrics."a > 1', 8, 'The quote " is never closed.'),
    (
        RUNS,
        "metrics.a.`b` > 1",
        8,
        "A key is in quotes as a whole or not at all, as in metrics.`a.b`.",
    ),
    (RUNS, "params. x = 'a'", 7, "The key after params. is missing."),
    (RUNS, "params. `x` = 'a'", 7, "The key after params. is missing."),
    (
        RUNS,
        "`params` .x = 'a'",
        0,
        "Runs have no attribute 'params'; expected " + RUN_ATTRIBUTES + ".",
    ),
    (
        RUNS,
        ".5 > metrics.a",
        0,
        "Expected a field, found the number .5; the field stands left of the operator.",
    ),
    (
        RUNS,
        "1 < metrics.a",
        0,
        "Expected a field, found the number 1; the field stands left of the operator.",
    ),
    (RUNS, "'x' = params.a", 0, "Expected a field, found 'x'."),
    (RUNS, "AND metrics.a > 1", 0, "Expected a field, found AND."),
    (RUNS, "metrics.a > 1 AND", 17, "Expected a field, found the end."),
    (RUNS, "metrics.a > 1 AND AND metrics.b > 1", 18, "Expected a field, found AND."),
    (
        RUNS,
        "metrics.a > 1 metrics.b > 2",
        14,
        "Expected AND, OR or the end of the filter, found metrics.b.",
    ),
    (RUNS, "metrics.a > 1;", 13, "Expected AND, OR or the end of the filter, found ;."),
    (RUNS, "metrics.a > 1 && metrics.b > 2", 14, "&& is no operator here; write AND."),
    (RUNS, "metrics.a > 1 || metrics.b > 2", 14, "|| is no operator here; write OR."),
    (RUNS, "metrics.a > 1 -- note", 14, "Expected AND, OR or the end of the filter, found --."),
    (
        RUNS,
        "metrics.a",
        9,
        "Expected =, !=, <, <=, >, >=, IN or IS NULL after metrics.a, found the end.",
    ),
    (RUNS, "metrics.a >", 11, "Expected a number after >, found the end."),
    (RUNS, "metrics.a == 1", 10, "== is no operator here; write =."),
    (RUNS, "metrics.a <> 1", 10, "<> is no operator here; write !=."),
    (RUNS, "metrics.a ! 1", 10, "! is no operator here; write !=."),
    (RUNS, "metrics.a => 1", 11, "Expected a number after =, found >."),
    (
        RUNS,
        "metrics.a BETWEEN 1 AND 2",
        10,
        "Expected =, !=, <, <=, >, >=, IN or IS NULL after metrics.a, found BETWEEN.",
    ),
    (
        RUNS,
        "metrics.a LIKE '5%'",
        10,
        f"metrics.a is a number, which LIKE doesn't compare; expected {NUMBER_OPERATORS}.",
    ),
    (
        RUNS,
        "metrics.a > '0.5'",
        12,
        "metrics.a is a number; expected a number without quotes after >, found '0.5'.",
    ),
    (RUNS, "metrics.a > x", 12, "Expected a number after >, found x."),
    (RUNS, "metrics.a > 0x10", 12, "Expected a number after >, found 0x10."),
    (RUNS, "metrics.a > 1_000", 12, "Expected a number after >, found 1_000."),
    (RUNS, "metrics.a = NULL", 12, "Nothing equals NULL; write metrics.a IS NULL or IS NOT NULL."),
    (RUNS, "metrics.a IS 3", 13, "Expected NULL or NOT NULL after IS, found 3."),
    (RUNS, "metrics.a IS NOT 3", 17, "Expected NULL after IS NOT, found 3."),
    (RUNS, "metrics.a IS", 12, "Expected NULL or NOT NULL after IS, found the end."),
    (
        RUNS,
        "start_time > '2024'",
        13,
        "start_time is a number; expected a number without quotes after >, found '2024'.",
    ),
    (
        RUNS,
        "start_time LIKE '2%'",
        11,
        f"start_time is a number, which LIKE doesn't compare; expected {NUMBER_OPERATORS}.",
    ),
    (
        RUNS,
        "params.a > '5'",
        9,
        "params.a is text, which > doesn't compare; expected =, !=, LIKE, ILIKE, IN or IS NULL.",
    ),
    (
        RUNS,
        "params.a = 5",
        11,
        "params.a is text; expected text in quotes after =, such as '5', found 5.",
    ),
    (
        RUNS,
        "params.a = yes",
        11,
        "params.a is text; expected text in quotes after =, such as 'yes', found yes.",
    ),
    (RUNS, "params.a = `x`", 11, "Expected text in quotes after =, found `x`."),
    (RUNS, "params.a = NULL", 11, "Nothing equals NULL; write params.a IS NULL or IS NOT NULL."),
    (RUNS, "params.a NOT LIKE 'x'", 9, "NOT stands before the field: write NOT params.a LIKE ...."),
    (RUNS, "params.a NOT 'x'", 13, "Expected IN after params.a NOT, found 'x'."),
    (RUNS, "params.a = 'x", 11, "The quote ' is never closed."),
    (RUNS, "params.a = 'it's'", 15, "The text ends before s; write a quote inside text twice."),
    (RUNS, "params.a = ('x')", 11, "Expected text in quotes after =, found (."),
    (RUNS, "params.a IN ()", 13, "The list of IN is empty; expected at least one value."),
    (RUNS, "params.a IN 'x'", 12, "Expected a list in parentheses after IN, found 'x'."),
    (
        RUNS,
        "params.a IN ('x'",
        12,
        "The list of IN is never closed; expected ) before the end of the filter.",
    ),
    (RUNS, "params.a IN ('x' 'y')", 17, "Expected , or ) in the list, found 'y'."),
    (
        RUNS,
        "params.a IN ('x', 5)",
        18,
        "params.a is text; expected text in quotes in the list, such as '5', found 5.",
    ),
    (RUNS, "params.a IN ('x',,)", 17, "Expected text in quotes in the list, found ,."),
    (
        RUNS,
        "metrics.a IN (1, 'x')",
        17,
        "metrics.a is a number; expected a number without quotes in the list, found 'x'.",
    ),
    (RUNS, "()", 1, "Expected a field, found )."),
    (
        RUNS,
        "(metrics.a > 1",
        0,
        "The parenthesis is never closed; expected ) before the end of the filter.",
    ),
    (RUNS, "metrics.a > 1)", 13, "This parenthesis closes none that is open."),
    (RUNS, "(metrics.a > 1 foo", 15, "Expected AND, OR or ), found foo."),
    (RUNS, "NOT", 3, "Expected a field, found the end."),
    (RUNS, "(metrics.a > 1) = 2", 16, "Expected AND, OR or the end of the filter, found =."),
    (
        RUNS,
        "metrics.a b > 1",
        10,
        "Expected =, !=, <, <=, >, >=, IN or IS NULL after metrics.a, found b.",
    ),
    (
        EXPERIMENTS,
        "metrics.a > 1",
        0,
        "Experiments have no metrics; expected attributes or tags before the dot.",
    ),
    (
        EXPERIMENTS,
        "params.a = 'x'",
        0,
        "Experiments have no params; expected attributes or tags before the dot.",
    ),
    (
        EXPERIMENTS,
        "dataset.name = 'x'",
        0,
        "Experiments have no data sets; expected attributes or tags before the dot.",
    ),
    (
        EXPERIMENTS,
        "run.name = 'x'",
        0,
        "'run' is no part of an experiment; expected attributes or tags before the dot.",
    ),
    (
        REGISTERED_MODELS,
        "metrics.a > 1",
        0,
        "Registered models have no metrics; expected attributes or tags before the dot.",
    ),
    (
        MODEL_VERSIONS,
        "version_number = 'x'",
        17,
        "version_number is a number; expected a number without quotes after =, found 'x'.",
    ),
    (
        MODEL_VERSIONS,
        "versoin = 5",
        0,
        "Model versions have no attribute 'versoin'; did you mean version?",
    ),
    (
        LOGGED_MODELS,
        "run.name = 'x'",
        0,
        "'run' is no part of a logged model;"
        " expected attributes, metrics, params or tags before the dot.",
    ),
    (
        LOGGED_MODELS,
        "dataset.name = 'x'",
        0,
        "Logged models have no data sets;"
        " expected attributes, metrics, params or tags before the dot.",
    ),
    (
        LOGGED_MODELS,
        "name = 5",
        7,
        "name is text; expected text in quotes after =, such as '5', found 5.",
    ),
    (
        LOGGED_MODELS,
        "name = foo",
        7,
        "name is text; expected text in quotes after =, such as 'foo', found foo.",
    ),
]


@pytest.mark.parametrize(("subject", "text", "meaning"), ACCEPTED)
def test_a_filter_means_what_it_says(subject: Subject, text: str, meaning: Expression) -> None:
    # By repr, which tells 5 from 5.0, and takes NaN for NaN.
    assert repr(parse_filter(text, subject)) == repr(meaning)


@pytest.mark.parametrize(("subject", "text", "position", "sentence"), REFUSED)
def test_a_bad_filter_gets_a_sentence_and_a_caret_under_the_place(
    subject: Subject, text: str, position: int, sentence: str
) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text, subject)
    error = caught.value
    assert str(error) == f"{sentence}\n  {text}\n  {' ' * position}^"
    assert (error.text, error.position) == (text, position)
    assert error.expected


@pytest.mark.parametrize("text", [None, "", " ", " \n\t"])
@pytest.mark.parametrize("subject", Subject)
def test_no_filter_and_a_blank_one_are_none(text: str | None, subject: Subject) -> None:
    assert parse_filter(text, subject) is None


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(FilterSyntaxError, match=r"^A filter is text, not of type int\.$"):
        parse_filter(5, RUNS)  # type: ignore[arg-type]


def test_a_long_filter_is_shown_as_a_window_around_the_place() -> None:
    text = " AND ".join(f"metrics.m{i} > {i}" for i in range(100)) + " AND oops > 1"
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text + " AND metrics.a > 1" * 20, RUNS)
    _, line, caret = str(caught.value).splitlines()
    assert len(line) < 110
    assert line.startswith("  …")
    assert line.endswith("…")
    assert line[caret.index("^") :].startswith("oops > 1")


def test_the_place_is_right_at_either_end_of_a_long_filter() -> None:
    for text in ("oops > 1" + " AND metrics.a > 1" * 20, "metrics.a > 1 AND " * 20 + "oops > 1"):
        with pytest.raises(FilterSyntaxError) as caught:
            parse_filter(text, RUNS)
        _, line, caret = str(caught.value).splitlines()
        assert line[caret.index("^") :].startswith("oops > 1")


def test_what_can_not_be_printed_does_not_get_into_the_message() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter("params.a\n=\t'\x1b[31m' \ud800\x00", RUNS)
    assert str(caught.value).isascii() is False
    assert str(caught.value).replace("\n", "").isprintable()
    assert str(caught.value).splitlines()[2].index("^") == 2 + caught.value.position


def test_nesting_is_bounded_by_a_sentence() -> None:
    for opening, closing, depth in (
        ("(", ")", MAX_NESTING),
        ("NOT ", "", MAX_NESTING),
        ("NOT (", ")", MAX_NESTING // 2),
    ):
        assert parse_filter(opening * depth + "metrics.a > 1" + closing * depth, RUNS)
        for too_deep in (depth + 1, 100_000):
            with pytest.raises(FilterSyntaxError, match=r"nested too deeply: at most 50"):
                parse_filter(opening * too_deep + "metrics.a > 1" + closing * too_deep, RUNS)


def test_what_is_closed_again_is_not_nested() -> None:
    assert parse_filter(" AND ".join(["NOT ((metrics.a > 1))"] * MAX_NESTING), RUNS)


def test_terms_side_by_side_are_not_nested() -> None:
    parsed = parse_filter(" OR ".join(["NOT (metrics.a > 1)"] * 1000), RUNS)
    assert isinstance(parsed, Or)
    assert len(parsed.terms) == 1000


def test_length_is_bounded_by_a_sentence() -> None:
    text = "run_id IN ('" + "x" * MAX_LENGTH + "')"
    with pytest.raises(FilterSyntaxError, match=r"The filter has 1,000,014 characters; at most"):
        parse_filter(text, RUNS)
    with pytest.raises(FilterSyntaxError, match=r"The clause has 1,000,008 characters; at most"):
        parse_order_by(["metrics." + "x" * MAX_LENGTH], RUNS)


@pytest.mark.parametrize("piece", ["'", '"', "`", "''", "\\'", "'\\", " ", "(", "a.", "`a`.", "\\"])
def test_a_long_filter_is_refused_in_little_time(piece: str) -> None:
    # Each takes milliseconds; a pattern that tries again and again would run into the time limit.
    with pytest.raises(FilterSyntaxError):
        parse_filter("params.a = " + piece * 100_000 + "!", RUNS)


def test_blanks_at_the_end_take_little_time() -> None:
    assert parse_filter("metrics.a > 1" + " " * 200_000, RUNS) == Comparison(metric("a"), ">", 1.0)


def test_a_list_of_thousands_of_ids_is_parsed() -> None:
    ids = tuple(f"{i:032x}" for i in range(20_000))
    text = "run_id IN (" + ", ".join(f"'{run_id}'" for run_id in ids) + ")"
    assert parse_filter(text, RUNS) == Membership(attribute("run_id"), ids)


WORDS = (
    "metrics.a params.`b` run_id start_time dataset.name 'x' 1 -2.5 nan LIKE IN AND OR NOT IS NULL"
)
PIECES = st.sampled_from([*WORDS.split(), *"=<>!(),.;'\"`\\"])


@given(
    st.one_of(
        st.text(st.characters(codec=None)),
        st.lists(PIECES).map(" ".join),
        st.lists(PIECES).map("".join),
    ),
    subjects,
)
def test_arbitrary_text_raises_nothing_but_syntax_errors(text: str, subject: Subject) -> None:
    for parse in (
        lambda: parse_filter(text, subject),
        lambda: parse_order_by([text], subject),
    ):
        refused = None
        try:
            parse()
        except FilterSyntaxError as error:
            refused = error
        if refused is not None:
            assert 0 <= refused.position <= len(text)
            assert str(refused).count("\n  ") == 2


@pytest.mark.parametrize(
    ("subject", "clause", "order"),
    [
        (RUNS, "metrics.a", OrderBy(metric("a"))),
        (RUNS, "metrics.a ASC", OrderBy(metric("a"))),
        (RUNS, " metrics.a  desc ", OrderBy(metric("a"), ascending=False)),
        (RUNS, "metrics.`a b` DESC", OrderBy(metric("a b"), ascending=False)),
        (RUNS, 'metrics."a b"', OrderBy(metric("a b"))),
        (RUNS, "params.asc asc", OrderBy(param("asc"))),
        (RUNS, "attributes.created Desc", OrderBy(attribute("start_time"), ascending=False)),
        (RUNS, "`Run Name`", OrderBy(attribute("run_name"))),
        (EXPERIMENTS, "tags.team", OrderBy(tag("team"))),
        (REGISTERED_MODELS, "timestamp DESC", OrderBy(attribute("last_updated_timestamp"), False)),
        (MODEL_VERSIONS, "version_number", OrderBy(attribute("version_number"))),
        (LOGGED_MODELS, "metrics.a/b DESC", OrderBy(metric("a/b"), ascending=False)),
    ],
)
def test_a_clause_of_an_order_means_what_it_says(
    subject: Subject, clause: str, order: OrderBy
) -> None:
    assert parse_order_by([clause], subject) == (order,)


def test_an_order_has_as_many_keys_as_clauses() -> None:
    assert parse_order_by([], RUNS) == ()
    orders = parse_order_by(["metrics.a", "start_time DESC"], RUNS)
    assert orders == (OrderBy(metric("a")), OrderBy(attribute("start_time"), ascending=False))


@pytest.mark.parametrize(
    ("subject", "clause", "position", "sentence"),
    [
        (RUNS, "metrics.a up", 10, "Expected ASC or DESC after metrics.a, found up."),
        (
            RUNS,
            "metrics.a DESC NULLS LAST",
            15,
            "Expected the end of the clause after DESC, found NULLS.",
        ),
        (
            RUNS,
            "metrics.a DESC, metrics.b",
            14,
            "A clause of an order names one field; pass a list with one clause for each.",
        ),
        (
            RUNS,
            "metrics.a, metrics.b",
            9,
            "A clause of an order names one field; pass a list with one clause for each.",
        ),
        (RUNS, "", 0, "Expected a field, found the end."),
        (
            RUNS,
            "DESC",
            0,
            f"Runs have no attribute 'DESC'; expected {RUN_ATTRIBUTES}.",
        ),
        (RUNS, "start_tme", 0, "Runs have no attribute 'start_tme'; did you mean start_time?"),
        (
            RUNS,
            "dataset.name",
            0,
            "dataset.name can have several values, so nothing can be ordered by it.",
        ),
        (
            EXPERIMENTS,
            "metrics.a",
            0,
            "Experiments have no metrics; expected attributes or tags before the dot.",
        ),
        (MODEL_VERSIONS, "'name'", 0, "Expected a field, found 'name'."),
    ],
)
def test_a_bad_clause_gets_a_sentence_and_a_caret(
    subject: Subject, clause: str, position: int, sentence: str
) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_order_by(["start_time" if subject is RUNS else "name", clause], subject)
    assert str(caught.value) == f"{sentence}\n  {clause}\n  {' ' * position}^"


def test_an_order_that_is_no_list_of_text_is_refused() -> None:
    with pytest.raises(FilterSyntaxError, match=r"list of clauses, not text: pass \['name'\]\.$"):
        parse_order_by("name", EXPERIMENTS)
    with pytest.raises(FilterSyntaxError, match=r"is text, not of type int\.$"):
        parse_order_by([5], EXPERIMENTS)  # type: ignore[list-item]
