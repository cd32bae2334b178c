"""Statements of reasons: as the Transparency Database's documentation of its API asks for them."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from moderation.decision import Decision, Outcome, Purpose, Remedy
from moderation.evidence import Evidence
from moderation.reports import FORMATS, ReportOptions
from moderation.reports.dsa import FACTS, statement_of_reasons
from moderation.scan import Scan
from moderation.taxonomy import Taxonomy
from moderation.testing.decisions import confirmed, corrected, make_decision, rejected
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action

CATEGORIES = {
    "STATEMENT_CATEGORY_ANIMAL_WELFARE",
    "STATEMENT_CATEGORY_CONSUMER_INFORMATION",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "STATEMENT_CATEGORY_CYBER_VIOLENCE_AGAINST_WOMEN",
    "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
    "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
    "STATEMENT_CATEGORY_RISK_FOR_PUBLIC_SECURITY",
    "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    "STATEMENT_CATEGORY_SELF_HARM",
    "STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
    "STATEMENT_CATEGORY_VIOLENCE",
}
LIMITS = {
    "decision_visibility_other": 500,
    "decision_facts": 5000,
    "incompatible_content_ground": 500,
    "incompatible_content_explanation": 2000,
}


def statement(scan: Scan, *decisions: Decision) -> dict[str, Any]:
    """The only line of the report, which the API would take."""
    stream = io.StringIO()
    FORMATS["dsa"]([scan], stream, ReportOptions(decisions=lambda _: decisions))
    (line,) = stream.getvalue().splitlines()
    made = json.loads(line, parse_constant=pytest.fail)
    check(made)
    return made  # type: ignore[no-any-return]


def check(made: dict[str, Any]) -> None:
    assert made["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    assert made["content_type"] == ["CONTENT_TYPE_VIDEO"]
    assert {made["category"], *made.get("category_addition", ())} <= CATEGORIES
    assert made["automated_detection"] in ("Yes", "No")
    assert made["source_type"] == "SOURCE_VOLUNTARY"
    assert re.fullmatch(r"[a-zA-Z0-9-_]{1,500}", made["puid"])
    assert len(made["territorial_scope"]) == 27
    for name in ("content_date", "application_date"):
        assert date.fromisoformat(made[name]) >= date(2020, 1, 1)
    for name, limit in LIMITS.items():
        assert 0 < len(made.get(name, "x")) <= limit
    other = "DECISION_VISIBILITY_OTHER" in made["decision_visibility"]
    assert ("decision_visibility_other" in made) == other


def approved(*evidence: Evidence) -> Scan:
    """A scan in which no rule fired."""
    scan = make_scan(*evidence, action=Action.APPROVE)
    return replace(scan, verdict=replace(scan.verdict, reasons=()))


def test_every_category_of_the_taxonomy_is_one_of_the_database() -> None:
    assert {label.dsa for label in Taxonomy.default() if label.is_violation} <= CATEGORIES


def test_what_the_policy_rejects_alone_is_fully_automated() -> None:
    made = statement(make_scan(make_evidence(), action=Action.REJECT))
    assert made["automated_decision"] == "AUTOMATED_DECISION_FULLY"
    assert made["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED"]
    assert made["category"] == "STATEMENT_CATEGORY_VIOLENCE"
    assert made["application_date"] == made["content_date"] == "2026-11-20"
    assert made["decision_facts"] == (
        "found by automated means: Violence/Weapons/Knife at 0:00:01.000"
    )


def test_what_a_person_upholds_is_partially_automated() -> None:
    knife = make_evidence()
    said = make_decision(confirmed(knife), outcome=Outcome.UPHOLD, reason="weapon")
    made = statement(make_scan(knife), said)
    assert made["automated_decision"] == "AUTOMATED_DECISION_PARTIALLY"
    assert made["application_date"] == "2026-11-21"
    assert made["decision_facts"].startswith("a person confirmed; reason weapon: ")


@pytest.mark.parametrize("action", [Action.APPROVE, Action.REVIEW, Action.INCOMPLETE])
def test_what_is_not_restricted_has_no_statement(action: Action) -> None:
    assert statement_of_reasons(make_scan(make_evidence(), action=action), ()) is None


def test_what_a_person_overturns_has_no_statement() -> None:
    scan = make_scan(make_evidence(), action=Action.REJECT)
    assert statement_of_reasons(scan, [make_decision(outcome=Outcome.OVERTURN)]) is None


def test_an_approval_that_a_person_overturns_is_restricted_for_what_they_confirm() -> None:
    knife, faint = make_evidence(), make_evidence("Smoking", start_s=9)
    said = make_decision(confirmed(knife), outcome=Outcome.OVERTURN)
    made = statement(approved(knife, faint), said)
    assert made["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED"]
    assert made["decision_facts"] == "a person confirmed: Violence/Weapons/Knife at 0:00:01.000"


def test_a_decision_of_which_no_segment_is_left_has_no_statement() -> None:
    knife = make_evidence()
    assert statement_of_reasons(make_scan(knife), [make_decision(rejected(knife))]) is None


@pytest.mark.parametrize("outcome", [Outcome.SKIP, Outcome.ESCALATE])
def test_what_nobody_has_decided_yet_has_no_statement(outcome: Outcome) -> None:
    assert (
        statement_of_reasons(make_scan(make_evidence()), [make_decision(outcome=outcome)]) is None
    )


def test_an_appeal_that_is_upheld_is_a_statement_of_its_own() -> None:
    knife = make_evidence()
    first = make_decision(confirmed(knife))
    appeal = make_decision(
        confirmed(knife), id=2, purpose=Purpose.APPEAL, decided_at=datetime(2026, 12, 1, tzinfo=UTC)
    )
    one, two = statement(make_scan(knife), first), statement(make_scan(knife), first, appeal)
    assert one["puid"] != two["puid"]
    assert two["application_date"] == "2026-12-01"


def test_the_same_decision_has_the_same_id() -> None:
    scan = make_scan(make_evidence(), action=Action.REJECT)
    assert statement(scan)["puid"] == statement(scan)["puid"]


def test_remedies_restrict_parts_and_not_the_whole() -> None:
    knife, word = make_evidence(), make_evidence("Language/Profanity", start_s=5)
    said = make_decision(confirmed(knife, Remedy.AGE_RESTRICT), confirmed(word, Remedy.MUTE))
    made = statement(make_scan(knife, word), said)
    assert made["decision_visibility"] == [
        "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
        "DECISION_VISIBILITY_OTHER",
    ]
    assert made["decision_visibility_other"] == "parts are muted"


def test_the_category_is_that_of_the_most_severe_label_and_others_are_added() -> None:
    word, bomb = (
        make_evidence("Language/Profanity", 0.99),
        make_evidence("Violence/Weapons/Explosive", 0.5),
    )
    made = statement(make_scan(word, bomb, action=Action.REJECT))
    assert made["category"] == "STATEMENT_CATEGORY_VIOLENCE"
    assert made["category_addition"] == ["STATEMENT_CATEGORY_OTHER_VIOLATION_TC"]


def test_what_was_corrected_is_explained_by_the_right_label() -> None:
    knife = make_evidence()
    said = make_decision(corrected(knife, "Violence/Weapons/Firearm"))
    made = statement(make_scan(knife), said)
    assert made["incompatible_content_explanation"] == "A gun, rifle or other firearm"
    assert "Knife" not in made["decision_facts"]


def test_no_word_or_name_of_anybody_is_told() -> None:
    secret = "Erika Mustermann"
    seen = make_evidence(text=secret, subject=secret, detail={"name": secret})
    scan = replace(make_scan(seen, name=f"/home/{secret}/clip.mp4"), id=secret)
    said = make_decision(confirmed(seen), person=secret, note=secret)
    assert secret not in json.dumps(statement(scan, said))


def test_long_facts_are_cut_where_the_database_stops_reading() -> None:
    many = [make_evidence(f"Hate/Slur/{'x' * 50}{each}", start_s=each) for each in range(200)]
    made = statement(make_scan(*many, action=Action.REJECT))
    assert len(made["decision_facts"]) == FACTS


def test_hostile_labels_and_reasons_leave_strict_json_on_one_line() -> None:
    seen = make_evidence("a\n\ud800\u2028/b\x00")
    statement(make_scan(seen), make_decision(confirmed(seen), reason="\n=\ud800"))
