"""The detector `terms`: listed words and phrases in all that a video says and shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from pydantic import Field

from moderation import Detector, Device, Evidence, Text
from moderation.detector import TextBatch
from moderation.evidence import Producer
from moderation.timeline import MICROSECONDS
from moderation_text.lexicon import OWN_LISTS, SUFFIX, Lexicon
from moderation_text.matcher import Hit, Matcher
from moderation_text.passages import Passage, passages
from moderation_text.termlist import LABELS

__all__ = ["Terms"]


class Terms(Detector[TextBatch]):
    """Second stage: profanity, slurs, threats, lures and more, by term lists, with their times."""

    name = "terms"
    wants = Text()
    labels = {label: label for label in LABELS}

    class Options(Detector.Options):
        """Which lists, and which of their hits."""

        languages: tuple[str, ...] = Field(
            (), description="languages to look for, such as `en`; all there are lists for if empty"
        )
        lists: tuple[Path, ...] = Field(
            (), description=f"folders with your own *{SUFFIX} files, read after the built-in ones"
        )
        min_score: float = Field(
            0.2,
            ge=0,
            le=1,
            description="hits below are dropped; the lists' mild terms score 0.4, strong ones 0.9",
        )
        gap_s: float = Field(
            2.0,
            ge=0,
            le=60,
            description="seconds between two utterances, or two lines on the screen, that a "
            "phrase may still cross",
        )

    options: Options

    def fingerprint(self) -> str:
        """The digest of the lists."""
        return _digest((OWN_LISTS, *self.options.lists))

    def load(self, device: Device) -> None:
        """Raises `ConfigurationError` for a list that does not hold, with its file and line."""
        self._matcher = Matcher(Lexicon.load(self.options.languages, self.options.lists))
        self.producer = Producer(self.name, self.version(), "term lists", self.fingerprint())

    def detect(self, batches: Iterable[TextBatch]) -> Iterator[Evidence]:
        gap_us = round(self.options.gap_s * MICROSECONDS)
        for passage in passages(chain.from_iterable(batches), gap_us):
            for hit in self._matcher.find(passage.text):
                if hit.score >= self.options.min_score:
                    yield self._evidence(passage, hit)

    def _evidence(self, passage: Passage, hit: Hit) -> Evidence:
        place = passage.place(hit.start, hit.end)
        source, span = place.source, place.span
        return self.evidence(
            hit.term.label,
            hit.score,
            span,
            best=source.best if span.start <= source.best <= span.end else span.start,
            box=place.box,
            text=hit.text,
            words=place.words,
            subject=place.subject,
            term=hit.term.text,
            list=hit.term.list,
            language=hit.term.language,
            severity=hit.term.severity,
            rule="+".join(hit.rules),
            source=source.id,
            samples=source.detail.get("samples", 1),
            start=place.start,
            end=place.end,
        )


def _digest(folders: Sequence[Path]) -> str:
    """sha256 over the names and contents of all lists, in the order they are read."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            content = path.read_bytes()
            digest.update(f"{path.name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
