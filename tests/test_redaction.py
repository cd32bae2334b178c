"""Which edits carry remedies out: where a blur lies, which words are muted, what is cut."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from moderation.covers import Part
from moderation.decision import Decision, Judgement, Outcome, Remedy, SegmentDecision
from moderation.errors import ConfigurationError
from moderation.evidence import Box, Evidence, Producer, Word
from moderation.redaction import Edit, Treatment, decided, edits, labelled
from moderation.redaction_manifest import entry, read_edits
from moderation.testing.decisions import make_decision
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import Instant, Span
from moderation.trail import PATH, Trail

KNIFE = "Violence/Weapons/Knife"
SLUR = "Hate/Slur"
CENTRE = Box(0.4, 0.4, 0.2, 0.2)


def treated(*evidence: Evidence, remedy: Remedy, bleep: bool = False) -> Edit:
    """The edit of one segment with this evidence."""
    treatment = Treatment(
        label=evidence[0].label,
        span=Span.hull(each.span for each in evidence),
        remedy=remedy,
        evidence_ids=tuple(each.id for each in evidence),
    )
    (edit,) = edits([treatment], [make_scan(*evidence)], bleep=bleep)
    return edit


def spans(seen: Evidence, remedy: Remedy, *others: Evidence, **coverage: Any) -> list[Span]:
    """When evidence is treated that was found under such coverage."""
    scan = make_scan(seen, *others)
    scan = replace(scan, coverage=(replace(scan.coverage[0], **coverage),))
    treatment = Treatment(label=seen.label, span=seen.span, remedy=remedy, evidence_ids=(seen.id,))
    (edit,) = edits([treatment], [scan])
    return [part.span for part in edit.parts]


def knife(at_s: float, box: Box) -> Evidence:
    return make_evidence(start_s=at_s, box=box)


def hides(edit: Edit, at_s: float, box: Box) -> bool:
    """Whether one part hides all of the box at the time."""
    at = Instant.from_seconds(at_s)
    return any(_holds(_at(part, at), box) for part in edit.parts if _lasts(part, at))


def hidden(edit: Edit, at_s: float) -> bool:
    """Whether anything is hidden at the time."""
    return any(_lasts(part, Instant.from_seconds(at_s)) for part in edit.parts)


def _lasts(part: Part, at: Instant) -> bool:
    return part.span.start <= at < part.span.end


def _at(part: Part, at: Instant) -> Box:
    if part.box is None:
        return Box(0, 0, 1, 1)
    other = part.box_to or part.box
    share = (at - part.span.start) / part.span.duration_us
    corners = zip(_corners(part.box), _corners(other), strict=True)
    return Box.from_corners(*((1 - share) * a + share * b for a, b in corners))


def _corners(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def _holds(outer: Box, inner: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and outer.right >= inner.right
        and outer.bottom >= inner.bottom
    )


def shifted(box: Box, x: float) -> Box:
    return Box(box.left + x, box.top, box.width, box.height)


# Blurs


def test_a_box_moves_evenly_from_sample_to_sample() -> None:
    edit = treated(knife(1, CENTRE), knife(2, shifted(CENTRE, 0.2)), remedy=Remedy.BLUR)
    for tenth in range(10):
        assert hides(edit, 1 + tenth / 10, shifted(CENTRE, 0.02 * tenth))
    assert not any(part.box is None for part in edit.parts)


def test_a_thing_that_starts_and_stops_slowly_is_hidden_on_its_way() -> None:
    edit = treated(knife(1, CENTRE), knife(2, shifted(CENTRE, 0.2)), remedy=Remedy.BLUR)
    for twentieth in range(20):
        share = twentieth / 20
        eased = share * share * (3 - 2 * share)
        assert hides(edit, 1 + share, shifted(CENTRE, 0.2 * eased))


def test_what_is_seen_in_one_frame_is_hidden_half_a_period_around_it() -> None:
    edit = treated(knife(5, CENTRE), remedy=Remedy.BLUR)
    assert all(hides(edit, at, CENTRE) for at in (4.51, 5, 5.49))
    assert not any(hidden(edit, at) for at in (4.49, 5.51))


def test_a_thing_that_moves_is_hidden_where_it_goes_on_to() -> None:
    edit = treated(knife(1, CENTRE), knife(2, shifted(CENTRE, 0.1)), remedy=Remedy.BLUR)
    assert hides(edit, 2.49, shifted(CENTRE, 0.149))
    assert hides(edit, 0.51, shifted(CENTRE, -0.049))


def test_the_sampling_of_a_slower_detector_is_heeded() -> None:
    seen = knife(20, CENTRE)
    scan = make_scan(seen)  # a minute, of which 60 frames were planned
    slow = replace(scan, coverage=(replace(scan.coverage[0], planned=12),))
    treatment = Treatment(label=KNIFE, span=seen.span, remedy=Remedy.BLUR, evidence_ids=(seen.id,))
    (edit,) = edits([treatment], [slow])
    assert hides(edit, 17.6, CENTRE)
    assert hides(edit, 22.4, CENTRE)


def test_two_things_at_once_keep_their_own_boxes() -> None:
    left, right = Box(0.1, 0.4, 0.1, 0.2), Box(0.8, 0.4, 0.1, 0.2)
    seen = [knife(at, shifted(box, at / 100)) for at in (1, 2, 3) for box in (left, right)]
    edit = treated(*seen, remedy=Remedy.BLUR)
    for at in (1.0, 1.5, 2.5, 3.4):
        assert hides(edit, at, shifted(left, at / 100))
        assert hides(edit, at, shifted(right, at / 100))
        assert not hides(edit, at, CENTRE)


def test_a_frame_in_which_one_of_two_was_missed_shows_neither() -> None:
    left, right = Box(0.1, 0.4, 0.1, 0.2), Box(0.8, 0.4, 0.1, 0.2)
    seen = [knife(at, left) for at in (1, 2, 3)] + [knife(at, right) for at in (1, 3)]
    edit = treated(*seen, remedy=Remedy.BLUR)
    assert all(hides(edit, at, right) for at in (1.6, 2.0, 2.4))


def test_a_thing_that_jumps_is_hidden_in_both_places_and_between() -> None:
    here, there = Box(0.05, 0.1, 0.1, 0.1), Box(0.8, 0.8, 0.1, 0.1)
    edit = treated(knife(1, here), knife(2, there), remedy=Remedy.BLUR)
    assert hides(edit, 1.4, here)
    assert hides(edit, 1.6, there)
    assert hides(edit, 1.5, Box(0.425, 0.45, 0.1, 0.1))


def test_the_path_of_what_was_followed_is_followed() -> None:
    trail = Trail()
    for at in range(1, 5):
        trail.add(Instant.from_seconds(at), Box(0.1 * at, 0.4, 0.1, 0.2))
    face = make_evidence(
        "Context/Face", start_s=1, end_s=4, subject="face 1", box=CENTRE, detail={PATH: trail.path}
    )
    edit = treated(face, remedy=Remedy.BLUR)
    assert all(hides(edit, at, Box(0.1 * at, 0.4, 0.1, 0.2)) for at in (1.0, 1.5, 2.25, 3.9))
    assert not hides(edit, 1.0, Box(0.4, 0.4, 0.1, 0.2))
    assert not edit.note


def test_a_trail_grows_while_a_thing_moves_and_not_while_it_stands() -> None:
    trail = Trail()
    for at in range(100):
        creeping = min(at, 50) / 1_000
        trail.add(Instant.from_seconds(at), shifted(CENTRE, creeping))
    assert 5 < len(trail.path) < 40
    assert [trail.path[0][0], trail.path[-1][0]] == [0, 99_000_000]
    seen = make_evidence("Context/Face", start_s=0, end_s=99, detail={PATH: trail.path})
    edit = treated(seen, remedy=Remedy.BLUR)
    assert all(hides(edit, at, shifted(CENTRE, min(at, 50) / 1_000)) for at in range(100))


def test_a_trail_that_is_longer_than_evidence_may_be_is_given_up() -> None:
    trail = Trail()
    for at in range(2_000):
        trail.add(Instant.from_seconds(at), shifted(CENTRE, at % 7 / 20))
    assert trail.path == []


def test_a_span_with_one_known_place_hides_the_whole_picture_and_says_so() -> None:
    face = make_evidence("Context/Face", start_s=1, end_s=4, subject="face 1", box=CENTRE)
    edit = treated(face, remedy=Remedy.BLUR)
    assert hides(edit, 2, Box(0, 0, 1, 1))
    assert "whole picture" in edit.note


def test_a_term_is_hidden_with_its_line() -> None:
    path = [[1_000_000, 0.1, 0.8, 0.5, 0.1], [3_000_000, 0.1, 0.8, 0.5, 0.1]]
    line = make_evidence("Context/Screen text", start_s=1, end_s=3, detail={"path": path})
    term = make_evidence(
        SLUR, start_s=1, end_s=3, box=Box(0.3, 0.8, 0.1, 0.1), detail={"source": line.id}
    )
    treatment = Treatment(label=SLUR, span=term.span, remedy=Remedy.BLUR, evidence_ids=(term.id,))
    (edit,) = edits([treatment], [make_scan(line, term)])
    assert hides(edit, 2, Box(0.1, 0.8, 0.5, 0.1))
    assert not hides(edit, 2, CENTRE)


# Words and cuts


def spoken(*words: tuple[str, float, float]) -> Evidence:
    said = tuple(Word(text, Span.from_seconds(a, b), 0.9) for text, a, b in words)
    span = Span.hull(word.span for word in said)
    return Evidence(
        label=SLUR, score=0.9, span=span, words=said, text="a b", producer=Producer("text")
    )


def test_words_are_muted_and_not_what_is_said_between_them() -> None:
    edit = treated(spoken(("a", 1, 1.3), ("b", 5, 5.4)), remedy=Remedy.MUTE, bleep=True)
    assert edit.bleep
    assert all(hidden(edit, at) for at in (0.91, 1.2, 1.39, 4.91, 5.49))
    assert not any(hidden(edit, at) for at in (0.89, 1.41, 3, 4.89, 5.51))


def test_a_cut_takes_half_a_period_around_what_was_seen() -> None:
    edit = treated(knife(4, CENTRE), knife(6, CENTRE), remedy=Remedy.CUT)
    assert [part.span for part in edit.parts] == [Span.from_seconds(3.5, 6.5)]


@pytest.mark.parametrize("remedy", [Remedy.BLUR, Remedy.MUTE, Remedy.CUT])
def test_what_was_seen_without_a_place_is_treated_half_a_period_around_it(remedy: Remedy) -> None:
    edit = treated(make_evidence("Violence/Graphic violence", start_s=4), remedy=remedy)
    assert [part.span for part in edit.parts] == [Span.from_seconds(3.5, 4.5)]


@pytest.mark.parametrize("remedy", [Remedy.BLUR, Remedy.MUTE, Remedy.CUT])
def test_the_period_is_that_of_the_scan(remedy: Remedy) -> None:
    seen = make_evidence("Violence/Graphic violence", start_s=20)
    assert spans(seen, remedy, planned=12) == [Span.from_seconds(17.5, 22.5)]  # of a minute


@pytest.mark.parametrize("remedy", [Remedy.MUTE, Remedy.CUT])
def test_what_was_heard_without_words_is_taken_at_its_times(remedy: Remedy) -> None:
    heard = make_evidence("Violence/Gunshot", start_s=4, end_s=5)
    assert spans(heard, remedy, unit="seconds") == [Span.from_seconds(3.9, 5.1)]


@pytest.mark.parametrize("remedy", [Remedy.MUTE, Remedy.CUT])
def test_a_term_has_the_period_of_its_line(remedy: Remedy) -> None:
    line = make_evidence("Context/Screen text", start_s=20, end_s=21)
    read = Producer("terms")
    term = make_evidence(
        SLUR, start_s=20, end_s=21, producer=read, box=CENTRE, detail={"source": line.id}
    )
    assert spans(term, remedy, line, planned=12) == [Span.from_seconds(17.5, 23.5)]


@pytest.mark.parametrize("remedy", [Remedy.BLUR, Remedy.MUTE, Remedy.CUT])
def test_what_nobody_knows_who_saw_it_is_treated_as_the_slowest_saw_it(remedy: Remedy) -> None:
    other = make_evidence("Smoking", start_s=50)
    scan = make_scan(other)
    slow = replace(scan, coverage=(replace(scan.coverage[0], planned=12),))
    treatment = Treatment(label=KNIFE, span=Span.from_seconds(20, 21), remedy=remedy)
    (edit,) = edits([treatment], [slow])
    assert [part.span for part in edit.parts] == [Span.from_seconds(17.5, 23.5)]


def test_a_cut_takes_spoken_words_whole() -> None:
    edit = treated(spoken(("a", 1, 1.3)), remedy=Remedy.CUT)
    assert [part.span for part in edit.parts] == [Span.from_seconds(0.9, 1.4)]


@pytest.mark.parametrize("remedy", [Remedy.NONE, Remedy.AGE_RESTRICT])
def test_some_remedies_change_no_file(remedy: Remedy) -> None:
    edit = treated(knife(4, CENTRE), remedy=remedy)
    assert not edit.parts
    assert not edit.changes_file
    assert not entry(edit).done
    assert entry(edit).reason


# Where remedies come from


def test_a_decision_says_the_remedy_of_each_segment() -> None:
    seen = knife(4, CENTRE)
    segment = SegmentDecision(
        label=KNIFE, span=seen.span, judgement=Judgement.CONFIRM, remedy=Remedy.BLUR
    )
    decision = Decision(
        id=7,
        item_id="abc",
        number=2,
        person="ada",
        outcome=Outcome.UPHOLD,
        reason="weapons",
        note="",
        segments=(segment,),
        seconds=3.0,
        decided_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    (edit,) = edits(decided(decision), [make_scan(seen, make_evidence("Smoking", start_s=4))])
    assert hides(edit, 4, CENTRE)
    told = entry(edit).decision
    assert told is not None
    assert (told.id, told.item, told.reviewer, told.reason) == (7, "abc", "ada", "weapons")


def test_nothing_is_done_about_what_a_person_rejects() -> None:
    said = SegmentDecision(
        label=KNIFE,
        span=Span.from_seconds(1, 2),
        judgement=Judgement.REJECT,
        remedy=Remedy.BLUR,
    )
    assert decided(make_decision(said)) == ()


def test_the_nearest_label_names_the_remedy() -> None:
    scan = make_scan(
        make_evidence("Violence/Weapons/Knife"),
        make_evidence("Violence/Weapons/Firearm"),
        make_evidence("Drugs"),
        make_evidence("Context/Face"),
    )
    remedies = {"Violence": Remedy.BLUR, "Violence/Weapons/Knife": Remedy.CUT}
    chosen = labelled(scan.verdict.segments, remedies, Remedy.MUTE)
    assert {each.label: each.remedy for each in chosen} == {
        "Violence/Weapons/Knife": Remedy.CUT,
        "Violence/Weapons/Firearm": Remedy.BLUR,
        "Drugs": Remedy.MUTE,
    }


def test_evidence_that_is_not_stored_any_more_is_an_error() -> None:
    gone = Treatment(
        label=KNIFE, span=Span.from_seconds(1, 2), remedy=Remedy.BLUR, evidence_ids=("f00d",)
    )
    with pytest.raises(ConfigurationError, match="f00d is not stored"):
        edits([gone], [make_scan(knife(1, CENTRE))])


# Files of edits


def test_the_edits_of_a_manifest_can_be_carried_out_again(tmp_path: Path) -> None:
    edit = treated(knife(1, CENTRE), knife(2, shifted(CENTRE, 0.1)), remedy=Remedy.BLUR)
    path = tmp_path / "edits.json"
    path.write_text(json.dumps({"edits": [entry(edit).model_dump(mode="json")], "notes": []}))
    assert read_edits(path) == (edit,)


def test_an_edit_without_parts_is_about_all_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "edits.json"
    path.write_text('{"edits": [{"remedy": "cut", "start_s": 1.5, "end_s": 2}]}')
    (edit,) = read_edits(path)
    assert edit.parts == (Part(Span.from_seconds(1.5, 2)),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"edits": 3}',
        '{"edits": [{"remedy": "burn", "start_s": 1, "end_s": 2}]}',
        '{"edits": [{"remedy": "cut", "start_s": 2, "end_s": 1}]}',
        '{"edits": [{"remedy": "cut", "start_s": 2, "end_s": 2}]}',
        '{"edits": [{"remedy": "cut", "start_s": -1, "end_s": 1}]}',
        '{"edits": [{"remedy": "cut", "start_s": 1, "end_s": 1e308}]}',
        '{"edits": [{"remedy": "cut", "start_s": 1, "end_s": NaN}]}',
        '{"edits": [{"remedy": "blur", "start_s": 1, "end_s": 2, "bleep": true}]}',
        '{"edits": [{"remedy": "blur", "start_s": 1, "end_s": 2, "parts": '
        '[{"start_s": 1, "end_s": 2, "box": [0, 0, 2, 1]}]}]}',
    ],
)
def test_a_file_that_holds_no_edits_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edits.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="holds no edits"):
        read_edits(path)
