"""The client's webhooks, by MLflow's names."""

from __future__ import annotations

import pytest

from tracking_core import Client
from tracking_core.entities import WebhookEvent, WebhookStatus
from tracking_core.errors import InvalidValueError, NotFoundError, UnsupportedError

URL = "https://example.org/hook"


@pytest.fixture
def client() -> Client:
    return Client(tracking_uri="memory:")


def test_a_webhook_is_made_found_changed_and_deleted(client: Client) -> None:
    made = client.create_webhook(
        "hook", URL, ["model_version.created", WebhookEvent.PROMPT_CREATED], secret="s"
    )
    assert made.events == (WebhookEvent.MODEL_VERSION_CREATED, WebhookEvent.PROMPT_CREATED)
    assert client.get_webhook(made.webhook_id) == made
    assert client.list_webhooks() == [made]
    changed = client.update_webhook(
        made.webhook_id, description="d", events=["prompt.created"], status="DISABLED"
    )
    assert (changed.name, changed.description) == ("hook", "d")
    assert changed.events == (WebhookEvent.PROMPT_CREATED,)
    assert changed.status is WebhookStatus.DISABLED
    assert client.registry_store.webhooks.webhook_secret(made.webhook_id) == "s"
    again = client.update_webhook(made.webhook_id, description="", secret="")
    assert again.description is None
    assert client.registry_store.webhooks.webhook_secret(made.webhook_id) is None
    client.delete_webhook(made.webhook_id)
    with pytest.raises(NotFoundError, match=made.webhook_id):
        client.get_webhook(made.webhook_id)


def test_pages_are_lists_with_a_token(client: Client) -> None:
    for number in range(3):
        client.create_webhook(f"hook{number}", URL, ["prompt.created"])
    first = client.list_webhooks(max_results=2)
    second = client.list_webhooks(max_results=2, page_token=first.token)
    assert (len(first), len(second), second.token) == (2, 1, None)


def test_bad_words_get_a_sentence(client: Client) -> None:
    with pytest.raises(InvalidValueError, match=r"'run\.created' is not an event of webhooks"):
        client.create_webhook("hook", URL, ["run.created"])
    with pytest.raises(InvalidValueError, match=r"pass a list, \['prompt\.created'\]"):
        client.create_webhook("hook", URL, "prompt.created")
    with pytest.raises(InvalidValueError, match="no status of a webhook 'on'; known are ACTIVE"):
        client.create_webhook("hook", URL, ["prompt.created"], status="on")
    assert client.list_webhooks() == []


def test_a_registry_without_a_server_tells_nobody(client: Client) -> None:
    made = client.create_webhook("hook", URL, ["prompt.created"])
    with pytest.raises(UnsupportedError, match="Webhooks are told by a server"):
        client.test_webhook(made.webhook_id)
