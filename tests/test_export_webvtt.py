"""WebVTT: read back by a parser that takes what the specification says, and nothing more."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from itertools import pairwise

import pytest

from moderation.decision import Outcome, Purpose, Remedy
from moderation.reports.webvtt import webvtt
from moderation.scan import Scan
from moderation.testing.decisions import confirmed, corrected, make_decision, rejected
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action

_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMES = re.compile(rf"{_TIME} --> {_TIME}", re.ASCII)
_REFERENCE = re.compile(r"&(?:amp|lt|gt|nbsp|lrm|rlm|#\d+);")


@dataclass(frozen=True)
class Cue:
    id: str
    start_ms: int
    end_ms: int
    text: str


def parse(text: str) -> tuple[list[Cue], list[str]]:
    """Cues and comments; `ValueError` for what is no valid file (W3C WebVTT, section 4)."""
    head, *blocks = re.split(r"\n{2,}", text.removesuffix("\n"))
    if not re.fullmatch(r"WEBVTT(?:[ \t][^\n]*)?", head) or "\r" in text or "\x00" in text:
        raise ValueError("no WebVTT file")
    notes = [block[5:] for block in blocks if block.startswith("NOTE ")]
    cues = [_cue(block) for block in blocks if not block.startswith("NOTE ")]
    if any("-->" in note for note in notes) or any(
        a.start_ms > b.start_ms for a, b in pairwise(cues)
    ):
        raise ValueError("an arrow in a comment, or a cue before its time")
    return cues, notes


def _cue(block: str) -> Cue:
    id, times, *payload = block.split("\n")
    found, text = _TIMES.fullmatch(times), "\n".join(payload)
    if found is None or "-->" in id or "-->" in text or "<" in text or not payload:
        raise ValueError(f"no cue: {block!r}")
    if "&" in _REFERENCE.sub("", text):
        raise ValueError(f"an ampersand by itself: {block!r}")
    numbers = [int(each) for each in found.groups()]
    start, end = _millis(*numbers[:4]), _millis(*numbers[4:])
    if end <= start:
        raise ValueError(f"a cue without length: {block!r}")
    return Cue(id, start, end, html.unescape(text))


def _millis(hours: int, minutes: int, seconds: int, millis: int) -> int:
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis


def cues_of(scan: Scan, *decisions: object) -> list[Cue]:
    return parse(webvtt(scan, decisions))[0]  # type: ignore[arg-type]


def test_a_flagged_segment_is_a_cue() -> None:
    scan = make_scan(make_evidence(start_s=62.5, end_s=64.25, text="give it to me", subject="one"))
    assert cues_of(scan) == [
        Cue("1", 62_500, 64_250, "Violence/Weapons/Knife · 80%\none give it to me")
    ]


def test_cues_stand_in_the_order_of_time() -> None:
    late, early = make_evidence(start_s=20), make_evidence("Hate/Slur", start_s=3)
    assert [each.start_ms for each in cues_of(make_scan(late, early))] == [3000, 20_000]


def test_context_is_no_cue() -> None:
    assert cues_of(make_scan(make_evidence("Context/Person"))) == []


@pytest.mark.parametrize("start_s", [5.0, 0.0, -1.5, 360_000.0])
def test_a_single_frame_is_a_cue_that_can_be_seen(start_s: float) -> None:
    (cue,) = cues_of(make_scan(make_evidence(start_s=start_s)))
    assert cue.start_ms == max(0, start_s * 1000)
    assert cue.end_ms - cue.start_ms == 1000


def test_what_a_person_said_is_shown() -> None:
    knife, word = make_evidence(start_s=1), make_evidence("Language/Profanity", start_s=5)
    toy, gun = make_evidence("Violence/Weapons/Other", start_s=7), "Violence/Weapons/Firearm"
    said = make_decision(
        corrected(knife, gun, Remedy.AGE_RESTRICT), confirmed(word, Remedy.MUTE), rejected(toy)
    )
    assert [each.text for each in cues_of(make_scan(knife, word, toy), said)] == [
        "Violence/Weapons/Firearm · 80% · corrected · age-restrict",
        "Language/Profanity · 80% · confirmed · mute",
    ]


def test_an_overturned_verdict_has_no_cues() -> None:
    said = make_decision(outcome=Outcome.OVERTURN)
    assert cues_of(make_scan(make_evidence()), said) == []


@pytest.mark.parametrize("action", [Action.REJECT, Action.REVIEW, Action.INCOMPLETE])
def test_who_overturns_a_verdict_against_a_video_may_confirm_a_part_of_it(action: Action) -> None:
    knife, word = make_evidence(), make_evidence("Language/Profanity", start_s=5)
    said = make_decision(confirmed(word), outcome=Outcome.OVERTURN)
    (cue,) = cues_of(make_scan(knife, word, action=action), said)
    assert cue.text.startswith("Language/Profanity")


def test_an_overturned_approval_keeps_what_the_detectors_saw() -> None:
    knife, word = make_evidence(), make_evidence("Language/Profanity", start_s=5)
    said = make_decision(rejected(word), outcome=Outcome.OVERTURN, purpose=Purpose.AUDIT)
    (cue,) = cues_of(make_scan(knife, word, action=Action.APPROVE), said)
    assert cue.text.startswith("Violence/Weapons/Knife")


def test_what_nobody_looked_at_is_a_comment() -> None:
    _, notes = parse(webvtt(make_scan(action=Action.INCOMPLETE), ()))
    assert notes == ["clip.mp4", "missing: objects examined 30 of 60 samples"]
    _, notes = parse(webvtt(make_failed_scan(), ()))
    assert "not scanned: broken.mp4 cannot be scanned (unreadable)" in notes


@pytest.mark.parametrize(
    "text",
    [
        "a --> b",
        "00:00:01.000 --> 00:00:02.000",
        "a\n\n1\n00:00:01.000 --> 00:00:02.000\nforged",
        "a\r\rNOTE b",
        "<script>x</script>",
        "<v Anna>&amp;&lt",
        "&",
        "]]>",
        "-\u200b->",
        "\x00\x1b[2J",
        "\ud800",
        "",
        " ",
    ],
)
def test_no_text_ends_a_cue_or_opens_a_tag(text: str) -> None:
    scan = make_scan(make_evidence(f"Hate/{text}", text=text, subject=text), name=text)
    written = webvtt(scan, ())
    cues, notes = parse(written)
    assert (len(cues), len(notes)) == (1, 1)
    written.encode("utf-8")
