"""How many videos one core can judge in a second of its time: `python tests/bench/bench_fusion.py`.

A video gives 200 pieces of evidence: what five minutes give with a person in every third frame,
speech, screen text and some violations. `cold` makes every piece anew before the clock starts,
so that its id, a digest of its content, is computed inside.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace

from moderation.evidence import Evidence, Producer
from moderation.fusion import fuse
from moderation.policy import Policy
from moderation.timeline import Span
from moderation.verdict import Coverage, CoverageStatus

PIECES = 200
SECONDS = 300
ROUNDS = 300

_SIGHTS = {
    "Context/Person": ("objects", 80),
    "Context/Speech": ("speech", 40),
    "Context/Screen text": ("screen_text", 20),
    "Nudity/Covered/Female breast": ("nudity", 20),
    "Violence/Weapons/Knife": ("objects", 12),
    "Language/Profanity": ("terms", 12),
    "Nudity/Exposed/Female breast": ("nudity", 8),
    "Violence/Threat": ("terms", 4),
    "Hate/Slur": ("terms", 4),
}


def video(seed: int) -> list[Evidence]:
    """`PIECES` pieces of evidence of one video, the same for the same seed."""
    chance = random.Random(seed)
    return [
        Evidence(
            label=label,
            score=chance.uniform(0.2, 1.0),
            span=_span(chance, detector),
            text=f"line {number}" if detector in ("speech", "screen_text") else None,
            producer=Producer(detector, "1"),
        )
        for label, (detector, count) in _SIGHTS.items()
        for number in range(count)
    ]


def _span(chance: random.Random, detector: str) -> Span:
    start = chance.randrange(SECONDS)
    return Span.from_seconds(start, start + (chance.randrange(5) if detector == "speech" else 0))


def coverage() -> list[Coverage]:
    return [
        Coverage(detector=name, status=CoverageStatus.COMPLETE, planned=SECONDS, examined=SECONDS)
        for name in ("nudity", "objects", "screen_text", "speech", "terms")
    ]


def rate(videos: list[list[Evidence]], policy: Policy) -> float:
    """Fuses per second over `videos`."""
    seen = coverage()
    started = time.process_time()
    for evidence in videos:
        fuse(evidence, seen, policy)
    return len(videos) / (time.process_time() - started)


def main() -> None:
    policy = Policy.read("default")
    warm = [video(seed) for seed in range(ROUNDS)]
    cold = [[replace(each) for each in evidence] for evidence in warm]
    fuse(warm[0], coverage(), policy)
    lines = [
        f"cold: {rate(cold, policy):8.0f} fuses/s over {PIECES} pieces of evidence",
        f"warm: {rate(cold, policy):8.0f} fuses/s, ids known",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
