"""Experiments, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracking_core.client.connection import text_by_key
from tracking_core.entities import Experiment, LifecycleStage, ViewType
from tracking_core.errors import InvalidStateError, InvalidValueError
from tracking_core.fluent import state
from tracking_core.fluent.paging import collect
from tracking_core.fluent.stack import current


def create_experiment(
    name: str,
    artifact_location: str | None = None,
    tags: Mapping[str, Any] | None = None,
    trace_location: Any = None,
) -> str:
    """Create an experiment and return its id.

    Args:
        name: Must not be taken, by a deleted experiment neither.
        artifact_location: Where its runs put artifacts; None: the store decides.
        tags: Values by key.
        trace_location: Accepted for MLflow's sake; there are no traces here.

    Raises:
        InvalidValueError: The name, location or a tag isn't allowed.
        AlreadyExistsError: The name is taken.
    """
    return state.default_client().create_experiment(name, artifact_location, tags)


def set_experiment(
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    trace_location: Any = None,
) -> Experiment:
    """Let the runs that this process starts from now on go to an experiment, and return it.

    Args:
        experiment_name: Created if there is none of this name, also when several do so at once.
        experiment_id: Instead of a name; must be there.
        trace_location: Accepted for MLflow's sake; there are no traces here.

    Raises:
        InvalidValueError: Not exactly one of name and id is given.
        NotFoundError: There is no experiment of this id.
        InvalidStateError: The experiment is deleted.
    """
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidValueError(
            "Which experiment shall be used? Give experiment_name or experiment_id, and not both."
        )
    client = state.default_client()
    if experiment_id is not None:
        experiment = client.get_experiment(experiment_id)
    else:
        experiment = client.ensure_experiment(experiment_name)  # type: ignore[arg-type] # not None
    if experiment.lifecycle_stage is LifecycleStage.DELETED:
        raise InvalidStateError(
            f"The experiment {experiment.name!r} is deleted; restore it by"
            f" restore_experiment({experiment.experiment_id!r}), or take another name."
        )
    state.use_experiment(client, experiment)
    return experiment


def get_experiment(experiment_id: str) -> Experiment:
    """Return an experiment, a deleted one too.

    Raises:
        NotFoundError: There is none.
    """
    return state.default_client().get_experiment(experiment_id)


def get_experiment_by_name(name: str) -> Experiment | None:
    """Return the experiment of this name, a deleted one too, or None."""
    return state.default_client().get_experiment_by_name(name)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """Return the experiments that match.

    Args:
        view_type: Which lifecycle stages.
        max_results: None: all.
        filter_string: Such as `name LIKE 'digits%'`.
        order_by: Such as `["creation_time DESC"]`.

    Raises:
        FilterSyntaxError: The filter or order can't be parsed.
    """
    client = state.default_client()
    return collect(
        lambda size, token: client.search_experiments(
            view_type, size, filter_string, order_by, token
        ),
        max_results,
    )


def delete_experiment(experiment_id: str) -> None:
    """Move an experiment with its runs to the bin.

    Raises:
        NotFoundError: There is no such experiment.
    """
    state.default_client().delete_experiment(experiment_id)


def restore_experiment(experiment_id: str) -> None:
    """Take an experiment with its runs out of the bin.

    Raises:
        NotFoundError: There is no such experiment.
    """
    state.default_client().restore_experiment(experiment_id)


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the experiment in use: the active run's, or the one for new runs.

    Raises:
        InvalidValueError: The key or value isn't allowed.
    """
    set_experiment_tags({key: value})


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    """Set tags of the experiment in use.

    Raises:
        InvalidValueError: A key or value isn't allowed.
    """
    values = text_by_key(tags, what="tags")
    run = current()
    client = state.default_client() if run is None else run.client
    experiment_id = state.experiment_id_for_new_runs(client) if run is None else run.experiment_id
    for key, value in values.items():
        client.set_experiment_tag(experiment_id, key, value)


def delete_experiment_tag(key: str) -> None:
    """Delete a tag of the experiment in use.

    Raises:
        NotFoundError: There is no such tag.
    """
    run = current()
    client = state.default_client() if run is None else run.client
    experiment_id = state.experiment_id_for_new_runs(client) if run is None else run.experiment_id
    client.delete_experiment_tag(experiment_id, key)
