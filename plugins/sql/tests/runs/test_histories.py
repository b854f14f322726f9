"""Reading histories: windows and pages read the blocks that matter, and no others."""

from __future__ import annotations

import random
from itertools import chain

import pytest
from sqlalchemy import update

from tracking_core.entities import Metric
from tracking_core.errors import CorruptDataError, InvalidValueError, NotFoundError
from tracking_core.stores import Batch, MetricHistoryQuery
from tracking_core_sql import schema
from tracking_core_sql.runs import history, points
from tracking_core_sql.runs.blocks import Points, decode
from tracking_core_sql.store import SqlStore


class Decoded:
    """What was decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.points = 0
        monkeypatch.setattr(history, "decode", self)

    def __call__(self, data: bytes) -> Points:
        found = decode(data)
        self.points += len(found.steps)
        return found


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """A count of the points that were decoded."""
    monkeypatch.setattr(points, "FULL_BLOCK", 16)
    monkeypatch.setattr(points, "_LARGE_BATCH", 8)
    return Decoded(monkeypatch)


def pages(store: SqlStore, run_id: str, size: int, **window: int) -> list[list[Metric]]:
    found, token = [], None
    while True:
        query = MetricHistoryQuery(key="m", max_results=size, page_token=token, **window)
        page = store.metric_history(run_id, query=query)
        found.append(list(page.items))
        token = page.next_page_token
        if token is None:
            return found


def joined(found: list[list[Metric]]) -> list[Metric]:
    return list(chain.from_iterable(found))


def ordered(logged: list[Metric]) -> list[Metric]:
    return sorted(logged, key=lambda point: (point.step, point.timestamp))


def test_a_window_decodes_the_blocks_that_hold_it(
    decoded: Decoded, store: SqlStore, run_id: str
) -> None:
    logged = tuple(Metric("m", i / 7, i, i) for i in range(1600))
    store.log_batch(run_id, batch=Batch(metrics=logged))
    query = MetricHistoryQuery(key="m", first_step=800, last_step=820)
    assert store.metric_history(run_id, query=query).items == logged[800:821]
    assert decoded.points <= 64


def test_a_page_decodes_little_more_than_itself(
    decoded: Decoded, store: SqlStore, run_id: str
) -> None:
    logged = [Metric("m", i / 7, i, i) for i in range(1600)]
    store.log_batch(run_id, batch=Batch(metrics=tuple(logged)))
    found = pages(store, run_id, 100)
    assert [len(page) for page in found] == [100] * 16
    assert joined(found) == logged
    assert decoded.points <= 1600 + 16 * 3 * 16
    # Pages that end where a block ends, and one that ends where the history does.
    for size in (16, 1600):
        assert joined(pages(store, run_id, size)) == logged


def test_a_page_of_points_without_steps_decodes_little_more_than_itself(
    decoded: Decoded, store: SqlStore, run_id: str
) -> None:
    logged = [Metric("m", i / 7, 1000 + i) for i in range(1600)]
    store.log_batch(run_id, batch=Batch(metrics=tuple(logged)))
    assert joined(pages(store, run_id, 100)) == logged
    assert decoded.points <= 1600 + 16 * 3 * 16


def test_late_points_stand_where_they_belong(
    decoded: Decoded, store: SqlStore, run_id: str
) -> None:
    chance = random.Random(11)
    logged: list[Metric] = []
    for number in range(40):
        count = chance.choice([1, 3, 9, 30])
        late = chance.random() < 0.3
        first = chance.randrange(500) if late else 20 * number
        batch = [Metric("m", chance.random(), chance.randrange(3), first + i) for i in range(count)]
        store.log_batch(run_id, batch=Batch(metrics=tuple(batch)))
        logged += batch
    expected = ordered(logged)
    for size in (1000, 50, 7):
        assert joined(pages(store, run_id, size)) == expected
    window = {"first_step": 100, "last_step": 300}
    narrowed = [point for point in expected if 100 <= point.step <= 300]
    assert joined(pages(store, run_id, 13, **window)) == narrowed


def test_pages_of_equal_points_end_and_lose_none(
    decoded: Decoded, store: SqlStore, run_id: str
) -> None:
    logged = [Metric("m", float(i), 5, 5) for i in range(100)]
    for start in range(0, 100, 9):
        store.log_batch(run_id, batch=Batch(metrics=tuple(logged[start : start + 9])))
    assert joined(pages(store, run_id, 8)) == logged
    assert joined(pages(store, run_id, 100)) == logged
    assert joined(pages(store, run_id, 99)) == logged


def test_what_is_logged_between_two_pages_is_not_missed_behind_them(
    store: SqlStore, run_id: str
) -> None:
    first = tuple(Metric("m", float(i), 1, i) for i in range(10))
    store.log_batch(run_id, batch=Batch(metrics=first))
    page = store.metric_history(run_id, query=MetricHistoryQuery(key="m", max_results=4))
    late = (Metric("m", 0.5, 1, 2), Metric("m", 0.5, 1, 7))
    store.log_batch(run_id, batch=Batch(metrics=late))
    query = MetricHistoryQuery(key="m", max_results=100, page_token=page.next_page_token)
    rest = [point.step for point in store.metric_history(run_id, query=query).items]
    assert rest == [4, 5, 6, 7, 7, 8, 9]


@pytest.mark.parametrize("token", ["x", "1:2:3:other", "1:2", "", ":::m"])
@pytest.mark.parametrize("key", ["m", "unknown"])
def test_a_token_of_something_else_is_refused(
    store: SqlStore, run_id: str, token: str, key: str
) -> None:
    store.log_metric(run_id, metric=Metric("m", 1.0, 1))
    query = MetricHistoryQuery(key=key, max_results=1, page_token=token)
    with pytest.raises(InvalidValueError) as caught:
        store.metric_history(run_id, query=query)
    assert str(caught.value) == (
        f"The page token {token!r} is not one of the history of the metric {key!r}; pass the"
        " next_page_token of the page before."
    )


def test_a_damaged_block_is_told_with_its_metric_and_place(store: SqlStore, run_id: str) -> None:
    for number in range(3):
        store.log_metric(run_id, metric=Metric("loss", 1.0, number, number))
    block = schema.metric_block
    damage = update(block).where(block.c.number == 1).values(data=b"\x01short")
    store._database.write(lambda transaction: transaction.execute(damage))
    with pytest.raises(CorruptDataError) as caught:
        store.metric_history(run_id, query=MetricHistoryQuery(key="loss"))
    assert str(caught.value) == (
        f"The history of the metric 'loss' of the run {run_id!r} is damaged behind its first 1"
        " points. A block of points can't be read: it has 6 bytes; restore it from a backup."
    )
    query = MetricHistoryQuery(key="loss", last_step=0)
    assert len(store.metric_history(run_id, query=query).items) == 1


def test_histories_of_several_runs_come_in_the_order_that_was_asked_for(
    store: SqlStore, new_run: object, statements: object
) -> None:
    ids = [new_run() for _ in range(20)]  # type: ignore[operator]
    for number, run_id in enumerate(ids[:-1]):
        logged = tuple(Metric("m", float(number), 1, step, "m-1") for step in range(number))
        store.log_batch(run_id, batch=Batch(metrics=(*logged, Metric("other", 1.0, 1))))
    asked = [ids[5], ids[0], ids[19], ids[3], ids[5]]
    query = MetricHistoryQuery(key="m", first_step=1, max_results=1)
    found = store.metric_histories(asked, query=query)
    assert [(point.run_id, point.value, point.step) for point in found] == [
        *((ids[5], 5.0, step) for step in range(1, 5)),
        *((ids[3], 3.0, step) for step in range(1, 3)),
        *((ids[5], 5.0, step) for step in range(1, 5)),
    ]
    assert {point.model_id for point in found} == {"m-1"}
    counts = []
    for some in (ids[:2], ids):
        with statements() as seen:  # type: ignore[operator]
            store.metric_histories(some, query=query)
        counts.append(len(seen))
    assert counts == [2, 2]


def test_several_histories_need_every_run_to_be_there(store: SqlStore, run_id: str) -> None:
    with pytest.raises(NotFoundError, match="There is no run with the id 'missing'"):
        store.metric_histories([run_id, "missing"], query=MetricHistoryQuery(key="m"))
    with pytest.raises(InvalidValueError, match="not valid"):
        store.metric_histories([run_id, "../x"], query=MetricHistoryQuery(key="m"))
    assert store.metric_histories([], query=MetricHistoryQuery(key="m")) == []
    assert store.metric_histories([run_id], query=MetricHistoryQuery(key="m")) == []
