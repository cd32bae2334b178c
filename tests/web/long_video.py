"""A long upload with very much evidence, for what its page costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from moderation.evidence import Box, Evidence, Producer
from moderation.policy import Policy
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["HOURS", "PIECES", "long_scan"]

HOURS: Final = 3
PIECES: Final = 5_000

_WORDS: Final = ("and", "then", "he", "said", "that", "nobody", "who", "was", "there", "knew")


def long_scan(policy: Policy, pieces: int = PIECES, name: str = "three hours.mp4") -> Scan:
    """Half of it speech, a fifth things that break no rule, and the rest flagged."""
    step_s = HOURS * 3600 / pieces
    evidence = [_piece(number, number * step_s, step_s) for number in range(pieces)]
    scan = make_scan(*evidence, name=name, policy=policy.ref, id=f"scan of {name}")
    flagged = tuple(each for each in scan.verdict.reasons if not each.label.startswith("Context"))
    detectors = ("objects", "nudity", "speech", "terms")
    coverage = tuple(
        Coverage(detector=each, status=CoverageStatus.COMPLETE, planned=10_800, examined=10_800)
        for each in detectors
    )
    return replace(
        scan,
        video=replace(scan.video, duration_us=HOURS * 3_600_000_000),
        verdict=replace(scan.verdict, reasons=flagged),
        coverage=coverage,
    )


def _piece(number: int, start_s: float, step_s: float) -> Evidence:
    score = 0.5 + (number * 7 % 50) / 100
    match number % 10:
        case 0 | 2 | 4 | 6 | 8:
            first = number % len(_WORDS)
            text = " ".join([*_WORDS[first:], *_WORDS[:first], str(number)])
            speech = Producer("speech", "1.0")
            return make_evidence(
                "Context/Speech", score, start_s, start_s + 2 * step_s, text=text, producer=speech
            )
        case 1 | 3:
            return make_evidence("Context/Person", score, start_s)
        case 5:
            text, terms = _WORDS[number % len(_WORDS)], Producer("terms", "1.0")
            return make_evidence("Hate/Slur", score, start_s, text=text, producer=terms)
        case 7:
            nudity = Producer("nudity", "1.0")
            return make_evidence("Nudity/Exposed/Buttocks", score, start_s, producer=nudity)
        case _:
            return make_evidence(
                "Violence/Weapons/Knife", score, start_s, box=Box(0.2, 0.3, 0.2, 0.1)
            )
