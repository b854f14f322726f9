"""Webhooks behind a server: MLflow's endpoints say all that the contract does, to any server."""

from __future__ import annotations

from tracking_core.entities import Webhook, WebhookEvent, WebhookStatus, WebhookTestResult
from tracking_core.errors import UnsupportedError
from tracking_core.search import Page
from tracking_core.stores import (
    UNSET,
    NewWebhook,
    UnsetType,
    WebhookChanges,
    WebhookQuery,
    WebhookStore,
)
from tracking_core.stores.requests import check_webhook_id
from tracking_core.wire.endpoints import webhooks as endpoints
from tracking_core.wire.messages import webhooks as messages
from tracking_core.wire.messages.base import Empty
from tracking_core_rest.connection import ServerConnection

# A server's largest page.
_LARGEST_PAGE = 1_000


class RemoteWebhooks(WebhookStore):
    """Webhooks that a server keeps, and tells."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def create_webhook(self, new: NewWebhook) -> Webhook:
        request = messages.CreateWebhook(
            name=new.name,
            url=new.url,
            events=tuple(map(messages.WebhookEventMessage.of, new.events)),
            description=new.description,
            secret=new.secret,
            status=new.status.value,
        )
        answer = self._connection.send(endpoints.CREATE, request, messages.WebhookFound)
        return _webhook(answer)

    def get_webhook(self, webhook_id: str) -> Webhook:
        request = messages.GetWebhook(webhook_id=check_webhook_id(webhook_id))
        return _webhook(self._connection.send(endpoints.GET, request, messages.WebhookFound))

    def update_webhook(self, webhook_id: str, *, changes: WebhookChanges) -> Webhook:
        request = messages.UpdateWebhook(
            webhook_id=check_webhook_id(webhook_id),
            name=_given(changes.name),
            description=_given(changes.description),
            url=_given(changes.url),
            events=()
            if changes.events is UNSET
            else tuple(map(messages.WebhookEventMessage.of, changes.events)),
            secret=_given(changes.secret),
            status=changes.status.value if isinstance(changes.status, WebhookStatus) else None,
        )
        return _webhook(self._connection.send(endpoints.UPDATE, request, messages.WebhookFound))

    def delete_webhook(self, webhook_id: str) -> None:
        request = messages.GetWebhook(webhook_id=check_webhook_id(webhook_id))
        self._connection.send(endpoints.DELETE, request, Empty)

    def list_webhooks(self, query: WebhookQuery) -> Page[Webhook]:
        request = messages.ListWebhooks(
            max_results=min(query.max_results, _LARGEST_PAGE), page_token=query.page_token
        )
        answer = self._connection.send(endpoints.LIST, request, messages.WebhooksFound)
        webhooks = tuple(each.entity() for each in answer.webhooks)
        return Page(webhooks, answer.next_page_token or None)

    def webhook_secret(self, webhook_id: str) -> str | None:
        raise UnsupportedError(
            f"The server {self._connection.shown} signs what it tells webhooks, and shows the"
            " secrets to nobody."
        )

    def test_webhook(
        self, webhook_id: str, *, event: WebhookEvent | None = None
    ) -> WebhookTestResult:
        request = messages.TestWebhook(
            webhook_id=check_webhook_id(webhook_id),
            event=None if event is None else messages.WebhookEventMessage.of(event),
        )
        answer = self._connection.send(endpoints.TEST, request, messages.WebhookTested)
        result = answer.result or messages.WebhookTestResultMessage()
        return result.entity()


def _webhook(answer: messages.WebhookFound) -> Webhook:
    return (answer.webhook or messages.WebhookMessage()).entity()


def _given(value: str | UnsetType | None) -> str | None:
    """Return the text of a change: none where nothing changes, empty where something goes."""
    return None if value is UNSET else value or ""
