"""Webhooks, of which there are few: a list reads them all."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import delete, select, update

from tracking_core.entities import Webhook, WebhookEvent, WebhookStatus
from tracking_core.errors import InvalidStateError, NotFoundError
from tracking_core.search import Page
from tracking_core.stores import WebhookStore
from tracking_core.stores.applying_webhooks import changed_webhook, select_webhooks, webhook_of
from tracking_core.stores.requests import (
    UNSET,
    NewWebhook,
    WebhookChanges,
    WebhookQuery,
    check_webhook_id,
)
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction

_webhook = schema.webhook.c
_REVISION = "0002"
_COLUMNS = (
    _webhook.webhook_id,
    _webhook.name,
    _webhook.url,
    _webhook.events,
    _webhook.description,
    _webhook.is_disabled,
    _webhook.creation_timestamp,
    _webhook.last_updated_timestamp,
)


class SqlWebhooks(WebhookStore):
    """Webhooks, each call one transaction; secrets are kept as they are."""

    _database: Database

    def _is_kept(self) -> bool:
        """Tell whether the database has a place for webhooks; an old one gets it by an upgrade."""
        return self._database.has(_REVISION)

    def _check(self, webhook_id: str) -> None:
        check_webhook_id(webhook_id)
        if not self._is_kept():
            raise _no_such(webhook_id)

    def create_webhook(self, new: NewWebhook) -> Webhook:
        if not self._is_kept():
            raise InvalidStateError(
                f"The database {self._database.uri} keeps no webhooks: it is of a revision before"
                f" {_REVISION}; run `tracking db upgrade`."
            )
        webhook = webhook_of(new)
        row = {**_row(webhook), "secret": new.secret}

        def work(transaction: Transaction) -> Webhook:
            transaction.add(schema.webhook, row)
            return webhook

        return self._database.write(work)

    def get_webhook(self, webhook_id: str) -> Webhook:
        self._check(webhook_id)
        return self._database.read(lambda transaction: _held(transaction, webhook_id))

    def update_webhook(self, webhook_id: str, *, changes: WebhookChanges) -> Webhook:
        self._check(webhook_id)

        def work(transaction: Transaction) -> Webhook:
            own = _webhook.webhook_id == webhook_id
            transaction.first(transaction.locking(select(_webhook.webhook_id).where(own)))
            old = _held(transaction, webhook_id)
            new = changed_webhook(old, changes)
            row = _row(new)
            if changes.secret is not UNSET:
                row["secret"] = changes.secret
            if new != old or "secret" in row:
                transaction.execute(update(schema.webhook).where(own).values(**row))
            return new

        return self._database.write(work)

    def delete_webhook(self, webhook_id: str) -> None:
        self._check(webhook_id)

        def work(transaction: Transaction) -> None:
            found = delete(schema.webhook).where(_webhook.webhook_id == webhook_id)
            if not transaction.execute(found):
                raise _no_such(webhook_id)

        self._database.write(work)

    def list_webhooks(self, query: WebhookQuery) -> Page[Webhook]:
        if not self._is_kept():
            return select_webhooks((), query)
        rows = self._database.read(lambda transaction: transaction.rows(select(*_COLUMNS)))
        return select_webhooks((_of(row) for row in rows), query)

    def webhook_secret(self, webhook_id: str) -> str | None:
        self._check(webhook_id)

        def work(transaction: Transaction) -> str | None:
            find = select(_webhook.secret).where(_webhook.webhook_id == webhook_id)
            row = transaction.first(find)
            if row is None:
                raise _no_such(webhook_id)
            secret: str | None = row[0]
            return secret

        return self._database.read(work)


def _held(transaction: Transaction, webhook_id: str) -> Webhook:
    row = transaction.first(select(*_COLUMNS).where(_webhook.webhook_id == webhook_id))
    if row is None:
        raise _no_such(webhook_id)
    return _of(row)


def _no_such(webhook_id: str) -> NotFoundError:
    return NotFoundError(f"There is no webhook with the id {webhook_id!r}.")


def _of(row: Any) -> Webhook:
    webhook_id, name, url, events, description, is_disabled, created, updated = row
    return Webhook(
        webhook_id=webhook_id,
        name=name,
        url=url,
        events=tuple(map(WebhookEvent, json.loads(events))),
        description=description,
        status=WebhookStatus.DISABLED if is_disabled else WebhookStatus.ACTIVE,
        creation_timestamp=created,
        last_updated_timestamp=updated,
    )


def _row(webhook: Webhook) -> dict[str, Any]:
    return {
        "webhook_id": webhook.webhook_id,
        "name": webhook.name,
        "url": webhook.url,
        "events": json.dumps([each.value for each in webhook.events]),
        "description": webhook.description,
        "is_disabled": int(webhook.status is WebhookStatus.DISABLED),
        "creation_timestamp": webhook.creation_timestamp,
        "last_updated_timestamp": webhook.last_updated_timestamp,
    }
