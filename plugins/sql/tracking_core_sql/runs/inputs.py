"""What runs read and made: data sets, told once for each experiment, and logged models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

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
from tracking_core_sql.database import Database, Transaction
from tracking_core_sql.keys import GoneError, hold_experiment

CONTEXT_TAG = "mlflow.data.context"

_DATASET_NAMES = ("name", "digest", "source_type", "source", "schema", "profile")


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256 of all that is told of a data set."""
    told = [getattr(dataset, name) for name in _DATASET_NAMES]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def ensure_datasets(
    database: Database, experiment: int, datasets: Iterable[Dataset]
) -> dict[str, int]:
    """Return the number of each data set by its fingerprint, given one if it has none.

    In a transaction of its own, so that no two runs wait for each other's data sets.

    Raises:
        GoneError: The experiment was purged.
    """
    wanted = {fingerprint(dataset): dataset for dataset in datasets}
    if not wanted:
        return {}
    names = ["experiment", "fingerprint", *_DATASET_NAMES]
    rows = [
        (experiment, each, *(getattr(wanted[each], name) for name in _DATASET_NAMES))
        for each in sorted(wanted)
    ]

    def add(transaction: Transaction) -> dict[str, int]:
        hold_experiment(transaction, experiment)
        transaction.insert_new(schema.dataset, names, rows)
        dataset = schema.dataset.c
        statement = select(dataset.fingerprint, dataset.id).where(
            dataset.experiment == experiment, transaction.among(dataset.fingerprint, wanted)
        )
        return dict(transaction.rows(statement))

    return database.write(add)


def read_inputs(transaction: Transaction, run: int) -> RunInputs:
    """Return what a run read."""
    datasets = tuple(
        DatasetInput(Dataset(*row[1:]), tuple(InputTag(*pair) for pair in json.loads(row[0])))
        for row in transaction.rows(_DATASETS, {"run": run})
    )
    models = transaction.rows(_MODELS, {"run": run, "is_output": 0})
    return RunInputs(datasets, tuple(LoggedModelInput(row[0]) for row in models))


def read_outputs(transaction: Transaction, run: int) -> RunOutputs:
    """Return what a run made."""
    models = transaction.rows(_MODELS, {"run": run, "is_output": 1})
    return RunOutputs(tuple(LoggedModelOutput(*row) for row in models))


def write_inputs(
    transaction: Transaction, run: int, old: RunInputs, new: RunInputs, numbers: Mapping[str, int]
) -> None:
    """Write how a run's inputs differ from what they were; places never change.

    Args:
        transaction: It holds the run.
        run: Its number.
        old: Its inputs as they are.
        new: As they are to be.
        numbers: Those of the data sets that are added, by fingerprint.

    Raises:
        GoneError: One of the data sets was purged with the last run that used it.
    """
    added = [
        (run, place, numbers[fingerprint(used.dataset)], _context(used), _tags(used))
        for place, used in enumerate(new.dataset_inputs)
        if place >= len(old.dataset_inputs)
    ]
    _hold_datasets(transaction, [row[2] for row in added])
    names = ("run", "position", "dataset", "context", "tags")
    transaction.insert(schema.run_dataset, names, added)
    retagged = [
        {"r": run, "p": place, "context": _context(used), "tags": _tags(used)}
        for place, used in enumerate(new.dataset_inputs[: len(old.dataset_inputs)])
        if used != old.dataset_inputs[place]
    ]
    if retagged:
        transaction.execute(_RETAG, retagged)
    models = [(model.model_id, 0) for model in new.model_inputs]
    _write_models(transaction, run, 0, [(m.model_id, 0) for m in old.model_inputs], models)


def write_outputs(transaction: Transaction, run: int, old: RunOutputs, new: RunOutputs) -> None:
    """Write how a run's outputs differ from what they were; places never change."""
    before = [(model.model_id, model.step) for model in old.model_outputs]
    models = [(model.model_id, model.step) for model in new.model_outputs]
    _write_models(transaction, run, 1, before, models)


def _write_models(
    transaction: Transaction,
    run: int,
    is_output: int,
    old: Sequence[tuple[str, int]],
    new: Sequence[tuple[str, int]],
) -> None:
    rows = [
        (run, is_output, place, *model)
        for place, model in enumerate(new)
        if place >= len(old) or model != old[place]
    ]
    names = ("run", "is_output", "position", "model_id", "step")
    transaction.upsert(schema.run_model, names, rows, update=("model_id", "step"))


def _hold_datasets(transaction: Transaction, datasets: Sequence[int]) -> None:
    """See to it that data sets aren't purged until the transaction ends."""
    if not datasets:
        return
    own = schema.dataset.c.id
    statement = select(own).where(transaction.among(own, datasets))
    held = transaction.rows(statement.with_for_update(read=True, key_share=True))
    if len(held) < len(set(datasets)):
        raise GoneError("A data set has gone.")


def _context(used: DatasetInput) -> str | None:
    return next((tag.value for tag in used.tags if tag.key == CONTEXT_TAG), None)


def _tags(used: DatasetInput) -> str:
    return json.dumps([[tag.key, tag.value] for tag in used.tags], ensure_ascii=False)


_used: Any = schema.run_dataset.c
_DATASETS = (
    select(_used.tags, *(schema.dataset.c[name] for name in _DATASET_NAMES))
    .select_from(schema.run_dataset)
    .join(schema.dataset, _used.dataset == schema.dataset.c.id)
    .where(_used.run == bindparam("run"))
    .order_by(_used.position)
)
_RETAG = (
    schema.run_dataset.update()
    .where(_used.run == bindparam("r"), _used.position == bindparam("p"))
    .values(context=bindparam("context"), tags=bindparam("tags"))
)
_model: Any = schema.run_model.c
_MODELS = (
    select(_model.model_id, _model.step)
    .where(_model.run == bindparam("run"), _model.is_output == bindparam("is_output"))
    .order_by(_model.position)
)
