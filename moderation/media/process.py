"""A decoder in a process of its own: started, asked, watched, and ended whatever it does."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from moderation.errors import ConfigurationError, MediaError, MediaFault, SourceError
from moderation.limits import MediaLimits
from moderation.media import protocol as say
from moderation.media.ring import RingReader, ring_size
from moderation.source import Source

__all__ = ["DecoderLost", "DecoderProcess"]

_COMMAND = (sys.executable, "-I", "-m", "moderation.media.worker")

_LISTEN_S = 0.25
"""How often a parent that waits looks whether it is to stop."""

_CRASHES = frozenset(
    (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP)
)
"""Signals of a fault in the code that decodes. Others say that there was too much of something."""

_TAIL = 2_000
"""Bytes of what a dying process wrote to stderr that are read."""


class DecoderLost(MediaError):
    """The process that decodes died, hung, or spoke nonsense.

    crashed  it may come through with one thread: FFmpeg's faults are often races
    """

    def __init__(self, message: str, *, fault: MediaFault, crashed: bool = False) -> None:
        super().__init__(
            message, fault=fault, hint="scan it again; if it stays so, report the file"
        )
        self.crashed = crashed


class DecoderProcess:
    """One child with one file. To be closed in any case: then it is dead, reaped and left no trace.

    sandbox   the layers that hold it, once `receive` has given `Ready`
    waited_s  seconds that were spent waiting for it
    """

    def __init__(self, source: Source, limits: MediaLimits) -> None:
        self.waited_s = 0.0
        self._ready = False
        self._source, self._limits = source, limits
        self._ring = RingReader(ring_size(limits))
        with contextlib.ExitStack() as undo:
            undo.callback(self._ring.close)
            self._up, up = _pipe(undo)
            down, self._down = _pipe(undo)
            self._stderr, stderr = _pipe(undo)
            os.set_blocking(self._down, False)
            os.set_blocking(stderr, False)  # it must not hang on what nobody reads
            self._child = _spawn(up, down, stderr, self._shared)
            undo.pop_all()
        for theirs in (up, down, stderr):
            os.close(theirs)
        try:
            self.send(self._start())
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, message: say.Request, check: Callable[[], None] = lambda: None) -> None:
        """Raises `DecoderLost`."""
        self._write(say.packed(message), check)

    def receive(self, check: Callable[[], None] = lambda: None) -> say.Reply:
        """The next answer; bytes that the child needs are served meanwhile.

        `check` is called now and then, and may raise. Raises `DecoderLost`, the `MediaError` or
        `SourceError` that the child came upon, and what `check` raises.
        """
        while True:
            reply = self._next(check)
            match reply:
                case say.Need():
                    self._serve(reply, check)
                case say.Failed() if reply.about == "settings" and self._ready:
                    raise self._nonsense(ValueError("settings"))
                case say.Failed():
                    raise _error(reply)
                case say.Alive():
                    check()
                case _:
                    self._ready = True
                    return reply

    def take(self, block: say.Block) -> bytes:
        """Copy a block out of the ring, and free it. Raises `DecoderLost`."""
        try:
            data = self._ring.copy(block.offset, block.length)
        except ValueError as error:
            raise self._nonsense(error) from None
        self.send(say.Free())
        return data

    def close(self) -> None:
        """Kill it, if it still lives, and take back everything it was given."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for ours in (self._up, self._down, self._stderr):
            os.close(ours)
        self._ring.close()

    def _start(self) -> say.Start:
        return say.Start(
            limits=self._limits,
            fd=-1 if self._source.fd is None else self._source.fd,
            size=self._source.size,
            ring_fd=self._ring.fd,
            ring_size=self._ring.size,
        )

    @property
    def _shared(self) -> tuple[int, ...]:
        fd = self._source.fd
        return (self._ring.fd,) if fd is None else (self._ring.fd, fd)

    def _serve(self, need: say.Need, check: Callable[[], None]) -> None:
        data = self._source.read(need.count, need.at)
        self._write(say.packed(say.Bytes(count=len(data))) + data, check)

    def _next(self, check: Callable[[], None]) -> say.Reply:
        try:
            length = say.body_length(self._read(say.LENGTH.size, check))
            return say.reply(self._read(length, check))
        except ValueError as error:
            raise self._nonsense(error) from None

    def _read(self, count: int, check: Callable[[], None]) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._await(self._up, check, writing=False)
            part = os.read(self._up, count - len(data))
            if not part:
                raise self._died()
            data += part
        return bytes(data)

    def _write(self, data: bytes, check: Callable[[], None]) -> None:
        view = memoryview(data)
        while view:
            self._await(self._down, check, writing=True)
            try:
                view = view[os.write(self._down, view) :]
            except BrokenPipeError:
                raise self._died() from None

    def _await(self, fd: int, check: Callable[[], None], *, writing: bool) -> None:
        """Until the pipe moves, or patience is over."""
        began = time.monotonic()
        reads, writes = ([], [fd]) if writing else ([fd], [])
        while not any(select.select(reads, writes, [], _LISTEN_S)):
            check()
            if time.monotonic() - began > self._limits.decoder_stall_s:
                raise self._hangs(f"gave no sign of life for {self._limits.decoder_stall_s:g} s")
        self.waited_s += time.monotonic() - began
        if self.waited_s > self._limits.part_s:
            raise self._hangs(f"took longer than {self._limits.part_s:g} s")

    def _hangs(self, what: str) -> DecoderLost:
        return DecoderLost(f"the decoder {what}", fault=MediaFault.TIMEOUT)

    def _nonsense(self, error: ValueError) -> DecoderLost:
        """What it says is no answer: it was taken over, or its memory is damaged."""
        what = str(error).partition("\n")[0]
        message = f"the decoder answers what it cannot mean ({what})"
        return DecoderLost(message, fault=MediaFault.DECODER_CRASHED)

    def _died(self) -> DecoderLost:
        try:
            code = self._child.wait(self._limits.decoder_stall_s)
        except subprocess.TimeoutExpired:
            return self._hangs("closed its pipe and did not end")
        if code == -signal.SIGXCPU:
            return self._hangs(f"used more than {self._limits.decoder_cpu_s:g} s of processor")
        if code < 0:
            name = signal.Signals(-code).name
            crashed = -code in _CRASHES
            message = f"the decoder crashed ({name})"
        else:
            message, crashed = f"the decoder ended ({self._last_words() or code})", False
        return DecoderLost(message, fault=MediaFault.DECODER_CRASHED, crashed=crashed)

    def _last_words(self) -> str:
        """The last line on stderr, of an exception in most cases."""
        os.set_blocking(self._stderr, False)
        text = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._stderr, _TAIL):
                text = (text + part)[-_TAIL:]
        lines = text.decode(errors="replace").splitlines()
        said = [line for line in lines if not line.startswith(" ") and ": " in line]
        return said[-1] if said else ""


def _pipe(undo: contextlib.ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        undo.callback(os.close, end)
    return ends


def _spawn(up: int, down: int, stderr: int, shared: tuple[int, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*_COMMAND, str(up), str(down)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=(up, down, *shared),
        env=_environment(),
        cwd="/",
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """No secrets of ours; what the dynamic linker needs stays."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    # One arena for all threads: address space is limited, and each arena reserves 64 MiB of it.
    return {**kept, "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"}


def _error(failed: say.Failed) -> MediaError | SourceError | ConfigurationError:
    if failed.about == "settings":
        return ConfigurationError(failed.message, hint=failed.hint)
    if failed.about == "source":  # a file that was opened is there: only reading it can fail
        return SourceError(failed.message, fault=MediaFault.UNREADABLE, hint=failed.hint)
    return MediaError(failed.message, fault=failed.fault, hint=failed.hint)
