"""Executor: a process that tries many mutants and says of each what came of it.

    python -m tests.fuzz.executor WAY SEEDS SEED NUMBER...

SEEDS is a folder that `seeds.written` filled. Each answer is a `Trial`, one line of JSON on
stdout, in the order of the numbers: the first that is missing is what the process died of.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict

from moderation.media.sandbox import enter
from tests.fuzz.answers import Answer
from tests.fuzz.leaks import Belongings
from tests.fuzz.mutants import Corpus, Mutant
from tests.fuzz.seeds import Seed, kept

__all__ = ["WAYS", "Trial", "way_of"]

_OUTSIDE_EVERY: Final = 10
"""Mutants of which one goes the way of a user's file."""

_SCANNED_EVERY: Final = 50
"""Mutants of which one goes through a whole scan; the other ones outside are decoded."""

_CLOSER_EVERY: Final = 4
"""Mutants of which parts are decoded, and stills made, after the whole."""


class Trial(BaseModel):
    """What came of one mutant.

    problem  what must not happen; empty for an answer that is allowed
    """

    model_config = ConfigDict(frozen=True)

    number: int
    way: str
    kind: str = ""
    container: str = ""
    fate: str = ""
    fault: str = ""
    message: str = ""
    seconds: float = 0.0
    problem: str = ""


def way_of(number: int) -> str:
    """Most are decoded many to a process: to start one takes longer than to decode."""
    return "outside" if number % _OUTSIDE_EVERY == 0 else "inside"


_Attempt: TypeAlias = Callable[[Mutant], Answer]


@contextmanager
def _inside(composed: Sequence[Seed]) -> Iterator[_Attempt]:
    """In this process, locked in as the one that decodes would be."""
    from moderation.media import worker
    from tests.fuzz.inside import LIMITS, inside

    worker.import_all()
    for seed in composed[:2]:  # what is imported when it is first needed
        inside(seed.data, closer=True)
    enter(LIMITS)
    yield lambda mutant: inside(mutant.data, closer=mutant.number % _CLOSER_EVERY == 0)


@contextmanager
def _outside(composed: Sequence[Seed]) -> Iterator[_Attempt]:
    """By asking another process, with a look at what it leaves behind."""
    from tests.fuzz.outside import by_asking, scanner

    with tempfile.TemporaryDirectory() as folder, scanner(Path(folder)) as scan:
        path = Path(folder) / "mutant"

        def attempt(mutant: Mutant) -> Answer:
            path.write_bytes(mutant.data)
            before = Belongings.now()
            answer = scan(path) if mutant.number % _SCANNED_EVERY == 0 else by_asking(path)
            if left := Belongings.now().left_since(before):
                raise LeakError(left)
            return answer

        path.write_bytes(composed[0].data)
        scan(path)  # what is opened once, and kept, is no leak
        yield attempt


class LeakError(Exception):
    """Something is left of a decode."""


WAYS: Final = {"inside": _inside, "outside": _outside}


def _tried(attempt: _Attempt, mutant: Mutant, way: str) -> Trial:
    began, problem, answer = time.monotonic(), "", Answer("")
    try:
        answer = attempt(mutant)
    except Exception as error:  # which is what is being looked for
        problem = _told(error)
    return Trial(
        number=mutant.number,
        way=way,
        kind=mutant.kind,
        container=mutant.container,
        fate=answer.fate,
        fault=answer.fault,
        message=answer.message,
        seconds=time.monotonic() - began,
        problem=problem,
    )


def _told(error: Exception) -> str:
    """The error and where it came from, without opening a file."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error} ({place})"


def main() -> None:
    way, folder, seed, *numbers = sys.argv[1:]
    composed, found = kept(Path(folder))
    corpus = Corpus(composed, found, int(seed))
    with WAYS[way](composed) as attempt:
        for number in map(int, numbers):
            _say(_tried(attempt, corpus.mutant(number), way).model_dump_json())
    os._exit(0)  # a process that is locked in cannot tidy up


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


if __name__ == "__main__":
    main()
