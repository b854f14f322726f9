"""Who may call from where: the headers Host and Origin, and what answers tell browsers.

A page of another site can make its visitor's browser send requests to any address, also to one
that only the visitor reaches. With a name that it first resolves to itself and then to that
address (DNS rebinding) it can even read the answers. So names are admitted one by one; an address
in numbers can't be rebound.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Sequence

from tracking_core.errors import PermissionDeniedError
from tracking_core_server.configuration import ServerConfiguration
from tracking_core_server.exchange import Exchange, Headers

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PREFLIGHT_SECONDS = b"600"


class Admission:
    """Decides by a request's headers whether it is looked at."""

    def __init__(self, configuration: ServerConfiguration) -> None:
        self._hosts = tuple(host.lower() for host in configuration.allowed_hosts)
        self._origins = tuple(
            origin.lower().rstrip("/") for origin in configuration.allowed_origins
        )
        self._is_guarded = configuration.is_guarded
        self._admitted: dict[bytes, bool] = {}
        headers: list[tuple[bytes, bytes]] = [(b"x-content-type-options", b"nosniff")]
        if configuration.frame_options.upper() != "NONE":
            headers.append((b"x-frame-options", configuration.frame_options.encode("latin-1")))
        self._headers = tuple(headers)

    def check(self, exchange: Exchange) -> None:
        """Admit a request, or refuse it; and give its answer the headers that browsers need.

        Raises:
            PermissionDeniedError: Its host or its origin isn't admitted.
        """
        exchange.add_headers(self._headers)
        if not self._is_guarded:
            return
        host = exchange.header(b"host") or b""
        admitted = self._admitted.get(host)
        if admitted is None:
            admitted = self._is_admitted(host.decode("latin-1"))
            if len(self._admitted) < 1_000:
                self._admitted[host] = admitted
        if not admitted:
            raise PermissionDeniedError(
                f"Requests to the host {host.decode('latin-1')!r} are not answered; start the"
                " server with --allowed-hosts to name it."
            )
        origin = exchange.header(b"origin")
        if origin is None:
            return
        text = origin.decode("latin-1").lower()
        if self._is_admitted_origin(text):
            exchange.add_headers(_cors(origin))
        elif not _is_same(text, host.decode("latin-1").lower()) and (
            exchange.method in _CHANGING or exchange.method == "OPTIONS"
        ):
            raise PermissionDeniedError(
                f"Pages of {text!r} may not call this server; start it with"
                " --cors-allowed-origins to admit them."
            )

    async def answer_preflight(self, exchange: Exchange) -> None:
        """Answer a browser that asks whether it may send a request; `check` was passed."""
        asked = exchange.header(b"access-control-request-headers") or b"content-type"
        await exchange.answer(
            204,
            b"",
            media_type=b"text/plain",
            headers=(
                (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
                (b"access-control-allow-headers", asked),
                (b"access-control-max-age", _PREFLIGHT_SECONDS),
            ),
        )

    def _is_admitted(self, host: str) -> bool:
        name = _name_of(host.lower())
        return name in ("localhost", "") or _is_address(name) or _matches(name, host, self._hosts)

    def _is_admitted_origin(self, origin: str) -> bool:
        return any(fnmatch.fnmatchcase(origin, each) for each in self._origins)


def _matches(name: str, host: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(name, each) or fnmatch.fnmatchcase(host.lower(), each)
        for each in patterns
    )


def _name_of(host: str) -> str:
    """Return a host without its port; nothing for what is no host."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same(origin: str, host: str) -> bool:
    """Tell whether a page of this origin was served by this host."""
    scheme, _, place = origin.partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme, "")
    return bool(place) and place.removesuffix(default) == host.removesuffix(default)


def _cors(origin: bytes) -> Headers:
    return ((b"access-control-allow-origin", origin), (b"vary", b"origin"))
