"""A decision speaks against the rules and detectors whose segments were wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from moderation.blame import blame
from moderation.decision import Judgement, Outcome, SegmentDecision
from moderation.evidence import Producer
from moderation.scan import Scan
from moderation.store.convert import verdict_values
from moderation.testing.scans import make_evidence, make_scan

SPEECH = Producer("speech", "1.0", "whisper", "0" * 64)

KNIFE = make_evidence(start_s=1)
SECOND_KNIFE = make_evidence(start_s=40)
INSULT = make_evidence("Hate/Slur", start_s=5, end_s=6, producer=SPEECH)
PERSON = make_evidence("Context/Person", start_s=9)

SCAN = make_scan(KNIFE, SECOND_KNIFE, INSULT)
"""The rule `knife` fired twice on `objects`, `slur` once on `speech`."""


Shares = dict[str, float]


def ruling(outcome: Outcome, *said: SegmentDecision, scan: Scan = SCAN) -> tuple[Shares, Shares]:
    kept = TypeAdapter(tuple[SegmentDecision, ...]).dump_python(said, mode="json")
    return blame(outcome, kept, verdict_values(scan.verdict)["content"])


def said(number: int, judgement: Judgement, scan: Scan = SCAN, **more: Any) -> SegmentDecision:
    segment = scan.verdict.segments[number]
    return SegmentDecision(label=segment.label, span=segment.span, judgement=judgement, **more)


@pytest.mark.parametrize(("outcome", "wrong"), [(Outcome.UPHOLD, 0), (Outcome.OVERTURN, 1)])
def test_an_outcome_is_about_all_that_fired(outcome: Outcome, wrong: float) -> None:
    both = {"knife": wrong, "slur": wrong}, {"objects": wrong, "speech": wrong}
    assert ruling(outcome) == both


def test_a_partial_one_is_about_the_segments_that_it_names() -> None:
    one_of_two = (said(0, Judgement.REJECT), said(1, Judgement.CONFIRM))
    rules, detectors = ruling(Outcome.PARTIAL, *one_of_two)
    assert (rules, detectors) == ({"knife": 0.5}, {"objects": 0.5})


def test_of_segments_that_a_partial_one_does_not_name_nothing_is_known() -> None:
    assert ruling(Outcome.PARTIAL, said(2, Judgement.REJECT)) == (
        {"slur": 1},
        {"speech": 1},
    )
    assert ruling(Outcome.PARTIAL) == ({}, {})


def test_what_is_said_of_a_segment_goes_before_what_is_said_of_the_whole() -> None:
    rules, detectors = ruling(Outcome.UPHOLD, said(0, Judgement.REJECT))
    assert rules == {"knife": 0.5, "slur": 0}
    assert detectors == {"objects": 0.5, "speech": 0}


def test_a_label_that_is_corrected_was_wrong() -> None:
    toy = said(2, Judgement.CORRECT, corrected="Language/Profanity")
    assert ruling(Outcome.PARTIAL, toy) == ({"slur": 1}, {"speech": 1})


def test_a_detector_whose_evidence_decided_nothing_is_not_blamed() -> None:
    scan = make_scan(KNIFE, PERSON)
    only_knife = tuple(each for each in scan.verdict.reasons if each.rule == "knife")
    person = scan.verdict.segments[1]._replace(detectors=("faces",))
    verdict = replace(scan.verdict, reasons=only_knife, segments=(scan.verdict.segments[0], person))
    scan = replace(scan, verdict=verdict)
    assert ruling(Outcome.OVERTURN, scan=scan)[1] == {"objects": 1}
    judged = ruling(Outcome.OVERTURN, said(1, Judgement.CONFIRM, scan), scan=scan)
    assert judged[1] == {"objects": 1, "faces": 0}


def test_two_detectors_that_saw_the_same_are_blamed_both() -> None:
    scan = make_scan(KNIFE)
    seen = scan.verdict.segments[0]._replace(detectors=("nudity", "objects"))
    scan = replace(scan, verdict=replace(scan.verdict, segments=(seen,)))
    assert ruling(Outcome.OVERTURN, scan=scan)[1] == {"nudity": 1, "objects": 1}


def test_of_two_alike_but_for_their_subject_the_named_one_is_meant() -> None:
    ann, ben = (make_evidence(start_s=1, subject=name) for name in ("ann", "ben"))
    scan = make_scan(ann, ben)
    both = ruling(Outcome.PARTIAL, said(0, Judgement.REJECT, scan), scan=scan)
    one = ruling(Outcome.PARTIAL, said(0, Judgement.REJECT, scan, subject="ann"), scan=scan)
    other = ruling(
        Outcome.PARTIAL,
        said(0, Judgement.REJECT, scan, subject="ann"),
        said(1, Judgement.CONFIRM, scan, subject="ben"),
        scan=scan,
    )
    assert [each[0]["knife"] for each in (both, one, other)] == [1, 1, 0.5]


def test_a_verdict_of_which_retention_left_nothing_blames_nobody() -> None:
    bare: dict[str, list[Any]] = {"reasons": [], "segments": [], "missing": []}
    assert blame(Outcome.OVERTURN, [], bare) == ({}, {})
