"""Outside: the ways on which a user's file goes, with a process of its own that decodes it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from moderation.config import Settings
from moderation.detector import Audio, Frames
from moderation.errors import MediaError, MediaFault, SourceError
from moderation.media import Feed
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.scan import Scan
from moderation.store import Store
from moderation.testing.decoding import Decoded, decoded
from moderation.testing.detectors import Brightness, Loudness, as_plugin
from moderation.verdict import Action
from tests.fuzz.answers import Answer, BrokenPromiseError, check_ending, check_pixels

__all__ = ["by_asking", "scanner"]

WANTS: Final = Frames(per_second=2), Audio()

_POLICY = """
schema = "moderation.policy/v1"
name = "fuzz"
version = "1"

[coverage]
brightness = 1.0
loudness = 1.0

[[rules]]
id = "bright"
label = "Context/Person"
min_score = 0.99
action = "review"
severity = "low"
"""


def by_asking(path: Path) -> Answer:
    """Decode as a scan does."""
    try:
        seen = decoded(path, *WANTS)
    except (MediaError, SourceError) as error:
        return Answer.refused(error)
    _check_seen(seen)
    return Answer.of(seen.outcome.fault, seen.outcome.message)


def _check_seen(seen: Decoded) -> None:
    check_ending(seen.outcome.message)
    for feed in seen.feeds:
        _check_feed(feed, seen.outcome.fault)
    for frame in seen.frames:
        check_pixels(frame.image)
    for chunk in seen.sound:
        if not np.isfinite(chunk.samples).all():
            raise BrokenPromiseError(f"sound at {chunk.at} that is no number")


def _check_feed(feed: Feed[Any], fault: MediaFault | None) -> None:
    if fault is None and feed.examined < feed.planned:
        raise BrokenPromiseError(f"{feed.examined} of {feed.planned} examined, and no fault")


@contextlib.contextmanager
def scanner(home: Path) -> Iterator[Callable[[Path], Answer]]:
    """Scans files, one after another, with a database of their own."""
    registry, settings = Registry(), Settings(home=home)
    registry.register(as_plugin(Brightness, Loudness), "fuzz")
    with Store.open(f"sqlite:///{home / 'moderation.db'}") as store:
        policy = Policy.parse(_POLICY, "fuzz.toml")
        pipeline = Pipeline(settings, Panel(registry, settings), policy, store)
        yield lambda path: _judged(pipeline.scan(str(path), force=True))


def _judged(scan: Scan) -> Answer:
    if scan.failure is not None:
        if scan.failure.message.startswith("the scan broke"):
            raise BrokenPromiseError(scan.failure.message)
        if scan.verdict.action is not Action.INCOMPLETE:
            raise BrokenPromiseError(f"{scan.failure.fault}, but {scan.verdict.action}")
        check_ending(scan.failure.message)
        return Answer("refused", scan.failure.fault.value, scan.failure.message)
    short = [each for each in scan.coverage if each.share < 1]
    if short and scan.verdict.action is Action.APPROVE:
        raise BrokenPromiseError(f"approved, although {short[0]}")
    if not short:
        return Answer("whole")
    return Answer("partial", short[0].status.value, short[0].reason)
