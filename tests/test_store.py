"""Scans are kept once, found again whole, and streamed to reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moderation.errors import MediaFault
from moderation.policy import Policy
from moderation.scan import Scan
from moderation.store import Store
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action, Coverage, CoverageStatus, PolicyRef

FINGERPRINT = "detectors as installed"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'moderation.db'}") as store:
        yield store


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.parse(
        'schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml"
    )


@pytest.fixture(scope="module")
def other_policy() -> Policy:
    return Policy.parse(
        'schema = "moderation.policy/v1"\nname = "ours"\nversion = "2"', "ours.toml"
    )


def keep(store: Store, policy: Policy, *scans: Scan, fingerprint: str = FINGERPRINT) -> None:
    for scan in scans:
        store.save(scan, policy, fingerprint=fingerprint)


def known(store: Store, scan: Scan) -> Scan | None:
    return store.find(scan.video.sha256, FINGERPRINT, scan.verdict.policy.digest)


def judged_by(scan: Scan, policy: PolicyRef, action: Action) -> Scan:
    return replace(scan, verdict=replace(scan.verdict, policy=policy, action=action))


def test_a_kept_scan_is_found_whole(store: Store, policy: Policy) -> None:
    scan = make_scan(make_evidence(), make_evidence("Nudity/Exposed"), policy=policy.ref)
    keep(store, policy, scan)
    assert known(store, scan) == scan


def test_a_scan_is_not_found_for_other_bytes_detectors_or_policies(
    store: Store, policy: Policy
) -> None:
    scan = make_scan(policy=policy.ref)
    keep(store, policy, scan)
    sha256, digest = scan.video.sha256, policy.ref.digest
    assert store.find("0" * 64, FINGERPRINT, digest) is None
    assert store.find(sha256, "other weights", digest) is None
    assert store.find(sha256, FINGERPRINT, "0" * 64) is None


def test_a_scan_saved_twice_is_saved_once(store: Store, policy: Policy) -> None:
    scan = make_scan(make_evidence(), policy=policy.ref)
    keep(store, policy, scan, scan)
    assert list(store.scans()) == [scan]


def test_the_same_bytes_under_another_name_are_one_video(store: Store, policy: Policy) -> None:
    scan = make_scan(policy=policy.ref)
    again = replace(scan, video=replace(scan.video, uri="copy.mp4"))
    keep(store, policy, scan, again)
    assert [each.video.uri for each in store.scans()] == ["copy.mp4"]


def test_a_new_scan_takes_the_place_of_an_older_one(store: Store, policy: Policy) -> None:
    scan = make_scan(policy=policy.ref)
    anew = replace(scan, id="anew", evidence=(make_evidence(),))
    keep(store, policy, scan, anew)
    assert known(store, scan) == anew
    assert list(store.scans()) == [anew]


def test_a_replaced_scan_that_arrives_late_changes_nothing(store: Store, policy: Policy) -> None:
    scan = make_scan(policy=policy.ref)
    anew = replace(scan, id="anew")
    keep(store, policy, scan, anew, scan)
    assert list(store.scans()) == [anew]


def test_one_scan_keeps_a_verdict_for_each_policy(
    store: Store, policy: Policy, other_policy: Policy
) -> None:
    scan = make_scan(make_evidence(), policy=policy.ref)
    other = judged_by(scan, other_policy.ref, Action.APPROVE)
    keep(store, policy, scan)
    keep(store, other_policy, other)
    assert known(store, scan) == scan
    assert known(store, other) == other


def test_a_scan_is_found_for_another_policy_to_judge(store: Store, policy: Policy) -> None:
    scan = make_scan(make_evidence(), policy=policy.ref)
    keep(store, policy, scan)
    assert store.find_scan(scan.video.sha256, FINGERPRINT) == scan


def test_coverage_is_kept_for_each_verdict(
    store: Store, policy: Policy, other_policy: Policy
) -> None:
    scan = make_scan(policy=policy.ref)
    required = Coverage(detector="speech", status=CoverageStatus.UNAVAILABLE, reason="no plugin")
    other = judged_by(scan, other_policy.ref, Action.INCOMPLETE)
    other = replace(other, coverage=(*scan.coverage, required))
    keep(store, policy, scan)
    keep(store, other_policy, other)
    assert (known(store, scan), known(store, other)) == (scan, other)


def test_the_verdict_asked_for_last_is_in_force(
    store: Store, policy: Policy, other_policy: Policy
) -> None:
    scan = make_scan(policy=policy.ref)
    other = judged_by(scan, other_policy.ref, Action.APPROVE)
    keep(store, policy, scan)
    keep(store, other_policy, other)
    assert list(store.scans()) == [other]
    keep(store, policy, scan)
    assert list(store.scans()) == [scan]


def test_the_policy_that_judged_is_kept(store: Store, policy: Policy) -> None:
    keep(store, policy, make_scan(policy=policy.ref))
    assert store.policy(policy.ref.digest) == policy.model_dump_json(by_alias=True)
    assert store.policy("0" * 64) is None


def test_how_a_video_was_looked_at_is_kept(store: Store, policy: Policy) -> None:
    seen = Coverage(
        detector="objects", status=CoverageStatus.COMPLETE, planned=60, examined=60, inherited=48
    )
    scan = make_scan(policy=policy.ref, sandbox=("rlimits", "landlock 7"), coverage=(seen,))
    keep(store, policy, scan)
    assert known(store, scan) == scan


def test_a_scan_that_was_cut_short_is_reported_but_not_reused(store: Store, policy: Policy) -> None:
    """The crash may have been of the machine, which ran out of memory."""
    scan = make_scan(policy=policy.ref, cut_short="the decoder crashed")
    keep(store, policy, scan)
    assert known(store, scan) is None
    assert store.find_scan(scan.video.sha256, FINGERPRINT) is None
    assert list(store.scans()) == [scan]


def test_a_whole_scan_takes_the_place_of_one_that_was_cut_short(
    store: Store, policy: Policy
) -> None:
    short = make_scan(policy=policy.ref, cut_short="the decoder crashed")
    whole = replace(short, id="whole", cut_short="")
    keep(store, policy, short, whole)
    assert known(store, whole) == whole
    assert list(store.scans()) == [whole]


def test_a_scan_in_which_a_detector_failed_is_reported_but_not_reused(
    store: Store, policy: Policy
) -> None:
    failed = Coverage(detector="objects", status=CoverageStatus.FAILED, planned=60, examined=2)
    scan = replace(make_scan(policy=policy.ref), coverage=(failed,))
    keep(store, policy, scan)
    assert known(store, scan) is None
    assert store.find_scan(scan.video.sha256, FINGERPRINT) is None
    assert list(store.scans()) == [scan]


def test_a_video_that_could_not_be_read_is_reported(store: Store, policy: Policy) -> None:
    scan = make_failed_scan(MediaFault.NOT_FOUND, policy=policy.ref)
    keep(store, policy, scan)
    assert list(store.scans()) == [scan]


def test_the_latest_failure_of_a_place_is_reported(store: Store, policy: Policy) -> None:
    first = make_failed_scan(MediaFault.NOT_FOUND, policy=policy.ref)
    second = make_failed_scan(MediaFault.EMPTY, policy=policy.ref, id="second")
    keep(store, policy, first, second)
    assert list(store.scans()) == [second]


def test_a_failure_is_forgotten_once_the_place_was_read(store: Store, policy: Policy) -> None:
    failed = make_failed_scan(MediaFault.NOT_FOUND, name="clip.mp4", policy=policy.ref, id="first")
    scan = make_scan(name="clip.mp4", policy=policy.ref)
    keep(store, policy, failed, scan)
    assert list(store.scans()) == [scan]


def test_scans_come_newest_first(store: Store, policy: Policy) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    hours = [3, 1, 2]
    for hour in hours:
        scan = make_scan(name=f"{hour}.mp4", policy=policy.ref)
        keep(store, policy, replace(scan, scanned_at=noon + timedelta(hours=hour)))
    assert [each.video.uri for each in store.scans()] == ["3.mp4", "2.mp4", "1.mp4"]
    assert [each.video.uri for each in store.scans(limit=1)] == ["3.mp4"]


def test_scans_are_chosen_by_time(store: Store, policy: Policy) -> None:
    scan = make_scan(policy=policy.ref)
    keep(store, policy, scan)
    later = scan.scanned_at + timedelta(microseconds=1)
    assert list(store.scans(since=scan.scanned_at, until=later)) == [scan]
    assert list(store.scans(since=later)) == []
    assert list(store.scans(until=scan.scanned_at)) == []


def test_scans_are_chosen_by_verdict(store: Store, policy: Policy) -> None:
    for action in Action:
        keep(store, policy, make_scan(name=action, action=action, policy=policy.ref))
    chosen = store.scans(verdict=[Action.REVIEW, Action.REJECT])
    assert {scan.verdict.action for scan in chosen} == {Action.REVIEW, Action.REJECT}


@pytest.mark.parametrize(
    ("label", "found"),
    [("Violence/Weapons", 1), ("Violence", 1), ("Viol", 0), ("Violence/Weapons/Kni%", 0)],
)
def test_scans_are_chosen_by_a_label_and_what_is_below_it(
    store: Store, policy: Policy, label: str, found: int
) -> None:
    keep(store, policy, make_scan(make_evidence("Violence/Weapons/Knife"), policy=policy.ref))
    assert len(list(store.scans(label=label))) == found


def test_scans_are_read_one_by_one_while_others_write(store: Store, policy: Policy) -> None:
    keep(store, policy, *(make_scan(name=f"{n}.mp4", policy=policy.ref) for n in range(3)))
    running = store.scans()
    next(running)
    keep(store, policy, make_scan(name="while reading.mp4", policy=policy.ref))
    assert len(list(running)) == 2
