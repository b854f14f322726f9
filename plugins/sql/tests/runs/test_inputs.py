"""Inputs and outputs: told once, kept in place, in as many statements whatever their number."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import func, select

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    RunInputs,
    RunOutputs,
)
from tracking_core_sql import schema
from tracking_core_sql.store import SqlStore

Statements = Callable[[], AbstractContextManager[list[str]]]


def used(name: str, **tags: str) -> DatasetInput:
    dataset = Dataset(name, "digest", "local", "/data", None, '{"rows": 3}')
    return DatasetInput(dataset, tuple(InputTag(key, value) for key, value in tags.items()))


def rows(store: SqlStore, *columns: Any) -> list[Any]:
    found = store._database.read(lambda t: t.rows(select(*columns)))
    return [tuple(row) for row in found]


def test_inputs_take_as_many_statements_whatever_their_number(
    store: SqlStore, new_run: Callable[[], str], statements: Statements
) -> None:
    counts = []
    for count in (2, 200):
        run_id = new_run()
        inputs = RunInputs(
            tuple(used(f"d{i}", split="train") for i in range(count)),
            tuple(LoggedModelInput(f"m-{i}") for i in range(count)),
        )
        outputs = RunOutputs(tuple(LoggedModelOutput(f"m-{i}", i) for i in range(count)))
        with statements() as seen:
            store.log_inputs(run_id, inputs=inputs)
            store.log_outputs(run_id, outputs=outputs)
        counts.append(len(seen))
        run = store.get_run(run_id)
        assert (run.inputs, run.outputs) == (inputs, outputs)
    assert abs(counts[0] - counts[1]) <= 1  # the second run's numbers are remembered


def test_a_data_set_that_is_there_gets_new_tags_and_keeps_its_place(
    store: SqlStore, run_id: str
) -> None:
    first = RunInputs((used("a", split="train"), used("b"), used("c")))
    store.log_inputs(run_id, inputs=first)
    more = {"mlflow.data.context": "eval"}
    store.log_inputs(run_id, inputs=RunInputs((used("d"), used("b", **more), used("a", x="y"))))
    assert store.get_run(run_id).inputs.dataset_inputs == (
        used("a", split="train", x="y"),
        used("b", **more),
        used("c"),
        used("d"),
    )
    place = schema.run_dataset.c
    assert sorted(rows(store, place.position, place.context)) == [
        (0, None),
        (1, "eval"),
        (2, None),
        (3, None),
    ]


def test_what_is_there_already_is_not_written(
    store: SqlStore, run_id: str, statements: Statements
) -> None:
    inputs = RunInputs((used("a"),), (LoggedModelInput("m-1"),))
    outputs = RunOutputs((LoggedModelOutput("m-1", 3),))
    store.log_inputs(run_id, inputs=inputs)
    store.log_outputs(run_id, outputs=outputs)
    with statements() as seen:
        store.log_inputs(run_id, inputs=inputs)
        store.log_outputs(run_id, outputs=outputs)
    assert not [text for text in seen if "INTO tracking_run" in text or text.startswith("UPDATE")]


def test_a_data_set_is_told_once_for_all_runs_of_an_experiment(
    store: SqlStore, new_run: Callable[[], str]
) -> None:
    for _ in range(3):
        store.log_inputs(new_run(), inputs=RunInputs((used("a"), used("b"))))
    assert rows(store, func.count(schema.dataset.c.id)) == [(2,)]
    assert len(rows(store, schema.run_dataset.c.run)) == 6


def test_the_first_description_of_a_data_set_stays(store: SqlStore, run_id: str) -> None:
    store.log_inputs(run_id, inputs=RunInputs((used("a"),)))
    other = DatasetInput(Dataset("a", "digest", "s3", "s3://bucket"), (InputTag("x", "y"),))
    store.log_inputs(run_id, inputs=RunInputs((other,)))
    assert store.get_run(run_id).inputs.dataset_inputs == (used("a", x="y"),)


def test_an_output_that_is_there_moves_to_its_new_step(store: SqlStore, run_id: str) -> None:
    first = RunOutputs((LoggedModelOutput("m-1", 1), LoggedModelOutput("m-2", 1)))
    store.log_outputs(run_id, outputs=first)
    again = RunOutputs((LoggedModelOutput("m-3", 2), LoggedModelOutput("m-1", 9)))
    store.log_outputs(run_id, outputs=again)
    assert store.get_run(run_id).outputs.model_outputs == (
        LoggedModelOutput("m-1", 9),
        LoggedModelOutput("m-2", 1),
        LoggedModelOutput("m-3", 2),
    )
