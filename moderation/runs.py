"""Neighbouring evidence, merged: what a rule counts and what a person is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from moderation.evidence import Evidence
from moderation.timeline import Instant, Span
from moderation.verdict import Segment

_new: Final = tuple.__new__
"""Makes a named tuple of all its fields; its own way is a call of Python more, half its time."""

__all__ = ["Piece", "Run", "merge", "pieces_of", "segments"]


class Piece(NamedTuple):
    """One piece of evidence, with what fusion reads of it at hand; sorts by time.

    start, end  microseconds
    samples     instants that a track was seen at, where its detector says so; otherwise 1
    """

    start: int
    end: int
    id: str
    score: float
    samples: int
    evidence: Evidence


def pieces_of(evidence: Iterable[Evidence]) -> list[Piece]:
    """In the order of time, each sight once, whatever the order they come in."""
    unique: dict[str, Piece] = {}
    for each in evidence:
        span, own_id, samples = each.span, each.id, _samples(each) if each.detail else 1
        known = unique.get(own_id)
        # An id says nothing of the best instant: whichever comes first must not decide it.
        if known is None or each.best.us < known.evidence.best.us:
            fields = span.start.us, span.end.us, own_id, each.score, samples, each
            unique[own_id] = _new(Piece, fields)
    return sorted(unique.values())


def _samples(evidence: Evidence) -> int:
    claimed = evidence.detail.get("samples")
    return claimed if type(claimed) is int and claimed > 1 else 1


class Run(NamedTuple):
    """Pieces in the order of time, none of them far from those before.

    start, end  microseconds
    best        the first of the pieces with the highest score
    samples     different instants at which it was seen, by however many detectors; tracks are
                not added up, because two that follow one thing see the same instants
    """

    pieces: Sequence[Piece]
    start: int
    end: int
    best: Piece
    samples: int

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Run:
        """Raises `ValueError` for no pieces."""
        if len(pieces) == 1:
            (piece,) = pieces
            return cls(pieces, piece.start, piece.end, piece, piece.samples)
        tracked = max([piece.samples for piece in pieces])
        samples = max(tracked, len({piece.start for piece in pieces}))
        end = max([piece.end for piece in pieces])
        return cls(pieces, pieces[0].start, end, max(pieces, key=_SCORE), samples)

    @property
    def duration_us(self) -> int:
        return self.end - self.start

    @property
    def span(self) -> Span:
        return Span(Instant(self.start), Instant(self.end))

    @property
    def score(self) -> float:
        return self.best.score

    @property
    def label(self) -> str:
        return self.best.evidence.label

    @property
    def subject(self) -> str | None:
        return self.best.evidence.subject


def segments(groups: Iterable[Sequence[Piece]], max_gap: int) -> list[Segment]:
    """What people are shown of groups of pieces, each in the order of time; sorted by time."""
    # A tuple sorts without a key; no two of them have one id, so no segments are compared.
    shown = sorted([_shown(pieces) for group in groups for pieces in _cut(group, max_gap)])
    return [each[-1] for each in shown]


def _shown(pieces: Sequence[Piece]) -> tuple[int, int, str, str, Segment]:
    ids: tuple[str, ...]
    detectors: tuple[str, ...]
    if len(pieces) == 1:  # as most do, so it is worth its own lines
        start, end, best_id, _, samples, seen = pieces[0]
        span, ids, detectors = seen.span, (best_id,), (seen.producer.detector,)
    else:
        run = Run.of(pieces)
        start, end, span, samples = run.start, run.end, run.span, run.samples
        best_id, seen = run.best.id, run.best.evidence
        ids = tuple([each.id for each in pieces])
        detectors = tuple(sorted({each.evidence.producer.detector for each in pieces}))
    fields = (
        seen.label, seen.score, span, seen.best, best_id, ids, detectors, seen.subject, seen.text,
        samples,
    )  # fmt: skip
    return start, end, seen.label, best_id, _new(Segment, fields)


def merge(pieces: Sequence[Piece], max_gap: int) -> list[Run]:
    """Cut pieces, in the order of time, where nothing is seen for more than `max_gap`."""
    return [Run.of(each) for each in _cut(pieces, max_gap)]


def _cut(pieces: Sequence[Piece], max_gap: int) -> list[Sequence[Piece]]:
    if len(pieces) < 2:
        return [pieces] if pieces else []
    runs = []
    first, end = 0, pieces[0].end
    for index, piece in enumerate(pieces):
        if piece.start - end > max_gap:
            runs.append(pieces[first:index])
            first, end = index, piece.end
        elif piece.end > end:
            end = piece.end
    return [*runs, pieces[first:]]


_SCORE = attrgetter("score")
