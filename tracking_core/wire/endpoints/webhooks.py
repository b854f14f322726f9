"""The endpoints of webhooks."""

from __future__ import annotations

from tracking_core.stores import UNSET, NewWebhook, WebhookChanges, WebhookQuery, WebhookStore
from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint, page_size
from tracking_core.wire.messages import webhooks as messages
from tracking_core.wire.messages.base import Empty
from tracking_core.wire.messages.enums import webhook_status

_PATH = f"{PREFIX}/webhooks"


def _create(webhooks: WebhookStore, request: messages.CreateWebhook) -> messages.WebhookFound:
    new = NewWebhook(
        name=request.name,
        url=request.url,
        events=messages.events_of(request.events),
        description=request.description or None,
        secret=request.secret or None,
        status=webhook_status(request.status),
    )
    created = webhooks.create_webhook(new)
    return messages.WebhookFound(webhook=messages.WebhookMessage.of(created))


def _list(webhooks: WebhookStore, request: messages.ListWebhooks) -> messages.WebhooksFound:
    query = WebhookQuery(
        max_results=page_size(request.max_results or None, usual=100, most=1_000),
        page_token=request.page_token or None,
    )
    page = webhooks.list_webhooks(query)
    return messages.WebhooksFound(
        webhooks=tuple(map(messages.WebhookMessage.of, page.items)),
        next_page_token=page.next_page_token,
    )


def _get(webhooks: WebhookStore, request: messages.GetWebhook) -> messages.WebhookFound:
    found = webhooks.get_webhook(request.webhook_id)
    return messages.WebhookFound(webhook=messages.WebhookMessage.of(found))


def _update(webhooks: WebhookStore, request: messages.UpdateWebhook) -> messages.WebhookFound:
    changes = WebhookChanges(
        name=UNSET if request.name is None else request.name,
        url=UNSET if request.url is None else request.url,
        events=messages.events_of(request.events) if request.events else UNSET,
        description=UNSET if request.description is None else request.description or None,
        secret=UNSET if request.secret is None else request.secret or None,
        status=UNSET if request.status is None else webhook_status(request.status),
    )
    changed = webhooks.update_webhook(request.webhook_id, changes=changes)
    return messages.WebhookFound(webhook=messages.WebhookMessage.of(changed))


def _delete(webhooks: WebhookStore, request: messages.GetWebhook) -> Empty:
    webhooks.delete_webhook(request.webhook_id)
    return Empty()


def _test(webhooks: WebhookStore, request: messages.TestWebhook) -> messages.WebhookTested:
    event = None if request.event is None else messages.events_of([request.event])[0]
    result = webhooks.test_webhook(request.webhook_id, event=event)
    return messages.WebhookTested(result=messages.WebhookTestResultMessage.of(result))


CREATE = Endpoint(
    name="createWebhook",
    method="POST",
    path=_PATH,
    request=messages.CreateWebhook,
    response=messages.WebhookFound,
    facet=WebhookStore,
    answer=_create,
    writes=True,
    repeatable=False,
)
LIST = Endpoint(
    name="listWebhooks",
    method="GET",
    path=_PATH,
    request=messages.ListWebhooks,
    response=messages.WebhooksFound,
    facet=WebhookStore,
    answer=_list,
)
GET = Endpoint(
    name="getWebhook",
    method="GET",
    path=f"{_PATH}/{{webhook_id}}",
    request=messages.GetWebhook,
    response=messages.WebhookFound,
    facet=WebhookStore,
    answer=_get,
)
UPDATE = Endpoint(
    name="updateWebhook",
    method="PATCH",
    path=f"{_PATH}/{{webhook_id}}",
    request=messages.UpdateWebhook,
    response=messages.WebhookFound,
    facet=WebhookStore,
    answer=_update,
    writes=True,
)
DELETE = Endpoint(
    name="deleteWebhook",
    method="DELETE",
    path=f"{_PATH}/{{webhook_id}}",
    request=messages.GetWebhook,
    response=Empty,
    facet=WebhookStore,
    answer=_delete,
    writes=True,
    repeatable=False,
)
TEST = Endpoint(
    name="testWebhook",
    method="POST",
    path=f"{_PATH}/{{webhook_id}}/test",
    request=messages.TestWebhook,
    response=messages.WebhookTested,
    facet=WebhookStore,
    answer=_test,
    writes=True,
    repeatable=False,
)

ENDPOINTS = (CREATE, LIST, GET, UPDATE, DELETE, TEST)
