"""Where URLs of strangers may lead: to public addresses, and to networks that an operator allows.

Otherwise whoever may write down a URL could have this machine talk to the services of its own
network, and to those where clouds keep its credentials. A name is resolved once, every address of
it is checked, and the one that is connected to is one that was checked: a name server that answers
otherwise a moment later changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from moderation.errors import ConfigurationError, TransientError

__all__ = ["AddressGuard", "HostUnknown", "Resolver", "Target"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Resolver = Callable[[str, int], Sequence[str]]
"""Addresses of a host, for a port. Raises `OSError`."""

_LONGEST_URL: Final = 2_000
_URL: Final = re.compile(r"https?://[A-Za-z0-9\-._~:/?\[\]!$&'()*+,;=%]+", re.IGNORECASE)
"""No other letters, for readers of URLs differ over them; and no @: what stands before one is
shown as if it were the host, or is a password in a log."""

_PORTS: Final = {"https": 443, "http": 80}

_GLOBAL_V6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv4 as networks of IPv6 alone see it: the last four bytes are the address."""
_NOT_PUBLIC: Final = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "2001::/32", "2002::/16", "3fff::/20"),
    )
)
"""What Python calls global and is a tunnel to who knows where (6to4, Teredo), documentation, or the
inner services of some cloud."""


class HostUnknown(TransientError):
    """A name without an address, as far as this machine can tell at present."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes to.

    path       with the query, as in the first line of a request
    addresses  of the host, all checked: connect to these and to no other
    """

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class AddressGuard:
    """Says whether a URL may be connected to, and by which addresses.

    allowed  networks that are not public and may be reached all the same, by plain HTTP too
    """

    def __init__(self, allowed: Sequence[Network] = (), resolve: Resolver = _resolve) -> None:
        self._allowed, self._resolve = tuple(allowed), resolve

    def check(self, url: str) -> Target:
        """The addresses behind a URL.

        Raises `ConfigurationError` for a URL that may not be connected to, whichever of its
        addresses it is for, and `HostUnknown` for a host that has none now.
        """
        parts = _split(url)
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        addresses = [_plain(each) for each in self._addresses(host, port)]
        for each in addresses:
            self._refuse_inner(parts, each)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(
            scheme=parts.scheme,
            host=host,
            port=port,
            path=path,
            addresses=tuple(dict.fromkeys(map(str, addresses))),
        )

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            found = ()
            why = f": {error}"
        else:
            why = ""
        if not found:
            raise HostUnknown(f"the host {host} has no address{why}", hint="try again")
        return found

    def _refuse_inner(self, url: SplitResult, address: Address) -> None:
        if any(address in each for each in self._allowed):
            return
        if not _is_public(address):
            raise ConfigurationError(
                f"{url.hostname} leads to {address}, which is no public address",
                hint="allow its network with webhooks.allowed_networks if it is to be reached",
            )
        if url.scheme != "https":
            raise ConfigurationError(
                f"{url.hostname} would be written to in the open",
                hint="use https; plain http is for networks of webhooks.allowed_networks",
            )


def _split(url: str) -> SplitResult:
    """Raises `ConfigurationError` for what is no URL of a web server, or may mean two."""
    if len(url) > _LONGEST_URL or not _URL.fullmatch(url):
        raise _no_url()
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port, or an address in brackets
        known = False
    if not known:
        raise _no_url()
    return parts


def _no_url() -> ConfigurationError:
    return ConfigurationError(
        "this is no URL that a webhook may have",
        hint=f"write https://host/path, in at most {_LONGEST_URL} letters of ASCII (names as xn--, "
        "the rest as %..), without user, password and #",
    )


def _plain(text: str) -> Address:
    """As IPv4 where it is IPv4, however it is dressed."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _is_public(address: Address) -> bool:
    if any(address in each for each in _NOT_PUBLIC):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address in _NAT64:
        return _is_public(IPv4Address(address.packed[-4:]))
    return address in _GLOBAL_V6 and address.is_global
