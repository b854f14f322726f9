"""Any sequence of batches gives the same answers as the memory store, which is the reference."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunInputs,
    RunOutputs,
    RunTag,
)
from tracking_core.errors import TrackingError
from tracking_core.stores import (
    Batch,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    RunChanges,
    RunStore,
)
from tracking_core.stores.memory import MemoryStore
from tracking_core_sql.runs import points
from tracking_core_sql.store import SqlStore

VALUES = st.sampled_from([0.0, -0.0, 1.5, -2.5, math.inf, -math.inf, math.nan, 5e-324, 1.8e307])
STEPS = st.integers(-3, 12) | st.sampled_from([-(2**63), 2**63 - 1])
TIMES = st.integers(0, 4) | st.just(2**63 - 1)
NAMES = st.sampled_from([None, "a", "größe"])
KEYS = st.sampled_from(["m", "n"])

metrics = st.builds(Metric, KEYS, VALUES, TIMES, STEPS, st.none(), NAMES, NAMES)
plain = st.builds(Metric, KEYS, VALUES, TIMES, STEPS)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
long = texts.map(lambda text: text * 200)
batches = st.builds(
    Batch,
    metrics=st.lists(plain, max_size=12).map(tuple) | st.lists(metrics, max_size=4).map(tuple),
    params=st.dictionaries(st.sampled_from("pqr"), st.sampled_from(["", "1", "1 "]) | long).map(
        lambda d: tuple(Param(*item) for item in d.items())
    ),
    tags=st.lists(
        st.builds(RunTag, st.sampled_from(["t", "u", "mlflow.runName"]), texts), max_size=3
    ).map(tuple),
    idempotency_key=st.none() | st.sampled_from(["k1", "k2"]),
)
datasets = st.builds(
    DatasetInput,
    st.builds(Dataset, st.sampled_from(["d", "D"]), st.just("1"), texts, long, NAMES, NAMES),
    st.lists(
        st.builds(InputTag, st.sampled_from(["x", "mlflow.data.context"]), texts), max_size=2
    ).map(tuple),
)
models = st.sampled_from(["m-1", "m-2", "M-1"])
logging = batches.map(lambda batch: ("log_batch", {"batch": batch}))
calls = st.one_of(
    *[logging] * 5,  # mostly
    st.sampled_from(["t", "u", "missing"]).map(lambda key: ("delete_tag", {"key": key})),
    st.builds(
        RunInputs,
        st.lists(datasets, max_size=3).map(tuple),
        st.lists(models.map(LoggedModelInput), max_size=2).map(tuple),
    ).map(lambda inputs: ("log_inputs", {"inputs": inputs})),
    st.lists(st.builds(LoggedModelOutput, models, st.integers(-2, 2)), max_size=3).map(
        lambda each: ("log_outputs", {"outputs": RunOutputs(tuple(each))})
    ),
    texts.map(lambda name: ("update_run", {"changes": RunChanges(run_name=name)})),
)
queries = st.fixed_dictionaries(
    {"key": KEYS},
    optional={
        "first_step": STEPS,
        "last_step": STEPS,
        "max_results": st.integers(1, 7),
    },
)


def outcome(call: Callable[..., object], run_id: str, arguments: dict[str, object]) -> str:
    """Return what a call returns or says, as text that tells NaN and -0.0 too."""
    try:
        return repr(call(run_id, **arguments))
    except TrackingError as error:
        return f"{type(error).__name__}: {error}"


def pages(store: RunStore, run_id: str, window: dict[str, int]) -> list[object]:
    found, token = [], None
    while True:
        query = MetricHistoryQuery(page_token=token, **window)  # type: ignore[arg-type]
        page = store.metric_history(run_id, query=query)
        found.append(page)
        token = page.next_page_token
        if token is None:
            return found


@given(st.lists(calls, min_size=1, max_size=12), st.lists(queries, min_size=2, max_size=4))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_run_is_what_the_reference_makes_of_the_same_calls(
    store: SqlStore,
    experiment_id: str,
    asked: list[tuple[str, dict[str, object]]],
    windows: list[dict[str, int]],
) -> None:
    memory = MemoryStore(Uri.parse("memory:"), Settings())
    memory.create_experiment(NewExperiment(name="e", experiment_id=experiment_id))
    made = store.create_run(NewRun(experiment_id=experiment_id))
    run_id = made.info.run_id
    memory.create_run(
        NewRun(
            experiment_id=experiment_id,
            run_id=run_id,
            run_name=made.info.run_name,
            start_time=made.info.start_time,
            artifact_uri=made.info.artifact_uri,
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points, "FULL_BLOCK", 8)
        patch.setattr(points, "_LARGE_BATCH", 4)
        for name, arguments in asked:
            found = outcome(getattr(store, name), run_id, arguments)
            assert found == outcome(getattr(memory, name), run_id, arguments)
    left, right = store.get_run(run_id), memory.get_run(run_id)
    assert repr(left.data.latest_metrics) == repr(right.data.latest_metrics)
    assert (left.data.params, left.data.tags) == (right.data.params, right.data.tags)
    assert (left.info, left.inputs, left.outputs) == (right.info, right.inputs, right.outputs)
    for window in windows:
        assert repr(pages(store, run_id, window)) == repr(pages(memory, run_id, window))
