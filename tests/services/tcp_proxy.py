"""What lies between us and a server: a line that is slow, loses packets, or leads nowhere."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Final

__all__ = ["TcpProxy"]

_CHUNK: Final = 65536

_RESENT_S: Final = 0.2
"""What a lost packet costs: Linux sends it again no sooner."""


class TcpProxy:
    """On 127.0.0.1, before a server on a port of this machine.

    delay_s  how long every piece takes, in either direction
    loss     share of pieces that have to be sent again
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self._chance = random.Random(1)
        self._lines: list[_Line] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.calm()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def calm(self) -> None:
        """A good line again, for those that still lead somewhere."""
        self.delay_s, self.loss = 0.0, 0.0

    def lead_nowhere(self) -> int:
        """Swallow what comes over the present connections, from either end; how many there are.

        Neither end is told: so it is when a firewall forgets a connection.
        """
        open_ones = [line for line in self._lines if not line.over]
        for line in open_ones:
            line.leads_nowhere = True
        return len(open_ones)

    def travel(self) -> None:
        """Take the time of one piece."""
        lost = self._chance.random() < self.loss
        time.sleep(self.delay_s + lost * _RESENT_S)

    def close(self) -> None:
        # A thread that waits in `accept` is not woken by `close` alone.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._lines:
            line.close()
        self._thread.join()

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                _reset(client)
                continue
            self._lines.append(_Line(self, client, server))


class _Line:
    """Two connections, and what goes from one to the other."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        self.leads_nowhere, self.over = False, False
        self._proxy, self._ends = proxy, (client, server)
        for each in self._ends:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def close(self) -> None:
        self.over = True
        for each in self._ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(_CHUNK):
                self._proxy.travel()
                if not self.leads_nowhere:
                    target.sendall(piece)
        except OSError:
            pass
        if not self.leads_nowhere:
            self.close()


def _reset(client: socket.socket) -> None:
    """As the kernel answers where nobody listens."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
