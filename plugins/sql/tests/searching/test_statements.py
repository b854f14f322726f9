"""How many statements a search takes, and those of a dialect without a server here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from msgspec.structs import replace
from sqlalchemy.dialects import mssql

from plugins.sql.tests.searching.conftest import Filled
from tracking_core.entities import Run, ViewType
from tracking_core.errors import InvalidValueError
from tracking_core.search import (
    And,
    Comparison,
    Field,
    FieldKind,
    Membership,
    Not,
    Operator,
    Or,
    Subject,
    parse_filter,
    parse_order_by,
)
from tracking_core.stores import RunQuery, select_runs
from tracking_core_sql.searching.conditions import condition, tree_of
from tracking_core_sql.searching.subjects import fields_of


@contextmanager
def _counting() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def _query(text: str = "", order: tuple[str, ...] = (), **options: Any) -> RunQuery:
    return RunQuery(
        filter=parse_filter(text, Subject.RUNS),
        order_by=parse_order_by(order, Subject.RUNS),
        **options,
    )


@pytest.mark.parametrize("order", ["", "metrics.a DESC", "params.b", "end_time", "user_id"])
def test_a_page_takes_as_many_statements_however_large_and_deep_it_is(
    filled: Filled, order: str
) -> None:
    query = _query(
        "metrics.a > -2 OR params.b LIKE '%x%' OR tags.a != 'y' OR dataset.name != 'z'",
        (order,) if order else (),
        view_type=ViewType.ALL,
    )
    filled.store.search_runs(query)
    counts = []
    for size in (1, 3, 1000):
        page_query = replace(query, max_results=size)
        for _ in range(20):
            with _counting() as statements:
                page = filled.store.search_runs(page_query)
            counts.append(len(statements))
            if page.next_page_token is None:
                break
            page_query = replace(page_query, page_token=page.next_page_token)
    # Experiments, names, PostgreSQL's settings twice, three stretches (with a bound each on
    # MariaDB), header, metrics, origins, params, tags, two of data sets, models.
    assert max(counts) <= 17


def _matching(filled: Filled, query: RunQuery) -> tuple[Run, ...]:
    return select_runs(filled.world.runs, filled.world.experiments, query).items


def _as_filter(key: str, value: str) -> Comparison:
    return Comparison(Field(FieldKind.PARAM, key), Operator.EQUAL, value)


def _deep(levels: int) -> Any:
    found: Any = _as_filter("a", "x")
    for level in range(levels):
        found = (And, Or)[level % 2]((_as_filter("b", str(level)), Not(found)))
    return found


@pytest.mark.parametrize(
    "expression",
    [
        And(tuple(Not(_as_filter("a", str(number))) for number in range(50))),
        Or((*(_as_filter("a", str(n)) for n in range(20_000)), _as_filter("a", "x"))),
        And(tuple(Not(_as_filter(f"k{number}", "x")) for number in range(2_000))),
        Membership(
            Field(FieldKind.ATTRIBUTE, "run_id"), (*(f"no{n}" for n in range(30_000)), "r001A")
        ),
        Membership(Field(FieldKind.METRIC, "a"), (*(n / 7 for n in range(20_000)), 0.5), True),
        Comparison(Field(FieldKind.PARAM, "a"), Operator.LIKE, "%" + "x" * 60_000),
        Comparison(Field(FieldKind.PARAM, "a"), Operator.ILIKE, "%" + "abcdefghij" * 9_000),
        _deep(99),
        _deep(10),
    ],
    ids=["50 terms", "20000 alternatives", "2000 names", "30000 ids", "20000 numbers", "LIKE",
         "ILIKE", "198 levels", "20 levels"],
)  # fmt: skip
def test_filters_of_any_size_and_depth_are_answered(filled: Filled, expression: Any) -> None:
    query = RunQuery(filter=expression, view_type=ViewType.ALL)
    found = filled.store.search_runs(query).items
    wanted = _matching(filled, query)
    assert [run.info.run_id for run in found] == [run.info.run_id for run in wanted]
    assert filled.store.count_runs(query) == len(wanted)


def test_a_page_token_of_another_query_is_refused(filled: Filled) -> None:
    query = _query(max_results=2)
    token = filled.store.search_runs(query).next_page_token
    with pytest.raises(InvalidValueError, match="belongs to another query"):
        filled.store.search_runs(_query("metrics.a > 1", page_token=token))
    with pytest.raises(InvalidValueError, match="can't be read"):
        filled.store.search_runs(_query(page_token="%%%"))


@pytest.mark.parametrize(
    ("subject", "text", "pieces"),
    [
        (
            Subject.LOGGED_MODELS,
            "metrics.a > 1 AND NOT params.b = 'x' AND name ILIKE 'k[%'",
            ["EXISTS", "CASE WHEN", "LIKE", "ESCAPE '!'", "'[Kk\u212a]![%'", "+ '|'"],
        ),
        (
            Subject.MODEL_VERSIONS,
            "name = 'x' AND tags.`mlflow.prompt.is_prompt` != 'true' AND version > 1.5",
            ["IN (SELECT", "IS NULL", ">= 2"],
        ),
    ],
)
def test_conditions_compile_for_sql_server(subject: Subject, text: str, pieces: list[str]) -> None:
    transaction: Any = SimpleNamespace(dialect="mssql", among=None)
    expression = parse_filter(text, subject)
    assert expression is not None
    fields = fields_of(subject)
    found = condition(transaction, tree_of(expression), fields.place)
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    statement = sqlalchemy.select(fields.table.c.id).where(found)
    sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    assert [piece for piece in pieces if piece not in sql] == [], sql
