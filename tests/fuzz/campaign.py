"""Campaign: many mutants, tried by processes whose death or hanging is a finding of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fuzz.executor import WAYS, Trial, way_of
from tests.fuzz.mutants import Corpus, Mutant
from tests.fuzz.seeds import composed, found, kept, written

__all__ = ["Campaign", "prepared"]

_ROOT: Final = Path(__file__).resolve().parents[2]

_SHARE: Final = 200
"""Mutants that one process tries: it leaks what FFmpeg leaks, and starting one takes a second."""

_LAST_WORDS: Final = 1_000
"""Characters of what a dead process wrote to stderr that are told."""


def prepared(folder: Path, data: Path | None) -> Path:
    """Make the seeds; `data` is where odd files may be found. Returns the seeds' folder."""
    scratch, seeds = folder / "scratch", folder / "seeds"
    scratch.mkdir(parents=True)
    odd = found(data) if data is not None and data.is_dir() else []
    written([*composed(scratch), *odd], seeds)
    return seeds


@dataclass(frozen=True)
class Campaign:
    """The mutants of one seed, made from the files in a folder.

    limit_s  that one mutant may take
    """

    seeds: Path
    seed: int = 1
    limit_s: float = 60.0

    def run(self, numbers: Sequence[int], jobs: int = 1) -> Iterator[Trial]:
        """Try these, in whatever order they are done."""
        shares = list(self._shares(numbers))
        with ThreadPoolExecutor(jobs) as pool:
            for trials in pool.map(lambda share: list(self.tried(*share)), shares):
                yield from trials

    def mutant(self, number: int) -> Mutant:
        return Corpus(*kept(self.seeds), self.seed).mutant(number)

    def _shares(self, numbers: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
        for start in range(0, len(numbers), _SHARE):
            share = numbers[start : start + _SHARE]
            for way in WAYS:
                if its := [number for number in share if way_of(number) == way]:
                    yield way, its

    def tried(self, way: str, numbers: list[int]) -> Iterator[Trial]:
        """A process that dies is replaced, and goes on behind the mutant that killed it."""
        while numbers:
            with _Executor(self, way, numbers) as executor:
                for trial in executor.trials():
                    numbers = [number for number in numbers if number > trial.number]
                    yield trial


class _Executor:
    """One process, and who listens to it."""

    def __init__(self, campaign: Campaign, way: str, numbers: Sequence[int]) -> None:
        self._limit_s, self._way = campaign.limit_s, way
        self._campaign, self._left, self._last = campaign, list(numbers), numbers[-1]
        self._undo = contextlib.ExitStack()
        folder = self._undo.enter_context(tempfile.TemporaryDirectory(prefix="fuzz-"))
        self._stderr = Path(folder) / "stderr"
        self._stdout, theirs = os.pipe()
        self._undo.callback(os.close, self._stdout)
        given = [way, str(campaign.seeds), str(campaign.seed), *map(str, numbers)]
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.executor", *given],
                cwd=_ROOT,
                env={**os.environ, "TMPDIR": folder},
                stdout=theirs,
                stderr=stderr,
                start_new_session=True,
            )
        os.close(theirs)
        self._read = b""

    def __enter__(self) -> _Executor:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._undo.close()

    def trials(self) -> Iterator[Trial]:
        """All of them, up to one that ended the process or took too long."""
        began = time.monotonic()
        while line := self._line(began + self._limit_s):
            began = time.monotonic()
            trial = Trial.model_validate_json(line)
            self._left.remove(trial.number)
            yield trial
        if line is None:
            yield self._failed(f"it took longer than {self._limit_s:g} s", began)
        elif self._process.wait() or self._left:
            yield self._failed(f"the process died ({self._end()})", began)

    def _failed(self, problem: str, began: float) -> Trial:
        mutant = self._campaign.mutant(self._left[0] if self._left else self._last)
        return Trial(
            number=mutant.number,
            way=self._way,
            kind=mutant.kind,
            container=mutant.container,
            seconds=time.monotonic() - began,
            problem=problem,
        )

    def _line(self, until: float) -> bytes | None:
        """The next line, empty at the end; `None` when it does not come in time."""
        while b"\n" not in self._read:
            left = max(0.0, until - time.monotonic())
            if not select.select([self._stdout], [], [], left)[0]:
                return None
            part = os.read(self._stdout, 1 << 16)
            if not part:
                return b""
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _end(self) -> str:
        code = self._process.returncode
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        words = self._stderr.read_text(errors="replace").strip()[-_LAST_WORDS:]
        return f"{how}: {words}" if words else how
