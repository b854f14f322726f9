"""Logged models as the functions see them, and the active one, which metrics are measured on."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tracking_core.client import Client
from tracking_core.client.dependencies import require
from tracking_core.entities import LoggedModel, LoggedModelStatus
from tracking_core.errors import InvalidValueError
from tracking_core.fluent import state
from tracking_core.fluent.paging import collect
from tracking_core.fluent.stack import current

if TYPE_CHECKING:
    from typing_extensions import Self

_EXTERNAL_TAG = "mlflow.model.isExternal"

_active: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "tracking_core_active_model", default=None
)
_last: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "tracking_core_last_model", default=None
)


class ActiveModel(LoggedModel, frozen=True, kw_only=True, dict=True):
    """The model that was made active; as a context manager, until the block ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _active.set(self.__dict__["before"])


def get_active_model_id() -> str | None:
    """Return the id of the logged model that metrics of this thread or task belong to, or None."""
    return _active.get()


def set_active_model(*, name: str | None = None, model_id: str | None = None) -> ActiveModel:
    """Let metrics that this thread or task logs belong to a logged model.

    Args:
        name: Its name in the experiment in use; the newest of this name, created if there is none.
        model_id: Its id, instead of a name.

    Raises:
        InvalidValueError: Not exactly one of name and id is given.
        NotFoundError: There is no model of this id.
    """
    if (name is None) == (model_id is None):
        raise InvalidValueError("Which model shall be active? Give its name or model_id, not both.")
    if model_id is not None:
        model = _client().get_logged_model(model_id)
    else:
        experiment_id = _experiment_id()
        # By value, not by filter: a name may hold what a filter gives a meaning.
        newest = [{"field_name": "creation_timestamp", "ascending": False}]
        found = _client().search_logged_models([experiment_id], order_by=newest, max_results=1000)
        model = next((each for each in found if each.name == name), None) or create_external_model(
            name
        )
    active = ActiveModel(**{field: getattr(model, field) for field in model.__struct_fields__})
    active.__dict__["before"] = _active.get()
    _active.set(model.model_id)
    return active


def clear_active_model() -> None:
    """Let metrics belong to no logged model any more."""
    _active.set(None)


def initialize_logged_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Create a logged model whose files are still to come; `finalize_logged_model` ends that.

    Args:
        name: Not unique; None: a random one.
        source_run_id: The run that makes it; None: the active one, if there is.
        tags: Values by key.
        params: Values by key.
        model_type: Free text.
        experiment_id: None: the active run's, or the one in use.

    Raises:
        NotFoundError: There is no such experiment.
    """
    run = current()
    client = _client()
    if experiment_id is None:
        experiment_id = _experiment_id()
    if source_run_id is None and run is not None:
        source_run_id = run.run_id
    model = client.create_logged_model(experiment_id, name, source_run_id, tags, params, model_type)
    _last.set(model.model_id)
    return model


def create_external_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Create a logged model whose files are somewhere else; it is ready at once.

    The arguments are those of `initialize_logged_model`.

    Raises:
        NotFoundError: There is no such experiment.
    """
    tags = {**(tags or {}), _EXTERNAL_TAG: "true"}
    model = initialize_logged_model(name, source_run_id, tags, params, model_type, experiment_id)
    return finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def finalize_logged_model(model_id: str, status: str) -> LoggedModel:
    """Say that a logged model's files are there (`READY`), or will not come (`FAILED`).

    Raises:
        InvalidValueError: There is no such status.
        NotFoundError: There is no such model.
    """
    return _client().finalize_logged_model(model_id, status)


def get_logged_model(model_id: str) -> LoggedModel:
    """Return a logged model.

    Raises:
        NotFoundError: There is none, or it is deleted.
    """
    return _client().get_logged_model(model_id)


def last_logged_model() -> LoggedModel | None:
    """Return the logged model that this thread or task created last, or None."""
    model_id = _last.get()
    return None if model_id is None else get_logged_model(model_id)


def log_model_params(params: Mapping[str, Any], model_id: str | None = None) -> None:
    """Log params of a logged model, of the active one if none is named.

    Raises:
        InvalidValueError: None is named, and none is active.
        ConflictError: A param has another value already.
    """
    model_id = model_id or get_active_model_id()
    if model_id is None:
        raise InvalidValueError("Params of which model? Give model_id, or call set_active_model.")
    _client().log_model_params(model_id, params)


def set_logged_model_tags(model_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of a logged model.

    Raises:
        NotFoundError: There is no such model.
    """
    _client().set_logged_model_tags(model_id, tags)


def delete_logged_model_tag(model_id: str, key: str) -> None:
    """Delete a tag of a logged model.

    Raises:
        NotFoundError: There is no such model, or no such tag.
    """
    _client().delete_logged_model_tag(model_id, key)


def search_logged_models(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    datasets: Sequence[Mapping[str, str]] | None = None,
    max_results: int | None = None,
    order_by: Sequence[Mapping[str, Any]] | None = None,
    output_format: str = "pandas",
) -> Any:
    """Return the logged models that match, as a DataFrame or a list.

    Args:
        experiment_ids: Where to look; None: the experiment in use.
        filter_string: Such as `metrics.accuracy > 0.9`.
        datasets: See `Client.search_logged_models`.
        max_results: None: all.
        order_by: See `Client.search_logged_models`.
        output_format: `pandas` or `list`.

    Raises:
        FilterSyntaxError: The filter or order can't be parsed.
        InvalidValueError: There is no such format.
        MissingDependencyError: pandas isn't there.
    """
    if output_format not in ("pandas", "list"):
        raise InvalidValueError(
            f"The output format {output_format!r} is not one of 'pandas' and 'list'."
        )
    client = _client()
    ids = [_experiment_id()] if experiment_ids is None else experiment_ids
    found = collect(
        lambda size, token: client.search_logged_models(
            ids, filter_string, datasets, size, order_by, token
        ),
        max_results,
    )
    if output_format == "list":
        return found
    pandas = require("pandas", "pandas", extra="pandas", to="return a DataFrame")
    columns = [name for name in LoggedModel.__struct_fields__ if name != "lifecycle_stage"]
    return pandas.DataFrame(
        [[getattr(model, name) for name in columns] for model in found], columns=columns
    )


def _client() -> Client:
    run = current()
    return state.default_client() if run is None else run.client


def _experiment_id() -> str:
    run = current()
    return state.experiment_id_for_new_runs(_client()) if run is None else run.experiment_id
