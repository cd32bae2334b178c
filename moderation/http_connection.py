"""Requests to a server of ours: retried where that is safe, over connections that are kept.

Every request may be sent twice: what changes something has an `Idempotency-Key`. No redirects are
followed and no proxies of the environment asked: the token goes to the given address alone.
"""

from __future__ import annotations

import http.client
import random
import ssl
import time
from collections import deque
from collections.abc import Mapping
from email.message import Message
from importlib import metadata
from typing import Final, NamedTuple

import structlog
from pydantic import SecretStr

from moderation.errors import ConfigurationError, TransientError
from moderation.http_address import ServerAddress, check_token
from moderation.http_problem import error_of
from moderation.retry_after import retry_after

__all__ = ["HttpConnection"]

log = structlog.get_logger(__name__)

_TIMEOUT_S: Final = 60.0
"""Without a byte: a server that asks S3 about hundreds of objects says nothing for a while."""

_TRIES: Final = 6
"""Of one request: some seconds, in which a server is replaced by its successor."""

_FIRST_PAUSE_S: Final = 0.2
"""Before the second try; twice as long before each further one, less up to a half by lot."""

_LONGEST_PAUSE_S: Final = 30.0
"""Whatever `Retry-After` says: whoever waits is told that something is wrong."""

_IDLE: Final = 10
"""Connections kept: as many as ask side by side."""

_PATIENCE_S: Final = 90.0
"""After which only one more try is made: six servers that hang would take six minutes."""

_LARGEST: Final = 512 << 20
"""Bytes of an answer: a hundred times the largest of ours, and less than memory."""

_LATER: Final = frozenset({429, 502, 503, 504})
"""Statuses of those who may answer the same request otherwise soon."""

_BROKEN: Final = (OSError, http.client.HTTPException)
"""How it shows that there was no answer, or not a whole one."""

_AGENT: Final = f"moderation/{metadata.version('moderation')}"


class _Answer(NamedTuple):
    status: int
    headers: Message
    content: bytes

    @property
    def is_for_later(self) -> bool:
        """409 with a time is that of a request which is being worked on under the same key."""
        is_told_when = self.status == 409 and "Retry-After" in self.headers
        return self.status in _LATER or is_told_when


class HttpConnection:
    """The way to a server. Threads may share it."""

    def __init__(self, url: str, token: str) -> None:
        """Raises `ConfigurationError` for an address that a token may not be sent to."""
        self.address = ServerAddress.parse(url)
        check_token(token)
        self._token = SecretStr(token)
        self._tls = ssl.create_default_context() if self.address.is_tls else None
        self._idle: deque[http.client.HTTPConnection] = deque()

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The body of the answer, JSON. `path` is that below the address, encoded.

        Raises what the server tells, `TransientError` where none answers, and
        `ConfigurationError` where what answers is none of ours.
        """
        began = time.monotonic()
        for number in range(_TRIES - 1):
            if time.monotonic() - began > _PATIENCE_S:
                break
            try:
                answer = self._exchange(method, path, body, headers or {})
            except ssl.SSLCertVerificationError as error:
                raise self._distrusted(error) from error
            except _BROKEN as error:
                self._pause(number, reason=_said(error))
                continue
            if not answer.is_for_later:
                return self._content(answer)
            wanted = retry_after(answer.headers.get("Retry-After", ""))
            self._pause(number, wanted, reason=f"it answers {answer.status}")
        try:
            return self._content(self._exchange(method, path, body, headers or {}))
        except _BROKEN as error:
            raise TransientError(
                f"{self.address} does not answer: {_said(error)}",
                hint="look whether `moderation serve` runs there",
            ) from error

    def close(self) -> None:
        """Give the connections back; those in use are closed by whoever uses them."""
        while self._idle:
            self._idle.pop().close()

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> _Answer:
        while True:
            connection = self._taken()
            is_used = connection.sock is not None
            try:
                answer = self._asked(connection, method, path, body, headers)
            except _BROKEN as error:
                connection.close()
                self.close()  # what else is idle is no better
                if not is_used or isinstance(error, TimeoutError):
                    raise
                continue  # a server closes what is idle for long
            except BaseException:
                connection.close()
                raise
            if connection.sock is not None and len(self._idle) < _IDLE:
                self._idle.append(connection)
            else:
                connection.close()
            return answer

    def _asked(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> _Answer:
        own = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self._token.get_secret_value()}",
            "User-Agent": _AGENT,
            **({"Content-Type": "application/json"} if body is not None else {}),
        }
        connection.request(method, self.address.path + path, body, {**own, **headers})
        answer = connection.getresponse()
        content = answer.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise http.client.HTTPException(f"its answer is longer than {_LARGEST} bytes")
        if answer.length:  # with a number of bytes, `read` does not tell of an early end
            raise http.client.IncompleteRead(content, answer.length)
        return _Answer(answer.status, answer.headers, content)

    def _taken(self) -> http.client.HTTPConnection:
        try:
            return self._idle.pop()
        except IndexError:
            host, port = self.address.host, self.address.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=self._tls)

    def _content(self, answer: _Answer) -> bytes:
        if 300 <= answer.status < 400:
            raise ConfigurationError(
                f"{self.address} sends us on to another address, and no token goes there",
                hint="give the address that browsers end at",
            )
        if not 200 <= answer.status < 300:
            raise error_of(answer.status, answer.content, str(self.address))
        if answer.headers.get_content_type() != "application/json":
            raise ConfigurationError(
                f"what answers at {self.address} is no server of moderation",
                hint="give the address at which `moderation serve` is reached",
            )
        return answer.content

    def _distrusted(self, error: ssl.SSLCertVerificationError) -> ConfigurationError:
        return ConfigurationError(
            f"{self.address} shows a certificate that is not trusted: {error.verify_message}",
            hint="SSL_CERT_FILE names a file with the certificates of an authority of your own",
        )

    def _pause(self, number: int, wanted_s: float | None = None, *, reason: str) -> None:
        own = _FIRST_PAUSE_S * 2**number * random.uniform(0.5, 1)
        pause_s = min(_LONGEST_PAUSE_S, max(own, wanted_s or 0))
        log.info("a server is asked again", address=str(self.address), reason=reason, s=pause_s)
        time.sleep(pause_s)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
