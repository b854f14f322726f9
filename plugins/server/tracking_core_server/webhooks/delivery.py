"""Telling webhooks, in the background: bounded, and again when it failed."""

from __future__ import annotations

import heapq
import http.client
import itertools
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tracking_core.entities import Webhook, WebhookEvent, WebhookStatus, WebhookTestResult
from tracking_core.errors import InvalidValueError, NotFoundError, TrackingError, UnsupportedError
from tracking_core.stores import WebhookStore
from tracking_core_server.webhooks.public_address import ForbiddenAddressError, is_public
from tracking_core_server.webhooks.sending import Answer, send

_log = logging.getLogger(__name__)

_THREADS = 4
_MOST_WAITING = 10_000
_ATTEMPTS = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_CLOSING_SECONDS = 5.0

_EXAMPLES: dict[str, dict[str, Any]] = {
    "registered_model.created": {
        "name": "example",
        "tags": {"key": "value"},
        "description": "A model",
    },
    "model_version.created": {
        "name": "example",
        "version": "1",
        "source": "models:/m-0123456789abcdef0123456789abcdef",
        "run_id": "0123456789abcdef0123456789abcdef",
        "tags": {"key": "value"},
        "description": "A version",
    },
    "prompt.created": {"name": "example", "tags": {"key": "value"}, "description": "A prompt"},
    "prompt_version.created": {
        "name": "example",
        "version": "1",
        "template": "Hello {{name}}!",
        "tags": {"key": "value"},
        "description": "A version",
    },
    "model_version_tag": {"name": "example", "version": "1", "key": "key"},
    "prompt_version_tag": {"name": "example", "version": "1", "key": "key"},
    "prompt_tag": {"name": "example", "key": "key"},
    "model_version_alias": {"name": "example", "alias": "champion"},
    "prompt_alias": {"name": "example", "alias": "champion"},
}


class _Task(msgspec.Struct):
    """Something to tell: an event to all who asked for it, or one of those again."""

    event: WebhookEvent
    body: bytes
    webhook_id: str | None = None
    delivery_id: str = ""
    attempts: int = 0


class WebhookDelivery:
    """Tells the webhooks of a backend what happened.

    A few threads, which the first event starts. What waits is bounded: events beyond it are
    dropped, with a line in the log. What waits when the process ends is lost; what was told and not
    acknowledged is told again, so that a receiver may get an event twice, under the same
    X-MLflow-Delivery-Id.

    Args:
        webhooks: Gives the backend's webhooks; None: it has none.
        allows_private: Whether private addresses are told, and http spoken.
        pause: How long to wait before an attempt, in seconds, from how many failed.
    """

    def __init__(
        self,
        webhooks: Callable[[], WebhookStore | None],
        *,
        allows_private: bool,
        pause: Callable[[int], float] | None = None,
    ) -> None:
        self._webhooks = webhooks
        self._allows_private = allows_private
        self._pause = _pause if pause is None else pause
        self._tasks: list[tuple[float, int, _Task]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closes_at: float | None = None

    def announce(self, event: WebhookEvent, data: dict[str, Any]) -> None:
        """Tell the webhooks that asked for this event, soon; never raises and never waits."""
        self._put(_Task(event, _body(event, data)), after=0.0)

    def test(self, webhook_id: str, event: WebhookEvent | None) -> WebhookTestResult:
        """Tell a webhook something made up, once.

        Raises:
            NotFoundError: There is no such webhook.
            UnsupportedError: The backend has no webhooks, or another server tells them.
        """
        webhooks = self._webhooks()
        if webhooks is None:
            raise UnsupportedError("The backend of this server keeps no webhooks.")
        webhook = webhooks.get_webhook(webhook_id)
        what = event or webhook.events[0]
        try:
            answer = self._send(
                webhooks, webhook, _body(what, _example(what)), str(uuid.uuid4()), reads=True
            )
        except (ForbiddenAddressError, OSError, http.client.HTTPException) as error:
            return WebhookTestResult(
                success=False, error_message=f"The test of the webhook failed: {_why(error)}"
            )
        return WebhookTestResult(
            success=200 <= answer.status < 300,
            response_status=answer.status,
            response_body=answer.body,
        )

    def check_url(self, url: str) -> None:
        """Refuse a URL of which it is certain that nothing will be told there.

        Names aren't resolved yet: what they stand for is looked at with each delivery.

        Raises:
            InvalidValueError: It isn't https, or an address of a private network.
        """
        if self._allows_private:
            return
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise InvalidValueError(
                f"The URL of a webhook must begin with https://, not {parts.scheme}://; a server"
                " that is started with --webhook-allow-private takes it."
            )
        host = (parts.hostname or "").rstrip(".")
        try:
            is_private = not is_public(host)
        except ValueError:  # a name
            is_private = host == "localhost" or host.endswith(".localhost")
            # Resolvers take these for addresses too, each in its own way: 127.1, 0x7f.1, 2130706433
            is_private = is_private or host.rpartition(".")[2][:1].isdigit()
        if is_private:
            raise InvalidValueError(
                f"The host {host} of the webhook isn't a public address; a server that is started"
                " with --webhook-allow-private takes it."
            )

    def close(self) -> None:
        """Tell what is due, for some seconds, and end."""
        with self._changed:
            self._closes_at = time.monotonic() + _CLOSING_SECONDS
            threads = self._threads
            self._threads = []
            self._changed.notify_all()
        for thread in threads:
            thread.join(max(0.0, self._closes_at + 1 - time.monotonic()))
        with self._changed:
            if self._tasks:
                _log.warning("%d deliveries to webhooks are given up.", len(self._tasks))
                self._tasks.clear()

    # --- waiting ---

    def _put(self, task: _Task, *, after: float) -> None:
        with self._changed:
            if self._closes_at is not None and after > 0:
                _log.warning("A webhook isn't told %s again: the server ends.", task.event)
                return
            if len(self._tasks) >= _MOST_WAITING:
                _log.warning("Too many events wait; webhooks aren't told a %s.", task.event)
                return
            heapq.heappush(self._tasks, (time.monotonic() + after, next(self._numbers), task))
            if len(self._threads) < _THREADS and self._closes_at is None:
                thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def _next(self) -> _Task | None:
        """Wait for what is due; None: it is over."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = self._tasks[0][0] if self._tasks else None
                if self._closes_at is not None and (
                    due is None or due > now or now >= self._closes_at
                ):
                    return None
                if due is not None and due <= now:
                    return heapq.heappop(self._tasks)[2]
                self._changed.wait(None if due is None else due - now)

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                self._do(task)
            except Exception:
                _log.exception("Webhooks could not be told a %s.", task.event)

    # --- telling ---

    def _do(self, task: _Task) -> None:
        webhooks = self._webhooks()
        if webhooks is None:
            return
        try:
            if task.webhook_id is None:
                for webhook in webhooks.iterate_webhooks():
                    if webhook.status is WebhookStatus.ACTIVE and task.event in webhook.events:
                        one = msgspec.structs.replace(
                            task, webhook_id=webhook.webhook_id, delivery_id=str(uuid.uuid4())
                        )
                        self._put(one, after=0.0)
                return
            webhook = webhooks.get_webhook(task.webhook_id)
            if webhook.status is not WebhookStatus.ACTIVE:
                return
            self._tell(webhooks, webhook, task)
        except (NotFoundError, UnsupportedError):
            return  # deleted meanwhile; or told by the server behind this one
        except TrackingError as error:
            self._again(task, "the backend", str(error), None)

    def _tell(self, webhooks: WebhookStore, webhook: Webhook, task: _Task) -> None:
        where = f"{webhook.name} ({urlsplit(webhook.url).hostname})"
        try:
            answer = self._send(webhooks, webhook, task.body, task.delivery_id)
        except ForbiddenAddressError as error:
            _log.warning("The webhook %s isn't told %s: %s", where, task.event, error)
        except (OSError, http.client.HTTPException) as error:
            self._again(task, where, _why(error), None)
        else:
            if answer.status == 429 or answer.status >= 500:
                self._again(task, where, f"it answered {answer.status}", answer.retry_after)
            elif answer.status >= 300:
                why = " (redirects aren't followed)" if answer.status < 400 else ""
                _log.warning(
                    "The webhook %s answered %s with %d%s.", where, task.event, answer.status, why
                )

    def _send(
        self,
        webhooks: WebhookStore,
        webhook: Webhook,
        body: bytes,
        delivery_id: str,
        *,
        reads: bool = False,
    ) -> Answer:
        return send(
            webhook.url,
            body,
            delivery_id=delivery_id,
            secret=webhooks.webhook_secret(webhook.webhook_id),
            allows_private=self._allows_private,
            reads=reads,
        )

    def _again(self, task: _Task, where: str, why: str, after: float | None) -> None:
        task.attempts += 1
        if task.attempts >= _ATTEMPTS:
            _log.warning(
                "The webhook %s isn't told %s, after %d attempts: %s.",
                where,
                task.event,
                task.attempts,
                why,
            )
            return
        pause = self._pause(task.attempts)
        if after is not None:
            pause = max(pause, min(after, _LONGEST_PAUSE))
        _log.info("The webhook %s will be told %s again: %s.", where, task.event, why)
        self._put(task, after=pause)


def _pause(failed: int) -> float:
    longest: float = min(_FIRST_PAUSE * 2 ** (failed - 1), _LONGEST_PAUSE)
    return longest * random.uniform(1.0, 2.0)


def _body(event: WebhookEvent, data: dict[str, Any]) -> bytes:
    told = {
        "entity": event.entity,
        "action": event.action,
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "data": data,
    }
    return msgspec.json.encode(told)


def _example(event: WebhookEvent) -> dict[str, Any]:
    example = dict(_EXAMPLES.get(event.value) or _EXAMPLES[event.entity])
    if event.action == "set":
        example["value"] = "value"
    if event.entity.endswith("_alias") and event.action == "created":
        example["version"] = "1"
    return example


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long to answer"
    if isinstance(error, http.client.HTTPException):
        return "its answer isn't HTTP, or was cut off"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
