"""PocketSphinx in a process of its own.

It holds Python's lock while it decodes, for seconds at a time: in this process no other detector
would get on meanwhile. Requests and answers go through pipes; the process ends when its end of
them closes, so also with its parent.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

import pocketsphinx

__all__ = ["Heard", "SphinxProcess", "main"]

_LENGTH = struct.Struct("<I")


_TRIAL = 3_200
"""Bytes of silence that tell whether it starts."""


class Heard(NamedTuple):
    """A word, silence or filler: its first and last frame, and its posterior 0..1."""

    word: str
    start_frame: int
    end_frame: int
    prob: float


class SphinxProcess:
    """One decoder; started at once, and anew when it has died. Raises `RuntimeError`.

    settings  of `pocketsphinx.Config`
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self._settings = dict(settings)
        self._process = self._start()
        self.decode(bytes(_TRIAL))

    @property
    def pid(self) -> int:
        return self._process.pid

    def decode(self, pcm: bytes) -> list[Heard]:
        """What is heard in 16 bit mono sound. Raises `RuntimeError` when the process dies of it."""
        self.send(pcm)
        return self.receive()

    def send(self, pcm: bytes) -> None:
        """Have it listen, and go on meanwhile: `receive` gives what it heard."""
        if self._process.poll() is not None:
            self._process = self._start()
        self._write(pcm)

    def receive(self) -> list[Heard]:
        """Waits until it has listened to what was sent."""
        try:
            return [Heard(*each) for each in json.loads(_read(self._process.stdout))]
        except EOFError:
            raise self._died() from None

    def forget(self) -> None:
        """Nobody will ask for what was sent. It starts anew when it is next needed."""
        self._process.kill()
        self._process.wait()

    def _write(self, pcm: bytes) -> None:
        try:
            _write(self._process.stdin, pcm)
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> RuntimeError:
        return RuntimeError(f"PocketSphinx ended with {self._process.wait()}, in the middle")

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", __name__, json.dumps(self._settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path("/"),
        )
        weakref.finalize(self, _end, process)
        return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _write(pipe: IO[bytes] | None, data: bytes) -> None:
    if pipe is None:
        raise BrokenPipeError
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def _read(pipe: IO[bytes] | None) -> bytes:
    head = pipe.read(_LENGTH.size) if pipe is not None else b""
    if pipe is None or len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data


def main() -> None:
    """Answer until stdin ends."""
    decoder = pocketsphinx.Decoder(pocketsphinx.Config(**json.loads(sys.argv[1])))
    while True:
        try:
            pcm = _read(sys.stdin.buffer)
        except EOFError:
            return
        # What it heard before would change what it hears now.
        decoder.reinit_feat()
        decoder.start_utt()
        # The whole utterance at once, so that its features are normalised over all of it.
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        heard = [
            Heard(seg.word, seg.start_frame, seg.end_frame, seg.prob) for seg in decoder.seg() or ()
        ]
        _write(sys.stdout.buffer, json.dumps(heard).encode())


if __name__ == "__main__":
    main()
