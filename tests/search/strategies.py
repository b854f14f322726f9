"""Random expressions, orders and entities of every subject."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunStatus,
)
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
    OrderBy,
    Subject,
)

NUMBER_OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
TEXT_OPERATORS = ("=", "!=", "LIKE", "ILIKE")

# What each subject's attributes are, written down a second time on purpose.
ATTRIBUTES: dict[Subject, dict[str, str]] = {
    Subject.RUNS: {
        "run_id": "text",
        "run_name": "text",
        "experiment_id": "text",
        "status": "text",
        "user_id": "text",
        "artifact_uri": "text",
        "lifecycle_stage": "text",
        "start_time": "number",
        "end_time": "number",
    },
    Subject.EXPERIMENTS: {
        "name": "text",
        "experiment_id": "text",
        "artifact_location": "text",
        "lifecycle_stage": "text",
        "creation_time": "number",
        "last_update_time": "number",
    },
    Subject.REGISTERED_MODELS: {
        "name": "text",
        "description": "text",
        "creation_timestamp": "number",
        "last_updated_timestamp": "number",
    },
    Subject.MODEL_VERSIONS: {
        "name": "text",
        "version_number": "number",
        "run_id": "text",
        "source_path": "text",
        "description": "text",
        "user_id": "text",
        "current_stage": "text",
        "status": "text",
        "model_id": "text",
        "creation_timestamp": "number",
        "last_updated_timestamp": "number",
    },
    Subject.LOGGED_MODELS: {
        "model_id": "text",
        "name": "text",
        "experiment_id": "text",
        "model_type": "text",
        "status": "text",
        "source_run_id": "text",
        "artifact_location": "text",
        "creation_timestamp": "number",
        "last_updated_timestamp": "number",
    },
}
KINDS = {
    Subject.RUNS: "metric param tag dataset",
    Subject.EXPERIMENTS: "tag",
    Subject.REGISTERED_MODELS: "tag",
    Subject.MODEL_VERSIONS: "tag",
    Subject.LOGGED_MODELS: "metric param tag",
}

subjects = st.sampled_from(Subject)

# Few values, so that they meet; and any, so that nothing is special.
_few_keys = st.sampled_from(["a", "b", "a b", "a.b/c", "in"])
_any_keys = st.text(st.characters(codec=None), min_size=1, max_size=8)
_few_texts = st.sampled_from(["", "x", "X", "xy", "it's", "%", "FINISHED", "READY", "7", "C:\\"])
_any_texts = st.text(st.characters(codec=None), max_size=8)
_quotish = st.text("'\"`\\ax%_\n", max_size=6)
_few_numbers = st.sampled_from([0, 1, 7, -1, 0.5, 1.0, -0.0])
_any_numbers = st.one_of(
    st.integers(min_value=-(2**80), max_value=2**80), st.floats(allow_nan=False)
)


def keys(wild: bool) -> st.SearchStrategy[str]:
    return st.one_of(_few_keys, _any_keys, _quotish.filter(bool)) if wild else _few_keys


def texts(wild: bool) -> st.SearchStrategy[str]:
    return st.one_of(_few_texts, _any_texts, _quotish) if wild else _few_texts


def fields(subject: Subject, *, wild: bool) -> st.SearchStrategy[tuple[Field, str]]:
    """Fields and whether they are text or number."""
    options = [
        st.sampled_from(
            [(Field(FieldKind.ATTRIBUTE, name), kind) for name, kind in ATTRIBUTES[subject].items()]
        )
    ]
    for kind in KINDS[subject].split():
        if kind == "dataset":
            named = [
                (Field(FieldKind.DATASET, key), "text") for key in ("name", "digest", "context")
            ]
            options.append(st.sampled_from(named))
        else:
            options.append(
                st.builds(
                    lambda key, kind=kind: (
                        Field(FieldKind(kind), key),
                        "number" if kind == "metric" else "text",
                    ),
                    keys(wild),
                )
            )
    return st.one_of(options)


@st.composite
def tests(draw: Any, subject: Subject, *, wild: bool) -> Expression:
    field, kind = draw(fields(subject, wild=wild))
    if kind == "text":
        values: st.SearchStrategy[Any] = texts(wild)
    else:
        values = st.one_of(_few_numbers, _any_numbers) if wild else _few_numbers
        if field.kind is FieldKind.METRIC:
            values = values.map(float)
    shape = draw(st.sampled_from(["comparison", "comparison", "in", "null"]))
    if shape == "null":
        return NullTest(field, draw(st.booleans()))
    if shape == "in":
        chosen = draw(st.lists(values, min_size=1, max_size=3))
        return Membership(field, tuple(chosen), draw(st.booleans()))
    operators = TEXT_OPERATORS if kind == "text" else NUMBER_OPERATORS
    return Comparison(field, Operator(draw(st.sampled_from(operators))), draw(values))


def expressions(subject: Subject, *, wild: bool = False) -> st.SearchStrategy[Expression]:
    """Expressions; wild ones hold any key and text, tame ones what random entities have too."""

    def extend(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        terms = st.lists(inner, min_size=2, max_size=4).map(tuple)
        return st.one_of(terms.map(And), terms.map(Or), inner.map(Not))

    return st.recursive(tests(subject, wild=wild), extend, max_leaves=8)


@st.composite
def orders(draw: Any, subject: Subject, *, wild: bool = False) -> tuple[OrderBy, ...]:
    sortable = fields(subject, wild=wild).filter(lambda f: f[0].kind is not FieldKind.DATASET)
    chosen = draw(st.lists(sortable, max_size=3))
    return tuple(OrderBy(field, draw(st.booleans())) for field, _ in chosen)


# --- entities ---

_times = st.one_of(st.none(), st.sampled_from([0, 1, 7, 2**40]))
_set_times = st.sampled_from([0, 1, 7, 2**40])
_mappings = st.dictionaries(_few_keys, _few_texts, max_size=4)
_values = st.sampled_from([0.0, -0.0, 0.5, 1.0, 7.0, -1.0, math.nan, math.inf, -math.inf])
_maybe_text = st.one_of(st.none(), _few_texts)

_metrics = st.builds(
    Metric,
    _few_keys,
    _values,
    _set_times,
    st.sampled_from([0, 1]),
    dataset_name=st.sampled_from([None, "d", "e"]),
    dataset_digest=st.sampled_from([None, "1", "2"]),
)


@st.composite
def runs(draw: Any, number: int = 0) -> Run:
    latest = draw(st.lists(_metrics, max_size=4, unique_by=lambda metric: metric.key))
    used = st.builds(
        DatasetInput,
        st.builds(Dataset, _few_texts, _few_texts, st.just("local"), st.just("{}")),
        st.lists(
            st.builds(InputTag, st.sampled_from(["mlflow.data.context", "other"]), _few_texts),
            max_size=2,
        ).map(tuple),
    )
    return Run(
        info=RunInfo(
            run_id=f"{number:03}",
            experiment_id=draw(st.sampled_from(["1", "7"])),
            run_name=draw(_few_texts),
            user_id=draw(_few_texts),
            status=draw(st.sampled_from(RunStatus)),
            start_time=draw(_times),
            end_time=draw(_times),
        ),
        data=RunData(
            latest_metrics=tuple(sorted(latest, key=lambda metric: metric.key)),
            params=draw(_mappings),
            tags=draw(_mappings),
        ),
        inputs=RunInputs(tuple(draw(st.lists(used, max_size=2)))),
    )


@st.composite
def entities(draw: Any, subject: Subject, number: int = 0) -> Any:
    if subject is Subject.RUNS:
        return draw(runs(number))
    if subject is Subject.EXPERIMENTS:
        return Experiment(
            experiment_id=f"{number:03}",
            name=draw(_few_texts),
            tags=draw(_mappings),
            creation_time=draw(_times),
            last_update_time=draw(_times),
        )
    if subject is Subject.REGISTERED_MODELS:
        return RegisteredModel(
            name=f"{number:03}",
            description=draw(_few_texts),
            tags=draw(_mappings),
            creation_timestamp=draw(_set_times),
            last_updated_timestamp=draw(_set_times),
        )
    if subject is Subject.MODEL_VERSIONS:
        return ModelVersion(
            name=draw(st.sampled_from(["x", "X", "xy"])),
            version=number,
            run_id=draw(_maybe_text),
            source=draw(_few_texts),
            user_id=draw(_maybe_text),
            tags=draw(_mappings),
            last_updated_timestamp=draw(_set_times),
        )
    return LoggedModel(
        model_id=f"m-{number:03}",
        experiment_id="1",
        name=draw(_few_texts),
        status=draw(st.sampled_from(LoggedModelStatus)),
        model_type=draw(_maybe_text),
        tags=draw(_mappings),
        params=draw(_mappings),
        metrics=tuple(draw(st.lists(_metrics, max_size=4))),
        creation_timestamp=draw(_set_times),
    )


@st.composite
def collections(draw: Any, subject: Subject, *, max_size: int = 8) -> list[Any]:
    """Entities of different ids."""
    size = draw(st.integers(0, max_size))
    found = [draw(entities(subject, number)) for number in range(size)]
    return draw(st.permutations(found))
