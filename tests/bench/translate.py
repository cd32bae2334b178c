"""The glue's words -> our labels: what a library found becomes a `Finding` that we must have too.

Every finding counts that a library gives with its defaults: ultralytics and NudeNet from a score
of 0.25 on, YuNet from 0.9, RapidOCR from 0.5. Ours are kept from 0.20 (objects, nudity), 0.7
(faces) and 0.5 (text) on, and a policy judges them later. Left out is

- what we do not report by intention: COCO's classes without a label, such as chairs
- lines of text lower than 2 % of the frame
- words that PocketSphinx hears where nobody speaks: in the music of the busy clip

Apart from the others stand lines that RapidOCR itself is unsure of: most of them are leaves,
patterns and noses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from findings import Finding
from glue import Seen, Step
from moderation_faces.detector import Faces
from moderation_nudity.detector import Nudity
from moderation_objects.detector import Objects
from moderation_speech.detector import Speech
from moderation_text.screen_text import ScreenText

__all__ = ["is_sure", "translated"]

LEAST_HEIGHT: Final = 0.02
"""Of a line of text, as a fraction of the frame's height."""

SURE_READING: Final = 0.8
"""RapidOCR's score from which a line is taken for text."""

_LABELS: Final = {each.name: each.labels for each in (Faces, Nudity, Objects, ScreenText, Speech)}


def translated(steps: Iterable[Step], *, spoken: bool) -> list[Finding]:
    """What the libraries found and we report too; `spoken` is whether anybody speaks."""
    return [
        Finding(
            step.name,
            _LABELS[step.name][seen.kind],
            seen.start_s,
            seen.end_s,
            seen.text,
            seen.score,
        )
        for step in steps
        if spoken or step.name != Speech.name
        for seen in step.seen
        if seen.kind in _LABELS[step.name] and _counts(seen)
    ]


def is_sure(finding: Finding) -> bool:
    """Whether the library that gave it would stand by it."""
    return finding.detector != ScreenText.name or finding.score >= SURE_READING


def _counts(seen: Seen) -> bool:
    return seen.kind != "line" or (seen.height >= LEAST_HEIGHT and any(map(str.isalnum, seen.text)))
