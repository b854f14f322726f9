"""Requests about models applied to values: what stores of whole entities would each write again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from tracking_core.config import join_uri
from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    LoggedModel,
    ModelVersion,
    RegisteredModel,
)
from tracking_core.errors import NotFoundError
from tracking_core.search.ast import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Operator,
    Subject,
)
from tracking_core.search.page import Page
from tracking_core.stores.applying import changed_tags, check_params
from tracking_core.stores.requests import (
    UNSET,
    LoggedModelChanges,
    LoggedModelQuery,
    ModelVersionChanges,
    ModelVersionQuery,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
    new_id,
    now,
)
from tracking_core.stores.validation import shown

T = TypeVar("T", RegisteredModel, ModelVersion, LoggedModel)


def registered_model_of(new: NewRegisteredModel) -> RegisteredModel:
    """Return the registered model that a request asks for."""
    created = now() if new.creation_timestamp is None else new.creation_timestamp
    return RegisteredModel(
        name=new.name,
        creation_timestamp=created,
        last_updated_timestamp=created,
        description=new.description,
        tags=new.tags,
    )


def changed_registered_model(
    model: RegisteredModel, changes: RegisteredModelChanges, *, versions: Iterable[int]
) -> RegisteredModel:
    """Return the registered model with the changes; `latest_versions` stays.

    Args:
        model: The model as it is.
        changes: What to change.
        versions: The numbers of the versions that it has.

    Raises:
        NotFoundError: A tag or alias to delete isn't there, or a version to point at.
    """
    owner = f"registered model {shown(model.name)}"
    known = frozenset(versions)
    aliases = dict(model.aliases)
    for alias in changes.delete_aliases:
        if alias not in model.aliases:
            raise NotFoundError(f"There is no alias {alias!r} of the {owner}; nothing to delete.")
        del aliases[alias]
    for alias, version in changes.set_aliases.items():
        if version not in known:
            raise NotFoundError(
                f"There is no version {version} of the {owner} that the alias {alias!r} could"
                " point to."
            )
        aliases[alias] = version
    tags = changed_tags(
        model.tags, set_tags=changes.set_tags, delete_tags=changes.delete_tags, owner=owner
    )
    return _changed(model, changes, "name", "description", tags=tags, aliases=aliases)


def version_of(new: NewModelVersion, *, number: int) -> ModelVersion:
    """Return the model version that a request asks for, with this number if it chooses none."""
    created = now() if new.creation_timestamp is None else new.creation_timestamp
    return ModelVersion(
        name=new.name,
        version=number if new.version is None else new.version,
        creation_timestamp=created,
        last_updated_timestamp=created,
        description=new.description,
        user_id=new.user_id,
        source=new.source,
        run_id=new.run_id,
        run_link=new.run_link,
        status=new.status,
        tags=new.tags,
        model_id=new.model_id,
    )


def changed_version(version: ModelVersion, changes: ModelVersionChanges) -> ModelVersion:
    """Return the model version with the changes; archiving others is the caller's.

    Raises:
        NotFoundError: A tag to delete isn't there.
    """
    tags = changed_tags(
        version.tags,
        set_tags=changes.set_tags,
        delete_tags=changes.delete_tags,
        owner=f"version {version.version} of the registered model {shown(version.name)}",
    )
    names = ("description", "status", "status_message", "source", "current_stage")
    return _changed(version, changes, *names, tags=tags)


def with_aliases(version: ModelVersion, aliases: Mapping[str, int]) -> ModelVersion:
    """Return the version with those of its model's aliases that point to it."""
    own = sorted(alias for alias, number in aliases.items() if number == version.version)
    return replace(version, aliases=tuple(own))


def logged_model_of(new: NewLoggedModel, experiment: Experiment) -> LoggedModel:
    """Return the logged model that a request asks for, in its experiment."""
    model_id = new.model_id or f"m-{new_id()}"
    created = now() if new.creation_timestamp is None else new.creation_timestamp
    location = join_uri(experiment.artifact_location, "models", model_id, "artifacts")
    return LoggedModel(
        model_id=model_id,
        experiment_id=new.experiment_id,
        name=new.name or model_id,
        artifact_location=new.artifact_location or location,
        creation_timestamp=created,
        last_updated_timestamp=created,
        status=new.status,
        model_type=new.model_type,
        source_run_id=new.source_run_id,
        tags=new.tags,
        params=new.params,
    )


def changed_logged_model(model: LoggedModel, changes: LoggedModelChanges) -> LoggedModel:
    """Return the logged model with the changes.

    Raises:
        NotFoundError: A tag to delete isn't there.
        ConflictError: A param has another value already.
    """
    owner = f"logged model {model.model_id!r}"
    check_params(model.params, changes.log_params.items(), owner=owner)
    tags = changed_tags(
        model.tags, set_tags=changes.set_tags, delete_tags=changes.delete_tags, owner=owner
    )
    params = {**model.params, **changes.log_params}
    names = ("status", "status_message", "artifact_location")
    return _changed(model, changes, *names, tags=tags, params=params)


def _changed(entity: T, changes: Any, *names: str, **values: Any) -> T:
    for name in names:
        value = getattr(changes, name)
        if value is not UNSET:
            values[name] = value
    new = replace(entity, **values)
    told = changes.last_updated_timestamp
    if told is not UNSET:
        return replace(new, last_updated_timestamp=told)
    return entity if new == entity else replace(new, last_updated_timestamp=now())


def name_asked_for(expression: Expression | None) -> str | None:
    """Return the one name that all registered models or versions that a filter matches have.

    None if the filter doesn't say so.
    """
    terms = expression.terms if isinstance(expression, And) else (expression,)
    for term in terms:
        if (
            isinstance(term, Comparison)
            and term.field == Field(FieldKind.ATTRIBUTE, "name")
            and term.operator is Operator.EQUAL
        ):
            return str(term.value)
    return None


def select_registered_models(
    models: Iterable[RegisteredModel], query: RegisteredModelQuery
) -> Page[RegisteredModel]:
    """Return the page of a query out of all registered models."""
    from tracking_core.search import select_page  # deferred: most processes never search

    return select_page(
        models,
        subject=Subject.REGISTERED_MODELS,
        expression=query.filter,
        order_by=query.order_by,
        max_results=query.max_results,
        page_token=query.page_token,
    )


def select_model_versions(
    versions: Iterable[ModelVersion], query: ModelVersionQuery
) -> Page[ModelVersion]:
    """Return the page of a query out of all model versions."""
    from tracking_core.search import select_page  # deferred: most processes never search

    return select_page(
        versions,
        subject=Subject.MODEL_VERSIONS,
        expression=query.filter,
        order_by=query.order_by,
        max_results=query.max_results,
        page_token=query.page_token,
    )


def select_logged_models(
    models: Iterable[LoggedModel], experiments: Iterable[Experiment], query: LoggedModelQuery
) -> Page[LoggedModel]:
    """Return the page of a query out of all logged models of all experiments."""
    from tracking_core.search import select_page  # deferred: most processes never search

    wanted = {
        each.experiment_id
        for each in experiments
        if (
            each.lifecycle_stage is LifecycleStage.ACTIVE
            if query.experiment_ids is None
            else each.experiment_id in query.experiment_ids
        )
    }
    return select_page(
        (
            model
            for model in models
            if model.experiment_id in wanted and model.lifecycle_stage is LifecycleStage.ACTIVE
        ),
        subject=Subject.LOGGED_MODELS,
        expression=query.filter,
        order_by=query.order_by,
        max_results=query.max_results,
        page_token=query.page_token,
        measured_on=tuple((each.dataset_name, each.dataset_digest) for each in query.datasets),
    )
