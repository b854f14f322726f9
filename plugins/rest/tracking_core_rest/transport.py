"""Requests and answers over HTTP: connections that stay, faults that pass, who one is."""

from __future__ import annotations

import gzip
import importlib.metadata
import os
import random
import re
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from tracking_core.config import Settings, Uri, redact
from tracking_core.discovery import default_manager
from tracking_core.errors import InvalidValueError, PluginLoadError, StoreUnavailableError
from tracking_core_rest.identity import auth_of_file, auth_of_settings, basic_auth

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 20.0
_LONGEST_RETRY_AFTER = 60.0
# Behind this, no further try is begun.
_PATIENCE = 600.0
_CONNECT_TIMEOUT = 10.0
_WORTH_PACKING = 64 * 1024
_MOST_REDIRECTS = 5
_PASSES = frozenset({429, 500, 502, 503, 504})

_ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")

Headers = Callable[[], Mapping[str, str]]


class Response(msgspec.Struct, frozen=True):
    """An answer.

    Attributes:
        status: The HTTP status.
        headers: Names in lower case.
        content: The body, unpacked.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


class HttpTransport:
    """Sends requests to one server.

    Any thread may call: each has connections of its own, which stay open between calls; so has
    each side of a fork. The constructor starts nothing.

    Args:
        base_url: The server's URL; a user and password in it win over those of the settings.
        settings: Who one is, what is trusted, and how long is waited.
        auth: Signs each request; None: what the plugin does that `http_auth` names, else what the
            settings say, else what any plugin's hook gives, else what MLflow's file says.
        headers: Asked before each request for more headers; None: the plugins' hooks are.
        is_trusted: Whether the server is told who the settings and MLflow's file say that one is.
        compress: Whether the server unpacks large bodies; a function is asked when one comes.
        sleep: Waits; another one for tests.
        clock: Tells seconds; another one for tests.
    """

    def __init__(
        self,
        base_url: str,
        settings: Settings,
        *,
        auth: AuthBase | None = None,
        headers: Headers | None = None,
        is_trusted: bool = True,
        compress: Callable[[], bool] | bool = False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        uri = Uri.parse(base_url)
        if uri.scheme not in ("http", "https") or not uri.host:
            raise InvalidValueError(
                f"{redact(base_url)} is no address of a server; give http://HOST:PORT or"
                " https://HOST."
            )
        # Of what was parsed: a password with a slash in it ends no authority.
        port = "" if uri.port is None else f":{uri.port}"
        self._base = f"{uri.scheme}://{uri.host}{port}{uri.path.partition('#')[0].rstrip('/')}"
        self._uri = uri
        self._settings = settings
        self._auth = auth
        self._has_asked = auth is not None
        self._headers = headers or self._headers_of_plugins
        self._is_trusted = is_trusted
        self._compress = compress
        self._sleep = sleep
        self._clock = clock
        self._agent = f"tracking-core/{importlib.metadata.version('tracking-core')}"
        self._local = threading.local()
        # Weak: a thread's connections end with it.
        self._sessions: set[weakref.ref[requests.Session]] = set()
        self._sessions_of = os.getpid()

    @property
    def shown(self) -> str:
        """The server's address, without user and password."""
        return self._base

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
        """Send a request and return its answer, whatever its status.

        Args:
            method: The HTTP method.
            path: Below the server's URL, encoded; or a whole URL.
            query: Parameters; a list repeats its name.
            body: What is sent; a file from where it stands.
            content_type: Of the body.
            accept: What the answer should be.
            headers: More headers.
            repeatable: Whether the request may be sent again when it isn't known whether it was
                answered.
            timeout: Seconds between two bytes of the answer; None: what the settings say.

        Raises:
            StoreUnavailableError: No answer came, or none but that the server is busy.
        """
        with self._answer(
            method,
            path,
            query=query,
            body=body,
            headers=self._own_headers(content_type, accept, headers, body),
            repeatable=repeatable,
            timeout=timeout,
            stream=False,
        ) as response:
            return Response(response.status_code, _headers(response), response.content)

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
        """Send a request without a body, and give the answer before its body is read.

        Raises:
            StoreUnavailableError: No answer came.
        """
        with self._answer(
            method,
            path,
            query=query,
            body=None,
            headers=self._own_headers(None, None, headers, None),
            repeatable=True,
            timeout=timeout,
            stream=True,
        ) as response:
            yield response

    def close(self) -> None:
        """Close all connections; calling it again does nothing."""
        # The connections of the other side of a fork are its own.
        if self._sessions_of == os.getpid():
            for reference in list(self._sessions):
                if (session := reference()) is not None:
                    session.close()
        self._sessions = set()
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base!r})"

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | list[str]] | None,
        body: bytes | IO[bytes] | None,
        headers: dict[str, str],
        repeatable: bool,
        timeout: float | None,
        stream: bool,
    ) -> Iterator[requests.Response]:
        start = None if body is None or isinstance(body, bytes) else body.tell()
        data: Any = body
        if isinstance(body, bytes) and len(body) >= _WORTH_PACKING and self._packs():
            data = gzip.compress(body, 1)
            headers = {**headers, "Content-Encoding": "gzip"}
        tries = self._settings.http_max_retries + 1
        end = self._clock() + _PATIENCE
        for number in range(1, tries + 1):
            try:
                response = self._sent(method, path, query, data, headers, timeout, stream, start)
            except requests.RequestException as error:
                is_safe = repeatable or _was_not_sent(error)
                if number == tries or self._clock() >= end or not is_safe or not _may_pass(error):
                    raise self._unreachable(error, is_safe=is_safe, tries=number) from error
                self._pause(number, None)
                continue
            status = response.status_code
            after = response.headers.get("Retry-After")
            may_repeat = repeatable or _was_not_looked_at(status, after)
            has_time = number < tries and self._clock() < end
            if has_time and status in _PASSES and may_repeat:
                response.close()
                self._pause(number, after)
                continue
            try:
                yield response
            except requests.RequestException as error:
                raise self._unreachable(error, is_safe=repeatable, tries=number) from error
            finally:
                response.close()
            return

    def _sent(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | list[str]] | None,
        data: Any,
        headers: dict[str, str],
        timeout: float | None,
        stream: bool,
        start: int | None,
    ) -> requests.Response:
        url = path if "://" in path else self._base + path
        session = self._session()
        read = self._settings.http_timeout if timeout is None else timeout
        for _ in range(_MOST_REDIRECTS):
            is_own = _origin(url) == _origin(self._base)
            if is_own:
                headers = {**headers, **self._headers()}
            auth = self._signing() if is_own else _AsItIs()
            if auth is None and any(name.lower() == "authorization" for name in headers):
                # Else requests would put what .netrc says in the place of the header.
                auth = _AsItIs()
            if start is not None:
                data.seek(start)
            try:
                response = session.request(
                    method,
                    url,
                    params=query,
                    data=data,
                    headers=headers,
                    auth=auth,
                    timeout=(_CONNECT_TIMEOUT, read),
                    allow_redirects=False,
                    stream=stream,
                    # Of the request: those of the session give way to variables of other programs.
                    verify=self._verify(),
                )
            except requests.exceptions.InvalidHeader:
                raise self._unsendable() from None
            except requests.RequestException:
                raise
            except ValueError as error:
                if isinstance(error, UnicodeEncodeError) or "Invalid header" in str(error):
                    raise self._unsendable() from None
                raise
            except OSError as error:
                # What requests says of the settings' files before it sends anything.
                raise InvalidValueError(
                    f"A certificate for {self._base} can't be read ({error}); see the settings"
                    " http_server_certificate and http_client_certificate."
                ) from error
            location = response.headers.get("Location")
            # A method and its body are kept: a POST that becomes a GET says something else.
            if response.status_code not in (301, 302, 307, 308) or location is None:
                return response
            target = urljoin(url, location)
            if _origin(target) != _origin(url):
                # Who one is, is told to nobody else.
                return response
            response.close()
            url, query = target, None
        raise StoreUnavailableError(
            f"The server {self._base} sends every request elsewhere; see whether the address is"
            " right."
        )

    def _session(self) -> requests.Session:
        process = os.getpid()
        held: tuple[int, requests.Session] | None = getattr(self._local, "session", None)
        if held is not None and held[0] == process:
            return held[1]
        session = requests.Session()
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=4, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        session.cert = self._settings.http_client_certificate
        self._local.session = (process, session)
        if self._sessions_of != process:
            self._sessions, self._sessions_of = set(), process
        self._sessions.add(weakref.ref(session, self._sessions.discard))
        return session

    def _verify(self) -> bool | str | None:
        """Return what certificates are measured by; None: what requests finds."""
        if self._settings.http_insecure_tls:
            return False
        return self._settings.http_server_certificate

    def _headers_of_plugins(self) -> Mapping[str, str]:
        return default_manager().request_headers(self._base, self._settings)

    def _signing(self) -> AuthBase | None:
        if not self._has_asked:
            self._auth, self._has_asked = self._found_auth(), True
        return self._auth

    def _found_auth(self) -> AuthBase | None:
        """Return what signs the requests: what was asked for by name comes first."""
        if self._uri.username is not None:
            return basic_auth(self._uri.username, self._uri.password or "")
        found: object | None = None
        if self._settings.http_auth is None and self._is_trusted:
            found = auth_of_settings(self._settings)
        if found is None:
            found = default_manager().request_auth(self._base, self._settings)
        if found is None and self._is_trusted:
            found = auth_of_file()
        if found is not None and not isinstance(found, AuthBase):
            raise PluginLoadError(
                f"The plugin that signs requests to {self._base} gave {type(found).__name__},"
                " which is no requests.auth.AuthBase."
            )
        return found

    def _own_headers(
        self,
        content_type: str | None,
        accept: str | None,
        headers: Mapping[str, str] | None,
        body: object,
    ) -> dict[str, str]:
        own = {"User-Agent": self._agent}
        if body is not None and content_type is not None:
            own["Content-Type"] = content_type
        if accept is not None:
            own["Accept"] = accept
        return {**own, **(headers or {})}

    def _packs(self) -> bool:
        return self._compress() if callable(self._compress) else self._compress

    def _pause(self, number: int, retry_after: str | None) -> None:
        pause = min(_FIRST_PAUSE * 2 ** (number - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1)
        asked = _seconds(retry_after)
        self._sleep(pause if asked is None else max(asked, pause))

    def _unsendable(self) -> InvalidValueError:
        # The library's error quotes the header, which may be a secret: it isn't kept as the cause.
        return InvalidValueError(
            f"A header for {self._base} holds a character that no header may hold, such as a line"
            " end; see the setting http_token and what plugins add."
        )

    def _unreachable(
        self, error: requests.RequestException, *, is_safe: bool, tries: int
    ) -> StoreUnavailableError:
        if _is_distrust(error):
            return StoreUnavailableError(
                f"The server {self._base} can't be trusted: {_cause(error)}. Name its certificate"
                " or its authority by TRACKING_HTTP_SERVER_CERTIFICATE."
            )
        if _speaks_no_tls(error):
            return StoreUnavailableError(
                f"The server {self._base} doesn't speak TLS; write http:// if it shouldn't."
            )
        what = (
            "didn't answer in time"
            if isinstance(error, requests.Timeout)
            else "can't be reached"
            if _was_not_sent(error)
            else "broke off its answer"
        )
        doubt = "" if is_safe else " What was asked may have been done, so it wasn't asked again."
        often = f" after {tries} tries" if tries > 1 else ""
        return StoreUnavailableError(
            f"The server {self._base} {what}{often} ({_cause(error)}); see whether it runs and"
            f" whether the address is right.{doubt}"
        )


class _AsItIs(AuthBase):
    """Signs nothing, and keeps requests from doing it."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def _origin(url: str) -> tuple[str, str]:
    scheme, place, *_ = urlsplit(url)
    return scheme, place.rpartition("@")[2].lower()


def _was_not_looked_at(status: int, retry_after: str | None) -> bool:
    """Tell whether the server, or the proxy before it, says that it didn't look at the request."""
    return status == 429 or (status == 503 and retry_after is not None)


def _is_distrust(error: requests.RequestException) -> bool:
    return isinstance(_innermost(error), ssl.SSLCertVerificationError)


def _speaks_no_tls(error: requests.RequestException) -> bool:
    return getattr(_innermost(error), "reason", None) == "WRONG_VERSION_NUMBER"


def _was_not_sent(error: requests.RequestException) -> bool:
    """Tell whether it is certain that the server has seen nothing of the request."""
    if isinstance(error, requests.exceptions.ConnectTimeout) or _is_distrust(error):
        return True
    if not isinstance(error, requests.ConnectionError):
        return False
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    inner = error.args[0] if error.args else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    return isinstance(reason, NewConnectionError)


def _may_pass(error: requests.RequestException) -> bool:
    if _is_distrust(error) or _speaks_no_tls(error):
        return False
    return isinstance(
        error,
        (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ),
    )


def _innermost(error: BaseException) -> BaseException:
    """Return what lies under an error of the libraries, which wrap each other's."""
    while True:
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            return error
        error = inner


def _cause(error: requests.RequestException) -> str:
    """Return what lies under an error, without the addresses that libraries put into theirs."""
    cause = _innermost(error)
    text = str(cause.args[-1]) if cause.args else str(cause)
    text = _ERROR_NUMBER.sub("", text.rpartition(": ")[2]).strip()
    return redact(text or type(cause).__name__).rstrip(".")


def _seconds(retry_after: str | None) -> float | None:
    """Return how long a server wants to be left alone, at most a minute."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return min(float(retry_after), _LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(retry_after).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, until - time.time()), _LONGEST_RETRY_AFTER)


def _headers(response: requests.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
