"""Calls to a server: MLflow's endpoints, the contract's own, and what the server can do."""

from __future__ import annotations

import threading
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from tracking_core.config import Settings, Uri, redact
from tracking_core.contract import CONTRACT_VERSION
from tracking_core.errors import (
    InvalidValueError,
    StoreUnavailableError,
)
from tracking_core.wire import codec
from tracking_core.wire.contract_calls import MEDIA_TYPE, ContractCall
from tracking_core.wire.endpoints import Endpoint
from tracking_core.wire.errors import error_of
from tracking_core.wire.messages.base import Message
from tracking_core.wire.server_abilities import CAPABILITIES_PATH, ServerAbilities
from tracking_core_rest.transport import HttpTransport, Response

M = TypeVar("M", bound=Message)

_JSON = "application/json"


class ServerConnection:
    """A server that speaks MLflow's REST API, ours or another.

    Any thread may call, and after a fork both sides may go on.

    Args:
        transport: What sends and receives.
        shown: The server's address for sentences, without its password.
    """

    def __init__(self, transport: HttpTransport, *, shown: str) -> None:
        self._transport = transport
        self._shown = shown
        self._abilities: list[ServerAbilities | None] = []
        self._version: list[tuple[int, ...]] = []
        self._lock = threading.Lock()

    @classmethod
    def to(cls, uri: Uri, settings: Settings) -> ServerConnection:
        """Return the connection to the server of a URI; nothing is sent yet."""
        return cls(HttpTransport(uri.text, settings), shown=redact(uri.text))

    @property
    def shown(self) -> str:
        """The server's address, without its password."""
        return self._shown

    def abilities(self) -> ServerAbilities | None:
        """Return what a server of ours says of itself; None: it is another, which doesn't.

        Raises:
            StoreUnavailableError: It can't be reached.
            PermissionDeniedError: It wants to know who asks.
        """
        if not self._abilities:
            found = self._asked_abilities()
            if found is not None and found.contract_version != CONTRACT_VERSION:
                # It speaks another version of the contract; MLflow's API is the same in all.
                found = None
            self._abilities.append(found)
        return self._abilities[0]

    def version(self) -> tuple[int, ...]:
        """Return the version of MLflow that the server speaks; empty if it doesn't say."""
        if not self._version:
            response = self._transport.request("GET", "/version", repeatable=True)
            text = response.content.decode(errors="replace").strip()
            parts = text.split(".")[:2] if response.status == 200 and len(text) < 50 else []
            is_version = bool(parts) and all(part.isdigit() for part in parts)
            self._version.append(tuple(map(int, parts)) if is_version else ())
        return self._version[0]

    def send(
        self, endpoint: Endpoint, request: Message, kind: type[M], *, repeatable: bool | None = None
    ) -> M:
        """Call one of MLflow's endpoints and return its answer.

        Args:
            endpoint: A row of the table.
            request: What is asked.
            kind: The endpoint's response.
            repeatable: Whether it may be sent again when its answer is lost; None: as the table
                says.

        Raises:
            TrackingError: What the server answers, or that it can't be reached.
        """
        path, named = _filled(endpoint.path, request)
        is_repeatable = endpoint.repeatable if repeatable is None else repeatable
        if endpoint.method == "GET":
            query = codec.query_of(request)
            left = {name: value for name, value in query.items() if name not in named}
            response = self._transport.request("GET", path, query=left, repeatable=True)
        else:
            response = self._transport.request(
                endpoint.method,
                path,
                body=codec.encode(request),
                content_type=_JSON,
                repeatable=is_repeatable,
            )
        body = self._checked(response)
        try:
            return codec.decode_answer(body, kind)
        except InvalidValueError as error:
            raise StoreUnavailableError(
                f"{self._shown} doesn't answer as MLflow does: {error}"
            ) from error

    def call(self, call: ContractCall, body: bytes, *, repeatable: bool) -> Any:
        """Call a method of the contract on a server of ours, and return its result.

        Raises:
            TrackingError: What the method raises there, or that the server can't be reached.
        """
        response = self._transport.request(
            "POST",
            call.path,
            body=body,
            content_type=MEDIA_TYPE,
            accept=MEDIA_TYPE,
            repeatable=repeatable,
        )
        return call.result_of(self._checked(response))

    def check_health(self) -> None:
        """Ask whether the server is up.

        Raises:
            StoreUnavailableError: It isn't.
        """
        self._checked(self._transport.request("GET", "/health", repeatable=True))

    def close(self) -> None:
        """Close the connections; calling it again does nothing."""
        self._transport.close()

    def _checked(self, response: Response) -> bytes:
        if response.status >= 300:
            raise error_of(response.status, response.content, server=self._shown)
        return response.content

    def _asked_abilities(self) -> ServerAbilities | None:
        response = self._transport.request("GET", CAPABILITIES_PATH, repeatable=True)
        if response.status in (401, 403) or response.status >= 500:
            self._checked(response)
        if response.status != 200:
            return None
        try:
            return msgspec.json.decode(response.content, type=ServerAbilities)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A page, most likely: some servers answer every path with their user interface.
            return None


def _filled(path: str, request: Message) -> tuple[str, frozenset[str]]:
    """Return the path with fields of the request filled in, and their names.

    A body says them again: a stock server wants some of them there.
    """
    if "{" not in path:
        return path, frozenset()
    parts = []
    names = set()
    for part in path.split("/"):
        if not part.startswith("{"):
            parts.append(part)
            continue
        name = part[1:-1].partition(":")[0]
        parts.append(quote(str(getattr(request, name)), safe=""))
        names.add(name)
    return "/".join(parts), frozenset(names)
