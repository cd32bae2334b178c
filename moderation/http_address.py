"""The address of a server, checked before a token is sent to it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from moderation.errors import ConfigurationError
from moderation.source import shown

__all__ = ["ServerAddress", "check_token"]

_TOKEN: Final = re.compile(r"[!-~]{1,512}")
"""Visible ASCII: a line break would be another header."""

_HOST: Final = re.compile(r"[\w.-]+|[0-9a-f:.]+")

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where a server is, by TLS unless it is this machine.

    path  before that of the API, for a server behind a proxy; without a slash at its end
    """

    is_tls: bool
    host: str
    port: int
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises `ConfigurationError` for what is no server's, and for one to which a token would
        travel in the clear.
        """
        try:
            parts = urlsplit(url)
            host, port, path = parts.hostname or "", parts.port, parts.path.rstrip("/")
        except ValueError:
            raise _no_address(url) from None
        is_whole = parts.scheme in ("http", "https") and _HOST.fullmatch(host)
        is_bare = _PATH.fullmatch(path) and not parts.query and not parts.fragment
        if not (is_whole and is_bare and url.isprintable()):  # a line break is read over
            raise _no_address(url)
        if parts.username is not None or parts.password is not None:
            raise ConfigurationError(
                f"the address of {host} has a name or a password in it",
                hint="give the token apart from it: Client(url, token=...)",
            )
        is_tls = parts.scheme == "https"
        if not is_tls and not _is_loopback(host):
            raise ConfigurationError(
                f"a token is not sent to {host} in the clear",
                hint=f"write https://{host}, and have something that speaks TLS in front of it",
            )
        return cls(is_tls=is_tls, host=host, port=port or (443 if is_tls else 80), path=path)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_tls else 'http'}://{host}:{self.port}{self.path}"


def check_token(token: str) -> None:
    """Raise `ConfigurationError` for what is none; it is not quoted."""
    if not token:
        raise ConfigurationError(
            "a server asks for a token",
            hint="an admin makes one by `moderation users token NAME`: Client(url, token=...)",
        )
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            "the token has characters that none has", hint="copy it again, without line breaks"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_address(url: str) -> ConfigurationError:
    # A password may stand before the last @, whatever the rest looks like.
    told = shown(url.rpartition("@")[2])
    return ConfigurationError(
        f"{told} is no server's address", hint="write https://moderation.example.org"
    )
