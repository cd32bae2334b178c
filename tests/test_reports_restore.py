"""A scan goes into its JSON document and comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from moderation.errors import MediaFault
from moderation.evidence import Box, Word
from moderation.reports.document import Document, document
from moderation.reports.restore import restored
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.timeline import Instant, Span
from moderation.verdict import Action

HOURS_24_US = 24 * 3600 * 1_000_000


def sent(scan: Scan) -> Scan:
    """Through JSON and back."""
    return restored(Document.model_validate_json(document(scan).model_dump_json(by_alias=True)))


OF_OTHERS = ("coverage", "detail", "detectors", "thresholds", "values")
"""Objects whose names are those of detectors, or that they write themselves."""


def with_more(value: Any) -> Any:
    """Every object of ours has a field that nobody knows."""
    if isinstance(value, dict):
        known = {
            name: each if name in OF_OTHERS else with_more(each) for name, each in value.items()
        }
        return {"added_later": [1], **known}
    return [with_more(each) for each in value] if isinstance(value, list) else value


FULL = make_scan(
    make_evidence(
        start_s=1.5,
        end_s=2.5,
        best=Instant(2_000_001),
        box=Box(0.1, 0.2, 0.3, 0.4),
        text="knife",
        subject="track 1",
        detail={"path": [[0.1, 2]], "term": None},
    ),
    make_evidence(
        "Context/Speech",
        text="so be it",
        words=(
            Word("so", Span.from_seconds(1, 1.2), 0.9, "anna"),
            Word("be", Span.at(Instant(1)), 0),
        ),
    ),
    action=Action.INCOMPLETE,
    sandbox=("landlock", "seccomp"),
    cut_short="the decoder crashed",
)


@pytest.mark.parametrize(
    "scan",
    [FULL, make_scan(), make_failed_scan(MediaFault.TOO_LARGE)],
    ids=["full", "empty", "failed"],
)
def test_all_of_a_scan_comes_back(scan: Scan) -> None:
    assert sent(scan) == scan
    assert [each.id for each in sent(scan).evidence] == [each.id for each in scan.evidence]


def test_every_microsecond_of_a_day_comes_back() -> None:
    some = [at * 86_399_999 % HOURS_24_US for at in range(1_000)]
    seen = (make_evidence(start_s=0) for _ in some)
    moved = [
        replace(each, span=Span.at(Instant(at)), best=Instant(at))
        for each, at in zip(seen, some, strict=True)
    ]
    assert [each.span.start.us for each in sent(make_scan(*moved)).evidence] == some


def test_what_a_later_version_has_added_is_left_out() -> None:
    told = with_more(json.loads(document(FULL).model_dump_json(by_alias=True)))
    assert told["evidence"][0]["added_later"]
    assert restored(Document.model_validate(told)) == FULL


def test_a_fault_that_is_not_known_is_told() -> None:
    told = document(make_failed_scan()).model_dump(by_alias=True)
    told["failure"]["fault"] = "eaten"
    with pytest.raises(ValueError, match="eaten"):
        restored(Document.model_validate(told))
