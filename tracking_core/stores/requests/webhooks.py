"""Requests about webhooks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec.structs import force_setattr

from tracking_core.entities import WebhookEvent, WebhookStatus
from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation
from tracking_core.stores.requests.base import UNSET, Query, Request, UnsetType

# MLflow's rule.
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_LONGEST_URL, _LONGEST_SECRET = 500, 1_000


class NewWebhook(Request, frozen=True, kw_only=True):
    """A webhook to create.

    Attributes:
        name: Letters, digits, dots, underscores and hyphens, 63 at most.
        url: `https://…` or `http://…`, without user and password.
        events: Of what it is told.
        description: For people.
        secret: What its deliveries are signed with; None: they aren't.
        status: Whether it is told already.
    """

    name: str
    url: str
    events: tuple[WebhookEvent, ...]
    description: str | None = None
    secret: str | None = None
    status: WebhookStatus = WebhookStatus.ACTIVE

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_url(self.url)
        force_setattr(self, "events", _ordered(self.events))
        _check_others(self.description, self.secret)


class WebhookChanges(Request, frozen=True, kw_only=True):
    """What to change of a webhook; what is UNSET stays.

    Attributes:
        name: As in NewWebhook.
        url: Likewise.
        events: All of which it is told from now on.
        description: For people.
        secret: The new one; None: deliveries aren't signed any more.
        status: Whether it is told.
    """

    name: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    events: tuple[WebhookEvent, ...] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    secret: str | UnsetType | None = UNSET
    status: WebhookStatus | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.name is not UNSET:
            _check_name(self.name)
        if self.url is not UNSET:
            _check_url(self.url)
        if self.events is not UNSET:
            force_setattr(self, "events", _ordered(self.events))
        _check_others(
            None if self.description is UNSET else self.description,
            None if self.secret is UNSET else self.secret,
        )


class WebhookQuery(Query, frozen=True, kw_only=True):
    """Which webhooks to list: all, the newest first. It takes no filter and no order."""

    max_results: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filter is not None or self.order_by:
            raise InvalidValueError("Webhooks are listed without a filter and without an order.")


def check_webhook_id(webhook_id: object) -> str:
    """Return the id if a webhook can have it.

    Raises:
        InvalidValueError: None can.
    """
    if not isinstance(webhook_id, str) or not _ID.fullmatch(webhook_id):
        raise InvalidValueError(
            f"The webhook id {validation.shown(webhook_id)} is not one: it takes 1 to 64 letters,"
            " digits and hyphens."
        )
    return webhook_id


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidValueError(
            f"The webhook name {validation.shown(name)} is not one: it takes 1 to 63 letters,"
            " digits, dots, underscores and hyphens, with a letter or digit at both ends."
        )


def _check_url(url: object) -> None:
    # Not shown whole: addresses of webhooks often hold a token.
    if not isinstance(url, str):
        raise InvalidValueError(f"The URL of a webhook is text, not {type(url).__name__}.")
    if len(url) > _LONGEST_URL:
        raise InvalidValueError(
            f"The URL of a webhook has at most {_LONGEST_URL} characters; this has {len(url)}."
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidValueError(
            "The URL of a webhook holds printable ASCII characters without spaces; percent-encode"
            " the others."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidValueError(f"The URL of a webhook can't be read: {error}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidValueError(
            "The URL of a webhook must be like https://host/path; its scheme is"
            f" {validation.shown(parts.scheme)} and its host {validation.shown(parts.hostname)}."
        )
    if "@" in parts.netloc:
        raise InvalidValueError(
            "The URL of a webhook can't hold a user or password; give a secret to sign with."
        )


def _ordered(events: Iterable[object]) -> tuple[WebhookEvent, ...]:
    given = set()
    for each in events:
        if not isinstance(each, WebhookEvent):
            known = ", ".join(WebhookEvent)
            raise InvalidValueError(
                f"{validation.shown(each)} is not an event of webhooks; known are {known}."
            )
        given.add(each)
    if not given:
        raise InvalidValueError("A webhook needs at least one event that it is told of.")
    return tuple(each for each in WebhookEvent if each in given)


def _check_others(description: object, secret: object) -> None:
    if description is not None:
        validation.check_text(description, what="webhook description")
    if secret is not None:
        # Its text is in no sentence.
        if not isinstance(secret, str) or not 1 <= len(secret) <= _LONGEST_SECRET:
            raise InvalidValueError(
                f"The secret of a webhook is text of 1 to {_LONGEST_SECRET} characters."
            )
        if "\0" in secret or not secret.isprintable():
            raise InvalidValueError("The secret of a webhook holds printable characters only.")
