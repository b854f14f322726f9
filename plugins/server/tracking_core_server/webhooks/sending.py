"""One POST to a webhook: signed, to an address that was looked at, without redirects."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

import msgspec

from tracking_core_server.webhooks.public_address import addresses_of

_CONNECT_SECONDS = 10.0
# From the first byte sent to the last one received.
_ANSWER_SECONDS = 30.0
_MOST_READ = 4_096


class Answer(msgspec.Struct, frozen=True):
    """What a webhook answered.

    Attributes:
        status: HTTP's.
        body: The beginning of it.
        retry_after: Seconds that it asks to wait; None if it doesn't.
    """

    status: int
    body: str
    retry_after: float | None = None


def signature(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """Return what the header X-MLflow-Signature says.

    HMAC-SHA256 over `{delivery_id}.{timestamp}.{body}`, in base64, as the conventions of
    https://www.standardwebhooks.com have it.
    """
    content = b".".join((delivery_id.encode(), timestamp.encode(), body))
    digest = hmac.new(secret.encode(), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def send(
    url: str,
    body: bytes,
    *,
    delivery_id: str,
    secret: str | None,
    allows_private: bool,
    reads: bool = False,
) -> Answer:
    """Tell a webhook, once.

    Args:
        url: Where.
        body: JSON.
        delivery_id: The same for each attempt, by which a receiver knows what it has already.
        secret: What it is signed with; None: it isn't.
        allows_private: Whether private addresses may be told.
        reads: Whether the answer's body is of interest.

    Raises:
        ForbiddenAddressError: It lies where nothing is told.
        OSError: It can't be reached.
        http.client.HTTPException: What it answers isn't HTTP.
    """
    parts = urlsplit(url)
    addresses = addresses_of(parts, allows_private=allows_private)
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "tracking-core",
        "Connection": "close",
        "X-MLflow-Delivery-Id": delivery_id,
        "X-MLflow-Timestamp": timestamp,
    }
    if secret is not None:
        headers["X-MLflow-Signature"] = signature(secret, delivery_id, timestamp, body)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = http.client.HTTPConnection(parts.hostname or "", port)
    plain = _connected(addresses, port)
    # However slowly it answers, byte by byte: it is over in time. A descriptor of its own, for TLS
    # takes the socket's away.
    guard = plain.dup()
    clock = threading.Timer(_ANSWER_SECONDS, _cut_off, (guard,))
    clock.daemon = True
    clock.start()
    try:
        connection.sock = plain
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(plain, server_hostname=parts.hostname)
        host = parts.netloc.rpartition("@")[2]
        connection.request("POST", target, body, {"Host": host, **headers})
        response = connection.getresponse()
        text = response.read(_MOST_READ).decode("utf-8", "replace") if reads else ""
        return Answer(response.status, text, _seconds(response.getheader("Retry-After")))
    finally:
        clock.cancel()
        connection.close()
        plain.close()
        guard.close()


def _connected(addresses: list[tuple[int, str]], port: int) -> socket.socket:
    failure: OSError | None = None
    for family, address in addresses:
        attempt = socket.socket(family, socket.SOCK_STREAM)
        attempt.settimeout(_CONNECT_SECONDS)
        try:
            attempt.connect((address, port))
        except OSError as error:
            attempt.close()
            failure = error
        else:
            return attempt
    raise failure or OSError("its name has no address")


def _cut_off(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _seconds(header: str | None) -> float | None:
    if header is None or not (header.isascii() and header.isdigit()) or len(header) > 6:
        return None
    return float(header)
