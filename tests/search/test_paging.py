from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.strategies import collections, expressions, orders, subjects
from tracking_core.entities import Metric, Run, RunData, RunInfo
from tracking_core.errors import InvalidValueError
from tracking_core.search import (
    OrderBy,
    Subject,
    compile_filter,
    decode_page_token,
    encode_page_token,
    parse_filter,
    parse_order_by,
    query_digest,
    select_page,
    sort_key,
)

RUNS = Subject.RUNS


def run(number: int, start_time: int | None = 0, **metrics: float) -> Run:
    points = tuple(Metric(key, value, 1) for key, value in metrics.items())
    info = RunInfo(run_id=f"r{number:04}", experiment_id="1", start_time=start_time)
    return Run(info=info, data=RunData(latest_metrics=points))


def ids(page: Any) -> list[int]:
    return [int(item.info.run_id[1:]) for item in page.items]


@given(st.data())
def test_pages_joined_are_all_that_matches_in_order(data: Any) -> None:
    subject = data.draw(subjects)
    order_by = data.draw(orders(subject))
    expression = data.draw(st.one_of(st.none(), expressions(subject)))
    items = data.draw(collections(subject))
    size = data.draw(st.integers(1, 9))
    key = sort_key(order_by, subject)
    wanted = sorted(filter(compile_filter(expression, subject), items), key=key)
    for presorted in (False, True):
        joined: list[Any] = []
        token = None
        sizes: list[int] = []
        while len(sizes) < 12:
            page = select_page(
                sorted(items, key=key) if presorted else items,
                subject=subject,
                expression=expression,
                order_by=order_by,
                max_results=size,
                page_token=token,
                presorted=presorted,
            )
            sizes.append(len(page.items))
            joined += page.items
            token = page.next_page_token
            if token is None:
                break
        assert joined == wanted
        assert all(length == size for length in sizes[:-1])
        assert len(sizes) == max(1, math.ceil(len(wanted) / size)), "no empty page at the end"


@given(st.data())
def test_what_stays_is_seen_once_whatever_comes_and_goes_between_pages(data: Any) -> None:
    subject = data.draw(subjects)
    order_by = data.draw(orders(subject))
    items = data.draw(collections(subject, max_size=12))
    key = sort_key(order_by, subject)
    present = [item for item in items if data.draw(st.booleans())]
    staying = list(present)
    seen: list[Any] = []
    token = None
    for _ in range(12):
        page = select_page(
            present, subject=subject, order_by=order_by, max_results=2, page_token=token
        )
        seen += page.items
        token = page.next_page_token
        if token is None:
            break
        # Anything may go, the item of the token too, and anything may come.
        present = [item for item in items if data.draw(st.booleans())]
        staying = [item for item in staying if item in present]
    keys = [key(item) for item in seen]
    assert keys == sorted(keys)
    assert len(set(map(repr, keys))) == len(keys), "seen twice"
    assert all(item in seen for item in staying)


def test_the_item_that_a_page_ended_with_may_be_gone() -> None:
    runs = [run(number) for number in range(6)]
    first = select_page(runs, subject=RUNS, max_results=2)
    rest = [item for item in runs if item.info.run_id not in ("r0001", "r0002")]
    second = select_page(rest, subject=RUNS, max_results=2, page_token=first.next_page_token)
    assert (ids(first), ids(second)) == ([0, 1], [3, 4])


def test_an_item_that_comes_before_the_place_is_not_seen_and_shifts_nothing() -> None:
    runs = [run(number, start_time=5) for number in range(4)]
    first = select_page(runs, subject=RUNS, max_results=2)
    runs.append(run(9, start_time=9))
    second = select_page(runs, subject=RUNS, max_results=2, page_token=first.next_page_token)
    assert (ids(first), ids(second)) == ([0, 1], [2, 3])
    assert second.next_page_token is None


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_pages_go_through_ties_nan_infinities_and_lacking_values(direction: str) -> None:
    values = [1.0, 1.0, math.nan, math.nan, math.inf, -math.inf, -0.0, 0.0]
    runs = [run(number, a=value) for number, value in enumerate(values)]
    runs += [run(number) for number in (8, 9)]
    order_by = parse_order_by([f"metrics.a {direction}"], RUNS)
    wanted = ids(select_page(runs, subject=RUNS, order_by=order_by, max_results=100))
    assert wanted[-4:] == [2, 3, 8, 9]
    for size in range(1, 11):
        found: list[int] = []
        token = None
        for _ in range(11):
            page = select_page(
                runs, subject=RUNS, order_by=order_by, max_results=size, page_token=token
            )
            found += ids(page)
            token = page.next_page_token
            if token is None:
                break
        assert found == wanted


def test_a_small_page_of_many_items_is_right() -> None:
    runs = [run(number, start_time=number * 37 % 1000) for number in range(1000)]
    page = select_page(runs, subject=RUNS, max_results=3)
    assert [item.info.start_time for item in page.items] == [999, 998, 997]
    page = select_page(runs, subject=RUNS, max_results=3, page_token=page.next_page_token)
    assert [item.info.start_time for item in page.items] == [996, 995, 994]


def test_a_presorted_source_is_read_no_further_than_needed() -> None:
    read = 0

    def source() -> Iterator[Run]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield run(number)

    page = select_page(source(), subject=RUNS, max_results=5, presorted=True)
    assert ids(page) == [0, 1, 2, 3, 4]
    assert read == 6


def test_a_full_last_page_has_no_token() -> None:
    runs = [run(number) for number in range(4)]
    first = select_page(runs, subject=RUNS, max_results=2)
    second = select_page(runs, subject=RUNS, max_results=2, page_token=first.next_page_token)
    assert second.next_page_token is None
    assert select_page([], subject=RUNS, max_results=2).items == ()


def test_the_page_size_may_change_between_pages() -> None:
    runs = [run(number) for number in range(6)]
    first = select_page(runs, subject=RUNS, max_results=1)
    second = select_page(runs, subject=RUNS, max_results=5, page_token=first.next_page_token)
    assert ids(second) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("max_results", [0, -1])
def test_a_page_of_nothing_is_refused(max_results: int) -> None:
    with pytest.raises(InvalidValueError, match=rf"^max_results is {max_results}; it must be at"):
        select_page([], subject=RUNS, max_results=max_results)


def test_a_token_of_another_query_is_refused() -> None:
    runs = [run(number, a=1.0) for number in range(4)]
    filters = [None, *(parse_filter(t, RUNS) for t in ("metrics.a = 1", "metrics.a IN (1)"))]
    order_bys: list[tuple[OrderBy, ...]] = [
        (),
        *(parse_order_by(c, RUNS) for c in (["metrics.a"], ["metrics.a DESC"], ["metrics.b"])),
    ]
    queries = list(itertools.product(filters, order_bys))
    for (expression, order_by), (other, other_order) in itertools.permutations(queries, 2):
        page = select_page(
            runs, subject=RUNS, expression=expression, order_by=order_by, max_results=1
        )
        with pytest.raises(InvalidValueError, match=r"^The page token belongs to another query:"):
            select_page(
                runs,
                subject=RUNS,
                expression=other,
                order_by=other_order,
                max_results=1,
                page_token=page.next_page_token,
            )


def test_a_query_is_told_from_that_of_another_subject_and_other_data_sets() -> None:
    digests = {
        query_digest(RUNS, None, ()),
        query_digest(Subject.EXPERIMENTS, None, ()),
        query_digest(Subject.LOGGED_MODELS, None, ()),
        query_digest(Subject.LOGGED_MODELS, None, (), measured_on=(("d", None),)),
        query_digest(Subject.LOGGED_MODELS, None, (), measured_on=(("d", "1"),)),
    }
    assert len(digests) == 5


def coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


GARBAGE = [
    "",
    "x",
    "not a token",
    "ünïcode",
    "\ud800",
    "====",
    coded(b"\xff\xfe"),
    coded(b"{}"),
    coded(b"[]"),
    coded(b"[1]"),
    coded(b"null"),
    coded(b"[" * 100_000),
    coded(b"[" + b"9" * 5000 + b"]"),
    base64.b64encode(json.dumps({"offset": 1000}).encode()).decode(),
]


@pytest.mark.parametrize("token", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused_as_a_token(token: str) -> None:
    with pytest.raises(
        InvalidValueError, match=r"^The page token '.*' can't be read; pass the next"
    ):
        select_page([], subject=RUNS, max_results=1, page_token=token)


@pytest.mark.parametrize(
    "values", [[], [1], [1, "r", 2], ["1", "r"], [1, 2], [True, "r"], [[1], "r"], [{}, "r"]]
)
def test_a_token_with_other_values_than_the_order_has_is_refused(values: list[Any]) -> None:
    token = encode_page_token(values, digest=query_digest(RUNS, None, ()))
    with pytest.raises(InvalidValueError, match=r"^The page token .*pass the next_page_token"):
        select_page([run(1)], subject=RUNS, max_results=1, page_token=token)


@given(st.text(st.characters(codec=None)))
def test_no_text_as_a_token_raises_anything_else(token: str) -> None:
    with pytest.raises(InvalidValueError):
        decode_page_token(token, digest="d")


@given(
    st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(st.characters(codec=None))))
)
def test_every_value_survives_the_token(values: list[Any]) -> None:
    token = encode_page_token(values, digest="d")
    assert token.isascii()
    assert token.replace("-", "a").replace("_", "a").isalnum()
    assert repr(decode_page_token(token, digest="d")) == repr(tuple(values))
