"""The facet of webhooks: who is told what happens in the model registry."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from msgspec.structs import replace

from tracking_core.entities import Webhook, WebhookEvent, WebhookTestResult
from tracking_core.errors import UnsupportedError
from tracking_core.search.page import Page
from tracking_core.stores.facet import Facet
from tracking_core.stores.requests import NewWebhook, WebhookChanges, WebhookQuery


class WebhookStore(Facet):
    """Webhooks; lives in the same backend as the model registry.

    It keeps them. Telling them is the business of the server that the change went through.
    """

    contract_name = "WebhookStore"

    @abstractmethod
    def create_webhook(self, new: NewWebhook) -> Webhook:
        """Create a webhook."""

    @abstractmethod
    def get_webhook(self, webhook_id: str) -> Webhook:
        """Return a webhook.

        Raises:
            InvalidValueError: None can have this id.
            NotFoundError: There is none.
        """

    @abstractmethod
    def update_webhook(self, webhook_id: str, *, changes: WebhookChanges) -> Webhook:
        """Change a webhook and return it as it then is.

        Raises:
            NotFoundError: There is none.
        """

    @abstractmethod
    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook, with its secret.

        Raises:
            NotFoundError: There is none.
        """

    @abstractmethod
    def list_webhooks(self, query: WebhookQuery) -> Page[Webhook]:
        """Return a page of the webhooks, the newest first.

        Raises:
            InvalidValueError: The page token isn't one.
        """

    @abstractmethod
    def webhook_secret(self, webhook_id: str) -> str | None:
        """Return what a webhook's deliveries are signed with; None if they aren't.

        Raises:
            NotFoundError: There is no such webhook.
            UnsupportedError: Others do the signing, and the secret stays with them.
        """

    # --- conveniences ---

    def iterate_webhooks(self, query: WebhookQuery | None = None) -> Iterator[Webhook]:
        """Yield all webhooks, page by page."""
        query = WebhookQuery() if query is None else query
        while True:
            page = self.list_webhooks(query)
            yield from page.items
            if page.next_page_token is None:
                return
            query = replace(query, page_token=page.next_page_token)

    def test_webhook(
        self, webhook_id: str, *, event: WebhookEvent | None = None
    ) -> WebhookTestResult:
        """Tell a webhook something made up, once, and return what came of it.

        Args:
            webhook_id: Which, in use or not.
            event: As if this had happened; None: the first that it is told of.

        Raises:
            NotFoundError: There is no such webhook.
            UnsupportedError: The backend isn't behind a server, which is what tells webhooks.
        """
        raise UnsupportedError(
            "Webhooks are told by a server; connect to one by its http(s):// address to test one."
        )
