"""The suite of WebhookStore."""

from __future__ import annotations

import pytest

from tracking_core.entities import Webhook, WebhookEvent, WebhookStatus
from tracking_core.errors import InvalidValueError, NotFoundError, UnsupportedError
from tracking_core.stores import (
    BackendStore,
    NewWebhook,
    WebhookChanges,
    WebhookQuery,
    WebhookStore,
)
from tracking_core.testing.store_tests import StoreTests, fresh_name

MISSING = "0123456789abcdef0123456789abcdef"
URL = "https://example.org/hooks?a=b%20c"


def _new(**fields: object) -> NewWebhook:
    given = {
        "name": fresh_name("hook"),
        "url": URL,
        "events": (WebhookEvent.MODEL_VERSION_CREATED,),
        **fields,
    }
    return NewWebhook(**given)  # type: ignore[arg-type]


class WebhookStoreTests(StoreTests):
    """Everything that a store of webhooks must do; override the fixture `location`."""

    @pytest.fixture
    def webhooks(self, store: BackendStore) -> WebhookStore:
        """The facet under test."""
        return store.webhooks

    def test_a_webhook_reads_back_as_it_was_created(self, webhooks: WebhookStore) -> None:
        new = _new(
            events=(WebhookEvent.MODEL_VERSION_TAG_SET, WebhookEvent.REGISTERED_MODEL_CREATED),
            description="what für\nit is",
            status=WebhookStatus.DISABLED,
        )
        made = webhooks.create_webhook(new)
        assert webhooks.get_webhook(made.webhook_id) == made
        assert (made.name, made.url, made.description) == (new.name, URL, new.description)
        assert made.events == (
            WebhookEvent.REGISTERED_MODEL_CREATED,
            WebhookEvent.MODEL_VERSION_TAG_SET,
        )
        assert made.status is WebhookStatus.DISABLED
        assert made.creation_timestamp == made.last_updated_timestamp > 0

    def test_what_is_not_said_has_its_default(self, webhooks: WebhookStore) -> None:
        made = webhooks.create_webhook(_new())
        assert (made.description, made.status) == (None, WebhookStatus.ACTIVE)

    def test_every_event_can_be_asked_for(self, webhooks: WebhookStore) -> None:
        made = webhooks.create_webhook(_new(events=tuple(reversed(WebhookEvent))))
        assert webhooks.get_webhook(made.webhook_id).events == tuple(WebhookEvent)

    def test_a_change_touches_what_it_names(self, webhooks: WebhookStore) -> None:
        made = webhooks.create_webhook(_new(description="old", secret="s"))
        name = fresh_name("hook")
        changed = webhooks.update_webhook(made.webhook_id, changes=WebhookChanges(name=name))
        assert (changed.name, changed.description, changed.url) == (name, "old", URL)
        assert changed.events == made.events
        changed = webhooks.update_webhook(
            made.webhook_id,
            changes=WebhookChanges(
                url="https://example.org/other",
                events=(WebhookEvent.PROMPT_CREATED,),
                status=WebhookStatus.DISABLED,
                description=None,
            ),
        )
        assert webhooks.get_webhook(made.webhook_id) == changed
        assert (changed.url, changed.description) == ("https://example.org/other", None)
        assert changed.events == (WebhookEvent.PROMPT_CREATED,)
        assert changed.status is WebhookStatus.DISABLED
        assert changed.creation_timestamp == made.creation_timestamp
        assert changed.last_updated_timestamp >= made.last_updated_timestamp

    def test_a_change_of_nothing_changes_nothing(self, webhooks: WebhookStore) -> None:
        made = webhooks.create_webhook(_new())
        assert webhooks.update_webhook(made.webhook_id, changes=WebhookChanges()) == made

    def test_a_secret_is_kept_changed_and_removed(self, webhooks: WebhookStore) -> None:
        made = webhooks.create_webhook(_new(secret="first"))
        try:
            assert webhooks.webhook_secret(made.webhook_id) == "first"
        except UnsupportedError:
            pytest.skip("others do the signing")
        changes = WebhookChanges(name=fresh_name("hook"))
        webhooks.update_webhook(made.webhook_id, changes=changes)
        assert webhooks.webhook_secret(made.webhook_id) == "first"
        webhooks.update_webhook(made.webhook_id, changes=WebhookChanges(secret="second"))
        assert webhooks.webhook_secret(made.webhook_id) == "second"
        webhooks.update_webhook(made.webhook_id, changes=WebhookChanges(secret=None))
        assert webhooks.webhook_secret(made.webhook_id) is None
        with pytest.raises(NotFoundError):
            webhooks.webhook_secret(MISSING)

    def test_a_webhook_shows_no_secret(self, webhooks: WebhookStore) -> None:
        made = webhooks.create_webhook(_new(secret="geheim"))
        assert "geheim" not in repr(made) + repr(webhooks.get_webhook(made.webhook_id))

    def test_a_deleted_webhook_is_gone(self, webhooks: WebhookStore) -> None:
        made = webhooks.create_webhook(_new())
        webhooks.delete_webhook(made.webhook_id)
        with pytest.raises(NotFoundError, match=made.webhook_id):
            webhooks.get_webhook(made.webhook_id)
        assert made.webhook_id not in {each.webhook_id for each in webhooks.iterate_webhooks()}

    def test_a_missing_webhook_is_named(self, webhooks: WebhookStore) -> None:
        for call in (
            lambda: webhooks.get_webhook(MISSING),
            lambda: webhooks.update_webhook(MISSING, changes=WebhookChanges(name="a")),
            lambda: webhooks.delete_webhook(MISSING),
        ):
            with pytest.raises(NotFoundError, match=MISSING):
                call()

    def test_an_id_that_none_can_have_is_refused(self, webhooks: WebhookStore) -> None:
        for bad in ("", "a/b", "é", "x" * 65):
            with pytest.raises(InvalidValueError, match="webhook id"):
                webhooks.get_webhook(bad)

    def test_pages_hold_each_webhook_once_the_newest_first(self, webhooks: WebhookStore) -> None:
        own = [webhooks.create_webhook(_new()) for _ in range(5)]
        found: list[Webhook] = []
        token = None
        while True:
            page = webhooks.list_webhooks(WebhookQuery(max_results=2, page_token=token))
            assert len(page.items) <= 2
            found += page.items
            token = page.next_page_token
            if token is None:
                break
        ids = [each.webhook_id for each in found]
        assert len(ids) == len(set(ids))
        assert {each.webhook_id for each in own} <= set(ids)
        times = [each.creation_timestamp for each in found]
        assert times == sorted(times, reverse=True)
        assert found == list(webhooks.iterate_webhooks())

    def test_a_page_token_that_is_none_is_refused(self, webhooks: WebhookStore) -> None:
        with pytest.raises(InvalidValueError, match="page token"):
            webhooks.list_webhooks(WebhookQuery(page_token="nonsense"))
