"""Neighbouring evidence, merged: what a rule counts and what a person is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from moderation.evidence import Evidence
from moderation.timeline import Instant, Span
from moderation.verdict import Segment

__all__ = ["Piece", "Run", "merge", "pieces_of"]


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
        span, samples = each.span, _samples(each) if each.detail else 1
        piece = Piece(span.start.us, span.end.us, each.id, each.score, samples, each)
        known = unique.get(piece.id)
        # An id says nothing of the best instant: whichever comes first must not decide it.
        if known is None or each.best.us < known.evidence.best.us:
            unique[piece.id] = piece
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

    def segment(self) -> Segment:
        piece, seen = self.best, self.best.evidence
        is_single = len(self.pieces) == 1
        span = seen.span if is_single else self.span
        ids = tuple([each.id for each in self.pieces])
        detectors = (seen.producer.detector,) if is_single else self._detectors()
        return Segment(  # by position, which is half the time
            seen.label,
            seen.score,
            span,
            seen.best,
            piece.id,
            ids,
            detectors,
            seen.subject,
            seen.text,
            self.samples,
        )

    def _detectors(self) -> tuple[str, ...]:
        return tuple(sorted({piece.evidence.producer.detector for piece in self.pieces}))


def merge(pieces: Sequence[Piece], max_gap: int) -> list[Run]:
    """Cut pieces, in the order of time, where nothing is seen for more than `max_gap`."""
    if len(pieces) == 1:
        return [Run.of(pieces)]
    runs: list[Run] = []
    first, end = 0, 0
    for index, piece in enumerate(pieces):
        if index > first and piece.start - end > max_gap:
            runs.append(Run.of(pieces[first:index]))
            first, end = index, piece.end
        elif piece.end > end:
            end = piece.end
    if pieces:
        runs.append(Run.of(pieces[first:]))
    return runs


_SCORE = attrgetter("score")
