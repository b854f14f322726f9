"""The same answers as the reference evaluator, whatever is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from plugins.sql.tests.searching.conftest import Filled
from plugins.sql.tests.searching.queries import expressions, orders
from tracking_core.entities import ViewType
from tracking_core.search import Page, Subject, select_page
from tracking_core.stores import (
    HEADER_ONLY,
    ExperimentQuery,
    LoggedModelQuery,
    ModelVersionQuery,
    Projection,
    RegisteredModelQuery,
    RunQuery,
    select_runs,
)
from tracking_core_sql import schema
from tracking_core_sql.searching.pages import count, search_page

SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EXPERIMENTS = [None, ("1",), ("gone",), ("e-4", "7"), ("1", "7", "gone", "e-4", "nowhere"), ("x",)]


@SETTINGS
@given(
    expression=st.none() | expressions(Subject.RUNS),
    order=orders(Subject.RUNS),
    experiment_ids=st.sampled_from(EXPERIMENTS),
    view_type=st.sampled_from(ViewType),
    size=st.sampled_from([1, 7, 25, 1000]),
)
def test_runs_are_those_that_the_evaluator_finds_in_its_order_on_its_pages(
    filled: Filled,
    expression: Any,
    order: Any,
    experiment_ids: tuple[str, ...] | None,
    view_type: ViewType,
    size: int,
) -> None:
    query = RunQuery(
        experiment_ids=experiment_ids,
        filter=expression,
        order_by=order,
        view_type=view_type,
        max_results=size,
        projection=HEADER_ONLY,
    )
    world, store = filled.world, filled.store
    whole = replace(query, max_results=50_000)
    wanted = [run.info.run_id for run in select_runs(world.runs, world.experiments, whole).items]
    found: list[str] = []
    for _ in range(6):
        page = store.search_runs(query)
        expected = select_runs(world.runs, world.experiments, query)
        assert [run.info.run_id for run in page.items] == [r.info.run_id for r in expected.items]
        assert (page.next_page_token is None) == (expected.next_page_token is None)
        found += [run.info.run_id for run in page.items]
        if page.next_page_token is None:
            assert found == wanted
            break
        query = replace(query, page_token=page.next_page_token)
    assert store.count_runs(query) == len(wanted)


@SETTINGS
@given(
    metrics=st.none() | st.frozensets(st.sampled_from(["a", "common", "unknown", "\0"])),
    params=st.none() | st.frozensets(st.sampled_from(["b", "ä", "unknown"])),
    tags=st.none() | st.frozensets(st.sampled_from(["A", "unknown"])),
    inputs=st.booleans(),
    experiment_ids=st.sampled_from(EXPERIMENTS),
)
def test_runs_come_as_they_are_whatever_is_asked_of_them(
    filled: Filled, experiment_ids: Any, **parts: Any
) -> None:
    query = RunQuery(
        experiment_ids=experiment_ids, projection=Projection(**parts), view_type=ViewType.ALL
    )
    wanted = select_runs(filled.world.runs, filled.world.experiments, query)
    # By repr, for which NaN is like NaN.
    assert repr(filled.store.search_runs(query)) == repr(wanted)
    for run in wanted.items[:3]:
        got = filled.store.get_run(run.info.run_id, projection=query.projection)
        assert repr(got) == repr(run)


_TABLES = {
    Subject.EXPERIMENTS: (schema.experiment, ExperimentQuery),
    Subject.REGISTERED_MODELS: (schema.registered_model, RegisteredModelQuery),
    Subject.MODEL_VERSIONS: (schema.model_version, ModelVersionQuery),
    Subject.LOGGED_MODELS: (schema.logged_model, LoggedModelQuery),
}
_MEASURED = [(), (("d", None),), (("d", "1"), ("e", "1")), (("unknown", None),), (("\0", None),)]


@st.composite
def _questions(draw: Any) -> tuple[Subject, Any, Any]:
    subject = draw(st.sampled_from(list(_TABLES)))
    query = _TABLES[subject][1](
        filter=draw(st.none() | expressions(subject)),
        order_by=draw(orders(subject)),
        max_results=draw(st.sampled_from([1, 7, 25, 1000])),
    )
    is_measured = subject is Subject.LOGGED_MODELS
    return subject, query, draw(st.sampled_from(_MEASURED)) if is_measured else ()


@SETTINGS
@given(question=_questions())
def test_others_are_those_that_the_evaluator_finds_in_its_order_on_its_pages(
    filled: Filled, question: tuple[Subject, Any, Any]
) -> None:
    subject, query, measured_on = question
    items = _items(filled, subject)
    table = _TABLES[subject][0]

    def select(query: Any) -> Page[Any]:
        return select_page(
            items.values(),
            subject=subject,
            expression=query.filter,
            order_by=query.order_by,
            max_results=query.max_results,
            page_token=query.page_token,
            measured_on=measured_on,
        )

    def load(numbers: Sequence[int]) -> dict[int, Any]:
        return {number: items[number] for number in numbers}

    for _ in range(5):
        common: dict[str, Any] = {
            "subject": subject,
            "query": query,
            "load": load,
            "within": [table.c.id > 0],
            "measured_on": measured_on,
        }
        page = filled.database.read(lambda t, c=common: search_page(t, **c))
        expected = select(query)
        assert repr(page.items) == repr(expected.items)
        assert (page.next_page_token is None) == (expected.next_page_token is None)
        if page.next_page_token is None:
            break
        query = replace(query, page_token=page.next_page_token)
    whole = select(replace(query, max_results=10_000, page_token=None))
    assert filled.database.read(lambda t: count(t, **common)) == len(whole.items)


def _items(filled: Filled, subject: Subject) -> dict[int, Any]:
    world = filled.world
    if subject is Subject.EXPERIMENTS:
        return {filled.writer.experiments[e.experiment_id]: e for e in world.experiments}
    if subject is Subject.REGISTERED_MODELS:
        return {filled.writer.numbers[model.name]: model for model in world.registered_models}
    if subject is Subject.MODEL_VERSIONS:
        return {
            filled.writer.numbers[f"{version.name}/{version.version}"]: version
            for version in world.model_versions
        }
    return {filled.writer.numbers[model.model_id]: model for model in world.logged_models}
