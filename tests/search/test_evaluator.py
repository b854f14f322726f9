from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.strategies import entities, expressions, subjects
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunStatus,
)
from tracking_core.errors import InvalidValueError
from tracking_core.search import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Operator,
    Or,
    Subject,
    compile_filter,
    compile_like,
    parse_filter,
)

# --- a second, naive statement of what filters mean ---


def values(entity: Any, field: Field) -> list[Any]:
    """Every value that the entity has for a field."""
    key = field.key
    if field.kind is FieldKind.ATTRIBUTE:
        holder = entity.info if isinstance(entity, Run) else entity
        name = {"version_number": "version", "source_path": "source"}.get(key, key)
        value = getattr(holder, name)
        value = getattr(value, "value", value)
        return [] if value is None else [value]
    data = entity.data if isinstance(entity, Run) else entity
    if field.kind is FieldKind.METRIC:
        metrics = data.latest_metrics if isinstance(entity, Run) else data.metrics
        return [metric.value for metric in metrics if metric.key == key]
    if field.kind is FieldKind.DATASET:
        used = entity.inputs.dataset_inputs
        if key == "context":
            return [t.value for u in used for t in u.tags if t.key == "mlflow.data.context"]
        return [getattr(u.dataset, key) for u in used]
    mapping = data.params if field.kind is FieldKind.PARAM else data.tags
    return [mapping[key]] if key in mapping else []


def like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    if pattern[0] == "\\" and pattern[1:2] in ("%", "_", "\\") and pattern[1:]:
        pattern = pattern[1:]
    elif pattern[0] == "_":
        return bool(text) and like(text[1:], pattern[1:])
    return text[:1] == pattern[0] and like(text[1:], pattern[1:])


def compares(value: Any, operator: str, other: Any) -> bool:
    if operator == "LIKE":
        return like(value, other)
    if operator == "ILIKE":
        return like(value.lower(), other.lower())
    below, above = value < other, value > other
    same = value == other
    return {
        "=": same,
        "!=": not same,
        "<": below,
        ">": above,
        "<=": below or same,
        ">=": above or same,
    }[operator]


def matches(entity: Any, expression: Expression) -> bool:
    if isinstance(expression, And):
        return min(matches(entity, term) for term in expression.terms)
    if isinstance(expression, Or):
        return max(matches(entity, term) for term in expression.terms)
    if isinstance(expression, Not):
        return not matches(entity, expression.term)
    found = values(entity, expression.field)
    if isinstance(expression, NullTest):
        return (len(found) == 0) != expression.negated
    for value in found:
        if isinstance(expression, Comparison):
            if compares(value, expression.operator.value, expression.value):
                return True
        elif (sum(value == other for other in expression.values) > 0) != expression.negated:
            return True
    return False


@given(st.data())
def test_the_evaluator_agrees_with_a_naive_model(data: Any) -> None:
    subject = data.draw(subjects)
    expression = data.draw(expressions(subject))
    entity = data.draw(entities(subject))
    assert compile_filter(expression, subject)(entity) is matches(entity, expression)


@given(st.data())
def test_not_is_the_complement(data: Any) -> None:
    subject = data.draw(subjects)
    expression = data.draw(expressions(subject))
    entity = data.draw(entities(subject))
    positive = compile_filter(expression, subject)(entity)
    assert compile_filter(Not(expression), subject)(entity) is not positive


@given(st.data())
def test_de_morgan_holds(data: Any) -> None:
    subject = data.draw(subjects)
    terms = tuple(data.draw(st.lists(expressions(subject), min_size=2, max_size=4)))
    entity = data.draw(entities(subject))
    for outer, inner in ((And, Or), (Or, And)):
        one = compile_filter(Not(outer(terms)), subject)
        other = compile_filter(inner(tuple(map(Not, terms))), subject)
        assert one(entity) is other(entity)


@given(st.text("aAxÉ%_\\\n", max_size=6), st.text("aAxÉé%_\\\n", max_size=10))
def test_like_agrees_with_a_naive_model(pattern: str, text: str) -> None:
    assert compile_like(pattern)(text) is like(text, pattern)
    assert compile_like(pattern, ignore_case=True)(text) is like(text.lower(), pattern.lower())


def test_like_takes_no_longer_for_a_bad_pattern() -> None:
    # Tried again and again, this would take longer than the universe has been there.
    assert not compile_like("%a" * 30 + "%b")("a" * 5000)
    assert compile_like("%a" * 30 + "%")("a" * 5000)


# --- by example ---

RUN = Run(
    info=RunInfo(
        run_id="r1",
        experiment_id="1",
        run_name="swift-owl",
        user_id="ada",
        status=RunStatus.FINISHED,
        start_time=1000,
    ),
    data=RunData(
        latest_metrics=(
            Metric("acc", 0.75, 1),
            Metric("inf", math.inf, 1),
            Metric("nan", math.nan, 1),
        ),
        params={"lr": "0.1", "note": "50% off\nnow", "empty": ""},
        tags={"team": "Vision", "mlflow.user": "ada"},
    ),
    inputs=RunInputs(
        (
            DatasetInput(
                Dataset("iris", "d1", "local", "{}"), (InputTag("mlflow.data.context", "train"),)
            ),
            DatasetInput(Dataset("wine", "d2", "local", "{}"), (InputTag("other", "x"),)),
        )
    ),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.acc > 0.5", True),
        ("metrics.acc >= 0.75 and metrics.acc <= 0.75", True),
        ("metrics.acc != 0.75", False),
        ("metrics.acc in (1, 0.75)", True),
        ("metrics.missing != 1", False),
        ("NOT metrics.missing = 1", True),
        ("metrics.missing NOT IN (1)", False),
        ("metrics.missing IS NULL", True),
        ("metrics.nan IS NOT NULL", True),
        ("metrics.nan = NaN", False),
        ("metrics.nan != NaN", True),
        ("metrics.nan IN (NaN, 1)", False),
        ("metrics.nan NOT IN (NaN, 1)", True),
        ("metrics.nan < 1 OR metrics.nan >= 1", False),
        ("metrics.inf > 1e300", True),
        ("metrics.inf = Infinity", True),
        ("params.lr = '0.1'", True),
        ("params.lr = '0.10'", False),
        ("params.empty = ''", True),
        ("params.empty IS NULL", False),
        ("params.note LIKE '50\\% off%'", True),
        ("params.note LIKE '50\\%'", False),
        ("params.note LIKE '%NOW'", False),
        ("params.note ILIKE '%NOW'", True),
        ("params.note LIKE '__\\% off_now'", True),
        ("params.missing LIKE '%'", False),
        ("tags.team ILIKE 'vision' and tags.mlflow.user = 'ada'", True),
        ("tags.team = 'vision'", False),
        ("status = 'FINISHED' and status IN ('FINISHED') and status LIKE 'FIN%'", True),
        ("lifecycle_stage = 'active' and lifecycle_stage NOT IN ('deleted')", True),
        ("run_name LIKE 'swift-%' and user_id = 'ada' and experiment_id IN ('1')", True),
        ("start_time > 999 and start_time <= 1000.5", True),
        ("end_time < 5", False),
        ("end_time IS NULL", True),
        ("dataset.name = 'wine'", True),
        ("dataset.name = 'iris' and dataset.name = 'wine'", True),
        ("dataset.name != 'iris'", True),
        ("NOT dataset.name = 'iris'", False),
        ("dataset.digest IN ('d2', 'd3')", True),
        ("dataset.context = 'train'", True),
        ("dataset.context = 'x'", False),
        ("dataset.name IS NULL", False),
    ],
)
def test_a_run_matches(text: str, expected: bool) -> None:
    assert compile_filter(parse_filter(text, Subject.RUNS), Subject.RUNS)(RUN) is expected


def test_nan_is_not_found_in_a_list_by_its_identity() -> None:
    nan = RUN.data.metrics["nan"]
    listed = Membership(Field(FieldKind.METRIC, "nan"), (nan,))
    assert compile_filter(listed, Subject.RUNS)(RUN) is False


@pytest.mark.parametrize("subject", Subject)
def test_no_filter_matches_everything(subject: Subject) -> None:
    assert compile_filter(None, subject)(RUN) is True


@pytest.mark.parametrize(
    ("subject", "plain", "prompt"),
    [
        (
            Subject.MODEL_VERSIONS,
            ModelVersion(name="m", version=1),
            ModelVersion(name="m", version=1, tags={"mlflow.prompt.is_prompt": "true"}),
        ),
        (
            Subject.REGISTERED_MODELS,
            RegisteredModel(name="m"),
            RegisteredModel(name="m", tags={"mlflow.prompt.is_prompt": "true"}),
        ),
    ],
)
def test_what_has_no_prompt_tag_is_no_prompt(subject: Subject, plain: Any, prompt: Any) -> None:
    for text, expected in (
        ("tags.`mlflow.prompt.is_prompt` = 'true'", (False, True)),
        ("tags.mlflow.prompt.is_prompt != 'true'", (True, False)),
        ("tags.mlflow.prompt.is_prompt = 'false'", (True, False)),
        ("tags.mlflow.prompt.other != 'true'", (False, False)),
    ):
        check = compile_filter(parse_filter(text, subject), subject)
        assert (check(plain), check(prompt)) == expected


MODEL = LoggedModel(
    model_id="m-1",
    experiment_id="1",
    name="forest",
    metrics=(
        Metric("acc", 0.9, 1, dataset_name="train", dataset_digest="d1"),
        Metric("acc", 0.6, 2, dataset_name="test", dataset_digest="d2"),
        Metric("loss", 0.1, 1),
    ),
)


@pytest.mark.parametrize(
    ("text", "measured_on", "expected"),
    [
        ("metrics.acc > 0.8", (), True),
        ("metrics.acc < 0.8", (), True),
        ("metrics.acc > 0.8", (("test", None),), False),
        ("metrics.acc > 0.8", (("test", None), ("train", "d1")), True),
        ("metrics.acc > 0.8", (("train", "d2"),), False),
        ("metrics.acc IS NULL", (("other", None),), True),
        ("metrics.loss > 0", (("test", None),), False),
        ("name = 'forest'", (("test", None),), True),
        ("name = 'forest'", (("other", None),), False),
        ("", (("train", "d1"),), True),
        ("", (("train", "d2"),), False),
    ],
)
def test_metrics_of_other_data_sets_are_not_looked_at(
    text: str, measured_on: Any, expected: bool
) -> None:
    subject = Subject.LOGGED_MODELS
    check = compile_filter(parse_filter(text, subject), subject, measured_on=measured_on)
    assert check(MODEL) is expected


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        (
            Comparison(Field(FieldKind.METRIC, "a"), Operator.GREATER, "1"),
            r"^The metric 'a' is of type number and can't be compared with '1'\.$",
        ),
        (
            Membership(Field(FieldKind.PARAM, "a"), ("x", 1)),
            r"^The param 'a' is of type text and can't be compared with 1\.$",
        ),
        (
            Comparison(Field(FieldKind.PARAM, "a"), Operator.LESS, "1"),
            r"^< doesn't compare the param 'a', which is of type text\.$",
        ),
        (
            NullTest(Field(FieldKind.ATTRIBUTE, "colour")),
            r"^Runs have no attribute 'colour' to search or order by\.$",
        ),
    ],
)
def test_an_expression_that_no_text_means_is_refused(expression: Expression, sentence: str) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        compile_filter(expression, Subject.RUNS)


def test_an_expression_nested_too_deeply_is_refused() -> None:
    expression: Expression = NullTest(Field(FieldKind.PARAM, "a"))
    for _ in range(5000):
        expression = Not(expression)
    with pytest.raises(InvalidValueError, match="nested more than 200 levels deep"):
        compile_filter(expression, Subject.RUNS)
