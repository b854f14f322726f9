"""Long histories are thinned for charts, and no peak is lost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.entities import Metric
from tracking_core.wire.endpoints.metrics import sampled

VALUES = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])


def _points(run_id: str, values: list[float]) -> list[Metric]:
    return [
        Metric("loss", value, timestamp=step, step=step, run_id=run_id)
        for step, value in enumerate(values)
    ]


@given(
    runs=st.lists(st.lists(VALUES, max_size=60), max_size=4),
    most=st.integers(1, 40),
)
def test_of_each_run_there_are_at_most_so_many_points_in_their_order(
    runs: list[list[float]], most: int
) -> None:
    points = [point for number, values in enumerate(runs) for point in _points(str(number), values)]
    found = sampled(points, most)
    steps: dict[str | None, list[int]] = {}
    for point in found:
        steps.setdefault(point.run_id, []).append(point.step)
    for own in steps.values():
        assert len(own) <= most
        assert own == sorted(set(own))
    known = {(point.run_id, point.step): point for point in points}
    assert all(known[point.run_id, point.step] is point for point in found)
    # Runs that fit are whole, whatever the others are.
    for number, values in enumerate(runs):
        if len(values) <= most:
            assert len(steps.get(str(number), [])) == len(values)


@given(values=st.lists(VALUES, min_size=1, max_size=200), most=st.integers(4, 40))
def test_the_first_the_last_the_least_and_the_greatest_point_are_there(
    values: list[float], most: int
) -> None:
    found = sampled(_points("r", values), most)
    assert found[0].step == 0
    assert found[-1].step == len(values) - 1
    numbers = [value for value in values if not math.isnan(value)]
    if numbers:
        shown = {point.value for point in found}
        assert min(numbers) in shown
        assert max(numbers) in shown
    else:
        assert all(math.isnan(point.value) for point in found)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_first_and_the_last_come_before_all_others_where_there_is_no_room(most: int) -> None:
    found = sampled(_points("r", [5.0, 1.0, 9.0, 2.0, 7.0]), most)
    assert [point.step for point in found] == [0, 4][:most]


def test_a_history_of_nothing_but_nan_is_thinned_too() -> None:
    found = sampled(_points("r", [math.nan] * 1_000), 20)
    assert 2 <= len(found) <= 20
    assert (found[0].step, found[-1].step) == (0, 999)


def test_peaks_are_kept_all_along_the_curve() -> None:
    values = [0.0] * 10_000
    for peak in range(500, 10_000, 1_000):
        values[peak] = 10.0
    shown = {point.step for point in sampled(_points("r", values), 100)}
    assert set(range(500, 10_000, 1_000)) <= shown
