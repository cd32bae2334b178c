"""The process that decodes: it holds the hostile file, and nothing that is worth having.

Started as `python -I -m moderation.media.worker UP DOWN` with two ends of pipes. It locks itself
in before it reads a byte of the file, and then answers what it is asked until the pipe closes.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import select
import sys
import time
from contextlib import closing
from typing import Literal

import av
from PIL import Image

from moderation.errors import (
    ConfigurationError,
    MediaError,
    MediaFault,
    ModerationError,
    SourceError,
)
from moderation.media import protocol as say
from moderation.media.cuts import cuts
from moderation.media.decode import Decoder
from moderation.media.encode import Outlet
from moderation.media.excerpt import WHOLE, Excerpt
from moderation.media.passage import passages
from moderation.media.probe import probe
from moderation.media.redact import redact
from moderation.media.ring import RingWriter
from moderation.media.sandbox import enter
from moderation.media.showing import LONGEST_TEXT, Showing
from moderation.media.still import stills
from moderation.media.upload import LocalUpload, ServedUpload, Upload
from moderation.timeline import Instant

__all__ = ["Worker", "import_all", "main"]

_NOT_IMPORTED = ("av.__main__", "av.datasets")
"""Modules of PyAV that are no part of decoding: a command line, and downloads."""

_PULSE_S = 1.0
"""How often it says that it lives, while it has nothing to show."""


class Worker:
    """Answers one parent about one file.

    up, down  descriptors of the pipes to the parent, and from it
    """

    def __init__(self, up: int, down: int) -> None:
        self._up, self._down = up, down
        self._told_s = time.monotonic()
        self._unwanted = say.Unwanted(rates=(), sound=False)
        self._edits: list[say.Edit] = []
        start = self._read()
        if not isinstance(start, say.Start):
            raise ValueError(f"the first message is {start.kind!r}")
        self._limits = start.limits
        self._upload = self._opened(start)
        self._ring = RingWriter(start.ring_fd, start.ring_size, self._wait)
        try:
            self.tell(say.Ready(sandbox=enter(start.limits)))
        except ConfigurationError as error:
            self.tell(_failed("settings", error))

    def serve(self) -> None:
        """Until the parent closes its end; raises `EOFError` then."""
        while True:
            request = self._read()
            try:
                self._answer(request)
            except MediaError as error:
                self.tell(_failed("media", error, error.fault))
            except SourceError as error:
                self.tell(_failed("source", error, error.fault))

    def _answer(self, request: say.Request) -> None:
        match request:
            case say.Probe():
                self.tell(probe(self._upload, self._limits))
            case say.Decode() if request.windows:
                self._look_closer(request)
            case say.Decode():
                self._decode(request)
            case say.Stills():
                self._stills(request)
            case say.Cuts():
                found = cuts(self._upload, self._limits, request.every_us, self._pulse)
                self.tell(say.Divided(at_us=found))
            case say.Edits():
                self._edits += request.pieces
            case say.Redact():
                self._redact(request)
            case _:
                self._note(request)

    # What it does

    def _decode(self, request: say.Decode) -> None:
        self._unwanted = say.Unwanted(rates=(), sound=not request.sound)
        excerpt = Excerpt(*request.section) if request.section else WHOLE
        decoder = Decoder(self._upload, self._limits, request.longest_side, self._pulse, excerpt)
        # At one instant two streams show two pictures; what is seen in one holds for it alone.
        showing = Showing(self, self._limits, request, compares=lambda: decoder.videos == 1)
        with closing(decoder.events()) as events:
            for event in events:
                if self._nobody_wants(request):
                    break
                showing.add(event)
            else:
                showing.finish()
        self.tell(showing.decoded(decoder))

    def _look_closer(self, request: say.Decode) -> None:
        self._unwanted = say.Unwanted(rates=(), sound=True)
        showing = Showing(self, self._limits, request, compares=lambda: True)
        windows = passages(
            self._upload,
            self._limits,
            request.windows,
            request.longest_side,
            plain=request.plain,
        )
        with closing(windows):
            for pictures in windows:
                for picture in pictures:
                    self._pulse()
                    showing.add(picture)
                showing.finish()
                if self._nobody_wants(request):
                    break
        self.tell(showing.passed())

    def _redact(self, request: say.Redact) -> None:
        pieces, self._edits = self._edits, []
        if len(pieces) != request.pieces:
            raise ValueError(f"{request.pieces} pieces were announced, {len(pieces)} came")
        target = Outlet(self._deliver)
        self.tell(
            redact(
                self._upload,
                self._limits,
                pieces,
                request.edits,
                target,
                draft=request.draft,
                pulse=self._pulse,
            )
        )

    def _deliver(self, at: int, data: bytes) -> None:
        # Unread, they would fill the pipe: the parent would wait for us, and we for the parent.
        self._read_mail()
        self.tell(say.Written(at=at, data=self.put(data)))

    def _nobody_wants(self, request: say.Decode) -> bool:
        self._read_mail()
        return len(self._unwanted.rates) == len(request.rates) and self._unwanted.sound

    def _stills(self, request: say.Stills) -> None:
        instants = map(Instant, request.instants_us)
        found = stills(
            self._upload, instants, request.longest_side, self._limits, plain=request.plain
        )
        for at, jpeg in found:
            self.tell(say.Still(at_us=at.us, jpeg=self.put(jpeg)))
        self.tell(say.Finished())

    # What it says

    def put(self, data: bytes | memoryview) -> say.Block:
        """Lay data into the ring; waits until there is room."""
        return say.Block(offset=self._ring.write(data), length=len(data))

    @property
    def unwanted(self) -> say.Unwanted:
        return self._unwanted

    def tell(self, message: say.Reply) -> None:
        """Raises `BrokenPipeError` when the parent has gone."""
        data = memoryview(say.packed(message))
        while data:
            data = data[os.write(self._up, data) :]
        self._told_s = time.monotonic()

    def _pulse(self) -> None:
        if time.monotonic() - self._told_s > _PULSE_S:
            self.tell(say.Alive())

    # What it hears

    def _opened(self, start: say.Start) -> Upload:
        if start.fd >= 0:
            return LocalUpload(start.fd, start.size)
        return ServedUpload(start.size, self._ask)

    def _ask(self, at: int, count: int) -> bytes:
        self.tell(say.Need(at=at, count=count))
        while True:
            request = self._read()
            if isinstance(request, say.Bytes):
                return self._receive(request.count)
            self._note(request)

    def _wait(self) -> None:
        """Until the parent says something: that a block of the ring is free, most of the time."""
        self._note(self._read())

    def _note(self, request: say.Request) -> None:
        if isinstance(request, say.Free):
            self._ring.free()
        elif isinstance(request, say.Unwanted):
            self._unwanted = request

    def _read_mail(self) -> None:
        while self._has_mail():
            self._note(self._read())

    def _has_mail(self) -> bool:
        readable, _, _ = select.select([self._down], [], [], 0)
        return bool(readable)

    def _read(self) -> say.Request:
        length = say.body_length(self._receive(say.LENGTH.size))
        return say.request(self._receive(length))

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = os.read(self._down, count - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


def _failed(
    about: Literal["media", "source", "settings"],
    error: ModerationError,
    fault: MediaFault = MediaFault.UNREADABLE,
) -> say.Failed:
    return say.Failed(
        about=about,
        fault=fault,
        message=error.message[:LONGEST_TEXT],
        hint=error.hint[:LONGEST_TEXT],
    )


def import_all() -> None:
    """What PyAV and Pillow import when it is first needed: files cannot be opened then."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in _NOT_IMPORTED:
            importlib.import_module(module.name)
    Image.preinit()


def main() -> None:
    """Serve until the parent is gone. Ends the process at once: there is nothing to tidy up."""
    import_all()
    up, down = (int(each) for each in sys.argv[1:3])
    try:
        Worker(up, down).serve()
    except (EOFError, BrokenPipeError):
        os._exit(0)


if __name__ == "__main__":
    main()
