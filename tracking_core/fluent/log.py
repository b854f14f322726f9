"""Logging to the active run, which is started if there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

from tracking_core.artifacts.paths import check_path
from tracking_core.client import Client
from tracking_core.client.connection import text_by_key
from tracking_core.client.datasets import DATASET_CONTEXT_TAG, as_dataset
from tracking_core.client.pending import Pending
from tracking_core.config import join_uri
from tracking_core.entities import (
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
)
from tracking_core.errors import InvalidValueError
from tracking_core.fluent.active_model import get_active_model_id
from tracking_core.fluent.active_run import client_of, current_or_new
from tracking_core.stores.validation import shown


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> Pending | None:
    """Log one point of a metric.

    Args:
        key: The metric's name.
        value: A number; NaN and the infinities too.
        step: None: 0.
        synchronous: Accepted as MLflow has it; the call has always done its work when it returns.
        timestamp: Milliseconds since the epoch; None: now.
        run_id: None: the active run.
        model_id: The logged model that it was measured on; None: the active one, if there is.
        dataset: The data set that it was measured on, of `tracking_core.data` or an entity.

    Raises:
        InvalidValueError: The key, value, timestamp or step isn't allowed.
        InvalidStateError: The run is deleted.
    """
    if run_id is None:
        run = current_or_new()
        client, run_id = run.client, run.run_id
    else:
        client = client_of(run_id)
    if model_id is None:
        model_id = get_active_model_id()
    name = digest = None
    if dataset is not None:
        measured_on = as_dataset(dataset)
        name, digest = measured_on.name, measured_on.digest
    return client.log_metric(
        run_id, key, value, timestamp, step, synchronous, name, digest, model_id
    )


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> Pending | None:
    """Log one point of each of several metrics; the arguments mean what `log_metric`'s do.

    Raises:
        InvalidValueError: A key or value isn't allowed; then nothing is logged.
        InvalidStateError: The run is deleted.
    """
    _check_mapping(metrics, "metrics")
    client, run_id = _client_and_run(run_id)
    if model_id is None:
        model_id = get_active_model_id()
    measured_on = None if dataset is None else as_dataset(dataset)
    time = client._now() if timestamp is None else timestamp
    points = [
        Metric(
            key,
            value,
            time,
            0 if step is None else step,
            model_id,
            None if measured_on is None else measured_on.name,
            None if measured_on is None else measured_on.digest,
        )
        for key, value in metrics.items()
    ]
    return client.log_batch(run_id, metrics=points, synchronous=synchronous)


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a param of the active run and return its value; a param has one value for good.

    Raises:
        InvalidValueError: The key or value isn't allowed.
        ConflictError: The param has another value already.
    """
    run = current_or_new()
    return run.client.log_param(run.run_id, key, value, synchronous)


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> Pending | None:
    """Log several params.

    Raises:
        InvalidValueError: A key or value isn't allowed; then nothing is logged.
        ConflictError: A param has another value already; then nothing is logged.
    """
    _check_mapping(params, "params")
    client, run_id = _client_and_run(run_id)
    values = text_by_key(params, what="params")
    return client.log_batch(
        run_id, params=[Param(k, v) for k, v in values.items()], synchronous=synchronous
    )


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> Pending | None:
    """Set a tag of the active run.

    Raises:
        InvalidValueError: The key or value isn't allowed.
    """
    run = current_or_new()
    return run.client.set_tag(run.run_id, key, value, synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> Pending | None:
    """Set several tags of the active run.

    Raises:
        InvalidValueError: A key or value isn't allowed; then nothing is set.
    """
    _check_mapping(tags, "tags")
    run = current_or_new()
    values = text_by_key(tags, what="tags")
    return run.client.log_batch(
        run.run_id, tags=[RunTag(k, v) for k, v in values.items()], synchronous=synchronous
    )


def delete_tag(key: str) -> None:
    """Delete a tag of the active run.

    Raises:
        NotFoundError: There is no such tag.
    """
    run = current_or_new()
    run.client.delete_tag(run.run_id, key)


def flush_async_logging() -> None:
    """Return when everything that was logged is in the store, which it always is."""


def flush_artifact_async_logging() -> None:
    """Return when every artifact that was logged is in its place, which it always is."""


# --- artifacts ---


def log_artifact(
    local_path: str, artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Copy a local file, or a directory with its name, to the run's artifacts.

    Raises:
        InvalidValueError: The artifact path would leave the root.
        NotFoundError: There is no such local file.
    """
    client, run_id = _client_and_run(run_id)
    client.log_artifact(run_id, local_path, artifact_path)


def log_artifacts(
    local_dir: str, artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Copy what a local directory holds to the run's artifacts.

    Raises:
        InvalidValueError: It is no directory, or the artifact path would leave the root.
        NotFoundError: There is no such local directory.
    """
    client, run_id = _client_and_run(run_id)
    client.log_artifacts(run_id, local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Write text to an artifact, as UTF-8.

    Raises:
        InvalidValueError: It isn't text, or the path isn't one in the artifacts.
    """
    client, run_id = _client_and_run(run_id)
    client.log_text(run_id, text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Write a dictionary or list to an artifact: YAML for `.yaml` and `.yml`, else JSON.

    Raises:
        InvalidValueError: It holds what the format can't hold, or the path isn't one in the
            artifacts.
    """
    client, run_id = _client_and_run(run_id)
    client.log_dict(run_id, dictionary, artifact_file)


def log_stream(stream: IO[bytes] | IO[str], artifact_file: str, run_id: str | None = None) -> None:
    """Write what a file object yields to an artifact, piece by piece.

    Raises:
        InvalidValueError: It can't be read, or the path isn't one in the artifacts.
    """
    client, run_id = _client_and_run(run_id)
    client.log_stream(run_id, stream, artifact_file)


def log_figure(
    figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
) -> None:
    """Write a figure of Matplotlib or Plotly to an artifact, in the format of its extension.

    Raises:
        InvalidValueError: It isn't a figure, or can't be written in this format.
    """
    run = current_or_new()
    run.client.log_figure(run.run_id, figure, artifact_file, save_kwargs=save_kwargs)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,
) -> None:
    """Write an image to an artifact: to a path, or as one of the series of a key.

    Raises:
        InvalidValueError: It is no image; or not exactly one of path and key is given.
        MissingDependencyError: Pillow isn't there.
    """
    run = current_or_new()
    run.client.log_image(run.run_id, image, artifact_file, key, step, timestamp, synchronous)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Write a table to an artifact, or append to the one that is there.

    Raises:
        InvalidValueError: The data is no table, or the path isn't one in the artifacts.
    """
    client, run_id = _client_and_run(run_id)
    client.log_table(run_id, data, artifact_file)


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Return the URI of the active run's artifacts, or of a path in them.

    Raises:
        InvalidValueError: The path would leave the root.
    """
    path = check_path(artifact_path) if artifact_path else ""
    run = current_or_new()
    root = run.client.get_run(run.run_id).info.artifact_uri
    return join_uri(root, *path.split("/")) if path else root


# --- what goes in and comes out ---


def log_input(
    dataset: Any = None,
    context: str | None = None,
    tags: Mapping[str, Any] | None = None,
    model: LoggedModelInput | None = None,
) -> None:
    """Say that the active run read a data set, a logged model, or both.

    Args:
        dataset: Of `tracking_core.data`, or an entity.
        context: What for, such as `training`.
        tags: Of the data set in this run.
        model: The logged model.

    Raises:
        InvalidValueError: It is no data set or model.
    """
    log_inputs(
        None if dataset is None else [dataset],
        None if dataset is None else [context],
        None if dataset is None else [tags],
        None if model is None else [model],
    )


def log_inputs(
    datasets: Sequence[Any] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, Any] | None] | None = None,
    models: Sequence[LoggedModelInput] | None = None,
) -> None:
    """Say that the active run read data sets and logged models.

    Args:
        datasets: Of `tracking_core.data`, or entities.
        contexts: What each is for; as many as there are data sets.
        tags_list: The tags of each; as many as there are data sets.
        models: The logged models.

    Raises:
        InvalidValueError: One is no data set or model, or the lists differ in length.
    """
    datasets = datasets or []
    contexts = [None] * len(datasets) if contexts is None else contexts
    tags_list = [None] * len(datasets) if tags_list is None else tags_list
    if not len(datasets) == len(contexts) == len(tags_list):
        raise InvalidValueError(
            f"There are {len(datasets)} data sets, {len(contexts)} contexts and {len(tags_list)}"
            " tags; give one of each for every data set."
        )
    inputs = []
    for dataset, context, tags in zip(datasets, contexts, tags_list, strict=True):
        values = text_by_key(tags, what="tags")
        if context:
            values[DATASET_CONTEXT_TAG] = context
        given = tuple(InputTag(key, value) for key, value in values.items())
        inputs.append(DatasetInput(as_dataset(dataset), given))
    run = current_or_new()
    run.client.log_inputs(run.run_id, datasets=inputs, models=models or [])


def log_outputs(models: Sequence[LoggedModelOutput] | None = None) -> None:
    """Say that the active run made logged models.

    Raises:
        InvalidValueError: Something else than LoggedModelOutput is given.
    """
    run = current_or_new()
    run.client.log_outputs(run.run_id, models or [])


def _client_and_run(run_id: str | None) -> tuple[Client, str]:
    if run_id is not None:
        return client_of(run_id), run_id
    run = current_or_new()
    return run.client, run.run_id


def _check_mapping(values: object, what: str) -> None:
    if not isinstance(values, Mapping):
        raise InvalidValueError(f"The {what} {shown(values)} must be a mapping of key to value.")
