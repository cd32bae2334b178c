"""Hostile files by the thousand, through the real way in: `make fuzz MUTANTS=20000 SEED=1`.

    python -m tests.fuzz.fuzz [--mutants N] [--seed N] [--start N] [--jobs N] [--limit SECONDS]
                              [--decodes N] [--data DIR] [--out DIR]

Mutant N of a seed is always the same bytes: `--start N --mutants 1` tries it again. What fails is
kept below `--out`. Ends with 1 when anything failed: a process that died, an exception that is not
one of ours, more seconds than the limit, or something left behind by a decode.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from moderation.errors import MediaFault
from tests.fuzz.campaign import Campaign, prepared
from tests.fuzz.crashes import clip_for_crashes, survived
from tests.fuzz.executor import Trial

ROOT: Final = Path(__file__).resolve().parents[2]
SHARED: Final = Path(os.environ.get("MODERATION_TEST_DATA") or ROOT.parent / "shared" / "data")

STEP: Final = 1_000
"""Mutants after which it says how far it has come."""

SLOWEST: Final = 10
"""Mutants that are named because of the time they took."""

LOST: Final = frozenset((MediaFault.DECODER_CRASHED.value, MediaFault.TIMEOUT.value))
"""Faults that are answers, and yet are worth a look."""


@dataclass
class Figures:
    """What is counted, and what is kept to be told."""

    kinds: Counter[str] = field(default_factory=Counter)
    containers: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    failed: list[Trial] = field(default_factory=list)
    lost: list[Trial] = field(default_factory=list)
    slowest: list[Trial] = field(default_factory=list)

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> Figures:
        figures = cls()
        for trial in trials:
            figures.add(trial)
        return figures

    def add(self, trial: Trial) -> None:
        self.kinds[trial.kind] += 1
        self.containers[trial.container] += 1
        self.ways[trial.way] += 1
        self.fates[f"{trial.fate or 'failed'} {trial.fault}".rstrip()] += 1
        if trial.problem:
            self.failed.append(trial)
        elif trial.fault in LOST:
            self.lost.append(trial)
        self.slowest = sorted((*self.slowest, trial), key=lambda each: -each.seconds)[:SLOWEST]

    @property
    def count(self) -> int:
        return self.ways.total()

    def __str__(self) -> str:
        return "\n".join(
            (
                _table("mutants by kind", self.kinds),
                _table("mutants by container", self.containers),
                _table("mutants by way", self.ways),
                _table("what came of them", self.fates),
                _listed("decoder crashed or timed out", self.lost),
                _listed("slowest", self.slowest),
                _listed("failed", self.failed),
            )
        )


def told(trial: Trial) -> str:
    """One trial in one line."""
    what = trial.problem or f"{trial.fate} {trial.fault} {trial.message}".strip()
    where = f"{trial.container}, {trial.kind}, {trial.way}"
    return f"{trial.number:>8}  {trial.seconds:7.2f} s  {where}: {what}"


def _table(title: str, counts: Counter[str]) -> str:
    rows = (f"{count:>8}  {name}" for name, count in counts.most_common())
    return "\n".join((f"{title}:", *rows))


def _listed(title: str, trials: Sequence[Trial]) -> str:
    return "\n".join((f"{title}: {len(trials)}", *map(told, trials)))


def fuzz(campaign: Campaign, numbers: range, jobs: int, out: Path) -> Figures:
    """Try these mutants, and keep those that fail as files."""
    figures = Figures()
    for trial in campaign.run(numbers, jobs):
        figures.add(trial)
        if trial.problem:
            path = _kept(campaign, trial, out)
            print(f"FAILED seed {campaign.seed} {told(trial).strip()}\n       kept as {path}")
        if figures.count % STEP == 0:
            print(f"{figures.count} of {len(numbers)} tried, {len(figures.failed)} failed")
        sys.stdout.flush()
    return figures


def _kept(campaign: Campaign, trial: Trial, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"seed-{campaign.seed}-mutant-{trial.number}.{trial.container}"
    path.write_bytes(campaign.mutant(trial.number).data)
    return path


def endure(folder: Path, count: int) -> bool:
    """Kill decoders at work, and say what is left of them; whether nothing is."""
    fates, left = survived(clip_for_crashes(folder), count)
    print(f"decoders ended on purpose: {fates.total()}")
    for (end, fate), number in sorted(fates.items()):
        print(f"{number:>8}  {end}: {fate}")
    print(f"left behind by them: {left or 'nothing'}")
    return not left


def main() -> None:
    given, began = _arguments(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        seeds = prepared(folder, given.data)
        campaign = Campaign(seeds, given.seed, given.limit)
        figures = fuzz(
            campaign, range(given.start, given.start + given.mutants), given.jobs, given.out
        )
        clean = endure(folder, given.decodes)
    print(figures)
    minutes = (time.monotonic() - began) / 60
    print(f"{figures.count} mutants of seed {given.seed}: {len(figures.failed)} failed, ", end="")
    print(f"{len(figures.lost)} lost their decoder; {minutes:.1f} minutes")
    sys.exit(bool(figures.failed) or not clean)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutants", type=int, default=20_000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other mutants")
    parser.add_argument("--start", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side")
    parser.add_argument("--limit", type=float, default=60, help="seconds that a mutant may take")
    parser.add_argument("--decodes", type=int, default=1_000, help="decoders to be killed at work")
    parser.add_argument("--data", type=Path, default=SHARED, help="where odd files may be found")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "fuzz", help="for what fails")
    return parser.parse_args()


if __name__ == "__main__":
    main()
