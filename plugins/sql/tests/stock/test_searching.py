"""Searches answer as the reference does, on every kind of database, in few statements."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.sql.tests.stock.conftest import serve, unpack_to
from tracking_core.client.copying import copy
from tracking_core.config import Settings, Uri
from tracking_core.entities import Run, ViewType
from tracking_core.errors import InvalidValueError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.search.ast import (
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
)
from tracking_core.stores import (
    HEADER_ONLY,
    ExperimentQuery,
    LoggedModelQuery,
    MetricHistoryQuery,
    ModelVersionQuery,
    Projection,
    RegisteredModelQuery,
    RunQuery,
    select_runs,
)
from tracking_core.stores.memory import MemoryStore
from tracking_core_sql.stock.store import StockMlflowStore

Open = Callable[[str], StockMlflowStore]
Unpack = Callable[[str], Path]


def add_runs(path: Path, number: int) -> None:
    """Add runs whose keys and values differ in what collations ignore, by SQL, which is quick."""
    texts = ["red", "Red", "red ", "RED", "réd", "", "a%b_c\\", "näßer ✓ 🎈"]
    keys = ["lr", "LR", "lr ", "Lr"]
    values = [0.0, -1.5, 0.1, 1e300, 1.7976931348623157e308, -1.7976931348623157e308, 2**53 + 2.0]
    with closing(sqlite3.connect(path)) as connection, connection:
        for index in range(number):
            run = f"{index:032x}"
            time = 1600000000000 + index // 3
            connection.execute(
                "INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage,"
                " artifact_uri, experiment_id) VALUES (?, ?, ?, ?, ?, 'active', 's3://x', 1)",
                (run, f"run {index}", None, ("FINISHED", "RUNNING")[index % 2], time),
            )
            for table, key in (("params", keys[index % 4]), ("tags", keys[index % 3])):
                connection.execute(
                    f"INSERT INTO {table} (run_uuid, key, value) VALUES (?, ?, ?)",
                    (run, key, texts[index % 8]),
                )
            is_nan = index % 11 == 0
            point = (run, keys[index % 2], 0 if is_nan else values[index % 7], is_nan, index % 3)
            for table in ("metrics", "latest_metrics"):
                connection.execute(
                    f"INSERT INTO {table} (run_uuid, key, value, is_nan, timestamp, step)"
                    " VALUES (?, ?, ?, ?, 5, ?)",
                    point,
                )
    connection.close()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, MemoryStore]]:
    """A database of MLflow's, and the reference with the same in it; nobody writes to either."""
    path = unpack_to(tmp_path_factory.mktemp("searching"), "3.17.2")
    add_runs(path, 60)
    uri = Uri.parse(f"mlflow+sqlite:///{path}")
    with (
        MemoryStore(Uri.parse("memory:"), Settings()) as memory,
        StockMlflowStore(uri, Settings()) as store,
    ):
        assert copy(store, memory).is_whole
        yield path, memory


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mysql"])
def pair(
    request: pytest.FixtureRequest, reference: tuple[Path, MemoryStore]
) -> Iterator[tuple[StockMlflowStore, MemoryStore]]:
    """The database on each kind of server in turn, and the reference."""
    path, memory = reference
    with (
        served(path, request.param) as uri,
        StockMlflowStore(Uri.parse(f"mlflow+{uri}"), Settings()) as store,
    ):
        yield store, memory


def served(path: Path, kind: str) -> contextlib.AbstractContextManager[str]:
    """The URI of the database itself, or of a copy on a server."""
    if kind == "sqlite":
        return contextlib.nullcontext(f"sqlite:///{path}")
    return serve(path, kind)


KEYS = st.sampled_from(["lr", "LR", "lr ", "color", "score", "loss", "none", "up", "depth", "a\0b"])
TEXTS = st.sampled_from(
    ["red", "Red", "red ", "RED", "réd", "", "a%b_c\\", "0.1", "x", "näßer ✓ 🎈", "nul\0", "\udc80"]
)
NUMBERS = st.sampled_from(
    [
        0,
        0.1,
        -1.5,
        1e300,
        sys.float_info.max,
        float("inf"),
        float("-inf"),
        float("nan"),
        2**53 + 1,
        2**53 + 2,
        10**400,
    ]
) | st.floats(-2, 2)
TEXT_FIELDS = st.one_of(
    st.builds(Field, st.sampled_from([FieldKind.PARAM, FieldKind.TAG]), KEYS),
    st.builds(
        Field, st.just(FieldKind.ATTRIBUTE), st.sampled_from(["run_name", "status", "run_id"])
    ),
    st.builds(Field, st.just(FieldKind.DATASET), st.sampled_from(["name", "digest", "context"])),
)
NUMBER_FIELDS = st.one_of(
    st.builds(Field, st.just(FieldKind.METRIC), KEYS),
    st.builds(Field, st.just(FieldKind.ATTRIBUTE), st.sampled_from(["start_time", "end_time"])),
)
LIKES = (Operator.EQUAL, Operator.NOT_EQUAL, Operator.LIKE, Operator.ILIKE)
ORDERS = tuple(set(Operator) - {Operator.LIKE, Operator.ILIKE})
NAMES = TEXTS | st.sampled_from(["parent", "child", "FINISHED", "iris", "training", f"{5:032x}"])
LEAVES: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Comparison, TEXT_FIELDS, st.sampled_from(LIKES), NAMES),
    st.builds(Comparison, NUMBER_FIELDS, st.sampled_from(ORDERS), NUMBERS),
    st.builds(Membership, TEXT_FIELDS, st.lists(NAMES, min_size=1).map(tuple), st.booleans()),
    st.builds(NullTest, TEXT_FIELDS | NUMBER_FIELDS, st.booleans()),
)


def _pairs(leaves: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    terms = st.lists(leaves, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(And, terms), st.builds(Or, terms), st.builds(Not, leaves))


EXPRESSIONS = st.none() | LEAVES | st.recursive(LEAVES, _pairs, max_leaves=4)
ORDERINGS = st.lists(
    st.builds(
        OrderBy,
        TEXT_FIELDS.filter(lambda field: field.kind is not FieldKind.DATASET) | NUMBER_FIELDS,
        st.booleans(),
    ),
    max_size=2,
).map(tuple)


def names(runs: Sequence[Run]) -> list[str]:
    return [run.info.run_name for run in runs]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    expression=EXPRESSIONS,
    order_by=ORDERINGS,
    view_type=st.sampled_from(ViewType),
    experiment_ids=st.sampled_from([None, ("1",), ("2", "1", "77", "01", "x"), ("0",)]),
)
def test_the_reference_finds_the_same_runs_in_the_same_order(
    pair: tuple[StockMlflowStore, MemoryStore],
    expression: Expression | None,
    order_by: tuple[OrderBy, ...],
    view_type: ViewType,
    experiment_ids: tuple[str, ...] | None,
) -> None:
    query = RunQuery(
        filter=expression,
        order_by=order_by,
        view_type=view_type,
        experiment_ids=experiment_ids,
        projection=HEADER_ONLY,
    )
    ours, theirs = (each.search_runs(query).items for each in pair)
    assert names(ours) == names(theirs)
    assert pair[0].count_runs(query) == len(theirs)


@pytest.mark.parametrize("order_by", [(), ("metrics.lr DESC",), ("params.lr", "start_time")])
@pytest.mark.parametrize("size", [5, 100])
def test_pages_are_those_of_the_reference(
    pair: tuple[StockMlflowStore, MemoryStore], order_by: tuple[str, ...], size: int
) -> None:
    orders = tuple(parse_order_by(list(order_by), Subject.RUNS))
    for expression in (None, parse_filter("metrics.lr <= 1e301", Subject.RUNS)):
        query = RunQuery(filter=expression, order_by=orders, max_results=size)
        ours, theirs = (names(list(each.iterate_runs(query))) for each in pair)
        assert ours == theirs
        assert len(ours) > 10


def test_a_run_has_what_the_projection_names(
    pair: tuple[StockMlflowStore, MemoryStore],
) -> None:
    projections = [
        Projection(),
        HEADER_ONLY,
        Projection(metrics=frozenset({"lr", "score"}), params=frozenset(), inputs=False),
        Projection(params=frozenset({"lr", "no such"}), tags=frozenset({"color", "LR"})),
    ]
    for projection in projections:
        query = RunQuery(view_type=ViewType.ALL, projection=projection)
        ours, theirs = (_by_id(each.search_runs(query).items) for each in pair)
        assert ours.keys() == theirs.keys()
        for number, (run_id, run) in enumerate(theirs.items()):
            alone = [pair[0].get_run(run_id, projection=projection)] if number % 9 == 0 else []
            for found in (ours[run_id], *alone):
                assert found.info == run.info
                assert found.data.params == run.data.params
                assert found.data.tags == run.data.tags
                assert repr(found.data.latest_metrics) == repr(run.data.latest_metrics)
                assert _inputs(found) == _inputs(run)


def _by_id(runs: Sequence[Run]) -> dict[str, Run]:
    return {run.info.run_id: run for run in runs}


def _inputs(run: Run) -> list[str]:
    datasets = [
        f"{used.dataset} {sorted(used.tags, key=str)}" for used in run.inputs.dataset_inputs
    ]
    return sorted([*datasets, *map(repr, run.inputs.model_inputs)]) + sorted(
        map(repr, run.outputs.model_outputs)
    )


@pytest.mark.parametrize("size", [None, 2, 100])
@pytest.mark.parametrize("key", ["loss", "ties", "auc", "lr", "LR", "no such"])
def test_histories_and_their_pages_are_those_of_the_reference(
    pair: tuple[StockMlflowStore, MemoryStore], key: str, size: int | None
) -> None:
    parent = next(r for r in pair[0].search_runs(RunQuery()).items if r.info.run_name == "parent")
    for run_id in (parent.info.run_id, f"{3:032x}", f"{4:032x}"):
        for span in [(None, None), (1, 2)]:
            found = []
            for store in pair:
                points, token = [], None
                while True:
                    query = MetricHistoryQuery(
                        key=key,
                        first_step=span[0],
                        last_step=span[1],
                        max_results=size,
                        page_token=token,
                    )
                    page = store.metric_history(run_id, query=query)
                    assert size is None or len(page.items) <= size
                    points += page.items
                    token = page.next_page_token
                    if token is None:
                        break
                found.append(points)
            assert repr(found[0]) == repr(found[1])
            if run_id == parent.info.run_id and span == (None, None):
                assert len(found[0]) == {"loss": 40, "ties": 4, "auc": 4}.get(key, 0)


def test_histories_of_many_runs_are_those_of_each(
    pair: tuple[StockMlflowStore, MemoryStore],
) -> None:
    ids = [run.info.run_id for run in pair[0].search_runs(RunQuery()).items]
    query = MetricHistoryQuery(key="lr", first_step=0)
    ours, theirs = (each.metric_histories([*ids, ids[0]], query=query) for each in pair)
    assert repr(ours) == repr(theirs)
    assert len({point.run_id for point in ours}) > 10


def test_data_sets_are_those_of_the_reference(pair: tuple[StockMlflowStore, MemoryStore]) -> None:
    ours, theirs = (each.search_datasets(["0", "1", "2"]) for each in pair)
    assert sorted(ours, key=str) == sorted(theirs, key=str)
    assert len(ours) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name = 'plain'",
        "name = 'PLAIN'",
        "name ILIKE 'PL%' AND tags.team = 'vision'",
        "tags.team = 'Vision' OR name != 'plain'",
    ],
)
def test_experiments_are_those_of_the_reference(
    pair: tuple[StockMlflowStore, MemoryStore], text: str
) -> None:
    expression = parse_filter(text, Subject.EXPERIMENTS) if text else None
    for view_type in ViewType:
        query = ExperimentQuery(filter=expression, view_type=view_type)
        ours, theirs = (
            [
                (each.experiment_id, each.name, each.tags)
                for each in store.iterate_experiments(query)
            ]
            for store in pair
        )
        # MLflow's first experiment is in every database, and made anew with the copy's time.
        assert sorted(ours, key=str) == sorted(theirs, key=str)
        assert pair[0].count_experiments(query) == len(ours)
    assert pair[0].get_experiment_by_name("PLAIN") is None
    assert pair[0].get_experiment_by_name("plain") == pair[1].get_experiment_by_name("plain")


def test_the_registry_is_that_of_the_reference(
    pair: tuple[StockMlflowStore, MemoryStore],
) -> None:
    name = "Forest of trees"
    for text in ("", f"name = '{name}'", "name = 'forest OF trees'", "tags.team = 'vision'"):
        expression = parse_filter(text, Subject.REGISTERED_MODELS) if text else None
        query = RegisteredModelQuery(filter=expression, max_results=1)
        ours, theirs = (list(each.iterate_registered_models(query)) for each in pair)
        assert ours == theirs
    for text in ("", f"name = '{name}'", "version_number > 2", "tags.checked = 'ja ✓'"):
        expression = parse_filter(text, Subject.MODEL_VERSIONS) if text else None
        versions = ModelVersionQuery(filter=expression, max_results=2)
        found = [list(each.iterate_model_versions(versions)) for each in pair]
        assert found[0] == found[1]
        assert found[0]
    champion = pair[0].get_model_version_by_alias(name, alias="champion")
    assert champion == pair[1].get_model_version_by_alias(name, alias="champion")
    assert champion.aliases == ("best", "champion")
    assert pair[0].latest_versions(name) == pair[1].latest_versions(name)
    measured = pair[0].get_model_version(name, version=5)
    assert measured.model_id is not None
    assert {metric.key for metric in measured.metrics} == {"rmse", "high"}


def test_logged_models_are_those_of_the_reference(
    pair: tuple[StockMlflowStore, MemoryStore],
) -> None:
    for text in ("", "metrics.auc > 0.5", "params.trees = '0' OR name = 'BUSH'", "name = 'bush'"):
        expression = parse_filter(text, Subject.LOGGED_MODELS) if text else None
        query = LoggedModelQuery(filter=expression, experiment_ids=("1", "2"), max_results=1)
        ours, theirs = (list(each.iterate_logged_models(query)) for each in pair)
        assert ours == theirs
        assert ours
        for model in ours:
            assert pair[0].get_logged_model(model.model_id) == model


# --- one kind of database is enough for these ---


def test_runs_without_a_start_come_last_page_by_page(unpack: Unpack, open_store: Open) -> None:
    path = unpack("3.17.2")
    add_runs(path, 40)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET start_time = NULL WHERE name LIKE 'run %1'")
    connection.close()
    store = open_store(f"mlflow+sqlite:///{path}")
    expected = store.search_runs(RunQuery()).items
    assert len([run for run in expected if run.info.start_time is None]) == 4
    assert [run.info.start_time for run in expected[-4:]] == [None] * 4
    experiments = store.search_experiments(ExperimentQuery()).items
    assert list(expected) == list(select_runs(expected[::-1], experiments, RunQuery()).items)
    for size in (1, 2, 3, 44):
        assert list(store.iterate_runs(RunQuery(max_results=size))) == list(expected)


def test_a_page_token_of_another_query_is_refused(store: StockMlflowStore) -> None:
    token = store.search_runs(RunQuery(max_results=1)).next_page_token
    other = RunQuery(
        filter=parse_filter("metrics.loss > 0", Subject.RUNS), max_results=1, page_token=token
    )
    with pytest.raises(InvalidValueError, match="The page token belongs to another query"):
        store.search_runs(other)
    with pytest.raises(InvalidValueError, match="The page token 'x' can't be read"):
        store.search_runs(RunQuery(page_token="x"))


def test_the_number_of_statements_does_not_grow_with_the_runs(
    unpack: Unpack, open_store: Open
) -> None:
    path = unpack("3.17.2")
    store = open_store(f"mlflow+sqlite:///{path}")
    expression = parse_filter(
        "metrics.lr > -1 AND (params.lr != 'x' OR tags.lr = 'y' OR datasets.name = 'z')",
        Subject.RUNS,
    )
    orders = tuple(parse_order_by(["metrics.score"], Subject.RUNS))
    queries = [RunQuery(), RunQuery(filter=expression, order_by=orders)]
    store.facets()
    counts = []
    for more in (20, 1000):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM runs WHERE run_uuid LIKE '00000000000000%'")
            for table in ("params", "tags", "metrics", "latest_metrics"):
                connection.execute(f"DELETE FROM {table} WHERE run_uuid LIKE '00000000000000%'")
        connection.close()
        add_runs(path, more)
        counts.append([_statements(store, query) for query in queries])
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 20


def _statements(store: StockMlflowStore, query: RunQuery) -> int:
    count = 0

    def executed(*_: object) -> None:
        nonlocal count
        count += 1

    engine = store._database._connected()
    sqlalchemy.event.listen(engine, "before_cursor_execute", executed)
    assert store.search_runs(query).items
    sqlalchemy.event.remove(engine, "before_cursor_execute", executed)
    return count


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"])
def test_nan_of_a_models_metric_is_nan_though_mlflow_stores_zero(
    kind: str, unpack: Unpack, open_store: Open
) -> None:
    path = unpack("3.17.2")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE metrics SET value = 0, is_nan = 1 WHERE key = 'rmse'")
        connection.execute("UPDATE latest_metrics SET value = 0, is_nan = 1 WHERE key = 'rmse'")
        connection.execute(
            "UPDATE logged_model_metrics SET metric_value = 0 WHERE metric_name IN ('rmse', 'high')"
        )
    connection.close()
    query = LoggedModelQuery(filter=parse_filter("name = 'bush'", Subject.LOGGED_MODELS))
    with served(path, kind) as uri:
        (bush,) = open_store(f"mlflow+{uri}").search_logged_models(query).items
    assert {metric.key: str(metric.value) for metric in bush.metrics} == {
        "rmse": "nan",
        "high": "0.0",
    }
