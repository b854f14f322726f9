"""Search: the same query gives the same runs in the same order as the evaluator on plain values."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInputs,
    RunStatus,
    RunTag,
    ViewType,
    latest_metrics,
)
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    HEADER_ONLY,
    RUN_NAME_TAG,
    BackendStore,
    Batch,
    Capability,
    ExperimentQuery,
    NewExperiment,
    NewRun,
    Projection,
    RunChanges,
    RunQuery,
    RunStore,
    select_experiments,
    select_runs,
)
from tracking_core.testing.store_tests import StoreTests, fresh_name

FILTERS = [
    "",
    "metrics.loss < 0.5",
    "metrics.loss >= 0.5 AND metrics.loss <= 2",
    "metrics.loss = 1",
    "metrics.loss != 1",
    "metrics.`val loss` > -1",
    "metrics.loss > 1e308",
    "metrics.loss < -1e308",
    "metrics.unknown != 0",
    "params.model = 'cnn'",
    "params.model != 'cnn'",
    "params.model LIKE 'c%'",
    "params.model LIKE 'C%'",
    "params.model ILIKE 'C_N'",
    "params.model LIKE '%n'",
    "params.`a/b c` = '10'",
    "params.model = ''",
    "params.unknown != 'x'",
    "tags.team = 'größe'",
    "tags.team ILIKE '%RÖ%'",
    "tags.team != 'a%b'",
    "tags.team LIKE 'a\\%b'",
    "tags.`mlflow.runName` LIKE 'run-1%'",
    "attributes.status = 'FINISHED'",
    "status != 'RUNNING'",
    "run_name LIKE 'run-%' AND params.model = 'cnn' AND metrics.loss < 3",
    "run_name ILIKE 'RUN-_'",
    "start_time > 3",
    "start_time <= 3 AND status = 'KILLED'",
    "created = 2",
    "end_time > 0",
    "user_id = 'kim'",
    "user_id != 'kim'",
    "dataset.name = 'wine, red'",
    "dataset.name LIKE 'w%' AND dataset.digest = 'd2'",
    "dataset.context = 'train'",
    "dataset.name != 'wine, red'",
    "dataset.name IN ('beer', 'milk')",
    "params.model IS NULL",
    "tags.team IS NOT NULL",
]
RICH_FILTERS = [
    "metrics.loss < 0.5 OR params.model = 'cnn'",
    "NOT metrics.loss < 0.5",
    "NOT (params.model = 'cnn' OR tags.team = 'größe')",
    "(metrics.loss > 1 OR status = 'FAILED') AND NOT params.model IS NULL",
    "params.model IN ('cnn', 'rnn')",
    "params.model NOT IN ('cnn', 'rnn')",
    "metrics.loss IN (1, 2, 0)",
    "metrics.loss IS NULL",
    "metrics.loss IS NOT NULL",
    "status IN ('FAILED', 'KILLED')",
    "end_time IS NULL",
    "NOT NOT tags.team = 'größe'",
    "start_time IN (1, 3)",
]
ORDERS: list[tuple[str, ...]] = [
    (),
    ("metrics.loss",),
    ("metrics.loss DESC",),
    ("metrics.`val loss` DESC", "params.model"),
    ("params.model",),
    ("params.model DESC", "metrics.loss ASC"),
    ("tags.team",),
    ("tags.team DESC",),
    ("start_time",),
    ("start_time DESC", "metrics.loss DESC"),
    ("end_time DESC",),
    ("run_name",),
    ("status", "user_id DESC"),
    ("metrics.unknown",),
]


def fill(runs: RunStore, *, seed: int, count: int) -> tuple[list[Experiment], list[Run]]:
    """Log random runs to two new experiments; return them as plain values, not read back."""
    chance = random.Random(seed)
    experiments = [
        runs.create_experiment(NewExperiment(name=fresh_name("searched"))) for _ in range(2)
    ]
    values = [0.0, -0.0, 0.25, 1.0, 1.0, 2.0, -3.5, math.inf, -math.inf, math.nan]
    expected = []
    for number in range(count):
        experiment = chance.choice(experiments)
        made = runs.create_run(
            NewRun(
                experiment_id=experiment.experiment_id,
                run_name=f"run-{number % 23}",
                user_id=chance.choice(["kim", "Kim", None]),
                start_time=chance.randrange(6),
                tags={} if chance.random() < 0.5 else {"first": "1"},
            )
        )
        points = tuple(
            Metric(key, chance.choice(values), chance.randrange(4), chance.randrange(-2, 3))
            for key in ("loss", "loss", "val loss", "loss/a")
            if chance.random() < 0.7
        )
        params = {
            key: chance.choice(["cnn", "CNN", "rnn", "", "10", "9", "c%n"])
            for key in ("model", "a/b c")
            if chance.random() < 0.7
        }
        tags = {"team": chance.choice(["größe", "GRÖSSE", "a%b", "axb", "ä"])}
        if chance.random() < 0.4:
            tags = {}
        runs.log_batch(
            made.info.run_id,
            batch=Batch(
                metrics=points,
                params=tuple(Param(*item) for item in params.items()),
                tags=tuple(RunTag(*item) for item in tags.items()),
            ),
        )
        inputs = RunInputs()
        if chance.random() < 0.5:
            dataset = Dataset(
                chance.choice(["wine, red", "beer", "milk"]),
                chance.choice(["d1", "d2"]),
                "local",
                "{}",
            )
            context = InputTag("mlflow.data.context", chance.choice(["train", "test"]))
            inputs = RunInputs((DatasetInput(dataset, (context,)),))
            runs.log_inputs(made.info.run_id, inputs=inputs)
        info = made.info
        if chance.random() < 0.6:
            status = chance.choice([RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED])
            changes = RunChanges(status=status, end_time=chance.randrange(6))
            info = runs.update_run(info.run_id, changes=changes)
        if chance.random() < 0.15:
            changes = RunChanges(lifecycle_stage=LifecycleStage.DELETED)
            info = runs.update_run(info.run_id, changes=changes)
        latest = latest_metrics(points)
        data = RunData(
            latest_metrics=tuple(latest[key] for key in sorted(latest)),
            params=params,
            tags={**made.data.tags, **tags},
        )
        expected.append(Run(info=info, data=data, inputs=inputs))
    return experiments, expected


def query_of(
    experiments: Sequence[Experiment],
    text: str = "",
    order: Sequence[str] = (),
    view_type: ViewType = ViewType.ACTIVE_ONLY,
    max_results: int = 1000,
) -> RunQuery:
    """Return the query of some texts."""
    return RunQuery(
        experiment_ids=tuple(experiment.experiment_id for experiment in experiments),
        filter=parse_filter(text, Subject.RUNS),
        order_by=parse_order_by(order, Subject.RUNS),
        view_type=view_type,
        max_results=max_results,
    )


def names(runs: Sequence[Run]) -> list[str]:
    """Return the names of runs, in their order."""
    return [run.info.run_name for run in runs]


class SearchTests(StoreTests):
    """What RunStore says of searches; the evaluator of tracking_core.search is the meaning."""

    @pytest.mark.parametrize("seed", [1, 2])
    def test_every_filter_finds_what_it_means(self, store: BackendStore, seed: int) -> None:
        experiments, expected = fill(store.runs, seed=seed, count=40)
        filters = list(FILTERS)
        if Capability.RICH_FILTERS in store.capabilities:
            filters += RICH_FILTERS
        wrong = []
        for text in filters:
            query = query_of(experiments, text)
            wanted = select_runs(expected, experiments, query).items
            found = store.runs.search_runs(query).items
            if names(found) != names(wanted):
                wrong.append((text, names(found), names(wanted)))
            if store.runs.count_runs(query) != len(wanted):
                wrong.append((text, ["count", str(store.runs.count_runs(query))], names(wanted)))
        assert not wrong

    def test_a_found_run_is_whole(self, runs: RunStore) -> None:
        experiments, expected = fill(runs, seed=3, count=20)
        query = query_of(experiments, view_type=ViewType.ALL)
        found = {run.info.run_id: run for run in runs.search_runs(query).items}
        assert found.keys() == {run.info.run_id for run in expected}
        for run in expected:
            # By repr, for which NaN is like NaN.
            assert repr(found[run.info.run_id]) == repr(runs.get_run(run.info.run_id))
            assert found[run.info.run_id].data.params == run.data.params
            assert repr(found[run.info.run_id].inputs) == repr(run.inputs)

    @pytest.mark.parametrize("view_type", list(ViewType))
    def test_every_order_is_the_same_everywhere(self, runs: RunStore, view_type: ViewType) -> None:
        experiments, expected = fill(runs, seed=4, count=40)
        wrong = []
        for order in ORDERS:
            query = query_of(experiments, "", order, view_type)
            wanted = [r.info.run_id for r in select_runs(expected, experiments, query).items]
            found = [run.info.run_id for run in runs.search_runs(query).items]
            if found != wanted:
                wrong.append((order, found, wanted))
        assert not wrong

    def test_an_unequal_comparison_never_matches_what_is_missing(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        bare, full = (
            runs.create_run(NewRun(experiment_id=experiment.experiment_id, run_name=name))
            for name in ("bare", "full")
        )
        batch = Batch(
            metrics=(Metric("m", 1.0, 1),), params=(Param("p", "v"),), tags=(RunTag("t", "v"),)
        )
        runs.log_batch(full.info.run_id, batch=batch)
        for text in ("metrics.m != 7", "params.p != 'x'", "tags.t != 'x'"):
            found = runs.search_runs(query_of([experiment], text)).items
            assert names(found) == ["full"], text
        assert bare.data.params == {}

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("metrics.m", ["-inf", "1.0", "inf", "nan", "none"]),
            ("metrics.m DESC", ["inf", "1.0", "-inf", "nan", "none"]),
        ],
    )
    def test_nan_comes_after_the_numbers_and_what_is_missing_last(
        self, runs: RunStore, experiment: Experiment, order: str, expected: list[str]
    ) -> None:
        for name in ("nan", "inf", "none", "-inf", "1.0"):
            run = runs.create_run(NewRun(experiment_id=experiment.experiment_id, run_name=name))
            if name != "none":
                runs.log_metric(run.info.run_id, metric=Metric("m", float(name), 1))
        assert names(runs.search_runs(query_of([experiment], "", [order])).items) == expected

    def test_nan_matches_no_comparison(self, runs: RunStore, run_id: str) -> None:
        runs.log_metric(run_id, metric=Metric("m", math.nan, 1))
        experiment = runs.get_experiment(runs.get_run(run_id).info.experiment_id)
        for operator in ("=", "<", "<=", ">", ">="):
            query = query_of([experiment], f"metrics.m {operator} 0")
            assert runs.search_runs(query).items == ()

    def test_a_filter_looks_at_the_latest_point_and_the_latest_tag(
        self, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        runs.log_metric(run_id, metric=Metric("m", 1.0, 1, 5))
        runs.log_metric(run_id, metric=Metric("m", 9.0, 1, 2))
        runs.set_tag(run_id, tag=RunTag("t", "old"))
        runs.set_tag(run_id, tag=RunTag("t", "new"))
        for text, count in (
            ("metrics.m = 1", 1),
            ("metrics.m = 9", 0),
            ("tags.t = 'new'", 1),
            ("tags.t = 'old'", 0),
        ):
            assert runs.count_runs(query_of([experiment], text)) == count, text
        runs.delete_tag(run_id, key="t")
        assert runs.count_runs(query_of([experiment], "tags.t LIKE '%'")) == 0

    def test_a_search_stays_in_its_experiments(
        self, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        other = runs.create_experiment(NewExperiment(name=fresh_name("other")))
        runs.create_run(NewRun(experiment_id=other.experiment_id))
        found = runs.search_runs(RunQuery(experiment_ids=(experiment.experiment_id,))).items
        assert [run.info.run_id for run in found] == [run_id]
        missing = RunQuery(experiment_ids=("987654321987654321", experiment.experiment_id))
        assert runs.search_runs(missing).items == found
        twice = RunQuery(experiment_ids=(experiment.experiment_id, experiment.experiment_id))
        assert runs.search_runs(twice).items == found
        assert runs.search_runs(RunQuery(experiment_ids=())).items == ()

    def test_without_experiments_a_search_is_in_every_active_one(self, runs: RunStore) -> None:
        ids = []
        name = fresh_name("run")
        for deleted in (False, True, False):
            experiment = runs.create_experiment(NewExperiment(name=fresh_name("e")))
            new = NewRun(experiment_id=experiment.experiment_id, run_name=name)
            run_id = runs.create_run(new).info.run_id
            if deleted:
                runs.delete_experiment(experiment.experiment_id)
            else:
                ids.append(run_id)
        for view_type in (ViewType.ACTIVE_ONLY, ViewType.ALL):
            query = RunQuery(
                filter=parse_filter(f"run_name = '{name}'", Subject.RUNS), view_type=view_type
            )
            assert {run.info.run_id for run in runs.iterate_runs(query)} == set(ids)

    def test_a_projection_leaves_out_what_it_does_not_name(
        self, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        batch = Batch(
            metrics=(Metric("a", 1.0, 1), Metric("b", 2.0, 1)),
            params=(Param("a", "1"), Param("b", "2")),
            tags=(RunTag("a", "1"), RunTag("b", "2")),
        )
        runs.log_batch(run_id, batch=batch)
        inputs = RunInputs((DatasetInput(Dataset("d", "1", "local", "{}")),))
        runs.log_inputs(run_id, inputs=inputs)
        whole = runs.get_run(run_id)
        query = query_of([experiment], "metrics.b = 2 AND params.b = '2'", ["tags.b"])
        for projection, data, its_inputs in (
            (
                Projection(
                    metrics=frozenset({"a"}),
                    params=frozenset({"b", "unknown"}),
                    tags=frozenset({"a", RUN_NAME_TAG}),
                ),
                RunData(
                    latest_metrics=(Metric("a", 1.0, 1),),
                    params={"b": "2"},
                    tags={"a": "1", RUN_NAME_TAG: whole.info.run_name},
                ),
                inputs,
            ),
            (HEADER_ONLY, RunData(), RunInputs()),
            (Projection(metrics=frozenset()), _without_metrics(whole.data), inputs),
        ):
            expected = Run(info=whole.info, data=data, inputs=its_inputs)
            assert runs.get_run(run_id, projection=projection) == expected
            page = runs.search_runs(
                RunQuery(
                    experiment_ids=query.experiment_ids,
                    filter=query.filter,
                    order_by=query.order_by,
                    projection=projection,
                )
            )
            assert page.items == (expected,)
        assert runs.get_run(run_id) == whole

    def test_experiments_are_found_and_ordered_as_runs_are(self, store: BackendStore) -> None:
        chance = random.Random(5)
        batch = fresh_name("batch")
        made = []
        for number in range(16):
            tags = {"batch": batch}
            if chance.random() < 0.6:
                tags["team"] = chance.choice(["größe", "a%b", "axb"])
            name = fresh_name(chance.choice(["Alpha", "alpha", "beta"]))
            experiment = store.runs.create_experiment(NewExperiment(name=name, tags=tags))
            if number % 5 == 0:
                store.runs.delete_experiment(experiment.experiment_id)
            made.append(store.runs.get_experiment(experiment.experiment_id))
        texts = [
            "",
            "name LIKE 'alpha%'",
            "name ILIKE 'ALPHA%'",
            f"name = '{made[1].name}'",
            f"name != '{made[1].name}'",
            "tags.team = 'größe'",
            "tags.team != 'größe'",
            "tags.team LIKE 'a\\%b'",
            "tags.team IS NULL",
            f"creation_time >= {made[8].creation_time}",
        ]
        if Capability.RICH_FILTERS in store.capabilities:
            texts += ["name LIKE 'beta%' OR tags.team = 'axb'", "NOT tags.team = 'axb'"]
        wrong = []
        for text, order, view_type in itertools.product(
            texts, ((), ("name",), ("name DESC",), ("creation_time", "name")), ViewType
        ):
            within = f"tags.batch = '{batch}'"
            whole = f"{within} AND ({text})" if " OR " in text else f"{within} AND {text}"
            query = ExperimentQuery(
                filter=parse_filter(whole if text else within, Subject.EXPERIMENTS),
                order_by=parse_order_by(order, Subject.EXPERIMENTS),
                view_type=view_type,
            )
            wanted = select_experiments(made, query).items
            found = store.runs.search_experiments(query).items
            count = store.runs.count_experiments(query)
            if found != wanted or count != len(wanted):
                wrong.append((text, order, view_type, [each.name for each in found]))
        assert not wrong


def _without_metrics(data: RunData) -> RunData:
    return RunData(params=data.params, tags=data.tags)
