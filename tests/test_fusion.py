"""From evidence to a verdict: merging, corroboration, combination, coverage, failing closed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.evidence import Evidence, Producer
from moderation.fusion import MAX_REASON_EVIDENCE, MAX_REASONS, fuse
from moderation.policy import Policy
from moderation.timeline import Span
from moderation.verdict import Action, Coverage, CoverageStatus, Reason, Severity, Verdict

HEAD = 'schema = "moderation.policy/v1"\nname = "t"\nversion = "1"\n'
KNIFE, THREAT = "Violence/Weapons/Knife", "Violence/Threat"
DEFAULT = Policy.read("default")
SEEN_ALL = [
    Coverage(detector=name, status=CoverageStatus.COMPLETE, planned=10, examined=10)
    for name in DEFAULT.required
]


def policy(*rules: str, head: str = "") -> Policy:
    tables = [f'[[rules]]\nid = "r{number}"\n{rule}\n' for number, rule in enumerate(rules)]
    return Policy.parse(HEAD + head + "".join(tables), "t.toml")


def seen(
    label: str,
    start: float,
    end: float | None = None,
    *,
    score: float = 0.9,
    by: str = "objects",
    subject: str | None = None,
    text: str | None = None,
    samples: int | None = None,
) -> Evidence:
    return Evidence(
        label=label,
        score=score,
        span=Span.from_seconds(start, start if end is None else end),
        subject=subject,
        text=text,
        detail={} if samples is None else {"samples": samples},
        producer=Producer(by, "1"),
    )


def judged(policy: Policy, *evidence: Evidence) -> Verdict:
    return fuse(evidence, [], policy)


def only_reason(policy: Policy, *evidence: Evidence) -> Reason:
    (reason,) = judged(policy, *evidence).reasons
    return reason


# Segments


def test_no_evidence_and_no_requirement_is_approved() -> None:
    verdict = judged(policy())
    assert (verdict.action, verdict.severity) == (Action.APPROVE, Severity.NONE)
    assert (verdict.reasons, verdict.segments, verdict.missing) == ((), (), ())


def test_neighbouring_evidence_is_one_segment_with_its_best_frame() -> None:
    frames = [seen(KNIFE, 1, score=0.5), seen(KNIFE, 3, score=0.8), seen(KNIFE, 6, score=0.7)]
    (segment,) = judged(policy(), *frames).segments
    assert segment.span == Span.from_seconds(1, 6)
    assert (segment.score, segment.best, segment.best_id) == (0.8, frames[1].best, frames[1].id)
    assert segment.evidence_ids == tuple(frame.id for frame in frames)
    assert segment.samples == 3


def test_a_gap_beyond_the_policys_cuts_a_segment() -> None:
    near = policy(head='segments = { max_gap = "2s" }\n')
    evidence = [seen(KNIFE, 1), seen(KNIFE, 3), seen(KNIFE, 5.000001)]
    assert [segment.samples for segment in judged(near, *evidence).segments] == [2, 1]


def test_a_gap_is_measured_from_the_latest_end() -> None:
    evidence = [seen(KNIFE, 0, 20), seen(KNIFE, 1, 2), seen(KNIFE, 22)]
    (segment,) = judged(policy(), *evidence).segments
    assert segment.span == Span.from_seconds(0, 22)


def test_labels_subjects_and_texts_stay_apart() -> None:
    evidence = [
        seen("Context/Speech", 1, text="one"),
        seen("Context/Speech", 1, text="two"),
        seen("Context/Face", 1, subject="a"),
        seen("Context/Face", 1, subject="b"),
    ]
    assert len(judged(policy(), *evidence).segments) == 4


def test_a_line_that_is_read_again_is_the_same_text() -> None:
    evidence = [seen("Context/Screen text", 1, text="Sale now"),
                seen("Context/Screen text", 2, text="SALE  now")]  # fmt: skip
    (segment,) = judged(policy(), *evidence).segments
    assert segment.text == "Sale now"


def test_two_detectors_share_a_segment() -> None:
    (segment,) = judged(policy(), seen(KNIFE, 1, by="b"), seen(KNIFE, 1, by="a")).segments
    assert segment.detectors == ("a", "b")
    assert segment.samples == 1


def test_a_sight_that_comes_twice_counts_once() -> None:
    (segment,) = judged(policy(), seen(KNIFE, 1), seen(KNIFE, 1)).segments
    assert len(segment.evidence_ids) == 1


def test_segments_come_in_the_order_of_time() -> None:
    evidence = [seen(KNIFE, 9), seen("Hate", 5), seen("Alcohol", 1), seen(KNIFE, 1)]
    shown = judged(policy(), *evidence).segments
    assert [segment.span.start.seconds for segment in shown] == [1, 1, 5, 9]
    assert [segment.label for segment in shown[:2]] == ["Alcohol", KNIFE]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_tellings_of_one_sight_the_earlier_frame_is_shown(order: int) -> None:
    early = seen(KNIFE, 1, 2)
    late = replace(early, best=early.span.end)
    assert early.id == late.id
    (segment,) = judged(policy(), *[early, late][::order]).segments
    assert segment.best == early.best


# One label


def test_a_rule_fires_at_its_threshold_and_not_below() -> None:
    weapons = policy('label = "Violence/Weapons"\nmin_score = 0.6\naction = "review"')
    assert judged(weapons, seen(KNIFE, 1, score=0.599999)).action is Action.APPROVE
    assert judged(weapons, seen(KNIFE, 1, score=0.6)).action is Action.REVIEW


def test_a_reason_says_what_was_measured_against_what() -> None:
    weapons = policy(
        'label = "Violence/Weapons"\nmin_score = 0.4\nmin_samples = 2\nmin_duration = "5s"\n'
        'action = "review"\ndescription = "a weapon"'
    )
    frames = [seen(KNIFE, 1, score=0.5), seen(KNIFE, 2, score=0.7)]
    reason = only_reason(weapons, *frames)
    assert (reason.rule, reason.action, reason.label) == ("r0", Action.REVIEW, KNIFE)
    assert (reason.score, reason.span) == (0.7, Span.from_seconds(1, 2))
    assert reason.evidence_ids == tuple(frame.id for frame in frames)
    assert reason.values == {
        "score": 0.7, "samples": 2, "duration_s": 1.0, "evidence": 2, "occurrences": 1,
    }  # fmt: skip
    assert reason.thresholds == {"min_score": 0.4, "min_samples": 2, "min_duration_s": 5.0}
    assert reason.description == "a weapon"


def test_a_severity_is_the_labels_own_unless_the_rule_says_otherwise() -> None:
    assert only_reason(
        policy(f'label = "{KNIFE}"\naction = "review"'), seen(KNIFE, 1)
    ).severity is (Severity.MEDIUM)
    graver = policy(f'label = "{KNIFE}"\naction = "review"\nseverity = "critical"')
    assert judged(graver, seen(KNIFE, 1)).severity is Severity.CRITICAL


def test_a_reason_names_whom_it_is_about() -> None:
    listed = policy('label = "Identity"\naction = "review"')
    reason = only_reason(listed, seen("Identity/Watch list", 1, subject="person-7"))
    assert reason.values["subject"] == "person-7"


def test_a_rule_listens_only_to_its_detectors() -> None:
    ours = policy(f'label = "{KNIFE}"\ndetectors = ["a", "b"]\naction = "review"')
    assert judged(ours, seen(KNIFE, 1, by="c")).action is Action.APPROVE
    assert judged(ours, seen(KNIFE, 1, by="b")).action is Action.REVIEW


# Corroboration


TWICE = policy(f'label = "{KNIFE}"\nmin_samples = 2\naction = "reject"')


@pytest.mark.parametrize(
    ("evidence", "action"),
    [
        ([seen(KNIFE, 1)], Action.APPROVE),
        ([seen(KNIFE, 1), seen(KNIFE, 2)], Action.REJECT),
        ([seen(KNIFE, 1, by="a"), seen(KNIFE, 1, by="b")], Action.APPROVE),
        ([seen(KNIFE, 1), seen(KNIFE, 2, score=0.49)], Action.APPROVE),
        ([seen(KNIFE, 1), seen(KNIFE, 60)], Action.APPROVE),
        ([seen(KNIFE, 1, subject="a"), seen(KNIFE, 2, subject="b")], Action.APPROVE),
        ([seen(KNIFE, 1, 2, samples=2)], Action.REJECT),
        ([seen(KNIFE, 1, 9)], Action.APPROVE),
    ],
    ids=[
        "one instant",
        "two instants",
        "two detectors at one instant",
        "the second too unsure",
        "the second too far",
        "two subjects",
        "a track of two",
        "a span is no sample",
    ],
)
def test_samples_are_different_instants_of_one_segment(
    evidence: list[Evidence], action: Action
) -> None:
    assert judged(TWICE, *evidence).action is action


@pytest.mark.parametrize("samples", [True, "9", -3, 2.0, None])
def test_a_count_that_is_none_is_one(samples: object) -> None:
    claimed = replace(seen(KNIFE, 1), detail={"samples": samples})
    assert judged(TWICE, claimed).action is Action.APPROVE


def test_a_duration_is_the_segments_length() -> None:
    long = policy(f'label = "{KNIFE}"\nmin_duration = "2s"\naction = "review"')
    assert judged(long, seen(KNIFE, 1, 2.999)).action is Action.APPROVE
    assert judged(long, seen(KNIFE, 1, 3)).action is Action.REVIEW
    assert judged(long, seen(KNIFE, 1), seen(KNIFE, 3)).action is Action.REVIEW


# Counting in a window

SWEARING = policy('label = "Language"\nmin_count = 3\nwithin = "10s"\naction = "review"')
SWEAR = "Language/Profanity"


def test_a_count_holds_for_any_window_of_that_length() -> None:
    assert judged(SWEARING, *[seen(SWEAR, at) for at in (0, 5, 10.1)]).action is Action.APPROVE
    reason = only_reason(SWEARING, *[seen(SWEAR, at) for at in (0, 5, 10)])
    assert (reason.values["count"], reason.span) == (3, Span.from_seconds(0, 10))
    assert reason.thresholds == {"min_score": 0.5, "min_count": 3, "within_s": 10.0}


def test_a_count_is_over_subjects_and_texts() -> None:
    said = [seen(SWEAR, at, subject=f"s{at}", text=f"t{at}") for at in range(3)]
    assert judged(SWEARING, *said).action is Action.REVIEW


def test_a_line_that_stands_on_the_screen_is_said_once() -> None:
    assert judged(SWEARING, seen(SWEAR, 0, 30, samples=30)).action is Action.APPROVE


def test_full_windows_that_overlap_are_one_occurrence() -> None:
    said = [seen(SWEAR, at) for at in (0, 4, 8, 12, 16, 100, 101, 102)]
    first, second = judged(SWEARING, *said).reasons
    assert (first.span, first.values["count"]) == (Span.from_seconds(0, 16), 3)
    assert second.span == Span.from_seconds(100, 102)


def test_full_windows_that_share_an_instant_are_one_occurrence() -> None:
    twice = policy('label = "Language"\nmin_count = 2\nwithin = "5s"\naction = "review"')
    assert only_reason(twice, *[seen(SWEAR, at) for at in (0, 5, 10)]).values["count"] == 2


# Combinations

ARMED = policy(
    f'all = [{{ label = "{THREAT}" }}, {{ label = "Violence/Weapons", min_score = 0.4 }}]\n'
    'within = "10s"\naction = "reject"',
    head='allow = ["Violence"]\n',
)


@pytest.mark.parametrize(
    ("evidence", "action"),
    [
        ([seen(THREAT, 5)], Action.APPROVE),
        ([seen(KNIFE, 5), seen(KNIFE, 6)], Action.APPROVE),
        ([seen(THREAT, 5), seen(KNIFE, 15, score=0.4)], Action.REJECT),
        ([seen(THREAT, 5), seen(KNIFE, 15, score=0.39)], Action.APPROVE),
        ([seen(THREAT, 5), seen(KNIFE, 15.1)], Action.APPROVE),
        ([seen(KNIFE, 0, 100), seen(THREAT, 50, 51)], Action.REJECT),
        ([seen(KNIFE, 0, 100), seen(THREAT, 110, 120)], Action.REJECT),
    ],
)
def test_a_combination_needs_all_its_parts_in_one_window(
    evidence: list[Evidence], action: Action
) -> None:
    assert judged(ARMED, *evidence).action is action


def test_a_combination_says_what_came_together() -> None:
    threat, knife = seen(THREAT, 5, 6, score=0.8, by="terms"), seen(KNIFE, 10, score=0.6)
    reason = only_reason(ARMED, threat, knife)
    assert reason.evidence_ids == (threat.id, knife.id)
    assert (reason.score, reason.span) == (0.6, Span.from_seconds(5, 10))
    assert reason.label == THREAT
    assert reason.values["gap_s"] == 4.0
    assert [part["label"] for part in reason.values["all"]] == [THREAT, KNIFE]
    assert reason.thresholds["within_s"] == 10.0


def test_a_combination_takes_the_surest_in_reach() -> None:
    sure, unsure = seen(KNIFE, 12, score=0.9), seen(KNIFE, 2, score=0.5)
    reason = only_reason(ARMED, seen(THREAT, 6), unsure, sure)
    assert sure.id in reason.evidence_ids
    assert unsure.id not in reason.evidence_ids


def test_combinations_far_apart_are_separate_reasons() -> None:
    pairs = [seen(label, at) for at in (0, 100, 200) for label in (THREAT, KNIFE)]
    assert [reason.span.start.seconds for reason in judged(ARMED, *pairs).reasons] == [0, 100, 200]


def test_three_parts_must_share_one_window_and_not_a_chain() -> None:
    labels = ["Hate/Slur", THREAT, KNIFE]
    clauses = ", ".join(f'{{ label = "{label}" }}' for label in labels)
    three = policy(f'all = [{clauses}]\nwithin = "10s"\naction = "review"',
                   head='allow = ["Violence", "Hate"]\n')  # fmt: skip
    chain = [seen(label, at) for label, at in zip(labels, (0, 8, 16), strict=True)]
    assert judged(three, *chain).action is Action.APPROVE
    near = [seen(label, at) for label, at in zip(labels, (0, 5, 10), strict=True)]
    assert judged(three, *near).action is Action.REVIEW


def test_each_condition_of_any_is_enough() -> None:
    either = policy('any = [{ label = "Hate" }, { label = "Scam", min_score = 0.9 }]\n'
                    'action = "review"')  # fmt: skip
    assert judged(either, seen("Hate/Slur", 1, score=0.6)).action is Action.REVIEW
    assert judged(either, seen("Scam/Lure", 1, score=0.89)).action is Action.APPROVE
    assert judged(either, seen("Scam/Lure", 1, score=0.9)).action is Action.REVIEW


# What nothing decides


def unknown(mode: str, *rules: str) -> Policy:
    return policy(*rules, head=f'unknown_labels = {{ mode = "{mode}", min_score = 0.5 }}\n')


ON_WEAPONS = 'label = "Violence/Weapons"\nmin_score = 0.9\naction = "reject"'
CROSSBOW = "Violence/Weapons/Crossbow"


def test_a_label_that_no_rule_decides_is_reviewed() -> None:
    reason = only_reason(unknown("review"), seen("Gambling", 1, score=0.5))
    assert (reason.rule, reason.action) == ("unknown-label", Action.REVIEW)
    assert reason.description == "no rule decides Gambling"
    assert judged(unknown("review"), seen("Gambling", 1, score=0.49)).action is Action.APPROVE


def test_a_label_that_the_taxonomy_does_not_know_is_reviewed() -> None:
    reason = only_reason(unknown("review", ON_WEAPONS), seen(CROSSBOW, 1, score=0.6))
    assert reason.description == f"unknown label {CROSSBOW}"
    assert reason.severity is Severity.HIGH


def test_a_rule_holds_for_unknown_labels_below_its_own() -> None:
    for mode in ("review", "inherit_parent", "ignore"):
        verdict = judged(unknown(mode, ON_WEAPONS), seen(CROSSBOW, 1, score=0.95))
        assert verdict.action is Action.REJECT


def test_a_decision_on_the_parent_can_be_enough() -> None:
    inherits = unknown("inherit_parent", ON_WEAPONS)
    assert judged(inherits, seen(CROSSBOW, 1, score=0.6)).action is Action.APPROVE
    assert judged(inherits, seen("Oddities/Xyzzy", 1, score=0.6)).action is Action.REVIEW


def test_what_nothing_decides_can_be_ignored() -> None:
    evidence = [seen("Gambling", 1), seen("Oddities/Xyzzy", 1)]
    assert judged(unknown("ignore"), *evidence).action is Action.APPROVE


def test_what_is_allowed_is_decided() -> None:
    fine = policy(head='allow = ["Alcohol"]\n')
    assert judged(fine, seen("Alcohol/Drinking", 1)).action is Action.APPROVE


def test_an_exception_is_not_a_decision() -> None:
    carved = policy(f'label = "Violence"\nexcept = ["{KNIFE}"]\naction = "reject"')
    assert only_reason(carved, seen(KNIFE, 1)).rule == "unknown-label"


def test_a_combination_decides_nothing_about_a_part_alone() -> None:
    armed = policy(f'all = [{{ label = "{THREAT}" }}, {{ label = "{KNIFE}" }}]\n'
                   'within = "10s"\naction = "reject"')  # fmt: skip
    assert only_reason(armed, seen(KNIFE, 1)).rule == "unknown-label"


def test_context_is_never_a_violation() -> None:
    evidence = [seen("Context/Person", 1), seen("Context/Something new", 1)]
    assert judged(policy(), *evidence).action is Action.APPROVE


# Coverage


def covered(
    status: CoverageStatus, planned: float = 100, examined: float = 100, *, asked: str = "0.95"
) -> Verdict:
    looked = Coverage(
        detector="speech", status=status, planned=planned, examined=examined, unit="seconds",
        reason="why",
    )  # fmt: skip
    return fuse([], [looked], policy(head=f"coverage = {{ speech = {asked} }}\n"))


@pytest.mark.parametrize(
    ("status", "examined", "missing"),
    [
        (CoverageStatus.COMPLETE, 100, ()),
        (CoverageStatus.NOT_APPLICABLE, 0, ()),
        (CoverageStatus.PARTIAL, 95, ()),
        (
            CoverageStatus.PARTIAL,
            94.96,
            ("speech examined 94.9 % of 100 seconds, and 95 % is required: why",),
        ),
        (CoverageStatus.FAILED, 0, ("speech is required and examined nothing: why",)),
        (CoverageStatus.FAILED, 100, ("speech failed after 100 of 100 seconds: why",)),
        (CoverageStatus.UNAVAILABLE, 0, ("speech is required and examined nothing: why",)),
        (CoverageStatus.DISABLED, 0, ("speech is required and examined nothing: why",)),
        (CoverageStatus.DEGRADED, 100, ("speech looked with less than its best means: why",)),
    ],
)
def test_what_did_not_see_enough_is_missing(
    status: CoverageStatus, examined: float, missing: tuple[str, ...]
) -> None:
    verdict = covered(status, examined=examined)
    assert verdict.missing == missing
    assert verdict.action is (Action.INCOMPLETE if missing else Action.APPROVE)


def test_degraded_means_can_be_good_enough() -> None:
    allowed = "{ share = 0.95, allow_degraded = true }"
    assert covered(CoverageStatus.DEGRADED, asked=allowed).action is Action.APPROVE
    assert covered(CoverageStatus.DEGRADED, examined=50, asked=allowed).missing


def test_a_detector_that_nobody_heard_of_is_missing() -> None:
    verdict = fuse([], [], policy(head="coverage = { speech = 0.5, nudity = 0.5 }\n"))
    assert verdict.missing == (
        "nudity is required and did not take part",
        "speech is required and did not take part",
    )


def test_a_video_that_was_not_seen_whole_does_not_wait_at_the_end() -> None:
    assert fuse([], [], policy(head="coverage = { speech = 1 }\n")).severity is Severity.MEDIUM


@pytest.mark.parametrize("action", [Action.REVIEW, Action.REJECT])
def test_what_was_found_is_stronger_than_what_was_not_seen(action: Action) -> None:
    strict = policy(f'label = "{KNIFE}"\naction = "{action}"', head="coverage = { speech = 1 }\n")
    verdict = judged(strict, seen(KNIFE, 1))
    assert verdict.action is action
    assert verdict.missing


# Verdicts and their bounds


def test_the_strongest_action_and_the_gravest_severity_win() -> None:
    both = policy(f'label = "{KNIFE}"\naction = "reject"\nseverity = "low"',
                  'label = "Hate"\naction = "review"\nseverity = "high"')  # fmt: skip
    verdict = judged(both, seen(KNIFE, 1), seen("Hate", 9))
    assert (verdict.action, verdict.severity) == (Action.REJECT, Severity.HIGH)
    assert [reason.rule for reason in verdict.reasons] == ["r1", "r0"]
    assert verdict.policy == both.ref


def test_a_rule_that_fires_everywhere_gives_its_surest_reasons() -> None:
    everywhere = policy(f'label = "{KNIFE}"\naction = "review"')
    evidence = [seen(KNIFE, 10 * at, score=0.5 + at / 1000) for at in range(100)]
    reasons = judged(everywhere, *evidence).reasons
    assert len(reasons) == MAX_REASONS
    assert min(reason.score for reason in reasons) == 0.58
    assert {reason.values["occurrences"] for reason in reasons} == {100}


def test_a_reason_of_much_evidence_names_the_surest() -> None:
    everywhere = policy(f'label = "{KNIFE}"\naction = "review"')
    evidence = [seen(KNIFE, at, score=0.5 + at / 1000) for at in range(200)]
    reason = only_reason(everywhere, *evidence)
    assert reason.evidence_ids == tuple(each.id for each in evidence[-MAX_REASON_EVIDENCE:])
    assert reason.values["evidence"] == 200


def test_unknown_labels_without_end_give_bounded_reasons() -> None:
    verdict = judged(policy(), *[seen(f"Oddities/{number}", 1) for number in range(100)])
    assert len(verdict.reasons) == MAX_REASONS
    assert len(verdict.segments) == 100


# The default policy


def default(*evidence: Evidence) -> Verdict:
    return fuse(evidence, SEEN_ALL, DEFAULT)


def test_one_frame_with_a_knife_and_scissors_is_no_more_than_context() -> None:
    frame = [seen(KNIFE, 3, score=0.7), seen("Violence/Weapons/Sharp object", 3, score=0.8)]
    assert default(*frame, seen("Context/Person", 3)).action is Action.APPROVE


@pytest.mark.parametrize(
    ("evidence", "action"),
    [
        ([seen(KNIFE, 3), seen(KNIFE, 4)], Action.REVIEW),
        ([seen(KNIFE, 3, score=0.4), seen(THREAT, 9)], Action.REVIEW),
        ([seen("Nudity/Exposed/Female breast", 3, score=0.5)], Action.REVIEW),
        ([seen("Nudity/Exposed/Male genitalia", 3, score=0.9)], Action.REVIEW),
        ([seen("Nudity/Exposed/Male genitalia", at, score=0.9) for at in (3, 4)], Action.REJECT),
        ([seen("Nudity/Partial/Male chest", at) for at in (3, 4, 5)], Action.APPROVE),
        ([seen("Nudity/Covered/Female breast", at) for at in (3, 4, 5)], Action.APPROVE),
        ([seen(SWEAR, 3), seen(SWEAR, 4)], Action.APPROVE),
        ([seen(SWEAR, at) for at in range(5)], Action.REVIEW),
        ([seen("Hate/Slur", 3)], Action.REVIEW),
        ([seen("Self-harm/Text", 3, score=0.4)], Action.REVIEW),
        ([seen("Identity/Watch list", 3, score=0.79)], Action.APPROVE),
        ([seen("Identity/Watch list", 3, score=0.8)], Action.REVIEW),
        ([seen("Minors/Known abuse material", at) for at in (3, 4)], Action.REVIEW),
        ([seen("Alcohol/Drinking", 3)], Action.APPROVE),
    ],
)
def test_the_default_policy_can_be_started_from(evidence: list[Evidence], action: Action) -> None:
    assert default(*evidence).action is action


def test_the_default_policy_rejects_on_no_single_sight() -> None:
    for label in ("Nudity/Exposed/Anus", "Sexual/Sexual activity", THREAT, "Hate/Hate speech"):
        assert default(seen(label, 1, score=1.0)).action is Action.REVIEW


# Properties

RANK = [Action.APPROVE, Action.INCOMPLETE, Action.REVIEW, Action.REJECT]
LABELS = [
    KNIFE, THREAT, SWEAR, "Hate/Slur", "Nudity/Exposed/Anus", "Sexual/Sexual language",
    "Identity/Watch list", "Context/Person", CROSSBOW, "Oddities/Xyzzy",
]  # fmt: skip
sights = st.builds(
    lambda label, start, length, score, by, subject, text, samples: seen(
        label, start, start + length, score=score, by=by, subject=subject, text=text,
        samples=samples,
    ),
    label=st.sampled_from(LABELS),
    start=st.integers(0, 40),
    length=st.sampled_from([0, 0, 0, 1, 8]),
    score=st.sampled_from([0.2, 0.4, 0.5, 0.85, 0.9, 1.0]),
    by=st.sampled_from(["objects", "terms"]),
    subject=st.sampled_from([None, None, "a"]),
    text=st.sampled_from([None, "x", "y"]),
    samples=st.sampled_from([None, 2]),
)  # fmt: skip
videos = st.lists(sights, max_size=25)
coverages = st.lists(
    st.builds(
        Coverage,
        detector=st.sampled_from(DEFAULT.required),
        status=st.sampled_from(CoverageStatus),
        planned=st.just(10),
        examined=st.integers(0, 10),
    ),
    max_size=8,
)


def as_bytes(verdict: Verdict) -> bytes:
    return json.dumps(asdict(verdict), sort_keys=True).encode()


@settings(max_examples=150, deadline=None)
@given(evidence=videos, coverage=coverages, data=st.data())
def test_the_order_of_what_comes_in_changes_no_byte(
    evidence: list[Evidence], coverage: list[Coverage], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(evidence)), data.draw(st.permutations(coverage))
    assert as_bytes(fuse(*shuffled, DEFAULT)) == as_bytes(fuse(evidence, coverage, DEFAULT))


@settings(max_examples=100, deadline=None)
@given(evidence=videos, coverage=coverages)
def test_a_verdict_is_derived_again_byte_for_byte(
    evidence: list[Evidence], coverage: list[Coverage]
) -> None:
    stored = [replace(each) for each in evidence]
    again = fuse(stored, coverage, Policy.restore(DEFAULT.canonical))
    assert as_bytes(again) == as_bytes(fuse(evidence, coverage, DEFAULT))


@settings(max_examples=300, deadline=None)
@given(evidence=videos, more=videos)
def test_more_evidence_never_weakens_the_action(
    evidence: list[Evidence], more: list[Evidence]
) -> None:
    for chosen in (DEFAULT, ARMED, SWEARING, TWICE):
        less, all_of_it = fuse(evidence, [], chosen), fuse([*evidence, *more], [], chosen)
        assert RANK.index(all_of_it.action) >= RANK.index(less.action)
        assert all_of_it.severity.rank >= less.severity.rank or less.action is Action.INCOMPLETE


@settings(max_examples=100, deadline=None)
@given(evidence=videos)
def test_segments_hold_each_sight_once_and_reasons_name_only_sights(
    evidence: list[Evidence],
) -> None:
    verdict = default(*evidence)
    ids = {each.id for each in evidence}
    shown = [name for segment in verdict.segments for name in segment.evidence_ids]
    assert sorted(shown) == sorted(ids)
    assert all(reason.evidence_ids and ids.issuperset(reason.evidence_ids)
               for reason in verdict.reasons)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(evidence=st.lists(sights, max_size=12))
def test_a_sweep_finds_the_combinations_that_trying_all_pairs_finds(
    evidence: list[Evidence],
) -> None:
    threats = [each.span for each in evidence if each.label == THREAT and each.score >= 0.5]
    weapons = [
        each.span for each in evidence
        if each.label.startswith("Violence/Weapons") and each.score >= 0.4
    ]  # fmt: skip
    expected = any(a.gap_us(b) <= 10_000_000 for a in threats for b in weapons)
    assert (judged(ARMED, *evidence).action is Action.REJECT) is expected
