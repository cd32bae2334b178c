"""WebVTT: a cue for each flagged segment, for a player to show beside the video.

A cue has the label, the score in percent, what a person said of it, and then the words. What a
person rejected is no cue; what was corrected has the right label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from moderation.decision import Decision, Remedy
from moderation.reports.judged import Judged, flagged
from moderation.reports.text import one_line
from moderation.scan import Scan
from moderation.timeline import Instant, Span

__all__ = ["webvtt"]

_SHORTEST_US: Final = 1_000_000
"""Of a cue: a single frame has no length, which the format forbids, and a person has eyes."""

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def webvtt(scan: Scan, decisions: Sequence[Decision]) -> str:
    """The file of one video."""
    blocks = ["WEBVTT", f"NOTE {_text(scan.video.uri)}", *_notes(scan)]
    for number, (label, each) in enumerate(flagged(scan, decisions), start=1):
        blocks.append("\n".join([str(number), _times(each.segment.span), *_payload(label, each)]))
    return "\n\n".join(blocks) + "\n"


def _notes(scan: Scan) -> Iterator[str]:
    """What no cue can say: that nobody looked."""
    if scan.failure is not None:
        yield f"NOTE not scanned: {_text(scan.failure.message)}"
    for sentence in scan.verdict.missing:
        yield f"NOTE missing: {_text(sentence)}"


def _times(span: Span) -> str:
    start = max(0, span.start.us)
    end = max(span.end.us, start + _SHORTEST_US)
    return f"{_clock(Instant(start))} --> {_clock(Instant(end))}"


def _clock(at: Instant) -> str:
    """With two digits for hours: one is no timestamp."""
    return str(at).rjust(12, "0")


def _payload(label: str, each: Judged) -> Iterator[str]:
    segment, said = each.segment, each.decision
    facts = [_text(label), f"{segment.score:.0%}"]
    if said is not None:
        facts.append(f"{said.judgement.value}ed")
    if each.remedy is not Remedy.NONE:
        facts.append(each.remedy.value.replace("_", "-"))
    yield " · ".join(facts)
    if words := _text(" ".join(filter(None, (segment.subject, segment.text)))):
        yield words


def _text(text: str) -> str:
    """One line that ends no cue and opens no tag: `-->` has lost its head."""
    return one_line(text).translate(_ESCAPES)
