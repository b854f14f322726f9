"""Which handler answers a path: one table; what isn't in it isn't there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import unquote_to_bytes

import msgspec

from tracking_core.errors import InvalidValueError
from tracking_core_server.exchange import Exchange

Handler = Callable[[Exchange], Awaitable[None]]

_FIELD = re.compile(r"\{(\w+)(:path)?\}")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table.

    Attributes:
        method: The HTTP method.
        path: With `{field}` for one part of it, and `{field:path}` for all that follows.
        name: What it is called in metrics and in logs.
        handler: Who answers.
        writes: Whether it changes anything, so that other sites' pages may not call it.
    """

    method: str
    path: str
    name: str
    handler: Handler
    writes: bool = False


class Found(msgspec.Struct, frozen=True):
    """What the router says of a request.

    Attributes:
        route: Who answers; None: nobody does.
        allowed: The methods that the path has, for an answer of 405.
        fields: What the path says.
    """

    route: Route | None
    allowed: tuple[str, ...] = ()
    fields: dict[str, str] = {}


class Router:
    """The table of routes, looked up by path and method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, dict[str, Found]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in self.routes:
            if "{" in route.path:
                known = self._patterns.setdefault(route.path, (_pattern(route.path), {}))[1]
                taken = route.method in known
                known[route.method] = route
            else:
                methods = self._exact.setdefault(route.path, {})
                taken = route.method in methods
                methods[route.method] = Found(route)
            if taken:
                raise ValueError(f"{route.method} {route.path} stands in the table twice")

    def find(self, exchange: Exchange) -> Found:
        """Return who answers a request.

        Raises:
            InvalidValueError: A part of the path isn't UTF-8.
        """
        method = "GET" if exchange.method == "HEAD" else exchange.method
        methods = self._exact.get(exchange.path)
        allowed: set[str] = set()
        if methods is not None:
            found = methods.get(method)
            if found is not None:
                return found
            allowed.update(methods)
        raw = exchange.raw_path.decode("latin-1")
        for pattern, routes in self._patterns.values():
            match = pattern.fullmatch(raw)
            if match is None:
                continue
            route = routes.get(method)
            if route is not None:
                return Found(route, (), {k: _decoded(v) for k, v in match.groupdict().items()})
            allowed.update(routes)
        return Found(None, tuple(sorted(allowed)))


def _pattern(path: str) -> re.Pattern[str]:
    parts = []
    end = 0
    for field in _FIELD.finditer(path):
        parts.append(re.escape(path[end : field.start()]))
        parts.append(f"(?P<{field[1]}>{'.+' if field[2] else '[^/]+'})")
        end = field.end()
    return re.compile("".join(parts) + re.escape(path[end:]), re.DOTALL)


def _decoded(text: str) -> str:
    """Decode a part of a path, once; what is encoded twice stays encoded once."""
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidValueError(f"The path's part {text!r} isn't UTF-8.") from None
