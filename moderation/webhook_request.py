"""One request to the receiver of a webhook: to a checked address, in a bounded time.

No redirects are followed and no proxies of the environment asked: both would lead elsewhere than
to the address that was checked. Nothing of the answer is kept but its status and `Retry-After`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from moderation.address_guard import Target
from moderation.errors import TransientError
from moderation.retry_after import retry_after

__all__ = ["Answer", "NoAnswer", "post"]


class NoAnswer(TransientError):
    """A receiver that could not be reached, or did not say in time what it thinks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver said.

    status         of HTTP
    retry_after_s  seconds that it wants to be left alone; `None`: it did not say
    """

    status: int
    retry_after_s: float | None = None


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
    tls: ssl.SSLContext,
) -> Answer:
    """Send a body; after `timeout_s` seconds at most it is over, whoever trickles. Raises
    `NoAnswer`.
    """
    ends = time.monotonic() + timeout_s
    try:
        with _connected(target, ends) as raw, _cut_off(raw, ends):
            answer = _exchange(target, raw, body, headers, tls)
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() < ends:
            reason = str(error) or type(error).__name__
            raise NoAnswer(f"{target.host} did not answer: {reason}", hint="look there") from error
        raise _late(target, timeout_s) from error
    if time.monotonic() >= ends:  # headers that were cut off look like headers that ended
        raise _late(target, timeout_s)
    return answer


def _late(target: Target, timeout_s: float) -> NoAnswer:
    return NoAnswer(
        f"{target.host} did not answer within {timeout_s:g} s",
        hint="a receiver should answer first and work then",
    )


def _exchange(
    target: Target,
    raw: socket.socket,
    body: bytes,
    headers: Mapping[str, str],
    tls: ssl.SSLContext,
) -> Answer:
    if target.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            target.host, target.port, context=tls
        )
        connection.sock = tls.wrap_socket(raw, server_hostname=target.host)
    else:
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = raw
    try:
        connection.request("POST", target.path, body, {**headers, "Connection": "close"})
        answer = connection.getresponse()
        return Answer(
            status=answer.status, retry_after_s=retry_after(answer.headers.get("Retry-After", ""))
        )
    finally:
        connection.close()


def _connected(target: Target, ends: float) -> socket.socket:
    """To the first address that takes the connection. Raises `OSError` of the last."""
    *others, last = target.addresses
    for number, address in enumerate(others):
        share = _left(ends) / (len(target.addresses) - number)
        with suppress(OSError):
            return socket.create_connection((address, target.port), share)
    return socket.create_connection((last, target.port), _left(ends))


def _left(ends: float) -> float:
    return max(ends - time.monotonic(), 0.001)


@contextmanager
def _cut_off(raw: socket.socket, ends: float) -> Iterator[None]:
    """The connection is closed at the end of the time, whatever goes on in it.

    A time-out of the socket alone begins anew with every byte.
    """
    left = _left(ends)
    raw.settimeout(left)
    # TLS takes the socket over; another handle on the same connection stays ours.
    with raw.dup() as handle:
        watch = threading.Timer(left, _shut, (handle,))
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()
            watch.join()


def _shut(handle: socket.socket) -> None:
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other side was faster
        return
