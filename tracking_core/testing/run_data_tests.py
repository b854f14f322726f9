"""Run data: points, params, tags, batches, inputs and outputs."""

from __future__ import annotations

import math

import pytest

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    DatasetSummary,
    Experiment,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunInputs,
    RunOutputs,
    RunTag,
)
from tracking_core.errors import ConflictError, InvalidValueError, NotFoundError
from tracking_core.stores import (
    BackendStore,
    Batch,
    Capability,
    MetricHistoryQuery,
    NewRun,
    RunStore,
)
from tracking_core.testing.store_tests import StoreTests, fresh_name

INF, NAN = math.inf, math.nan
MODEL_ID = "m-0123456789abcdef0123456789abcdef"

TEXTS = [
    "",
    " leading and trailing ",
    "two\nlines\r\nand\ttabs",
    "größe 日本語 🚀 \u202e",
    "\ufeffbyte order mark",
    "'quotes\" and \\ backslashes`",
    "nan",
    "null",
    "~",
    "{json: [1, 2]}",
    "\x01\x1f\x7f\x85\u2028",
    "x" * 20_000,
]
KEYS = ["a", "a/b", "a/b/c.d", "with space", "größe", "a:b", "-", "_", "A", "x" * 250, "1", "nan"]


def same(left: float, right: float) -> bool:
    """Tell whether two values are the same, NaN and the sign of zero included."""
    both_nan = math.isnan(left) and math.isnan(right)
    return both_nan or (left == right and math.copysign(1, left) == math.copysign(1, right))


def history(runs: RunStore, run_id: str, key: str) -> list[Metric]:
    """Return all points of a metric."""
    return list(runs.metric_history(run_id, query=MetricHistoryQuery(key=key)).items)


def log(runs: RunStore, run_id: str, *points: Metric) -> None:
    """Log points in one batch."""
    runs.log_batch(run_id, batch=Batch(metrics=points))


class MetricTests(StoreTests):
    """What RunStore says of points."""

    @pytest.mark.parametrize(
        "value",
        [0.0, -0.0, 1.5, -1e308, 5e-324, 0.1 + 0.2, 1e22, INF, -INF, NAN, 2.0**53 + 2, -1 / 3],
    )
    def test_a_value_comes_back_to_the_last_bit(
        self, runs: RunStore, run_id: str, value: float
    ) -> None:
        runs.log_metric(run_id, metric=Metric("m", value, 1))
        (point,) = history(runs, run_id, "m")
        assert same(point.value, value)
        assert same(runs.get_run(run_id).data.metrics["m"], value)

    @pytest.mark.parametrize("step", [0, 1, -1, 7, 2**63 - 1, -(2**63)])
    @pytest.mark.parametrize("timestamp", [0, 1_700_000_000_123, 2**63 - 1])
    def test_step_and_time_come_back(
        self, runs: RunStore, run_id: str, step: int, timestamp: int
    ) -> None:
        point = Metric("m", 1.0, timestamp, step)
        log(runs, run_id, point)
        assert history(runs, run_id, "m") == [point]
        assert runs.get_run(run_id).data.latest_metrics == (point,)

    @pytest.mark.parametrize("key", KEYS)
    def test_a_metric_key_may_be_any_path_like_text(
        self, runs: RunStore, run_id: str, key: str
    ) -> None:
        log(runs, run_id, Metric(key, 1.0, 2, 3))
        assert history(runs, run_id, key) == [Metric(key, 1.0, 2, 3)]
        assert runs.get_run(run_id).data.metrics == {key: 1.0}

    def test_a_key_may_be_the_beginning_of_another(self, runs: RunStore, run_id: str) -> None:
        keys = ["loss", "loss.x", "loss/a", "loss/a b", "losses", "Loss"]
        log(runs, run_id, *(Metric(key, float(i), 1) for i, key in enumerate(keys)))
        assert runs.get_run(run_id).data.metrics == {key: float(i) for i, key in enumerate(keys)}
        assert [history(runs, run_id, key)[0].value for key in keys] == [0, 1, 2, 3, 4, 5]

    def test_numbers_of_other_types_are_taken_and_become_floats(
        self, runs: RunStore, run_id: str
    ) -> None:
        runs.log_metric(run_id, metric=Metric("m", 3, 1))
        assert type(runs.get_run(run_id).data.metrics["m"]) is float

    @pytest.mark.parametrize(
        ("points", "latest"),
        [
            ([(1.0, 5, 0), (2.0, 5, 1)], 1),
            ([(1.0, 5, 1), (2.0, 9, 0)], 0),
            ([(1.0, 9, 0), (2.0, 5, 0)], 0),
            ([(2.0, 5, 0), (1.0, 5, 0)], 0),
            ([(-1.0, 5, 0), (-2.0, 5, 0)], 0),
            ([(1.0, 5, -3), (2.0, 5, -9)], 0),
            ([(NAN, 5, 0), (1.0, 5, 0)], 1),
            ([(1.0, 5, 0), (NAN, 5, 0)], 0),
            ([(1.0, 5, 0), (NAN, 5, 1)], 1),
            ([(-INF, 5, 0), (NAN, 5, 0)], 0),
            ([(INF, 5, 0), (1.0, 5, 0)], 0),
            ([(1.0, 5, 0), (2.0, 4, 3), (9.0, 9, 2)], 1),
        ],
    )
    @pytest.mark.parametrize("together", [True, False])
    def test_the_latest_is_the_greatest_step_then_time_then_value(
        self,
        runs: RunStore,
        run_id: str,
        points: list[tuple[float, int, int]],
        latest: int,
        together: bool,
    ) -> None:
        metrics = [Metric("m", *point) for point in points]
        if together:
            log(runs, run_id, *metrics)
        else:
            for metric in metrics:
                runs.log_metric(run_id, metric=metric)
        (found,) = runs.get_run(run_id).data.latest_metrics
        expected = metrics[latest]
        assert (found.timestamp, found.step) == (expected.timestamp, expected.step)
        assert same(found.value, expected.value)

    def test_a_history_is_in_order_of_step_and_time_and_ties_as_logged(
        self, runs: RunStore, run_id: str
    ) -> None:
        points = [
            Metric("m", 5.0, 10, 2),
            Metric("m", 1.0, 30, -4),
            Metric("m", 9.0, 10, 2),
            Metric("m", 2.0, 5, 2),
            Metric("m", 7.0, 10, 2),
        ]
        log(runs, run_id, *points[:2])
        log(runs, run_id, *points[2:])
        ordered = [points[1], points[3], points[0], points[2], points[4]]
        assert history(runs, run_id, "m") == ordered

    def test_equal_points_are_each_kept(self, runs: RunStore, run_id: str) -> None:
        point = Metric("m", 1.0, 2, 3)
        log(runs, run_id, point, point)
        log(runs, run_id, point)
        assert history(runs, run_id, "m") == [point] * 3

    def test_an_unknown_key_has_no_points(self, runs: RunStore, run_id: str) -> None:
        log(runs, run_id, Metric("m", 1.0, 2))
        page = runs.metric_history(run_id, query=MetricHistoryQuery(key="other"))
        assert (page.items, page.next_page_token) == ((), None)

    def test_a_history_can_be_narrowed_to_steps(self, runs: RunStore, run_id: str) -> None:
        points = [Metric("m", float(step), 1, step) for step in range(-5, 6)]
        log(runs, run_id, *points)
        for first, last in ((None, None), (-2, None), (None, 3), (-2, 3), (4, 4), (6, 9), (3, -3)):
            query = MetricHistoryQuery(key="m", first_step=first, last_step=last)
            low, high = (-9 if first is None else first), (9 if last is None else last)
            found = list(runs.metric_history(run_id, query=query).items)
            assert found == [point for point in points if low <= point.step <= high]

    def test_several_histories_come_run_after_run_with_their_ids(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        ids = [
            runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
            for _ in range(3)
        ]
        for number, run_id in enumerate(ids[:2]):
            log(
                runs,
                run_id,
                Metric("m", number, 1, 1),
                Metric("m", number, 1, 0),
                Metric("n", 1, 1),
            )
        found = runs.metric_histories(
            [ids[1], ids[2], ids[0]], query=MetricHistoryQuery(key="m", first_step=1)
        )
        assert found == [
            Metric("m", 1.0, 1, 1, run_id=ids[1]),
            Metric("m", 0.0, 1, 1, run_id=ids[0]),
        ]

    def test_the_latest_metrics_are_in_order_of_their_keys(
        self, runs: RunStore, run_id: str
    ) -> None:
        keys = ["b", "a/c", "a", "B", "ä"]
        log(runs, run_id, *(Metric(key, 1.0, 1) for key in keys))
        assert [m.key for m in runs.get_run(run_id).data.latest_metrics] == sorted(keys)

    def test_the_points_of_two_runs_do_not_mix(
        self, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        other = runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
        log(runs, run_id, Metric("m", 1.0, 1))
        log(runs, other, Metric("m", 2.0, 1))
        assert history(runs, run_id, "m") == [Metric("m", 1.0, 1)]
        assert history(runs, other, "m") == [Metric("m", 2.0, 1)]

    @pytest.mark.parametrize(
        ("name", "digest", "model_id"),
        [
            ("wine", "abc123", None),
            ("wine, red  (2 litres)", "a b", None),
            ("größe", "d", MODEL_ID),
            (None, None, MODEL_ID),
        ],
    )
    def test_a_point_keeps_step_data_set_and_model(
        self,
        store: BackendStore,
        runs: RunStore,
        run_id: str,
        name: str | None,
        digest: str | None,
        model_id: str | None,
    ) -> None:
        self.need(store, Capability.METRIC_DATASETS)
        point = Metric("m", 0.5, 11, 42, model_id, name, digest)
        log(runs, run_id, point)
        assert history(runs, run_id, "m") == [point]
        assert runs.get_run(run_id).data.latest_metrics == (point,)


class ParamAndTagTests(StoreTests):
    """What RunStore says of params and tags."""

    def test_a_tag_whose_key_began_with_a_deleted_one_can_be_set_and_deleted(
        self, runs: RunStore, run_id: str
    ) -> None:
        """Stores of files can't have a file and a directory of one name."""
        tags = (RunTag("a", "1"), RunTag("a/b", "2"))
        runs.log_batch(run_id, batch=Batch(tags=tags))
        runs.delete_tag(run_id, key="a")
        runs.set_tag(run_id, tag=RunTag("a/b", "3"))
        assert runs.get_run(run_id).data.tags["a/b"] == "3"
        runs.delete_tag(run_id, key="a/b")
        assert runs.get_run(run_id).data.tags.keys().isdisjoint({"a", "a/b"})

    @pytest.mark.parametrize("text", TEXTS)
    def test_any_text_is_kept_whole(self, store: BackendStore, run_id: str, text: str) -> None:
        runs, limits = store.runs, store.limits
        for limit in (limits.param_value_length, limits.tag_value_length):
            if limit is not None and len(text) > limit:
                with pytest.raises(InvalidValueError, match=str(limit)):
                    runs.log_batch(
                        run_id, batch=Batch(params=(Param("p", text),), tags=(RunTag("t", text),))
                    )
                return
        batch = Batch(params=(Param("p", text),), tags=(RunTag("t", text),))
        runs.log_batch(run_id, batch=batch)
        data = runs.get_run(run_id).data
        assert data.params == {"p": text}
        assert data.tags["t"] == text

    @pytest.mark.parametrize("key", KEYS)
    def test_a_param_or_tag_key_may_be_any_path_like_text(
        self, runs: RunStore, run_id: str, key: str
    ) -> None:
        runs.log_batch(run_id, batch=Batch(params=(Param(key, "p"),), tags=(RunTag(key, "t"),)))
        data = runs.get_run(run_id).data
        assert data.params == {key: "p"}
        assert data.tags[key] == "t"
        runs.delete_tag(run_id, key=key)
        assert key not in runs.get_run(run_id).data.tags

    def test_keys_that_differ_in_case_alone_are_two(self, runs: RunStore, run_id: str) -> None:
        params = {"rate": "1", "Rate": "2", "RATE": "3"}
        runs.log_batch(run_id, batch=Batch(params=tuple(Param(*item) for item in params.items())))
        assert runs.get_run(run_id).data.params == params

    def test_the_same_param_again_is_fine(self, runs: RunStore, run_id: str) -> None:
        for _ in range(2):
            runs.log_param(run_id, param=Param("p", "v"))
        assert runs.get_run(run_id).data.params == {"p": "v"}

    def test_a_changed_param_is_refused_and_the_first_value_stays(
        self, runs: RunStore, run_id: str
    ) -> None:
        runs.log_param(run_id, param=Param("depth", "three"))
        with pytest.raises(ConflictError, match=r"depth.*three.*seven"):
            runs.log_param(run_id, param=Param("depth", "seven"))
        assert runs.get_run(run_id).data.params == {"depth": "three"}

    @pytest.mark.parametrize(("first", "second"), [("1", "1.0"), ("", " "), ("a", "A"), ("", "x")])
    def test_values_that_only_look_alike_are_different(
        self, runs: RunStore, run_id: str, first: str, second: str
    ) -> None:
        runs.log_param(run_id, param=Param("p", first))
        with pytest.raises(ConflictError, match="p"):
            runs.log_param(run_id, param=Param("p", second))
        assert runs.get_run(run_id).data.params == {"p": first}

    def test_nothing_of_a_batch_that_contradicts_is_written(
        self, runs: RunStore, run_id: str
    ) -> None:
        runs.log_batch(run_id, batch=Batch(params=(Param("p", "v"),), tags=(RunTag("t", "1"),)))
        before = runs.get_run(run_id)
        batch = Batch(
            metrics=(Metric("m", 1.0, 1),),
            params=(Param("new", "v"), Param("p", "other"), Param("newer", "v")),
            tags=(RunTag("t", "2"), RunTag("u", "3")),
            idempotency_key=None,
        )
        with pytest.raises(ConflictError, match="p"):
            runs.log_batch(run_id, batch=batch)
        assert runs.get_run(run_id) == before
        assert history(runs, run_id, "m") == []

    def test_the_last_of_equal_tags_wins(self, runs: RunStore, run_id: str) -> None:
        runs.log_batch(run_id, batch=Batch(tags=(RunTag("t", "1"), RunTag("t", "2"))))
        assert runs.get_run(run_id).data.tags["t"] == "2"
        runs.set_tag(run_id, tag=RunTag("t", "3"))
        assert runs.get_run(run_id).data.tags["t"] == "3"

    def test_a_deleted_tag_is_gone_and_the_others_stay(self, runs: RunStore, run_id: str) -> None:
        before = runs.get_run(run_id).data.tags
        runs.log_batch(run_id, batch=Batch(tags=(RunTag("t", "1"), RunTag("u/v", "2"))))
        runs.delete_tag(run_id, key="t")
        assert runs.get_run(run_id).data.tags == {**before, "u/v": "2"}

    def test_a_deleted_tag_does_not_come_back_with_other_changes(
        self, runs: RunStore, run_id: str
    ) -> None:
        runs.set_tag(run_id, tag=RunTag("t", "1"))
        runs.delete_tag(run_id, key="t")
        runs.set_tag(run_id, tag=RunTag("u", "1"))
        log(runs, run_id, Metric("m", 1.0, 1))
        runs.delete_run(run_id)
        runs.restore_run(run_id)
        assert "t" not in runs.get_run(run_id).data.tags
        runs.set_tag(run_id, tag=RunTag("t", "2"))
        assert runs.get_run(run_id).data.tags["t"] == "2"

    def test_a_tag_that_is_not_there_can_not_be_deleted(self, runs: RunStore, run_id: str) -> None:
        with pytest.raises(NotFoundError, match="missing"):
            runs.delete_tag(run_id, key="missing")
        runs.set_tag(run_id, tag=RunTag("t", "1"))
        runs.delete_tag(run_id, key="t")
        with pytest.raises(NotFoundError, match="t"):
            runs.delete_tag(run_id, key="t")


class BatchTests(StoreTests):
    """What RunStore says of batches as such."""

    def test_a_large_batch_is_there_whole(self, store: BackendStore, run_id: str) -> None:
        limits = store.limits
        count = min(
            limit
            for limit in (
                500,
                limits.batch_metrics,
                limits.batch_params,
                limits.batch_tags,
                None if limits.batch_size is None else limits.batch_size // 3,
            )
            if limit is not None
        )
        batch = Batch(
            metrics=tuple(Metric(f"m/{i}", float(i), i, i) for i in range(count)),
            params=tuple(Param(f"p/{i}", str(i)) for i in range(count)),
            tags=tuple(RunTag(f"t/{i}", str(i)) for i in range(count)),
        )
        store.runs.log_batch(run_id, batch=batch)
        data = store.runs.get_run(run_id).data
        assert data.metrics == {f"m/{i}": float(i) for i in range(count)}
        assert data.params == {f"p/{i}": str(i) for i in range(count)}
        assert {f"t/{i}": str(i) for i in range(count)}.items() <= data.tags.items()

    def test_an_empty_batch_changes_nothing(self, runs: RunStore, run_id: str) -> None:
        before = runs.get_run(run_id)
        runs.log_batch(run_id, batch=Batch())
        assert runs.get_run(run_id) == before

    def test_batches_of_one_run_add_up(self, runs: RunStore, run_id: str) -> None:
        for number in range(5):
            runs.log_batch(
                run_id,
                batch=Batch(
                    metrics=(Metric("m", number, 1, number), Metric(f"m{number}", 1.0, 1)),
                    params=(Param(f"p{number}", "v"),),
                    tags=(RunTag("last", str(number)),),
                ),
            )
        data = runs.get_run(run_id).data
        assert data.metrics == {"m": 4.0, **{f"m{number}": 1.0 for number in range(5)}}
        assert data.params == {f"p{number}": "v" for number in range(5)}
        assert data.tags["last"] == "4"

    def test_a_batch_sent_twice_with_one_key_is_there_once(
        self, store: BackendStore, runs: RunStore, run_id: str
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        point = Metric("m", 1.0, 1)
        key = fresh_name("key")
        for _ in range(3):
            runs.log_batch(run_id, batch=Batch(metrics=(point, point), idempotency_key=key))
        assert history(runs, run_id, "m") == [point, point]
        runs.log_batch(run_id, batch=Batch(metrics=(point,), idempotency_key=f"{key}-2"))
        runs.log_batch(run_id, batch=Batch(metrics=(point,)))
        assert history(runs, run_id, "m") == [point] * 4

    def test_a_batch_sent_again_does_not_undo_what_came_between(
        self, store: BackendStore, runs: RunStore, run_id: str
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        batch = Batch(tags=(RunTag("t", "old"),), idempotency_key=fresh_name("key"))
        runs.log_batch(run_id, batch=batch)
        runs.set_tag(run_id, tag=RunTag("t", "new"))
        runs.log_batch(run_id, batch=batch)
        assert runs.get_run(run_id).data.tags["t"] == "new"

    def test_one_key_in_two_runs_is_two_batches(
        self, store: BackendStore, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        other = runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
        batch = Batch(metrics=(Metric("m", 1.0, 1),), idempotency_key=fresh_name("key"))
        for each in (run_id, other):
            runs.log_batch(each, batch=batch)
            assert len(history(runs, each, "m")) == 1

    def test_the_key_of_a_refused_batch_is_not_used_up(
        self, store: BackendStore, runs: RunStore, run_id: str
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        runs.log_param(run_id, param=Param("p", "v"))
        key = fresh_name("key")
        with pytest.raises(ConflictError, match="p"):
            runs.log_batch(run_id, batch=Batch(params=(Param("p", "w"),), idempotency_key=key))
        runs.log_batch(run_id, batch=Batch(metrics=(Metric("m", 1.0, 1),), idempotency_key=key))
        assert len(history(runs, run_id, "m")) == 1


def used(name: str, digest: str = "d1", **tags: str) -> DatasetInput:
    """Return a data set as a run used it."""
    dataset = Dataset(name, digest, "local", '{"uri": "/data"}', '{"a": "long"}', '{"rows": 3}')
    return DatasetInput(dataset, tuple(InputTag(key, value) for key, value in tags.items()))


class InputTests(StoreTests):
    """What RunStore says of inputs and outputs."""

    def test_inputs_and_outputs_come_back(self, runs: RunStore, run_id: str) -> None:
        inputs = RunInputs((used("wine", split="train"), used("a b, c"), used("größe")), ())
        runs.log_inputs(run_id, inputs=inputs)
        models = RunInputs(model_inputs=(LoggedModelInput(MODEL_ID),))
        runs.log_inputs(run_id, inputs=models)
        outputs = RunOutputs((LoggedModelOutput(MODEL_ID, 7),))
        runs.log_outputs(run_id, outputs=outputs)
        run = runs.get_run(run_id)

        def by_name(items: tuple[DatasetInput, ...]) -> list[DatasetInput]:
            return sorted(items, key=lambda item: item.dataset.name)

        assert by_name(run.inputs.dataset_inputs) == by_name(inputs.dataset_inputs)
        assert run.inputs.model_inputs == models.model_inputs
        assert run.outputs == outputs

    def test_an_input_that_is_there_is_not_doubled(self, runs: RunStore, run_id: str) -> None:
        inputs = RunInputs((used("wine"),), (LoggedModelInput(MODEL_ID),))
        outputs = RunOutputs((LoggedModelOutput(MODEL_ID, 1),))
        for _ in range(2):
            runs.log_inputs(run_id, inputs=inputs)
            runs.log_outputs(run_id, outputs=outputs)
        run = runs.get_run(run_id)
        assert (run.inputs, run.outputs) == (inputs, outputs)

    def test_another_digest_is_another_data_set(self, runs: RunStore, run_id: str) -> None:
        inputs = (used("wine", "d1"), used("wine", "d2"))
        runs.log_inputs(run_id, inputs=RunInputs(inputs))
        found = runs.get_run(run_id).inputs.dataset_inputs
        assert sorted(each.dataset.digest for each in found) == ["d1", "d2"]

    def test_inputs_leave_the_rest_of_the_run(self, runs: RunStore, run_id: str) -> None:
        before = runs.get_run(run_id)
        runs.log_inputs(run_id, inputs=RunInputs((used("wine"),)))
        after = runs.get_run(run_id)
        assert (after.info, after.data, after.outputs) == (before.info, before.data, before.outputs)

    def test_the_data_sets_of_an_experiment_are_listed_once(
        self, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        experiment_id = experiment.experiment_id
        other, deleted = (
            runs.create_run(NewRun(experiment_id=experiment_id)).info.run_id for _ in range(2)
        )
        wine = DatasetInput(used("wine").dataset, (InputTag("mlflow.data.context", "train"),))
        for each in (run_id, other):
            runs.log_inputs(each, inputs=RunInputs((wine, used("beer"))))
        runs.log_inputs(deleted, inputs=RunInputs((used("milk"),)))
        runs.delete_run(deleted)
        found = runs.search_datasets([experiment_id])
        assert sorted(found, key=lambda summary: summary.name) == [
            DatasetSummary(experiment_id, "beer", "d1", None),
            DatasetSummary(experiment_id, "wine", "d1", "train"),
        ]
