"""What every backend does with webhooks, without I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from tracking_core.entities import Webhook
from tracking_core.errors import InvalidValueError
from tracking_core.search.page import Page
from tracking_core.stores.requests import (
    UNSET,
    NewWebhook,
    WebhookChanges,
    WebhookQuery,
    new_id,
    now,
)
from tracking_core.stores.validation import shown

_FIELDS = ("name", "url", "events", "description", "status")


def webhook_of(new: NewWebhook) -> Webhook:
    """Return the webhook that a request asks for."""
    created = now()
    values: dict[str, Any] = {name: getattr(new, name) for name in _FIELDS}
    return Webhook(
        webhook_id=new_id(), creation_timestamp=created, last_updated_timestamp=created, **values
    )


def changed_webhook(webhook: Webhook, changes: WebhookChanges) -> Webhook:
    """Return the webhook with the changes."""
    values = {
        name: getattr(changes, name) for name in _FIELDS if getattr(changes, name) is not UNSET
    }
    new = replace(webhook, **values)
    if new == webhook and changes.secret is UNSET:
        return webhook
    return replace(new, last_updated_timestamp=now())


def select_webhooks(webhooks: Iterable[Webhook], query: WebhookQuery) -> Page[Webhook]:
    """Return a page of the webhooks, the newest first; ties by id.

    Raises:
        InvalidValueError: The page token isn't one.
    """

    def place(webhook: Webhook) -> tuple[int, str]:
        return -webhook.creation_timestamp, webhook.webhook_id

    ordered = sorted(webhooks, key=place)
    if query.page_token is not None:
        time, _, webhook_id = query.page_token.partition("-")
        if not (time.isascii() and time.isdigit() and len(time) < 20 and webhook_id.isalnum()):
            raise InvalidValueError(
                f"The page token {shown(query.page_token)} is not one of a list of webhooks; pass"
                " the next_page_token of the page before, or none for the first page."
            )
        ordered = [each for each in ordered if place(each) > (-int(time), webhook_id)]
    page = tuple(ordered[: query.max_results])
    if len(ordered) == len(page):
        return Page(page)
    last = page[-1]
    return Page(page, f"{last.creation_timestamp}-{last.webhook_id}")
