"""Runs that are there already, as functions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from tracking_core.entities import Run, ViewType
from tracking_core.errors import InvalidValueError
from tracking_core.fluent import state
from tracking_core.fluent.active_run import client_of
from tracking_core.fluent.frames import FORMATS, pandas_frame, polars_frame
from tracking_core.fluent.stack import current
from tracking_core.stores.validation import shown

_logger = logging.getLogger(__name__)


def get_run(run_id: str) -> Run:
    """Return a run, a deleted one too.

    Raises:
        NotFoundError: There is none.
    """
    return client_of(run_id).get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """Return the run in which a nested run was started, or None.

    Raises:
        NotFoundError: There is no such run, or its parent is gone.
    """
    return client_of(run_id).get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Move a run to the bin.

    Raises:
        NotFoundError: There is no such run.
    """
    client_of(run_id).delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Take a run out of the bin.

    Raises:
        NotFoundError: There is no such run.
    """
    client_of(run_id).restore_run(run_id)


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> Any:
    """Return the runs that match, as a DataFrame or a list.

    Args:
        experiment_ids: Where to look; without ids and names: in the experiment in use.
        filter_string: Such as `metrics.loss < 0.1 AND params.model = 'svm'`.
        run_view_type: Which lifecycle stages.
        max_results: None: all.
        order_by: Such as `["metrics.loss ASC"]`.
        output_format: `pandas`, `polars` or `list`. A DataFrame has the columns run_id,
            experiment_id, status, artifact_uri, start_time, end_time, and `metrics.x`, `params.x`
            and `tags.x` for every x that one of the runs has.
        search_all_experiments: Whether to look everywhere if neither ids nor names are given.
        experiment_names: Where to look, by name; a name that isn't there is told to the log.

    Raises:
        FilterSyntaxError: The filter or order can't be parsed.
        InvalidValueError: There is no such format, or both ids and names are given.
        MissingDependencyError: pandas or polars isn't there.
    """
    if output_format not in FORMATS:
        raise InvalidValueError(
            f"The output format {shown(output_format)} is not one of"
            f" {', '.join(map(repr, FORMATS))}."
        )
    if max_results is not None and (type(max_results) is not int or max_results < 1):
        raise InvalidValueError(f"max_results is {shown(max_results)}; it must be at least 1.")
    if experiment_ids and experiment_names:
        raise InvalidValueError("Give experiment_ids or experiment_names, and not both.")
    run = current()
    client = state.default_client() if run is None else run.client
    where: Sequence[str] | None
    if experiment_names:
        where = list(_ids_of(client, experiment_names))
    elif experiment_ids:
        where = experiment_ids
    elif search_all_experiments:
        where = None
    else:
        where = _experiment_in_use()
    found: Iterable[Run] = (
        []
        if where is not None and not where
        else client.iterate_runs(where, filter_string, run_view_type, order_by)
    )
    runs = list(islice(found, max_results))
    if output_format == "list":
        return runs
    return pandas_frame(runs) if output_format == "pandas" else polars_frame(runs)


def load_table(
    artifact_file: str,
    run_ids: Sequence[str] | None = None,
    extra_columns: Sequence[str] | None = None,
) -> Any:
    """Return the tables of this path of the experiment's runs as one DataFrame.

    Args:
        artifact_file: The path that the runs logged them to.
        run_ids: Which runs; None: all of the experiment in use that have the table.
        extra_columns: What to add of each run, named as `search_runs` names its columns.

    Raises:
        NotFoundError: No run has such a table.
        MissingDependencyError: pandas isn't there.
    """
    run = current()
    client = state.default_client() if run is None else run.client
    experiment_id = state.experiment_id_for_new_runs(client) if run is None else run.experiment_id
    return client.load_table(experiment_id, artifact_file, run_ids, extra_columns)


def _experiment_in_use() -> list[str]:
    run = current()
    if run is not None:
        return [run.experiment_id]
    found = state.known_experiment_id(state.default_client())
    return [] if found is None else [found]


def _ids_of(client: Any, names: Sequence[str]) -> Iterable[str]:
    if isinstance(names, str):
        raise InvalidValueError(f"The experiment names {names!r} must be a list: pass [{names!r}].")
    for name in names:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            _logger.warning("There is no experiment with the name %s to search in.", shown(name))
        else:
            yield experiment.experiment_id
