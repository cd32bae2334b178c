"""Addresses: where a request comes from, behind proxies too, and whether it is meant for us.

What `X-Forwarded-*` says is believed of a peer among `web.trusted_proxies` alone: everybody else
can write there what they like.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from moderation.web_settings import WebSettings

__all__ = ["client", "is_loopback", "is_ours", "is_proxied", "neighbourhood", "origins", "scheme"]

Address = IPv4Address | IPv6Address

_PORTS: Final = {"http": 80, "https": 443}
"""Those that browsers leave out."""

_SITE_BITS: Final = 64
"""Of an IPv6 address: what one customer of a provider has at least."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    found = _parsed(host)
    return host.lower() == "localhost" or (found is not None and found.is_loopback)


def is_proxied(connection: HTTPConnection, web: WebSettings) -> bool:
    """Whether the peer is a proxy that is trusted."""
    peer = _peer(connection)
    return peer is not None and _is_trusted(peer, web)


def client(connection: HTTPConnection, web: WebSettings) -> str:
    """The address that a request comes from: the last one that no trusted proxy has."""
    peer = _peer(connection)
    if peer is None:
        return connection.client.host if connection.client else ""
    for each in reversed(_forwarded(connection, "x-forwarded-for")):
        hop = _parsed(each)
        if hop is None or not _is_trusted(peer, web):
            break
        peer = hop
    return str(peer)


def neighbourhood(address: str) -> str:
    """Whatever one sender can easily have several addresses of: a network of IPv6, else itself."""
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, _SITE_BITS), strict=False))
    return address


def scheme(connection: HTTPConnection, web: WebSettings) -> str:
    """How the browser speaks: `http` or `https`."""
    if web.public_url:
        return urlsplit(web.public_url).scheme
    said = _forwarded(connection, "x-forwarded-proto")
    if said and said[-1].lower() in _PORTS and is_proxied(connection, web):
        return said[-1].lower()
    return str(connection.url.scheme)


def origins(connection: HTTPConnection, web: WebSettings) -> frozenset[str]:
    """What a browser that shows our own page says it comes from."""
    here = f"{scheme(connection, web)}://{connection.headers.get('host', '')}".lower()
    return frozenset({here, web.public_url.lower()} - {""})


def is_ours(connection: HTTPConnection, web: WebSettings) -> bool:
    """Whether the request says that it is meant for us.

    A page of somebody else's can have its own name point to this machine and so make a browser talk
    to it ("DNS rebinding"): but then that name stands in `Host`. An address of digits cannot be
    pointed elsewhere.
    """
    said = connection.headers.get("host", "")
    if web.public_url:
        public = urlsplit(web.public_url)
        if _place(said, public.scheme) == _place(public.netloc, public.scheme):
            return True
    name, port = _place(said, scheme(connection, web))
    own = connection.scope.get("server") or ("", None)
    if port != own[1] and not is_proxied(connection, web):
        return False
    return name in {"localhost", web.host.lower()} or _parsed(name) is not None


def _place(netloc: str, scheme: str) -> tuple[str, int | None]:
    """Name and port; a name that nobody has where it is none."""
    try:
        parts = urlsplit(f"//{netloc}")
        port = parts.port
    except ValueError:
        return "", None
    if parts.netloc != netloc or parts.username is not None or not parts.hostname:
        return "", None
    return parts.hostname, port or _PORTS[scheme]


def _peer(connection: HTTPConnection) -> Address | None:
    return _parsed(connection.client.host) if connection.client else None


def _is_trusted(address: Address, web: WebSettings) -> bool:
    return any(address in each for each in web.trusted_proxies)


def _forwarded(connection: HTTPConnection, name: str) -> list[str]:
    said = ",".join(connection.headers.getlist(name))
    return [each.strip() for each in said.split(",") if each.strip()]


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
