"""Memory of a report of a million rows: `python tests/bench/bench_report.py`.

Fault row 126 in its long form. Each format is written in a process of its own to a file, from scans
made one by one: 20,000 decided videos of 50 segments, with the text of strangers. What is read back
is checked, and the largest resident set that the kernel saw is compared with the limit.
`--formats csv jsonl ...` measures others than CSV: a quarter of an hour for all of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from moderation.evidence import Box
from moderation.reports import ReportOptions, write_report
from moderation.scan import Scan
from moderation.testing.decisions import confirmed, make_decision
from moderation.testing.scans import make_evidence, make_scan

VIDEOS, SEGMENTS = 20_000, 50
LIMIT_MIB: Final = 200
FORMS: Final = ("csv", "jsonl", "rekognition", "dsa", "coco", "label-studio")

_TEXT: Final = '=1+1\n"\ud800 --> ]]>'


def write(form: str, target: str, videos: int) -> None:
    """Write one report, and print seconds and MiB."""
    seen = [
        make_evidence(start_s=at, box=Box(0, 0, 0.5, 0.5), text=_TEXT, subject=_TEXT)
        for at in range(SEGMENTS)
    ]
    said = make_decision(*map(confirmed, seen), note=_TEXT)
    whole = make_scan(*seen, name=_TEXT)

    def scans() -> Iterator[Scan]:
        for number in range(videos):
            yield replace(whole, id=str(number))

    began = time.monotonic()
    options = ReportOptions(decisions=lambda _: (said,))
    write_report(scans(), form=form, target=target, options=options)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps([time.monotonic() - began, peak]))


def rows(form: str, target: Path) -> int:
    """Of what is there; raises for what is no CSV, UTF-8 or JSON."""
    with target.open(encoding="utf-8", newline="") as stream:
        if form == "csv":
            return sum(1 for _ in csv.DictReader(stream, strict=True))
        lines = (line.strip().rstrip(",") for line in stream)
        if form in ("coco", "label-studio"):  # one document, with an entry on each line
            entries = (line for line in lines if line.startswith(('{"id"', '{"data"')))
            return sum(1 for line in entries if json.loads(line.removesuffix("]")))
        return sum(1 for line in lines if json.loads(line))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--videos", type=int, default=VIDEOS)
    options.add_argument("--formats", nargs="+", choices=FORMS, default=("csv",))
    options.add_argument("--write", nargs=2, metavar=("FORMAT", "FILE"), help=argparse.SUPPRESS)
    told = options.parse_args()
    if told.write:
        form, target = told.write
        write(form, target, told.videos)
        return
    sys.stdout.write(f"{'format':14}{'rows':>10}{'MB':>8}{'seconds':>9}{'peak MiB':>10}\n")
    over = [form for form in told.formats if _measure(form, told.videos) > LIMIT_MIB]
    if over:
        sys.exit(f"more than {LIMIT_MIB} MiB: {', '.join(over)}")


def _measure(form: str, videos: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report"
        arguments = (sys.executable, __file__, "--videos", str(videos))
        done = subprocess.run(
            [*arguments, "--write", form, str(target)], stdout=subprocess.PIPE, check=True
        )
        seconds, peak = json.loads(done.stdout)
        size = target.stat().st_size / 1e6
        found = rows(form, target)
    sys.stdout.write(f"{form:14}{found:10,}{size:8.0f}{seconds:9.1f}{peak:10.0f}\n")
    sys.stdout.flush()
    return float(peak)


if __name__ == "__main__":
    main()
