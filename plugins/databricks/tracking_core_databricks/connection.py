"""Calls to a workspace: found when the first is made, and told who one is by each."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import msgspec
import requests
from requests.auth import AuthBase

from tracking_core.config import Settings
from tracking_core.errors import PermissionDeniedError, StoreUnavailableError, TrackingError
from tracking_core.wire.errors import error_of
from tracking_core.wire.server_abilities import ServerAbilities
from tracking_core_databricks import authentication
from tracking_core_databricks.workspace import Workspace, WorkspaceName, find_workspace
from tracking_core_rest.connection import ServerConnection
from tracking_core_rest.transport import HttpTransport, Response

_BAD_TOKEN = re.compile(r"(invalid|expired|revoked)\b.*\btoken|\btoken\b.*(invalid|expired)", re.I)
# The workspace answers a token that it doesn't know with 403 and no code but the number.
_NO_CODES = frozenset({"", "401", "403", "CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED"})


class WorkspaceTransport(HttpTransport):
    """Sends requests to a workspace, which is looked up when the first is sent.

    It has no address before, so it holds the transport that does the work instead of being one.
    Who one is, is asked before each request. If the workspace refuses it, it is looked up anew, and
    the request is sent again if that finds something else: a file of profiles may be renewed while
    a program runs.

    Args:
        name: Which workspace.
        settings: What is trusted, and how long is waited.
        sleep: Waits; another one for tests.
    """

    def __init__(
        self,
        name: WorkspaceName,
        settings: Settings,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._settings = settings
        self._sleep = sleep
        self._lock = threading.Lock()
        self._found: Workspace | None = None
        self._inner: HttpTransport | None = None

    @property
    def shown(self) -> str:
        return self.workspace.host

    @property
    def workspace(self) -> Workspace:
        """The workspace.

        Raises:
            TrackingError: What `find_workspace` raises.
        """
        self._opened()
        assert self._found is not None
        return self._found

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        body: bytes | IO[bytes] | None = None,
        content_type: str = "application/json",
        accept: str | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        timeout: float | None = None,
    ) -> Response:
        def send() -> Response:
            return self._opened().request(
                method,
                path,
                query=query,
                body=body,
                content_type=content_type,
                accept=accept,
                headers=headers,
                repeatable=repeatable,
                timeout=timeout,
            )

        used = self.workspace
        try:
            response = send()
            if is_refused(response) and self._renew(used):
                response = send()
        except _NoIdentityError as failure:
            raise failure.error from failure.error.__cause__
        except StoreUnavailableError as error:
            raise StoreUnavailableError(f"{error} {used.origin} says where it is.") from error
        return response

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Iterator[requests.Response]:
        with self._opened().stream(
            method, path, query=query, headers=headers, timeout=timeout
        ) as response:
            yield response

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    def _opened(self) -> HttpTransport:
        with self._lock:
            if self._inner is None:
                self._found = find_workspace(self._name, os.environ)
                self._inner = HttpTransport(
                    self._found.host, self._settings, auth=_Identity(self), sleep=self._sleep
                )
            return self._inner

    def _renew(self, used: Workspace) -> bool:
        """Look up anew who one is; tell whether that is something else than what was used."""
        with self._lock:
            if self._found is not used:
                return True  # another thread did
            old = dict(used.headers())
            authentication.forget()
            found = find_workspace(self._name, os.environ)
            if found.host != used.host or dict(found.headers()) == old:
                return False
            self._found = found
            return True


class WorkspaceConnection(ServerConnection):
    """A workspace: it speaks MLflow's endpoints and isn't asked for more.

    Args:
        transport: What sends and receives.
        shown: The workspace's URI, for sentences.
    """

    def __init__(self, transport: WorkspaceTransport, *, shown: str) -> None:
        super().__init__(transport, shown=shown)
        self._workspace_transport = transport

    def abilities(self) -> ServerAbilities | None:
        return None

    def version(self) -> tuple[int, ...]:
        # It has no such path, and isn't one of MLflow's releases.
        return ()

    def _checked(self, response: Response) -> bytes:
        if response.status < 300:
            return response.content
        raise refusal_of(response, self._workspace_transport.workspace)


class _Identity(AuthBase):
    """Signs each request by what the workspace's headers are then.

    Not the transport's own headers: without an `auth`, requests would take ~/.netrc instead.
    """

    def __init__(self, transport: WorkspaceTransport) -> None:
        self._transport = transport

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        found = self._transport._found
        assert found is not None
        try:
            request.headers.update(found.headers())
        except TrackingError as error:
            raise _NoIdentityError(error) from error
        return request


class _NoIdentityError(Exception):
    """Brings an error of ours through requests, where an OSError would be taken for another."""

    def __init__(self, error: TrackingError) -> None:
        super().__init__(str(error))
        self.error = error


class _Told(msgspec.Struct):
    error_code: str | int = ""
    message: str = ""


def is_refused(response: Response) -> bool:
    """Tell whether a workspace doesn't take who asks, rather than what is asked."""
    if response.status != 403:
        return response.status == 401
    told = _told(response)
    return str(told.error_code) in _NO_CODES or _BAD_TOKEN.search(told.message) is not None


def refusal_of(response: Response, workspace: Workspace) -> TrackingError:
    """Return the error that a workspace's answer tells; its status is 300 or more."""
    if response.status < 400:
        return StoreUnavailableError(
            f"{workspace.host} leads elsewhere (HTTP status {response.status}), so it isn't a"
            f" workspace's address. {workspace.origin} says where it is."
        )
    error = error_of(response.status, response.content, server=workspace.host)
    if is_refused(response):
        said = _told(response).message.strip().rstrip(".") or f"HTTP status {response.status}"
        return PermissionDeniedError(
            f"{workspace.host} doesn't take who asks ({said}). {workspace.origin} says who that is;"
            f" {workspace.renewal}."
        )
    if isinstance(error, PermissionDeniedError):
        return PermissionDeniedError(
            f"{str(error).rstrip('.')}. {workspace.origin} says who asks; it needs the permission,"
            " which the workspace's administrators give."
        )
    if response.status == 429:
        return StoreUnavailableError(
            f"{workspace.host} is asked too often ({str(error).rstrip('.')}); try again later, and"
            " log in larger batches."
        )
    return error


def _told(response: Response) -> _Told:
    try:
        return msgspec.json.decode(response.content, type=_Told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Told()
