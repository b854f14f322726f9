"""Paging: pages begin behind the last item of the page before, whatever came or went meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from tracking_core.entities import Experiment, Metric, Run, ViewType
from tracking_core.errors import InvalidValueError
from tracking_core.search import Page, Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    Batch,
    ExperimentQuery,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    RunQuery,
    RunStore,
)
from tracking_core.testing.store_tests import StoreTests, fresh_name

GARBAGE = ["x", "%%%", "eyJvZmZzZXQiOiA1fQ==", "NTA=", "größe", "AAAA", "[]", "W10", "9" * 400]


def pages_of(runs: RunStore, query: RunQuery) -> list[Page[Run]]:
    """Return all pages of a query."""
    pages = [runs.search_runs(query)]
    while pages[-1].next_page_token is not None:
        pages.append(runs.search_runs(replace(query, page_token=pages[-1].next_page_token)))
        assert len(pages) < 100, "the pages don't end"
    return pages


def ids(items: Sequence[Run]) -> list[str]:
    """Return the ids of runs."""
    return [run.info.run_id for run in items]


class PagingTests(StoreTests):
    """What Query says of pages."""

    def make(self, runs: RunStore, experiment: Experiment, count: int) -> list[str]:
        """Create runs, each with a later start than the one before."""
        return [
            runs.create_run(
                NewRun(experiment_id=experiment.experiment_id, start_time=100 + number)
            ).info.run_id
            for number in range(count)
        ]

    @pytest.mark.parametrize("order", ["", "start_time", "metrics.m", "metrics.m DESC", "tags.t"])
    @pytest.mark.parametrize("size", [1, 3, 4, 11, 12, 13])
    def test_pages_together_are_the_whole_and_none_is_empty(
        self, runs: RunStore, experiment: Experiment, order: str, size: int
    ) -> None:
        values = [1.0, math.nan, 2.0, 1.0, math.inf, 1.0, math.nan, -math.inf]
        made = self.make(runs, experiment, 12)
        for run_id, value in zip(made, values, strict=False):
            runs.log_metric(run_id, metric=Metric("m", value, 1))
        query = RunQuery(
            experiment_ids=(experiment.experiment_id,),
            order_by=parse_order_by([order] if order else [], Subject.RUNS),
        )
        whole = ids(runs.search_runs(query).items)
        assert sorted(whole) == sorted(made)
        pages = pages_of(runs, replace(query, max_results=size))
        assert [run_id for page in pages for run_id in ids(page.items)] == whole
        assert [len(page.items) for page in pages] == [
            min(size, 12 - start) for start in range(0, 12, size)
        ]
        assert ids(list(runs.iterate_runs(replace(query, max_results=size)))) == whole
        assert runs.count_runs(replace(query, max_results=size)) == 12

    def test_runs_that_come_and_go_between_pages_neither_double_nor_hide_others(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        made = self.make(runs, experiment, 8)
        query = RunQuery(
            experiment_ids=(experiment.experiment_id,),
            order_by=parse_order_by(["start_time"], Subject.RUNS),
            max_results=3,
        )
        first = runs.search_runs(query)
        assert ids(first.items) == made[:3]
        early = NewRun(experiment_id=experiment.experiment_id, start_time=1)
        runs.create_run(early)
        runs.create_run(early)
        runs.delete_run(made[1])
        runs.delete_run(made[4])
        second = runs.search_runs(replace(query, page_token=first.next_page_token))
        assert ids(second.items) == [made[3], made[5], made[6]]
        # Even the item that the page ended with may go.
        runs.delete_run(made[6])
        third = runs.search_runs(replace(query, page_token=second.next_page_token))
        assert ids(third.items) == [made[7]]
        assert third.next_page_token is None

    def test_a_page_that_takes_the_rest_is_the_last(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        self.make(runs, experiment, 4)
        query = RunQuery(experiment_ids=(experiment.experiment_id,), max_results=4)
        assert runs.search_runs(query).next_page_token is None
        first = runs.search_runs(replace(query, max_results=2))
        second = runs.search_runs(replace(query, max_results=2, page_token=first.next_page_token))
        assert (len(second.items), second.next_page_token) == (2, None)

    def test_a_token_goes_with_another_page_size(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        made = self.make(runs, experiment, 6)[::-1]
        query = RunQuery(experiment_ids=(experiment.experiment_id,), max_results=2)
        token = runs.search_runs(query).next_page_token
        rest = runs.search_runs(replace(query, max_results=5, page_token=token))
        assert ids(rest.items) == made[2:]

    @pytest.mark.parametrize("token", GARBAGE)
    def test_a_token_that_is_none_is_refused(
        self, runs: RunStore, experiment: Experiment, run_id: str, token: str
    ) -> None:
        runs.log_metric(run_id, metric=Metric("m", 1.0, 1))
        calls: list[Callable[[], object]] = [
            lambda: runs.search_runs(
                RunQuery(experiment_ids=(experiment.experiment_id,), page_token=token)
            ),
            lambda: runs.search_experiments(ExperimentQuery(page_token=token)),
            lambda: runs.metric_history(
                run_id, query=MetricHistoryQuery(key="m", max_results=1, page_token=token)
            ),
        ]
        for call in calls:
            with pytest.raises(InvalidValueError, match="page"):
                call()

    def test_the_token_of_another_query_is_refused(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        self.make(runs, experiment, 4)
        query = RunQuery(experiment_ids=(experiment.experiment_id,), max_results=2)
        token = runs.search_runs(query).next_page_token
        filtered = parse_filter("status = 'RUNNING'", Subject.RUNS)
        for other in (
            replace(query, filter=filtered, page_token=token),
            replace(query, order_by=parse_order_by(["run_name"], Subject.RUNS), page_token=token),
        ):
            with pytest.raises(InvalidValueError, match="page token"):
                runs.search_runs(other)
        with pytest.raises(InvalidValueError, match="page token"):
            runs.search_experiments(ExperimentQuery(page_token=token))

    def test_experiments_come_in_pages_too(self, runs: RunStore) -> None:
        batch = fresh_name("batch")
        made = [
            runs.create_experiment(NewExperiment(name=fresh_name("e"), tags={"batch": batch}))
            for _ in range(7)
        ]
        query = ExperimentQuery(
            filter=parse_filter(f"tags.batch = '{batch}'", Subject.EXPERIMENTS),
            order_by=parse_order_by(["name"], Subject.EXPERIMENTS),
            max_results=3,
            view_type=ViewType.ALL,
        )
        expected = sorted(experiment.name for experiment in made)
        first = runs.search_experiments(query)
        assert [each.name for each in first.items] == expected[:3]
        runs.create_experiment(NewExperiment(name=f"a{fresh_name('e')}", tags={"batch": batch}))
        second = runs.search_experiments(replace(query, page_token=first.next_page_token))
        assert [each.name for each in second.items] == expected[3:6]
        third = runs.search_experiments(replace(query, page_token=second.next_page_token))
        assert [each.name for each in third.items] == expected[6:]
        assert third.next_page_token is None

    @pytest.mark.parametrize("size", [1, 2, 5, 7, 20])
    def test_a_history_comes_in_pages_too(self, runs: RunStore, run_id: str, size: int) -> None:
        points = [Metric("m", float(i), 1 + i % 2, i // 4) for i in range(12)]
        points += [Metric("m", math.nan, 0, 9)] * 2
        runs.log_batch(run_id, batch=Batch(metrics=tuple(points)))
        whole = runs.metric_history(run_id, query=MetricHistoryQuery(key="m"))
        assert (len(whole.items), whole.next_page_token) == (14, None)
        query = MetricHistoryQuery(key="m", max_results=size)
        found: list[Metric] = []
        while True:
            page = runs.metric_history(run_id, query=query)
            assert 0 < len(page.items) <= size
            found += page.items
            if page.next_page_token is None:
                break
            query = replace(query, page_token=page.next_page_token)
        assert repr(found) == repr(list(whole.items))

    def test_points_that_come_between_pages_of_a_history_double_none(
        self, runs: RunStore, run_id: str
    ) -> None:
        runs.log_batch(run_id, batch=Batch(metrics=tuple(Metric("m", i, 1, i) for i in range(6))))
        query = MetricHistoryQuery(key="m", max_results=4)
        first = runs.metric_history(run_id, query=query)
        runs.log_metric(run_id, metric=Metric("m", -1.0, 1, -1))
        runs.log_metric(run_id, metric=Metric("m", 9.0, 1, 9))
        second = runs.metric_history(run_id, query=replace(query, page_token=first.next_page_token))
        assert [point.step for point in (*first.items, *second.items)] == [0, 1, 2, 3, 4, 5, 9]

    def test_the_token_of_another_metric_is_refused(self, runs: RunStore, run_id: str) -> None:
        for key in ("m", "n"):
            runs.log_batch(run_id, batch=Batch(metrics=(Metric(key, 1.0, 1), Metric(key, 2.0, 2))))
        page = runs.metric_history(run_id, query=MetricHistoryQuery(key="m", max_results=1))
        query = MetricHistoryQuery(key="n", max_results=1, page_token=page.next_page_token)
        with pytest.raises(InvalidValueError, match="page token"):
            runs.metric_history(run_id, query=query)
