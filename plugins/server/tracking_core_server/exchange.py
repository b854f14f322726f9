"""A request and its answer, as ASGI has them."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from tracking_core.errors import InvalidValueError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON = b"application/json"


class TooLargeError(InvalidValueError):
    """A request is larger than the server takes; HTTP has a status of its own for it."""


class ClientGoneError(Exception):
    """The client went away in the middle of its request."""


class Exchange:
    """A request, and the way to answer it, once.

    Attributes:
        method: In upper case.
        path: Decoded, without what stands before the application.
        raw_path: The same, not decoded.
        fields: What the route's path says, decoded once.
        status: Of the answer; 0 as long as there is none.
    """

    __slots__ = (
        "_extra",
        "_headers",
        "_receive",
        "_scope",
        "_send",
        "fields",
        "method",
        "path",
        "raw_path",
        "status",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, path: str, raw_path: bytes
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers: dict[bytes, bytes] | None = None
        self._extra: tuple[tuple[bytes, bytes], ...] = ()
        self.method: str = scope["method"]
        self.path = path
        self.raw_path = raw_path
        self.fields: dict[str, str] = {}
        self.status = 0

    def header(self, name: bytes) -> bytes | None:
        """Return a header of the request; its name in lower case."""
        if self._headers is None:
            self._headers = dict(self._scope["headers"])
        return self._headers.get(name)

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        scheme: str = self._scope.get("scheme", "http")
        return scheme

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the URL, decoded.

        Raises:
            InvalidValueError: They aren't UTF-8.
        """
        text = self._scope["query_string"]
        if not text:
            return []
        try:
            return parse_qsl(
                text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10_000
            )
        except ValueError as error:
            raise InvalidValueError(f"The URL's parameters can't be read: {error}.") from None

    def parameter(self, name: str) -> str | None:
        """Return one parameter of the URL.

        Raises:
            InvalidValueError: It is given more than once.
        """
        values = [value for key, value in self.query if key == name]
        if len(values) > 1:
            raise InvalidValueError(f"The parameter {name!r} is given twice; give it once.")
        return values[0] if values else None

    def add_headers(self, headers: Headers) -> None:
        """Send these headers with the answer too."""
        self._extra += tuple(headers)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the request's body as it comes.

        Raises:
            ClientGoneError: It ends before its end.
        """
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            piece = message.get("body", b"")
            if piece:
                yield piece
            if not message.get("more_body", False):
                return

    async def body(self, *, largest: int) -> bytes:
        """Return the request's body, unpacked.

        Raises:
            TooLargeError: It is larger than this.
            InvalidValueError: It is packed in a way that isn't known, or damaged.
            ClientGoneError: It ends before its end.
        """
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        if message.get("more_body", False):
            parts, size = [body], len(body)
            async for piece in self.pieces():
                size += len(piece)
                if size > largest:
                    raise _too_large(largest)
                parts.append(piece)
            body = b"".join(parts)
        if len(body) > largest:
            raise _too_large(largest)
        encoding = (self.header(b"content-encoding") or b"identity").strip().lower()
        return body if encoding == b"identity" else _unpacked(body, encoding, largest)

    async def answer(
        self, status: int, body: bytes, *, media_type: bytes = JSON, headers: Headers = ()
    ) -> None:
        """Send the whole answer."""
        await self.start(status, media_type=media_type, length=len(body), headers=headers)
        await self._send(
            {"type": "http.response.body", "body": b"" if self.method == "HEAD" else body}
        )

    async def start(
        self, status: int, *, media_type: bytes, length: int | None, headers: Headers = ()
    ) -> None:
        """Send the head of the answer; its body follows by `send`."""
        self.status = status
        sent = [(b"content-type", media_type), *headers, *self._extra]
        if length is not None:
            sent.append((b"content-length", b"%d" % length))
        await self._send({"type": "http.response.start", "status": status, "headers": sent})

    async def send(self, piece: bytes, *, more: bool) -> None:
        """Send a piece of the answer's body."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})


def _too_large(largest: int) -> TooLargeError:
    return TooLargeError(
        f"The request is larger than {largest} bytes, the most that this server takes; send less"
        " at once."
    )


def _unpacked(body: bytes, encoding: bytes, largest: int) -> bytes:
    if encoding not in (b"gzip", b"deflate"):
        raise InvalidValueError(
            f"The request is packed by {encoding.decode('latin-1')!r}; send gzip, deflate or"
            " nothing."
        )
    unpacker = zlib.decompressobj(wbits=47)  # the header tells gzip from zlib
    try:
        unpacked = unpacker.decompress(body, largest + 1)
    except zlib.error as error:
        raise InvalidValueError(f"The request is said to be packed, but isn't: {error}.") from None
    if len(unpacked) > largest:
        raise _too_large(largest)
    if not unpacker.eof:
        raise InvalidValueError("The request is packed, and ends before its end.")
    if unpacker.unused_data:
        raise InvalidValueError("The request is packed, and goes on behind its end.")
    return unpacked
