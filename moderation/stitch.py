"""Stitching: what was seen in the sections of a video, as if it had been looked at in one piece."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from moderation.evidence import Evidence, Word
from moderation.examination import Examination
from moderation.scan import Video
from moderation.section import Section
from moderation.timeline import Instant
from moderation.verdict import Coverage, CoverageStatus

__all__ = ["stitch", "unseen", "with_silent"]

_NUMBERED: Final = re.compile(r"(face|track|speaker)[ _-]?\d+", re.IGNORECASE)
"""Who a detector tells apart in one look, and knows nothing of in another."""

_WORSE: Final = (
    CoverageStatus.NOT_APPLICABLE,
    CoverageStatus.COMPLETE,
    CoverageStatus.PARTIAL,
    CoverageStatus.DEGRADED,
    CoverageStatus.DISABLED,
    CoverageStatus.UNAVAILABLE,
    CoverageStatus.FAILED,
)


def stitch(seen: Sequence[tuple[Section, Examination]], video: Video) -> Examination:
    """One lane's examination of all sections, in their order."""
    looks = [look for _, look in seen]
    seconds = Counter[str]()
    for look in looks:
        seconds.update(look.seconds)
    return Examination(
        evidence=tuple(
            each for section, evidence in _once(seen) for each in _named(section, evidence)
        ),
        coverage=tuple(_covered(seen, video)),
        seconds=dict(seconds),
        scan_s=max((look.scan_s for look in looks), default=0.0),
        decoded=max(look.decoded for look in looks),
        cut_short="; ".join(sorted({look.cut_short for look in looks if look.cut_short})),
        sandbox=next((look.sandbox for look in looks if look.sandbox), ()),
    )


def unseen(detectors: Iterable[str], reason: str) -> Examination:
    """Of a section that nobody could look at."""
    failed = CoverageStatus.FAILED
    return Examination(
        coverage=tuple(Coverage(detector=each, status=failed, reason=reason) for each in detectors)
    )


def with_silent(look: Examination, detectors: Iterable[str]) -> Examination:
    """With those of whom nothing was said: not every worker need bring the same plugins."""
    silent = sorted(set(detectors) - {each.detector for each in look.coverage})
    missing = unseen(silent, "the worker that looked does not bring it").coverage
    return replace(look, coverage=(*look.coverage, *missing))


def _once(
    seen: Sequence[tuple[Section, Examination]],
) -> Iterator[tuple[Section, list[Evidence]]]:
    """A second look reaches over a border: who owns an instant, or came first, is believed."""
    told = {
        _sight(each) for section, look in seen for each in look.evidence if _owns(section, each)
    }
    for section, look in seen:
        kept = [each for each in look.evidence if _owns(section, each) or _sight(each) not in told]
        told.update(map(_sight, kept))
        yield section, kept


def _owns(section: Section, seen: Evidence) -> bool:
    return seen.span.start in section


def _sight(seen: Evidence) -> tuple[str, Instant]:
    """Whoever looked at it twice saw it twice."""
    return seen.producer.detector, seen.span.start


def _named(section: Section, evidence: Iterable[Evidence]) -> Iterator[Evidence]:
    """`face 1` of the second section is not that of the first."""
    for seen in evidence:
        if not section.number or not (seen.words or _is_numbered(seen.subject)):
            yield seen
            continue
        words = tuple(replace(each, speaker=_of(section, each.speaker)) for each in seen.words)
        yield _renamed(seen, _of(section, seen.subject), words)


def _renamed(seen: Evidence, subject: str | None, words: tuple[Word, ...]) -> Evidence:
    return replace(seen, subject=subject, words=words)


def _is_numbered(name: str | None) -> bool:
    return name is not None and _NUMBERED.fullmatch(name) is not None


def _of(section: Section, name: str | None) -> str | None:
    return f"{name} of section {section.number + 1}" if _is_numbered(name) else name


def _covered(seen: Sequence[tuple[Section, Examination]], video: Video) -> Iterator[Coverage]:
    found: dict[str, dict[Section, Coverage]] = defaultdict(dict)
    for section, look in seen:
        for each in look.coverage:
            found[each.detector][section] = each
    for parts in found.values():
        yield parts[next(iter(parts))] if len(seen) == 1 else _together(parts, video)


def _together(parts: Mapping[Section, Coverage], video: Video) -> Coverage:
    """As bad as the worst section; what it was to see of those that gave no figure is guessed."""
    worst = max(parts.values(), key=lambda each: _WORSE.index(each.status))
    known = {section: each for section, each in parts.items() if each.planned}
    rate = sum(each.planned for each in known.values()) / max(1, _length(known, video))
    missing = [section for section, each in parts.items() if _is_blank(each)]
    return replace(
        worst,
        planned=sum(each.planned for each in known.values()) + rate * _length(missing, video),
        examined=sum(each.examined for each in parts.values()),
        inherited=sum(each.inherited for each in parts.values()),
        unit=next((each.unit for each in known.values()), worst.unit),
        reason=_reason(parts),
    )


def _is_blank(coverage: Coverage) -> bool:
    """Nobody looked, so nobody counted what there was."""
    applies = coverage.status not in (CoverageStatus.COMPLETE, CoverageStatus.NOT_APPLICABLE)
    return applies and not coverage.planned


def _length(sections: Iterable[Section], video: Video) -> int:
    """Microseconds."""
    ends = ((each.start.us, each.end.us if each.end else video.duration_us) for each in sections)
    return sum(max(0, end - start) for start, end in ends)


def _reason(parts: Mapping[Section, Coverage]) -> str:
    """Where it was what; what is true everywhere is said once."""
    reasons = {section: each.reason for section, each in parts.items() if each.reason}
    if len(reasons) == len(parts) and len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{section}: {reason}" for section, reason in reasons.items())
