"""Our grammar of filters against that of stock MLflow."""

from __future__ import annotations

from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.peers import PeerEnvironment
from tests.search.strategies import subjects
from tests.search.strategies import tests as single_tests
from tracking_core.search import (
    And,
    Comparison,
    Expression,
    Membership,
    NullTest,
    Subject,
    format_filter,
    is_mlflow_filter,
    parse_filter,
    parse_order_by,
)

FILTERS = {
    Subject.RUNS: [
        "metrics.acc > 0.5",
        "metric.acc>=-0.5",
        "metrics.acc < 1e-3",
        "metrics.acc <= -1.5e3",
        "metrics.acc != .5",
        "metrics.acc = 5.",
        'metrics."a b" > 1',
        "metrics.`a/b` > 1",
        "metrics.a.b.c > 1",
        "param.x = 'a' and parameter.x = 'b' and parameters.x = 'c' and params.x = 'd'",
        'params.x = "it\'s"',
        "params.x = 'a\"b'",
        "params.x = ''",
        "params.x like '%a%' And tags.y ILIKE 'b'",
        "params.x = 'a\\nb' and params.y = 'a\\\\b'",
        "params.x = 'C:\\'",
        "params.x = 'a -- b; /* c */'",
        "params.`a\"b` = 'a'",
        "params.\"a`b\" = 'a'",
        "`params`.x = 'a'",
        "params.é = 'a'",
        "params.and = 'a'",
        "params.1x = 'a'",
        "params.x='a'AND params.y='b'",
        "params.x IS NULL and tags.y is not null",
        "attributes.run_id IN ('a','b',)",
        "run_id NOT IN (\"a\", 'b')",
        "attribute.status = 'FINISHED' and attr.user_id != 'x' and run.artifact_uri LIKE 's3:%'",
        "start_time > 5 and end_time <= 6.5",
        "created > 5 and Created < 6",
        "`run name` = 'x' and \"Run name\" = 'x' and attributes.`Run Name` = 'x'",
        "dataset.name = 'x' AND datasets.digest IN ('a') AND dataset.context LIKE 'x'",
        "tags.mlflow.user = 'x'",
        "tags.`mlflow.source.git.commit` = 'x'",
    ],
    Subject.EXPERIMENTS: [
        "name = 'x' and tag.y = 'z' and attribute.name ILIKE 'y'",
        "experiment_id IN ('1')",
        "creation_time > 5 and last_update_time < 6",
        "tags.`a b` IS NOT NULL",
    ],
    Subject.REGISTERED_MODELS: ["name = 'x' and tags.`a.b` != 'z' and name not in ('x')"],
    Subject.MODEL_VERSIONS: [
        "name = 'x' and version_number > 5 and run_id IN ('a') and source_path LIKE 'x'",
        "attribute.version_number = 5",
        "version_number = '5'",
        "tags.mlflow.prompt.is_prompt != 'true'",
    ],
    Subject.LOGGED_MODELS: [
        "name = 'x' and metrics.a > 0.5 and params.x = '5' and tags.y LIKE 'z'",
        "metrics.loss > 0.1 AND params.lr = 0.01",
        "metrics.a < inf",
        "attributes.model_id IN ('a') and params.x NOT IN ('a', 'b')",
        "creation_time > 5 and creation_timestamp < 6 and last_updated_timestamp = 7",
        "status = 'READY' and model_type = 'x' and source_run_id = 'y'",
    ],
}
CLAUSES = [
    "metrics.a",
    "metrics.a ASC",
    "metric.`a b` desc",
    'metrics."a b" DESC',
    "metrics.a.b",
    "params.x",
    "tags.y",
    "start_time DESC",
    "attributes.start_time",
    "created",
    "run_name",
    "status",
]

# Prints for each filter its tests as [kind, key, operator, value], or the error.
ASK = """
from mlflow.utils import search_utils
from mlflow.utils.search_logged_model_utils import parse_filter_string

PARSERS = {
    "runs": search_utils.SearchUtils,
    "experiments": search_utils.SearchExperimentsUtils,
    "registered models": search_utils.SearchModelUtils,
    "model versions": search_utils.SearchModelVersionUtils,
}

def parsed(subject, text):
    try:
        if subject == "logged models":
            return [
                [test.entity.type.value[:-1], test.entity.key, test.op, test.value]
                for test in parse_filter_string(text)
            ]
        return [
            [test["type"], test["key"], test["comparator"].upper(), test["value"]]
            for test in PARSERS[subject].parse_search_filter(text)
        ]
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def ordered(clause):
    try:
        return search_utils.SearchUtils.parse_order_by_for_search_runs(clause)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

print(json.dumps([[parsed(*each) for each in filters], [ordered(each) for each in clauses]]))
"""

NAMES = {
    "parameter": "param",
    "creation_timestamp_ms": "creation_timestamp",
    "last_updated_timestamp_ms": "last_updated_timestamp",
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
}


def asked_by(expression: Expression | None) -> list[list[Any]]:
    """Return the tests of an expression, as the peer's answer has them."""
    found: list[list[Any]] = []
    for test in expression.terms if isinstance(expression, And) else (expression,):
        assert isinstance(test, (Comparison, Membership, NullTest))
        name = [test.field.kind.value, test.field.key]
        if isinstance(test, Comparison):
            found.append([*name, test.operator.value, test.value])
        elif isinstance(test, Membership):
            found.append([*name, "NOT IN" if test.negated else "IN", list(test.values)])
        else:
            found.append([*name, "IS NOT NULL" if test.negated else "IS NULL", None])
    return found


def in_our_words(tests: list[list[Any]], ours: list[list[Any]]) -> list[list[Any]]:
    """Return the peer's tests with our names, and its numbers, which it keeps as text, as ours."""
    return [
        [
            NAMES.get(kind, kind),
            NAMES.get(key, key) if kind == "attribute" else key,
            operator,
            float(value) if isinstance(own[3], (int, float)) else value,
        ]
        for (kind, key, operator, value), own in zip(tests, ours, strict=True)
    ]


def test_what_stock_mlflow_accepts_means_the_same_here(stock_mlflow: PeerEnvironment) -> None:
    filters = [(subject, text) for subject, texts in FILTERS.items() for text in texts]
    answers, orders = stock_mlflow.run(
        ASK, filters=[(subject.value, text) for subject, text in filters], clauses=CLAUSES
    )
    for (subject, text), answer in zip(filters, answers, strict=True):
        assert isinstance(answer, list), (text, answer)
        ours = asked_by(parse_filter(text, subject))
        assert in_our_words(answer, ours) == ours, text
    for clause, answer in zip(CLAUSES, orders, strict=True):
        kind, key, ascending = answer
        (order,) = parse_order_by([clause], Subject.RUNS)
        assert [order.field.kind.value, order.field.key, order.ascending] == [
            NAMES.get(kind, kind),
            NAMES.get(key, key),
            ascending,
        ]


def test_stock_mlflow_reads_what_we_take_for_its_filters(stock_mlflow: PeerEnvironment) -> None:
    collected: list[tuple[Subject, Expression]] = []

    @settings(max_examples=500, derandomize=True, database=None, phases=[Phase.generate])
    @given(subjects, st.data())
    def collect(subject: Subject, data: Any) -> None:
        # Tests rather than whole expressions, of which the peer's grammar has one in forty.
        drawn = data.draw(st.lists(single_tests(subject, wild=True), min_size=1, max_size=4))
        terms = [term for term in drawn if is_mlflow_filter(term, subject)]
        if terms:
            collected.append((subject, And(tuple(terms)) if len(terms) > 1 else terms[0]))

    collect()
    assert len({subject for subject, _ in collected}) == len(Subject)
    assert len(collected) > 200
    texts = [format_filter(expression, subject) for subject, expression in collected]
    answers, _ = stock_mlflow.run(
        ASK,
        filters=[
            (subject.value, text) for (subject, _), text in zip(collected, texts, strict=True)
        ],
        clauses=[],
    )
    for (_, expression), text, answer in zip(collected, texts, answers, strict=True):
        assert isinstance(answer, list), (text, answer)
        ours = asked_by(expression)
        assert in_our_words(answer, ours) == ours, text
