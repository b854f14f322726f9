"""Which addresses a webhook may be told at: public ones, unless the server was told otherwise."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(Exception):
    """A webhook's host lies in a private network, or its scheme isn't allowed."""


def addresses_of(url: SplitResult, *, allows_private: bool) -> list[tuple[int, str]]:
    """Resolve a webhook's host, once; whoever sends connects to these and asks no name again.

    Args:
        url: The webhook's.
        allows_private: Whether private addresses may be told, and http spoken.

    Returns:
        Socket families and addresses in numbers.

    Raises:
        ForbiddenAddressError: One of them isn't public. All are looked at: which of them answers
            is up to whoever owns the name.
        OSError: The name isn't known.
    """
    if url.scheme != "https" and not allows_private:
        raise ForbiddenAddressError(
            f"Webhooks are told by https only, not by {url.scheme}, unless the server is started"
            " with --webhook-allow-private."
        )
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys((int(family), str(each[0])) for family, _, _, _, each in found))
    for _, address in addresses:
        if not allows_private and not is_public(address):
            raise ForbiddenAddressError(
                f"The host {host} has the address {address}, which isn't public; webhooks aren't"
                " told there unless the server is started with --webhook-allow-private."
            )
    return addresses


def is_public(address: str) -> bool:
    """Tell whether an address in numbers is one of the internet's."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(
        address.partition("%")[0]
    )
    if isinstance(ip, ipaddress.IPv6Address):
        # Addresses that stand for another one.
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip.teredo is not None:
            inner = ip.teredo[1]
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = ip if inner is None else inner
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
