"""The model registry, with everything that happens in it told to webhooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from tracking_core.entities import (
    ModelVersion,
    ModelVersionStage,
    RegisteredModel,
    Webhook,
    WebhookEvent,
    WebhookTestResult,
)
from tracking_core.search import Page
from tracking_core.stores import (
    ModelRegistryStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    NewWebhook,
    RegisteredModelChanges,
    RegisteredModelQuery,
    WebhookChanges,
    WebhookQuery,
    WebhookStore,
)

_IS_PROMPT = "mlflow.prompt.is_prompt"
_PROMPT_TEXT = "mlflow.prompt.text"


class Announcer(Protocol):
    """What takes events to tell."""

    def announce(self, event: WebhookEvent, data: dict[str, Any]) -> None:
        """Tell the webhooks that asked for this event, later."""

    def test(self, webhook_id: str, event: WebhookEvent | None) -> WebhookTestResult:
        """Tell a webhook something made up, now."""

    def check_url(self, url: str) -> None:
        """Refuse a URL where nothing would be told."""


class AnnouncedRegistry(ModelRegistryStore):
    """A registry that announces what it did; whichever of the server's doors a call came by."""

    def __init__(self, registry: ModelRegistryStore, announcer: Announcer) -> None:
        self._registry = registry
        self._announce = announcer.announce

    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        model = self._registry.create_registered_model(new)
        event = (
            WebhookEvent.PROMPT_CREATED
            if _is_prompt(model.tags)
            else WebhookEvent.REGISTERED_MODEL_CREATED
        )
        tags = {key: value for key, value in model.tags.items() if key != _IS_PROMPT}
        self._announce(
            event, {"name": model.name, "tags": tags, "description": model.description or None}
        )
        return model

    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        model = self._registry.update_registered_model(name, changes=changes)
        is_prompt = _is_prompt(model.tags)
        if is_prompt:
            for key, value in changes.set_tags.items():
                data = {"name": model.name, "key": key, "value": value}
                self._announce(WebhookEvent.PROMPT_TAG_SET, data)
            for key in changes.delete_tags:
                self._announce(WebhookEvent.PROMPT_TAG_DELETED, {"name": model.name, "key": key})
        for alias, version in changes.set_aliases.items():
            self._announce(
                WebhookEvent.PROMPT_ALIAS_CREATED
                if is_prompt
                else WebhookEvent.MODEL_VERSION_ALIAS_CREATED,
                {"name": model.name, "alias": alias, "version": str(version)},
            )
        for alias in changes.delete_aliases:
            self._announce(
                WebhookEvent.PROMPT_ALIAS_DELETED
                if is_prompt
                else WebhookEvent.MODEL_VERSION_ALIAS_DELETED,
                {"name": model.name, "alias": alias},
            )
        return model

    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        made = self._registry.create_model_version(new)
        data: dict[str, Any] = {"name": made.name, "version": str(made.version)}
        if _is_prompt(made.tags):
            data["template"] = made.tags.get(_PROMPT_TEXT)
            event = WebhookEvent.PROMPT_VERSION_CREATED
        else:
            data |= {"source": made.source, "run_id": made.run_id or None}
            event = WebhookEvent.MODEL_VERSION_CREATED
        hidden = (_IS_PROMPT, _PROMPT_TEXT)
        data["tags"] = {key: value for key, value in made.tags.items() if key not in hidden}
        self._announce(event, {**data, "description": made.description or None})
        return made

    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        changed = self._registry.update_model_version(name, version=version, changes=changes)
        is_prompt = _is_prompt(changed.tags)
        data = {"name": changed.name, "version": str(changed.version)}
        for key, value in changes.set_tags.items():
            self._announce(
                WebhookEvent.PROMPT_VERSION_TAG_SET
                if is_prompt
                else WebhookEvent.MODEL_VERSION_TAG_SET,
                {**data, "key": key, "value": value},
            )
        for key in changes.delete_tags:
            self._announce(
                WebhookEvent.PROMPT_VERSION_TAG_DELETED
                if is_prompt
                else WebhookEvent.MODEL_VERSION_TAG_DELETED,
                {**data, "key": key},
            )
        return changed

    # --- what nobody is told of ---

    def get_registered_model(self, name: str) -> RegisteredModel:
        return self._registry.get_registered_model(name)

    def delete_registered_model(self, name: str) -> None:
        self._registry.delete_registered_model(name)

    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        return self._registry.search_registered_models(query)

    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        return self._registry.get_model_version(name, version=version)

    def delete_model_version(self, name: str, *, version: int) -> None:
        self._registry.delete_model_version(name, version=version)

    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        return self._registry.search_model_versions(query)

    def get_model_version_by_alias(self, name: str, *, alias: str) -> ModelVersion:
        return self._registry.get_model_version_by_alias(name, alias=alias)

    def latest_versions(
        self, name: str, *, stages: Iterable[ModelVersionStage] = ()
    ) -> list[ModelVersion]:
        return self._registry.latest_versions(name, stages=stages)


class TestableWebhooks(WebhookStore):
    """A backend's webhooks, which this server tells: it refuses those that it wouldn't."""

    __test__ = False  # not one of pytest's

    def __init__(self, webhooks: WebhookStore, announcer: Announcer) -> None:
        self._webhooks = webhooks
        self._announcer = announcer

    def create_webhook(self, new: NewWebhook) -> Webhook:
        self._announcer.check_url(new.url)
        return self._webhooks.create_webhook(new)

    def get_webhook(self, webhook_id: str) -> Webhook:
        return self._webhooks.get_webhook(webhook_id)

    def update_webhook(self, webhook_id: str, *, changes: WebhookChanges) -> Webhook:
        if isinstance(changes.url, str):
            self._announcer.check_url(changes.url)
        return self._webhooks.update_webhook(webhook_id, changes=changes)

    def delete_webhook(self, webhook_id: str) -> None:
        self._webhooks.delete_webhook(webhook_id)

    def list_webhooks(self, query: WebhookQuery) -> Page[Webhook]:
        return self._webhooks.list_webhooks(query)

    def webhook_secret(self, webhook_id: str) -> str | None:
        return self._webhooks.webhook_secret(webhook_id)

    def test_webhook(
        self, webhook_id: str, *, event: WebhookEvent | None = None
    ) -> WebhookTestResult:
        return self._announcer.test(webhook_id, event)


def _is_prompt(tags: dict[str, str]) -> bool:
    return tags.get(_IS_PROMPT, "").lower() == "true"
