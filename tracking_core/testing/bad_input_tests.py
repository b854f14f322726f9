"""Bad input: what a store gets as bare arguments, and what is beyond its limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunInputs,
    RunOutputs,
    RunTag,
)
from tracking_core.errors import InvalidValueError, NotFoundError, TrackingError
from tracking_core.stores import (
    BackendStore,
    Batch,
    ExperimentChanges,
    Limits,
    MetricHistoryQuery,
    RunChanges,
    RunStore,
)
from tracking_core.testing.store_tests import StoreTests

BAD_IDS: list[Any] = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a b",
    "a\\b",
    "a\0b",
    "größe",
    "-a",
    "x\n",
    "%2e%2e",
    "x" * 257,
    5,
    None,
    b"abc",
]
BAD_KEYS: list[Any] = ["", "../x", "/etc/passwd", "a//b", "a/", ".", "a\0b", "a?b", "x" * 251, None]

_RESTORE = LifecycleStage.ACTIVE


def told(error: TrackingError, value: object) -> bool:
    """Tell whether a sentence names a value, or the beginning of a long one."""
    if value == "":
        return "''" in str(error) or "empty" in str(error)
    return repr(value)[1:20].rstrip("'") in str(error) or str(value)[:20] in str(error)


class BadInputTests(StoreTests):
    """What RunStore says of input: refused with a sentence that names it, and nothing written."""

    @pytest.mark.parametrize("bad", BAD_IDS)
    def test_a_run_id_that_can_not_be_is_refused(self, runs: RunStore, bad: Any) -> None:
        calls: tuple[Callable[[], object], ...] = (
            lambda: runs.get_run(bad),
            lambda: runs.update_run(bad, changes=RunChanges(lifecycle_stage=_RESTORE)),
            lambda: runs.log_batch(bad, batch=Batch(params=(Param("p", "v"),))),
            lambda: runs.delete_tag(bad, key="t"),
            lambda: runs.log_inputs(bad, inputs=RunInputs()),
            lambda: runs.log_outputs(bad, outputs=RunOutputs()),
            lambda: runs.metric_history(bad, query=MetricHistoryQuery(key="m")),
        )
        for number, call in enumerate(calls):
            with pytest.raises(InvalidValueError) as caught:
                call()
            assert told(caught.value, bad), f"call {number}: {caught.value}"

    @pytest.mark.parametrize("bad", [each for each in BAD_IDS if each != "x" * 257] + ["x" * 65])
    def test_an_experiment_id_that_can_not_be_is_refused(self, runs: RunStore, bad: Any) -> None:
        calls: tuple[Callable[[], object], ...] = (
            lambda: runs.get_experiment(bad),
            lambda: runs.update_experiment(bad, changes=ExperimentChanges(set_tags={"a": "b"})),
        )
        for number, call in enumerate(calls):
            with pytest.raises(InvalidValueError) as caught:
                call()
            assert told(caught.value, bad), f"call {number}: {caught.value}"

    @pytest.mark.parametrize("bad", BAD_KEYS)
    def test_a_tag_key_that_can_not_be_is_refused(
        self, runs: RunStore, run_id: str, bad: Any
    ) -> None:
        before = runs.get_run(run_id)
        with pytest.raises((InvalidValueError, NotFoundError)) as caught:
            runs.delete_tag(run_id, key=bad)
        assert told(caught.value, bad)
        assert runs.get_run(run_id) == before

    @pytest.mark.parametrize(
        "dataset",
        [
            Dataset("", "d", "local", "{}"),
            Dataset("a", "", "local", "{}"),
            Dataset("a\0b", "d", "local", "{}"),
            Dataset("a", "d", "local", "\ud800"),
            Dataset("a", "d", "local", "{}", schema="\0"),
        ],
    )
    def test_a_data_set_that_can_not_be_is_refused(
        self, runs: RunStore, run_id: str, dataset: Dataset
    ) -> None:
        before = runs.get_run(run_id)
        good = DatasetInput(Dataset("good", "d", "local", "{}"))
        with pytest.raises(InvalidValueError, match="data set"):
            runs.log_inputs(run_id, inputs=RunInputs((good, DatasetInput(dataset))))
        assert runs.get_run(run_id) == before

    def test_a_model_that_can_not_be_is_refused(self, runs: RunStore, run_id: str) -> None:
        before = runs.get_run(run_id)
        with pytest.raises(InvalidValueError, match=r"model id '\.\./x'"):
            runs.log_inputs(run_id, inputs=RunInputs(model_inputs=(LoggedModelInput("../x"),)))
        for output, told in (
            (LoggedModelOutput("../x"), "model id '../x'"),
            (LoggedModelOutput("m-1", 2**63), "step"),
        ):
            with pytest.raises(InvalidValueError, match=told):
                runs.log_outputs(run_id, outputs=RunOutputs((output,)))
        assert runs.get_run(run_id) == before

    @pytest.mark.parametrize("run_id_like", ["..", "a/b", "x\0y"])
    def test_bad_ids_reach_nothing_that_is_there(
        self, runs: RunStore, run_id: str, run_id_like: str
    ) -> None:
        before = runs.get_run(run_id)
        for bad in (f"{run_id}/", f"./{run_id}", f"{run_id}{run_id_like}", f" {run_id}"):
            with pytest.raises(InvalidValueError, match="run id"):
                runs.log_metric(bad, metric=Metric("m", 1.0, 1))
        assert runs.get_run(run_id) == before

    @pytest.mark.parametrize("name", ["batch_size", "batch_metrics", "batch_params", "batch_tags"])
    def test_a_batch_beyond_a_limit_is_refused_whole(
        self, store: BackendStore, run_id: str, name: str
    ) -> None:
        limit = getattr(store.limits, name)
        if limit is None:
            pytest.skip(f"{type(store).__name__} declares no {name}")
        metrics = tuple(Metric(f"m{i}", 1.0, 1) for i in range(limit + 1))
        batch = {
            "batch_params": Batch(params=tuple(Param(m.key, "v") for m in metrics)),
            "batch_tags": Batch(tags=tuple(RunTag(m.key, "v") for m in metrics)),
        }.get(name, Batch(metrics=metrics))
        before = store.runs.get_run(run_id)
        with pytest.raises(InvalidValueError, match=str(limit)):
            store.runs.log_batch(run_id, batch=batch)
        assert store.runs.get_run(run_id) == before

    @pytest.mark.parametrize("name", ["param_value_length", "tag_value_length"])
    def test_a_value_beyond_a_limit_is_refused_and_never_cut(
        self, store: BackendStore, run_id: str, name: str
    ) -> None:
        limit = getattr(store.limits, name)
        if limit is None:
            pytest.skip(f"{type(store).__name__} declares no {name}")
        before = store.runs.get_run(run_id)

        def batch(length: int) -> Batch:
            if name == "param_value_length":
                return Batch(params=(Param("p", "x" * length),))
            return Batch(tags=(RunTag("t", "x" * length),))

        with pytest.raises(InvalidValueError, match=str(limit)):
            store.runs.log_batch(run_id, batch=batch(limit + 1))
        assert store.runs.get_run(run_id) == before
        store.runs.log_batch(run_id, batch=batch(limit))

    def test_the_limits_are_ones(self, store: BackendStore) -> None:
        assert isinstance(store.limits, Limits)
        for name in Limits.__struct_fields__:
            limit = getattr(store.limits, name)
            assert limit is None or limit > 0, name
