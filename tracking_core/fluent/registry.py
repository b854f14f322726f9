"""The model registry, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracking_core.entities import ModelVersion, RegisteredModel
from tracking_core.fluent import state
from tracking_core.fluent.paging import collect


def register_model(
    model_uri: str,
    name: str,
    await_registration_for: int | None = 300,
    *,
    tags: Mapping[str, Any] | None = None,
    env_pack: Any = None,
) -> ModelVersion:
    """Add a version to a registered model, which is created if it isn't there.

    Args:
        model_uri: Where the files are, such as `runs:/RUN_ID/model`.
        name: The registered model.
        await_registration_for: Accepted for MLflow's sake; the version is ready at once.
        tags: Of the version; values by key.
        env_pack: Accepted for MLflow's sake; nothing is packed.

    Raises:
        InvalidValueError: The name or URI isn't allowed.
        NotFoundError: There is nothing that the URI names.
    """
    return state.default_client().register_model(model_uri, name, tags)


def search_registered_models(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[RegisteredModel]:
    """Return the registered models that match, all of them if no number is given.

    Raises:
        FilterSyntaxError: The filter or order can't be parsed.
    """
    client = state.default_client()
    return collect(
        lambda size, token: client.search_registered_models(filter_string, size, order_by, token),
        max_results,
    )


def search_model_versions(
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[ModelVersion]:
    """Return the model versions that match, all of them if no number is given.

    Raises:
        FilterSyntaxError: The filter or order can't be parsed.
    """
    client = state.default_client()
    return collect(
        lambda size, token: client.search_model_versions(filter_string, size, order_by, token),
        max_results,
    )


def set_model_version_tag(
    name: str, version: str | int | None = None, key: str | None = None, value: Any = None
) -> None:
    """Set a tag of a model version.

    Raises:
        InvalidValueError: No version or no key is given.
        NotFoundError: There is no such model or version.
    """
    state.default_client().set_model_version_tag(name, version, key, value)
