"""Webhooks: addresses that are told what happens in the model registry."""

from __future__ import annotations

import enum

import msgspec


class WebhookStatus(str, enum.Enum):
    """Whether a webhook is told anything."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"

    def __str__(self) -> str:
        return self.value


class WebhookEvent(str, enum.Enum):
    """What can happen: an entity and an action, as MLflow names them.

    A prompt is a registered model with the tag `mlflow.prompt.is_prompt`; what happens to it has
    events of its own.
    """

    REGISTERED_MODEL_CREATED = "registered_model.created"
    MODEL_VERSION_CREATED = "model_version.created"
    MODEL_VERSION_TAG_SET = "model_version_tag.set"
    MODEL_VERSION_TAG_DELETED = "model_version_tag.deleted"
    MODEL_VERSION_ALIAS_CREATED = "model_version_alias.created"
    MODEL_VERSION_ALIAS_DELETED = "model_version_alias.deleted"
    PROMPT_CREATED = "prompt.created"
    PROMPT_VERSION_CREATED = "prompt_version.created"
    PROMPT_TAG_SET = "prompt_tag.set"
    PROMPT_TAG_DELETED = "prompt_tag.deleted"
    PROMPT_VERSION_TAG_SET = "prompt_version_tag.set"
    PROMPT_VERSION_TAG_DELETED = "prompt_version_tag.deleted"
    PROMPT_ALIAS_CREATED = "prompt_alias.created"
    PROMPT_ALIAS_DELETED = "prompt_alias.deleted"

    def __str__(self) -> str:
        return self.value

    @property
    def entity(self) -> str:
        """What it happened to: `model_version`."""
        return self.value.partition(".")[0]

    @property
    def action(self) -> str:
        """What happened: `created`."""
        return self.value.partition(".")[2]


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address that is told of events. Its secret isn't part of it, so that none shows it.

    Attributes:
        webhook_id: 32 hexadecimal digits.
        name: What people call it; not unique.
        url: Where it is told, by a POST.
        events: Of what, each once, in the order of WebhookEvent.
        description: For people.
        status: Whether it is told.
        creation_timestamp: Milliseconds since the epoch.
        last_updated_timestamp: Likewise.
    """

    webhook_id: str
    name: str
    url: str
    events: tuple[WebhookEvent, ...]
    description: str | None = None
    status: WebhookStatus = WebhookStatus.ACTIVE
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0


class WebhookTestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of telling a webhook something for a test.

    Attributes:
        success: Whether it answered, and with a status below 400.
        response_status: Its answer's status; None if none came.
        response_body: The beginning of what it answered.
        error_message: Why no answer came.
    """

    success: bool
    response_status: int | None = None
    response_body: str | None = None
    error_message: str | None = None
