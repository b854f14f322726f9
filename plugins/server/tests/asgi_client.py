"""A client that calls an ASGI application in this process, and sees all that is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode

from tracking_core_server import Application

T = TypeVar("T")

GONE = object()
"""In the place of a piece of a request's body: the client goes away."""


class Answer:
    """What came back.

    Attributes:
        status: HTTP's.
        headers: By name in lower case; those that came twice are joined by commas.
        body: Empty if the client was told to hand the pieces on.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_whole = False

    def json(self) -> Any:
        """Return the body, which must be JSON as the standard has it."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body, parse_constant=_never)

    @property
    def message(self) -> str:
        """The sentence of an error."""
        told: str = self.json()["message"]
        return told


def _never(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


class AsgiClient:
    """Sends requests to an application, one after the other or many at once.

    Args:
        application: Who answers.
        root_path: Where it is mounted.
        before: What stands before each path that is asked for.
    """

    def __init__(self, application: Application, *, root_path: str = "", before: str = "") -> None:
        self.application = application
        self._root_path = root_path
        self._before = before
        self._loop = asyncio.new_event_loop()

    def run(self, work: Awaitable[T]) -> T:
        """Run something on the loop of the application."""
        return self._loop.run_until_complete(work)  # type: ignore[arg-type]

    def get(self, target: str, **options: Any) -> Answer:
        return self.request("GET", target, **options)

    def post(self, target: str, document: Any = None, **options: Any) -> Answer:
        body = b"" if document is None else json.dumps(document).encode()
        return self.request("POST", target, **{"body": body, **options})

    def put(self, target: str, body: Any, **options: Any) -> Answer:
        return self.request("PUT", target, body=body, **options)

    def delete(self, target: str, **options: Any) -> Answer:
        return self.request("DELETE", target, **options)

    def call(self, path: str, document: Any = None, *, method: str = "POST") -> Any:
        """Return the answer of one of MLflow's calls, which must succeed."""
        path = f"/api/2.0/mlflow/{path}"
        if method == "GET":
            answer = self.get(f"{path}?{urlencode(document, doseq=True)}")
        else:
            body = json.dumps(document or {}).encode()
            answer = self.request(method, path, body=body)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json()

    def request(self, method: str, target: str, **options: Any) -> Answer:
        """Send a request and return the answer; see `send`."""
        return self.run(self.send(method, target, **options))

    async def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Iterable[Any] = b"",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        host: str | None = "localhost:5000",
        taken: Callable[[bytes], None] | None = None,
    ) -> Answer:
        """Send a request and return the answer.

        Args:
            method: HTTP's.
            target: The path as it is on the line, percent-encoded, and maybe `?` and parameters.
            body: Bytes, or pieces of them; with `GONE` for the last, the client goes away.
            headers: Beside `Host`.
            host: The header `Host`; None sends none.
            taken: Is handed each piece of the answer, which isn't kept then.
        """
        raw, _, query = (self._before + target).partition("?")
        pieces = iter([body] if isinstance(body, bytes) else body)
        upcoming: list[Any] = []
        given = headers.items() if isinstance(headers, Mapping) else headers
        named = [(k.lower().encode(), v.encode("latin-1")) for k, v in given]
        if host is not None:
            named.insert(0, (b"host", host.encode("latin-1")))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": self._root_path,
            "headers": named,
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 5_000),
        }
        answer = Answer()
        is_over = False

        async def receive() -> dict[str, Any]:
            nonlocal is_over
            if is_over:
                return {"type": "http.disconnect"}
            piece = upcoming.pop() if upcoming else next(pieces, b"")
            if piece is GONE:
                is_over = True
                return {"type": "http.disconnect"}
            following = next(pieces, None)
            if following is None:
                is_over = True
            else:
                upcoming.append(following)
            return {"type": "http.request", "body": piece, "more_body": following is not None}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                assert answer.status == 0, "an answer begins once"
                answer.status = message["status"]
                for name, value in message["headers"]:
                    assert name == name.lower(), name
                    key, text = name.decode("latin-1"), value.decode("latin-1")
                    known = answer.headers.get(key)
                    answer.headers[key] = text if known is None else f"{known}, {text}"
                return
            assert message["type"] == "http.response.body"
            assert answer.status, "the head comes first"
            assert not answer.is_whole, "an answer ends once"
            piece = message.get("body", b"")
            if taken is None:
                answer.body += piece
            else:
                taken(piece)
            answer.is_whole = not message.get("more_body", False)

        await self.application(scope, receive, send)  # type: ignore[arg-type]
        return answer

    def close(self) -> None:
        """Close the application and the loop."""
        self.application.close()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __enter__(self) -> AsgiClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
