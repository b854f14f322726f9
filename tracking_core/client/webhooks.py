"""The client's methods for webhooks."""

from __future__ import annotations

from collections.abc import Iterable

from tracking_core.client.connection import Connection
from tracking_core.client.paged_list import PagedList, paged
from tracking_core.entities import Webhook, WebhookEvent, WebhookStatus, WebhookTestResult
from tracking_core.errors import InvalidValueError
from tracking_core.stores import (
    UNSET,
    NewWebhook,
    WebhookChanges,
    WebhookQuery,
    WebhookStore,
    validation,
)


class WebhookMethods(Connection):
    """Webhooks: addresses that a server tells what happens in its model registry."""

    def create_webhook(
        self,
        name: str,
        url: str,
        events: Iterable[WebhookEvent | str],
        description: str | None = None,
        secret: str | None = None,
        status: WebhookStatus | str | None = None,
    ) -> Webhook:
        """Create a webhook.

        Args:
            name: Letters, digits, dots, underscores and hyphens, 63 at most.
            url: Where it is told, by a POST: `https://…`.
            events: Of what: `model_version.created`, and the others of `WebhookEvent`.
            description: For people.
            secret: What deliveries are signed with; no call gives it back.
            status: ACTIVE if None.

        Raises:
            InvalidValueError: The name, URL or an event isn't one.
            UnsupportedError: The registry keeps no webhooks.
        """
        new = NewWebhook(
            name=name,
            url=url,
            events=_events(events),
            description=description,
            secret=secret,
            status=WebhookStatus.ACTIVE if status is None else _status(status),
        )
        return self._webhooks.create_webhook(new)

    def get_webhook(self, webhook_id: str) -> Webhook:
        """Return a webhook.

        Raises:
            NotFoundError: There is none.
        """
        return self._webhooks.get_webhook(webhook_id)

    def list_webhooks(
        self, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Webhook]:
        """Return a page of the webhooks, the newest first.

        Raises:
            InvalidValueError: The page token isn't one.
        """
        query = WebhookQuery(
            max_results=100 if max_results is None else max_results, page_token=page_token
        )
        return paged(self._webhooks.list_webhooks(query))

    def update_webhook(
        self,
        webhook_id: str,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        events: Iterable[WebhookEvent | str] | None = None,
        secret: str | None = None,
        status: WebhookStatus | str | None = None,
    ) -> Webhook:
        """Change a webhook and return it as it then is; what is None stays.

        An empty description or secret removes it.

        Raises:
            NotFoundError: There is none.
            InvalidValueError: What it is given isn't valid.
        """
        changes = WebhookChanges(
            name=UNSET if name is None else name,
            url=UNSET if url is None else url,
            events=UNSET if events is None else _events(events),
            description=UNSET if description is None else description or None,
            secret=UNSET if secret is None else secret or None,
            status=UNSET if status is None else _status(status),
        )
        return self._webhooks.update_webhook(webhook_id, changes=changes)

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook.

        Raises:
            NotFoundError: There is none.
        """
        self._webhooks.delete_webhook(webhook_id)

    def test_webhook(
        self, webhook_id: str, event: WebhookEvent | str | None = None
    ) -> WebhookTestResult:
        """Have the server tell a webhook something made up, and return what came of it.

        Args:
            webhook_id: Which.
            event: As if this had happened; None: the first that it is told of.

        Raises:
            NotFoundError: There is no such webhook.
            UnsupportedError: The registry isn't behind a server, which is what tells webhooks.
        """
        given = None if event is None else _events([event])[0]
        return self._webhooks.test_webhook(webhook_id, event=given)

    @property
    def _webhooks(self) -> WebhookStore:
        return self.registry_store.webhooks


def _events(events: Iterable[WebhookEvent | str]) -> tuple[WebhookEvent, ...]:
    if isinstance(events, str):
        raise InvalidValueError(f"events is the text {events!r}; pass a list, [{events!r}].")
    known = {each.value: each for each in WebhookEvent}
    found = []
    for each in events:
        event = known.get(str(each))
        if event is None:
            raise InvalidValueError(
                f"{validation.shown(each)} is not an event of webhooks; known are"
                f" {', '.join(known)}."
            )
        found.append(event)
    return tuple(found)


def _status(status: WebhookStatus | str) -> WebhookStatus:
    try:
        return WebhookStatus(str(status))
    except ValueError:
        raise InvalidValueError(
            f"There is no status of a webhook {validation.shown(status)}; known are"
            f" {', '.join(WebhookStatus)}."
        ) from None
