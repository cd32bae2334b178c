"""Statements of reasons, as the DSA Transparency Database of the European Union takes them.

One JSON object on each line, one for each video that is restricted: rejected by the policy alone,
upheld by a person, or one whose approval a person overturned. `{"statements": [...]}` of up to 100
lines is a call of its API.

The database forbids personal data: names, words, notes and addresses of a video are left out, and
`puid` is a digest of the scan and the decision. Three fields are for the platform to correct, who
alone knows: `content_date` is when the video was scanned, `territorial_scope` the whole Union,
and `decision_visibility` is `CONTENT_REMOVED` unless the decision asks for less.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TextIO, TypeAlias

from moderation.decision import Decision, Outcome, Remedy, standing
from moderation.reports.judged import Judged, flagged
from moderation.reports.options import ReportOptions
from moderation.reports.text import json_line, one_line
from moderation.scan import Scan
from moderation.taxonomy import Taxonomy
from moderation.verdict import Action

__all__ = ["FACTS", "statement_of_reasons", "write_dsa"]

FACTS: Final = 5000
"""Characters that the database takes of the facts."""
_GROUND: Final = 500
_EXPLANATION: Final = 2000

_OTHER: Final = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
_UNION: Final = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
_IN_PARTS: Final = {
    Remedy.BLUR: "blurred",
    Remedy.MUTE: "muted",
    Remedy.CUT: "cut out",
}

Statement: TypeAlias = dict[str, Any]


def write_dsa(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """One statement on each line."""
    for scan in scans:
        statement = statement_of_reasons(scan, options.decisions(scan))
        if statement is not None:
            stream.write(json_line(statement) + "\n")


def statement_of_reasons(scan: Scan, decisions: Sequence[Decision]) -> Statement | None:
    """The statement of one video; None where nothing is restricted, or nothing found is left."""
    decision = standing(decisions)
    found = tuple(_accused(scan, decisions))
    if not (_is_restricted(scan, decision) and found):
        return None
    decided = decision.decided_at if decision else scan.scanned_at
    policy = scan.verdict.policy
    return {
        **_visibility(found),
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": _cut(f"{policy.name} {policy.version}", _GROUND),
        "incompatible_content_explanation": _cut(_explanation(scan, found), _EXPLANATION),
        "content_type": ["CONTENT_TYPE_VIDEO"],
        **_categories(found),
        "territorial_scope": list(_UNION),
        "content_date": scan.scanned_at.date().isoformat(),
        "application_date": decided.date().isoformat(),
        "decision_facts": _cut(_facts(found, decision), FACTS),
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": f"AUTOMATED_DECISION_{'PARTIALLY' if decision else 'FULLY'}",
        "puid": _puid(scan, decision),
    }


def _accused(scan: Scan, decisions: Sequence[Decision]) -> Iterator[tuple[str, Judged]]:
    """What a rule fired on or a person spoke of: faint evidence beside it is no fact."""
    fired = {one for reason in scan.verdict.reasons for one in reason.evidence_ids}
    for label, each in flagged(scan, decisions):
        if each.decision is not None or fired.intersection(each.segment.evidence_ids):
            yield label, each


def _is_restricted(scan: Scan, decision: Decision | None) -> bool:
    if decision is None:
        return scan.verdict.action is Action.REJECT
    if scan.verdict.action is not Action.APPROVE:
        return decision.outcome in (Outcome.UPHOLD, Outcome.PARTIAL)
    if decision.outcome is Outcome.UPHOLD:
        return any(each.remedy is not Remedy.NONE for each in decision.segments)
    return decision.outcome in (Outcome.OVERTURN, Outcome.PARTIAL)


def _visibility(found: Sequence[tuple[str, Judged]]) -> Statement:
    """Remedies restrict parts, and a reviewer who asks for some lets the rest be shown."""
    remedies = {each.remedy for _, each in found} - {Remedy.NONE}
    restricted = []
    if Remedy.AGE_RESTRICT in remedies:
        restricted.append("DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED")
    in_parts = [done for remedy, done in _IN_PARTS.items() if remedy in remedies]
    if in_parts:
        restricted.append("DECISION_VISIBILITY_OTHER")
    statement: Statement = {
        "decision_visibility": restricted or ["DECISION_VISIBILITY_CONTENT_REMOVED"]
    }
    if in_parts:
        statement["decision_visibility_other"] = f"parts are {', '.join(in_parts)}"
    return statement


def _categories(found: Iterable[tuple[str, Judged]]) -> Statement:
    """The category of what weighs most, then the others."""
    weighed = sorted(found, key=lambda each: _weight(*each), reverse=True)
    first, *others = dict.fromkeys(_category(label) for label, _ in weighed)
    return {"category": first} | ({"category_addition": others} if others else {})


def _weight(label: str, each: Judged) -> tuple[int, float]:
    taxonomy = Taxonomy.default()
    return (taxonomy.get(label).severity.rank if label in taxonomy else 0), each.segment.score


def _category(label: str) -> str:
    taxonomy = Taxonomy.default()
    return (taxonomy.get(label).dsa if label in taxonomy else "") or _OTHER


def _explanation(scan: Scan, found: Sequence[tuple[str, Judged]]) -> str:
    """What the rules that fired on it say, then what the labels mean."""
    taxonomy = Taxonomy.default()
    as_seen = (each.segment for label, each in found if label == each.segment.label)
    used = {seen for segment in as_seen for seen in segment.evidence_ids}
    fired = (each for each in scan.verdict.reasons if used.intersection(each.evidence_ids))
    rules = (one_line(reason.description or reason.rule) for reason in fired)
    meant = (taxonomy.get(label).description for label, _ in found if label in taxonomy)
    return "; ".join(dict.fromkeys((*rules, *meant))) or "breaks the terms of service"


def _facts(found: Iterable[tuple[str, Judged]], decision: Decision | None) -> str:
    who = "a person confirmed" if decision else "found by automated means"
    lines = (f"{one_line(label)} at {each.segment.span.start}" for label, each in found)
    reason = f"; reason {one_line(decision.reason)}" if decision and decision.reason else ""
    return f"{who}{reason}: {', '.join(dict.fromkeys(lines))}"


def _puid(scan: Scan, decision: Decision | None) -> str:
    """The same statement has the same id, and the database takes it once."""
    about = f"{scan.id}\n{decision.id if decision else ''}"
    return hashlib.sha256(about.encode("utf-8", "surrogatepass")).hexdigest()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
