"""What went into runs and came out of them: edges in one table, from sources to destinations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import select

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    RunInputs,
    RunOutputs,
)
from tracking_core_sql.stock.reading import Reading

_DATASET = "name digest dataset_source_type dataset_source dataset_schema dataset_profile"


def dataset_inputs(reading: Reading, run_ids: Iterable[str]) -> dict[str, list[DatasetInput]]:
    """Return the data sets of runs, in order of name and digest, for MLflow keeps none."""
    tables = reading.tables
    if not all(name in tables for name in ("inputs", "datasets", "input_tags")):
        return {}
    edge, dataset, tag = tables["inputs"].c, tables["datasets"].c, tables["input_tags"].c
    wanted = list(run_ids)
    tags: dict[str, list[InputTag]] = defaultdict(list)
    statement = (
        tables.select("input_tags", "input_uuid name value")
        .join(tables["inputs"], edge.input_uuid == tag.input_uuid)
        .where(edge.source_type == "DATASET", edge.destination_type == "RUN")
        .order_by(tag.name)
    )
    for input_id, key, value in reading.rows_among(statement, edge.destination_id, wanted):
        tags[input_id].append(InputTag(key, value))
    statement = (
        tables.select("datasets", _DATASET, edge.destination_id, edge.input_uuid)
        .join(tables["inputs"], dataset.dataset_uuid == edge.source_id)
        .where(edge.source_type == "DATASET", edge.destination_type == "RUN")
    )
    found: dict[str, list[DatasetInput]] = defaultdict(list)
    for *fields, run_id, input_id in reading.rows_among(statement, edge.destination_id, wanted):
        found[run_id].append(DatasetInput(Dataset(*fields), tuple(tags.get(input_id, ()))))
    for used in found.values():
        used.sort(key=lambda each: (each.dataset.name, each.dataset.digest))
    return found


def inputs_and_outputs(
    reading: Reading, run_ids: Iterable[str]
) -> dict[str, tuple[RunInputs, RunOutputs]]:
    """Return the inputs and outputs of those runs that have any."""
    wanted = list(run_ids)
    datasets = dataset_inputs(reading, wanted)
    inputs: dict[str, list[LoggedModelInput]] = defaultdict(list)
    outputs: dict[str, list[LoggedModelOutput]] = defaultdict(list)
    # Models came after data sets, with steps.
    if reading.tables.has_column("inputs", "step"):
        edge = reading.tables["inputs"].c
        statement = select(edge.source_id, edge.source_type, edge.destination_id, edge.step).where(
            edge.source_type.in_(("RUN_INPUT", "RUN_OUTPUT"))
        )
        for run_id, kind, model_id, step in reading.rows_among(statement, edge.source_id, wanted):
            if kind == "RUN_INPUT":
                inputs[run_id].append(LoggedModelInput(model_id))
            else:
                outputs[run_id].append(LoggedModelOutput(model_id, step or 0))
    return {
        run_id: (
            RunInputs(
                tuple(datasets.get(run_id, ())),
                tuple(sorted(inputs.get(run_id, ()), key=lambda each: each.model_id)),
            ),
            RunOutputs(tuple(sorted(outputs.get(run_id, ()), key=lambda each: each.model_id))),
        )
        for run_id in wanted
        if run_id in datasets or run_id in inputs or run_id in outputs
    }
