"""Runs as rows: the columns of tables and of CSV files."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Literal

import click

from tracking_core.cli.documents import dumps, finite, run_document
from tracking_core.cli.output import Cell, Column, how_long, moment, number
from tracking_core.cli.session import Session
from tracking_core.entities import LifecycleStage, Run, RunStatus
from tracking_core.errors import InvalidValueError

_STATUS_STYLES = {
    RunStatus.FINISHED: "green",
    RunStatus.FAILED: "red",
    RunStatus.KILLED: "red",
    RunStatus.RUNNING: "yellow",
}

_ATTRIBUTES: dict[str, Callable[[Run], str | Cell]] = {
    "run_id": lambda run: run.info.run_id,
    "run_name": lambda run: run.info.run_name,
    "experiment_id": lambda run: run.info.experiment_id,
    "status": lambda run: status_cell(run),
    "start_time": lambda run: moment(run.info.start_time),
    "end_time": lambda run: moment(run.info.end_time),
    "duration": lambda run: how_long(run.info.start_time, run.info.end_time),
    "user_id": lambda run: run.info.user_id,
    "artifact_uri": lambda run: run.info.artifact_uri,
    "lifecycle_stage": lambda run: str(run.info.lifecycle_stage),
}
_ATTRIBUTE_TITLES = {"run_id": "RUN", "run_name": "NAME", "start_time": "STARTED"}

CSV_ATTRIBUTES = (
    "run_id",
    "run_name",
    "experiment_id",
    "status",
    "start_time",
    "end_time",
    "user_id",
    "artifact_uri",
    "lifecycle_stage",
)


def status_cell(run: Run) -> Cell:
    """Return a run's status, and whether it is deleted."""
    if run.info.lifecycle_stage is LifecycleStage.DELETED:
        return Cell(f"{run.info.status} (deleted)", "dim")
    return Cell(str(run.info.status), _STATUS_STYLES.get(run.info.status, ""))


def default_columns(runs: Sequence[Run]) -> list[str]:
    """Return what a table of runs shows: who they are, then all metrics, then all params."""
    names = ["run_id", "run_name", "status", "start_time", "duration"]
    names += [f"metrics.{key}" for key in metric_keys(runs)]
    names += [f"params.{key}" for key in param_keys(runs)]
    return names


def metric_keys(runs: Iterable[Run]) -> list[str]:
    """Return the keys of all metrics, system metrics last."""
    keys = {key for run in runs for key in run.data.metrics}
    return sorted(keys, key=lambda key: (key.startswith("system/"), key))


def param_keys(runs: Iterable[Run]) -> list[str]:
    """Return the keys of all params."""
    return sorted({key for run in runs for key in run.data.params})


def columns_of(names: Sequence[str]) -> list[Column]:
    """Return the columns of names as filters write them: `run_name`, `metrics.loss`.

    Raises:
        InvalidValueError: There is no such column.
    """
    columns = []
    for name in names:
        part, dot, key = name.partition(".")
        if dot and part in ("metrics", "params", "tags"):
            columns.append(Column(name if part == "tags" else key, _alignment(part)))
        elif name in _ATTRIBUTES:
            title = _ATTRIBUTE_TITLES.get(name, name.removesuffix("_id").upper())
            columns.append(
                Column(title, identifier=name == "run_id", keep=name in ("run_id", "run_name"))
            )
        else:
            near = difflib.get_close_matches(name, _ATTRIBUTES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InvalidValueError(
                f"There is no column {name!r}; there are {', '.join(_ATTRIBUTES)}, and metrics.KEY,"
                f" params.KEY, tags.KEY.{hint}"
            )
    return columns


def cells_of(run: Run, names: Sequence[str]) -> list[str | Cell]:
    """Return a run's cells in columns of these names."""
    return [_cell(run, name) for name in names]


def write_csv(session: Session, runs: Iterable[Run], output: IO[str]) -> None:
    """Write runs as CSV with a column for each param, metric and tag; times in milliseconds."""
    runs = list(runs)
    documents = [finite(run_document(run)) for run in runs]
    if session.as_json:
        click.echo(dumps(documents), file=output)
        return
    parts = [
        (part, key)
        for part in ("params", "metrics", "tags")
        for key in sorted({key for document in documents for key in document[part]})
    ]
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow([*CSV_ATTRIBUTES, *(f"{part}.{key}" for part, key in parts)])
    for document in documents:
        writer.writerow(
            [
                *(document[name] for name in CSV_ATTRIBUTES),
                *(document[part].get(key, "") for part, key in parts),
            ]
        )


def _alignment(part: str) -> Literal["left", "right"]:
    return "right" if part == "metrics" else "left"


def _cell(run: Run, name: str) -> str | Cell:
    part, _, key = name.partition(".")
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name](run)
    if part == "metrics":
        value = run.data.metrics.get(key)
        return "" if value is None else number(value)
    return (run.data.params if part == "params" else run.data.tags).get(key, "")
