"""Webhooks in memory."""

from __future__ import annotations

from tracking_core.entities import Webhook
from tracking_core.errors import NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores.applying_webhooks import changed_webhook, select_webhooks, webhook_of
from tracking_core.stores.memory.state import State, WebhookRecord
from tracking_core.stores.requests import (
    UNSET,
    NewWebhook,
    WebhookChanges,
    WebhookQuery,
    check_webhook_id,
)
from tracking_core.stores.webhook_store import WebhookStore


class MemoryWebhooks(WebhookStore):
    """Webhooks, over the state that all facets share."""

    _state: State

    def create_webhook(self, new: NewWebhook) -> Webhook:
        webhook = webhook_of(new)
        with self._state.lock:
            self._state.webhooks[webhook.webhook_id] = WebhookRecord(webhook, new.secret)
        return webhook

    def get_webhook(self, webhook_id: str) -> Webhook:
        with self._state.lock:
            return self._webhook_record(webhook_id).webhook

    def update_webhook(self, webhook_id: str, *, changes: WebhookChanges) -> Webhook:
        with self._state.lock:
            record = self._webhook_record(webhook_id)
            record.webhook = changed_webhook(record.webhook, changes)
            if changes.secret is not UNSET:
                record.secret = changes.secret
            return record.webhook

    def delete_webhook(self, webhook_id: str) -> None:
        with self._state.lock:
            self._webhook_record(webhook_id)
            del self._state.webhooks[webhook_id]

    def list_webhooks(self, query: WebhookQuery) -> Page[Webhook]:
        with self._state.lock:
            webhooks = [record.webhook for record in self._state.webhooks.values()]
        return select_webhooks(webhooks, query)

    def webhook_secret(self, webhook_id: str) -> str | None:
        with self._state.lock:
            return self._webhook_record(webhook_id).secret

    def _webhook_record(self, webhook_id: str) -> WebhookRecord:
        check_webhook_id(webhook_id)
        record = self._state.webhooks.get(webhook_id)
        if record is None:
            raise NotFoundError(f"There is no webhook with the id {webhook_id!r}.")
        return record
