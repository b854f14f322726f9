"""Messages about webhooks."""

from __future__ import annotations

from collections.abc import Iterable

from tracking_core.entities import Webhook, WebhookEvent, WebhookTestResult
from tracking_core.wire.messages.base import Message
from tracking_core.wire.messages.enums import webhook_event, webhook_status


class WebhookEventMessage(Message, kw_only=True):
    """mlflow.WebhookEvent: enums, by name or by number."""

    entity: str | int
    action: str | int

    @classmethod
    def of(cls, event: WebhookEvent) -> WebhookEventMessage:
        """Return what the wire says of an event."""
        return cls(entity=event.entity.upper(), action=event.action.upper())


class WebhookMessage(Message, kw_only=True):
    """mlflow.Webhook."""

    webhook_id: str | None = None
    name: str | None = None
    description: str | None = None
    url: str | None = None
    events: tuple[WebhookEventMessage, ...] = ()
    status: str | int | None = None
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookMessage:
        """Return what the wire says of a webhook."""
        return cls(
            webhook_id=webhook.webhook_id,
            name=webhook.name,
            description=webhook.description,
            url=webhook.url,
            events=tuple(map(WebhookEventMessage.of, webhook.events)),
            status=webhook.status.value,
            creation_timestamp=webhook.creation_timestamp,
            last_updated_timestamp=webhook.last_updated_timestamp,
        )

    def entity(self) -> Webhook:
        """Return the webhook; events that this version doesn't know are left out."""
        return Webhook(
            webhook_id=self.webhook_id or "",
            name=self.name or "",
            url=self.url or "",
            events=tuple(_known(self.events)),
            description=self.description,
            status=webhook_status(self.status),
            creation_timestamp=self.creation_timestamp or 0,
            last_updated_timestamp=self.last_updated_timestamp or 0,
        )


class WebhookTestResultMessage(Message, kw_only=True):
    """mlflow.WebhookTestResult."""

    success: bool | None = None
    response_status: int | None = None
    response_body: str | None = None
    error_message: str | None = None

    @classmethod
    def of(cls, result: WebhookTestResult) -> WebhookTestResultMessage:
        """Return what the wire says of a test."""
        return cls(
            success=result.success,
            response_status=result.response_status,
            response_body=result.response_body,
            error_message=result.error_message,
        )

    def entity(self) -> WebhookTestResult:
        """Return what came of the test."""
        return WebhookTestResult(
            success=bool(self.success),
            response_status=self.response_status,
            response_body=self.response_body,
            error_message=self.error_message,
        )


class CreateWebhook(Message, kw_only=True):
    """mlflow.CreateWebhook."""

    name: str
    url: str
    events: tuple[WebhookEventMessage, ...]
    description: str | None = None
    secret: str | None = None
    status: str | int | None = None


class UpdateWebhook(Message, kw_only=True):
    """mlflow.UpdateWebhook."""

    webhook_id: str
    name: str | None = None
    description: str | None = None
    url: str | None = None
    events: tuple[WebhookEventMessage, ...] = ()
    secret: str | None = None
    status: str | int | None = None


class GetWebhook(Message, kw_only=True):
    """mlflow.GetWebhook; DeleteWebhook is the same."""

    webhook_id: str


class ListWebhooks(Message, kw_only=True):
    """mlflow.ListWebhooks."""

    max_results: int | None = None
    page_token: str | None = None


class TestWebhook(Message, kw_only=True):
    """mlflow.TestWebhook."""

    __test__ = False  # not one of pytest's

    webhook_id: str
    event: WebhookEventMessage | None = None


class WebhookFound(Message, kw_only=True):
    """The answer that holds a webhook."""

    webhook: WebhookMessage | None = None


class WebhooksFound(Message, kw_only=True):
    """mlflow.ListWebhooks.Response."""

    webhooks: tuple[WebhookMessage, ...] = ()
    next_page_token: str | None = None


class WebhookTested(Message, kw_only=True):
    """mlflow.TestWebhook.Response."""

    result: WebhookTestResultMessage | None = None


def events_of(messages: Iterable[WebhookEventMessage]) -> tuple[WebhookEvent, ...]:
    """Return the events that a request names.

    Raises:
        InvalidValueError: There is no such event.
    """
    return tuple(webhook_event(each.entity, each.action) for each in messages)


def _known(messages: Iterable[WebhookEventMessage]) -> Iterable[WebhookEvent]:
    names = set(map(str, WebhookEvent))
    for each in messages:
        if f"{each.entity}.{each.action}".lower() in names:
            yield webhook_event(each.entity, each.action)
