"""Peak memory of scanning an hour, beside five minutes: `python tests/bench/bench_memory.py`.

Each video is scanned in a process of its own: the whole pipeline, with detectors that cost next to
nothing, so that what is read is the memory of the media path and of the store. Counted are that
process and its children (a decoder may run in one), in two ways:

- the largest sum of their proportional set sizes, in which shared pages count once, sampled many
  times a second
- the largest resident set that the kernel saw, of the process and of its largest child; nothing
  is missed between two samples, and shared pages count twice
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from processes import descendants

from moderation.config import Settings
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.store import Store
from moderation.testing.clips import long_clip
from moderation.testing.detectors import Brightness, Echo, Loudness, as_plugin

LONG_MIN, SHORT_MIN = 60, 5
REACH: Final = 1.10

_EVERY_S: Final = 0.05
_MIB: Final = 1024.0
"""In kibibytes, which is what Linux counts in."""


@dataclass(slots=True)
class Peak:
    """MiB: the largest sum that was sampled; what the kernel remembers of parent and child."""

    proportional: float = 0.0
    parent: float = 0.0
    child: float = 0.0

    @property
    def resident(self) -> float:
        return self.parent + self.child


def scan(video: str) -> None:
    """Scan with cheap detectors, and print what the kernel remembers."""
    registry = Registry(allowed=())
    registry.register(as_plugin(Brightness, Loudness, Echo), "cheap")
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.read(home=Path(home), offline=True)
        panel = Panel(registry, settings)
        with Store.open(settings.database_url) as store:
            scanned = Pipeline(settings, panel, Policy.read("default"), store).scan(video)
    if scanned.failure:
        sys.exit(scanned.failure.message)
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    sys.stdout.write(json.dumps([resource.getrusage(who).ru_maxrss / _MIB for who in whose]))


def peak(video: Path) -> Peak:
    command = [sys.executable, __file__, "--scan", str(video)]
    found = Peak()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            found.proportional = max(found.proportional, proportional(process.pid))
            time.sleep(_EVERY_S)
        told = process.stdout.read() if process.stdout else ""
    if process.returncode:
        sys.exit(process.returncode)
    found.parent, found.child = json.loads(told)
    return found


def proportional(pid: int) -> float:
    """MiB of a process and its descendants; of those whose memory we may read."""
    return sum(_proportional(each) for each in (pid, *descendants(pid)))


def _proportional(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended, or is not ours to look at
        return 0.0
    sizes = (line.split() for line in rollup.splitlines() if line.startswith("Pss:"))
    return sum(int(size) for _, size, _ in sizes) / _MIB


def line(minutes: int, found: Peak) -> str:
    return (
        f"{minutes:3} minutes: {found.proportional:7.1f} MiB proportional, "
        f"{found.resident:7.1f} MiB resident ({found.parent:.1f} + {found.child:.1f})"
    )


def compared(out: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clips = {each: Path(folder) / f"{each}.mkv" for each in (SHORT_MIN, LONG_MIN)}
        peaks = {each: peak(long_clip(path, each * 60)) for each, path in clips.items()}
    short, long = peaks[SHORT_MIN], peaks[LONG_MIN]
    ratios = {"resident": long.resident / short.resident}
    if short.proportional:
        ratios["proportional"] = long.proportional / short.proportional
    told = ", ".join(f"{ratio:.3f} {name}" for name, ratio in ratios.items())
    lines = [*(line(minutes, each) for minutes, each in peaks.items())]
    lines.append(f"{LONG_MIN} minutes / {SHORT_MIN} minutes: {told}; to reach: {REACH:.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
    if out:
        found = {f"{minutes} minutes": asdict(each) for minutes, each in peaks.items()}
        out.write_text(json.dumps({"MiB": found, "ratios": ratios}, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scan", metavar="VIDEO", help="scan one video in this process")
    parser.add_argument("--out", type=Path, help="JSON file of the figures")
    given = parser.parse_args()
    if given.scan:
        scan(given.scan)
    else:
        compared(given.out)


if __name__ == "__main__":
    main()
