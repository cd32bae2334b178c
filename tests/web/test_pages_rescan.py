"""What was not looked at can be looked at again, by those who may ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from moderation.client import Client
from moderation.errors import ConfigurationError, MediaFault, NotAllowed, SourceError
from moderation.job import Job, JobState
from moderation.person import Role
from moderation.policy import Policy
from moderation.rescan import Rescans
from moderation.review import ReviewItem
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action, Coverage, CoverageStatus
from moderation.web import Installation
from tests.web.conftest import ADMIN, POLICY
from tests.web.visitor import Visitor


@pytest.fixture
def rut(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.REVIEWER, "rut"))


@pytest.fixture
def lea(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.LEAD, "lea"))


@pytest.fixture
def rescans(installation: Installation) -> Rescans:
    return Rescans(installation.store, installation.queue, installation.client)


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload.mp4"
    path.write_bytes(b"of no video: nobody here decodes it")
    return path


@pytest.fixture
def incomplete(installation: Installation, upload: Path) -> ReviewItem:
    """Half of it was seen."""
    scan = make_scan(make_evidence(), action=Action.INCOMPLETE)
    return saved(installation, replace(scan, video=replace(scan.video, uri=str(upload))))


def saved(installation: Installation, scan: Scan) -> ReviewItem:
    policy = Policy.parse(POLICY, "ours.toml")
    judged = replace(scan, verdict=replace(scan.verdict, policy=policy.ref))
    installation.store.save(judged, policy, fingerprint="all")
    (item,) = installation.queue.list(ADMIN)
    return item


def jobs(installation: Installation) -> list[Job]:
    client: Client = installation.client
    return [each.job for each in client.jobs()]


def test_who_has_the_item_has_it_looked_at_again(
    rut: Visitor, incomplete: ReviewItem, installation: Installation, upload: Path
) -> None:
    rut.post(f"/items/{incomplete.id}/claim")
    page = rut.follow(rut.post(f"/items/{incomplete.id}/rescan"))
    (job,) = jobs(installation)
    assert (job.uri, job.state) == (str(upload), JobState.QUEUED)
    assert f"Another look is under way: job {job.id}, queued" in page.text
    assert not page.all("form", action=f"/items/{incomplete.id}/rescan")


def test_asked_twice_it_is_one_job(
    lea: Visitor, incomplete: ReviewItem, installation: Installation
) -> None:
    for _ in range(2):
        lea.follow(lea.post(f"/items/{incomplete.id}/rescan"))
    assert len(jobs(installation)) == 1


def test_it_is_noted_who_asked(
    lea: Visitor, incomplete: ReviewItem, installation: Installation
) -> None:
    lea.post(f"/items/{incomplete.id}/rescan")
    (job,) = jobs(installation)
    entries = installation.audit.entries(subject=f"item:{incomplete.id}")
    (entry,) = [each for each in entries if each.action == "item.rescanned"]
    assert (entry.actor, entry.content) == ("lea", {"job": job.id})


def test_who_neither_has_it_nor_may_submit_is_refused(
    rut: Visitor, incomplete: ReviewItem, rescans: Rescans, installation: Installation
) -> None:
    rut.post(f"/items/{incomplete.id}/claim")
    rut.decide(incomplete.id, outcome="escalate")
    assert rut.post(f"/items/{incomplete.id}/rescan").status_code == 403
    with pytest.raises(NotAllowed, match="rut does not have the review item"):
        rescans.ask(incomplete.id, rut.person)
    assert not jobs(installation)


def test_where_there_is_nothing_to_gain_nothing_is_begun(
    lea: Visitor, installation: Installation, rescans: Rescans
) -> None:
    item = saved(installation, make_scan(make_evidence()))
    page = lea.page(f"/items/{item.id}")
    assert not page.all("form", action=f"/items/{item.id}/rescan")
    with pytest.raises(ConfigurationError, match="would show nothing new"):
        rescans.ask(item.id, ADMIN)


def test_an_upload_that_is_gone_is_told_on_the_page(
    lea: Visitor, incomplete: ReviewItem, rescans: Rescans, upload: Path
) -> None:
    upload.unlink()
    answer = lea.post(f"/items/{incomplete.id}/rescan")
    assert answer.status_code == 422
    assert "there is no such file" in answer.text
    with pytest.raises(SourceError):
        rescans.ask(incomplete.id, ADMIN)


def test_a_video_that_could_not_be_read_is_read_anew(
    installation: Installation, rescans: Rescans, upload: Path
) -> None:
    failed = make_failed_scan(MediaFault.ENCRYPTED)
    item = saved(installation, replace(failed, video=replace(failed.video, uri=str(upload))))
    assert rescans.ask(item.id, ADMIN).state is JobState.QUEUED


def test_the_job_that_made_it_goes_on_with_what_failed(
    installation: Installation, rescans: Rescans, upload: Path
) -> None:
    first = installation.client.submit(upload).job
    scan = make_scan(make_evidence(), action=Action.INCOMPLETE)
    failed = Coverage(detector="objects", status=CoverageStatus.FAILED, planned=60, examined=30)
    item = saved(
        installation,
        replace(scan, video=replace(scan.video, uri=str(upload)), coverage=(failed,)),
    )
    assert rescans.ask(item.id, ADMIN).id == first.id
