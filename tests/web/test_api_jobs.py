"""The part of the API for programs: which uploads and policies it takes, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from moderation.config import Settings
from moderation.decision import Outcome
from moderation.job import Pinned
from moderation.job_settings import JobSettings
from moderation.person import Role
from moderation.policy import Policy
from moderation.review_settings import ReviewSettings
from moderation.s3_settings import S3Settings
from moderation.store.models import JobRow
from moderation.testing.scans import make_evidence, make_scan
from moderation.web import Installation
from moderation.web_settings import WebSettings
from tests.web.asking import Answer, TestClient, asking
from tests.web.conftest import ADMIN

API = "/api/v1"

OURS = 'schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"\n'


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """The folder that the operator has opened, with a video, beside one that is not."""
    opened, closed = tmp_path / "uploads", tmp_path / "uploads-of-others"
    for folder in (opened, closed, opened / "sub"):
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(b"a video")
    (opened / "away").symlink_to(closed)
    (opened / "within").symlink_to(opened / "sub")
    (opened / "link.mp4").symlink_to(closed / "clip.mp4")
    (opened / "circle").symlink_to(opened / "circle")
    return opened


@pytest.fixture
def web_settings(tmp_path: Path, uploads: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        jobs=JobSettings(broker="redis://127.0.0.1:9/0"),
        review=ReviewSettings(audit_share=0, second_look_share=0),
        s3=S3Settings(endpoint_url="http://127.0.0.1:9", buckets=("ours",)),
        web=WebSettings(folders=(uploads,)),
    )


@pytest.fixture
def program(installation: Installation, token: Callable[..., str]) -> TestClient:
    return asking(installation, token(Role.SERVICE))


def submit(program: TestClient, *uris: str, **fields: Any) -> Answer:
    given = [{"uri": uri} for uri in uris]
    return program.post(f"{API}/jobs", json={"uploads": given, **fields})


def pinned(program: TestClient, **fields: Any) -> Answer:
    upload = {"uri": "s3://ours/a.mp4", "pin": "etag:1"}
    return program.post(f"{API}/jobs", json={"uploads": [upload], **fields})


def judged(installation: Installation, job_id: str) -> str:
    """The job is done: there is a scan with a verdict, whose id this is."""
    job = installation.client.job(job_id).job
    policy = Policy.restore(installation.store.policy(job.policy) or "")
    scan = make_scan(make_evidence())
    scan = replace(scan, verdict=replace(scan.verdict, policy=policy.ref))
    installation.store.save(scan, policy, fingerprint="all")
    values = {"state": "done", "scan_id": scan.id, "action": scan.verdict.action}
    with installation.store.writing() as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values(values))
    return scan.id


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "etc/passwd",
        "clip.mp4",
        "{uploads}",
        "{uploads}/../uploads-of-others/clip.mp4",
        "{uploads}/sub/../clip.mp4",
        "{uploads}-of-others/clip.mp4",
        "{uploads}/away/clip.mp4",
        "{uploads}/away/nothing.mp4",
        "{uploads}/circle/clip.mp4",
        "{uploads}/clip.mp4\0",
        "file://{uploads}/clip.mp4",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "concat:/etc/passwd",
        "s3://others/a.mp4",
        "S3://others/a.mp4",
        "s3:/ours/a.mp4",
    ],
)
def test_fault_131_no_upload_is_named_but_in_our_buckets_and_open_folders(
    program: TestClient, uploads: Path, uri: str
) -> None:
    """Nor where it is pinned, and would be opened by a worker alone."""
    for pin in ("", "etag:1"):
        upload = {"uri": uri.format(uploads=uploads), "pin": pin}
        refused = program.post(f"{API}/jobs", json={"uploads": [upload]})
        assert (refused.status_code, refused.json()["fault"]) == (422, "access_denied")
    assert program.get(f"{API}/jobs").json()["jobs"] == []


@pytest.mark.parametrize("route", ["uploads/pin", "uploads/deleted"])
def test_fault_131_nothing_else_opens_a_file_either(program: TestClient, route: str) -> None:
    given = {"uri": "/etc/passwd"} if route == "uploads/deleted" else {"uris": ["/etc/passwd"]}
    refused = program.post(f"{API}/{route}", json=given)
    assert (refused.status_code, refused.json()["fault"]) == (422, "access_denied")


def test_fault_131_nobody_learns_which_files_there_are(program: TestClient, uploads: Path) -> None:
    there, not_there = (
        submit(program, f"{uploads}-of-others/{name}.mp4").json() for name in ("clip", "nothing")
    )
    assert there["title"].replace("clip", "nothing") == not_there["title"]


def test_a_link_in_an_open_folder_is_not_followed(program: TestClient, uploads: Path) -> None:
    refused = submit(program, f"{uploads}/link.mp4").json()
    assert refused["fault"] == "not_regular_file"


@pytest.mark.parametrize("name", ["clip.mp4", "sub/clip.mp4", "within/clip.mp4"])
def test_a_file_in_an_open_folder_is_taken_by_its_real_path(
    program: TestClient, uploads: Path, name: str
) -> None:
    (job,) = submit(program, f"{uploads}/{name}").json()["jobs"]
    assert job["uri"] == str((uploads / name).resolve())
    assert job["state"] == "queued"


def test_without_open_folders_no_file_is_taken(
    installation: Installation, token: Callable[..., str], uploads: Path
) -> None:
    settings = installation.settings.model_copy(update={"web": WebSettings()})
    program = asking(replace(installation, settings=settings), token())
    assert submit(program, f"{uploads}/clip.mp4").json()["fault"] == "access_denied"


def test_a_policy_is_a_text_or_one_of_ours(program: TestClient) -> None:
    built_in = pinned(program, policy={"name": "light"}).json()["jobs"][0]["policy"]
    assert built_in == Policy.read("light").ref.digest
    text = pinned(program, policy={"text": OURS}).json()["jobs"][0]["policy"]
    assert text == Policy.parse(OURS, "").ref.digest


def test_a_policy_never_names_a_file_of_the_server(program: TestClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret.toml"
    secret.write_text(OURS)
    for name in (str(secret), "../light", ""):
        refused = pinned(program, policy={"name": name}).json()
        assert (refused["status"], refused["kind"]) == (422, "policy_error")
        assert "no built-in policy" in refused["title"]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"text": OURS + "a = 1", "name": "/home/anna/our s\n.toml"}, "our s .toml:4: "),
        ({"text": "a = " + "[" * 30_000}, "nested too deeply"),
        ({"text": "a" * 100_000}, "does not hold"),
        ({"text": OURS, "path": "/etc/passwd"}, "does not hold"),
    ],
)
def test_a_policy_that_does_not_hold_is_told(
    program: TestClient, policy: dict[str, str], told: str
) -> None:
    refused = pinned(program, policy=policy)
    assert (refused.status_code, told in refused.json()["title"]) == (422, True)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("jobs", {"uploads": []}),
        ("jobs", {"uploads": [{"uri": "s3://ours/a", "pin": "etag:1"}] * 501}),
        ("jobs", {"uploads": [{"uri": "s3://ours/" + "a" * 5_000, "pin": "etag:1"}]}),
        ("jobs", {"uploads": [{"uri": "s3://ours/a", "pin": "etag:1"}] * 2, "key": "mine"}),
        ("jobs/outcomes", {"ids": ["a"] * 1_001}),
        ("uploads/pin", {"uris": ["s3://ours/a"] * 501}),
    ],
)
def test_what_is_too_much_or_too_little_is_refused(
    program: TestClient, path: str, content: dict[str, Any]
) -> None:
    assert program.post(f"{API}/{path}", json=content).status_code == 422


def test_pages_follow_each_other(program: TestClient, installation: Installation) -> None:
    installation.client.submit_many([Pinned(f"s3://ours/{each}", "etag:1") for each in range(5)])
    pages, after = list[list[str]](), None
    while after is not None or not pages:
        query = {"limit": 2, **({"after": after} if after else {})}
        page = program.get(f"{API}/jobs", params=query).json()
        pages.append([each["id"] for each in page["jobs"]])
        after = page["next"]
    assert [len(each) for each in pages] == [2, 2, 1]
    assert len({each for page in pages for each in page}) == 5
    assert program.get(f"{API}/jobs", params={"after": "nothing"}).status_code == 404


def test_there_is_no_verdict_before_its_time(program: TestClient) -> None:
    (job,) = pinned(program).json()["jobs"]
    for what in ("verdict", "report"):
        refused = program.get(f"{API}/jobs/{job['id']}/{what}")
        assert (refused.status_code, refused.json()["kind"]) == (409, "still_running")


def test_a_verdict_says_what_and_why(program: TestClient, installation: Installation) -> None:
    (job,) = pinned(program).json()["jobs"]
    scan_id = judged(installation, job["id"])
    told = program.get(f"{API}/jobs/{job['id']}/verdict").json()
    assert (told["job_id"], told["scan_id"]) == (job["id"], scan_id)
    assert told["verdict"]["action"] == "review"
    assert told["verdict"]["reasons"][0]["rule"] == "knife"
    assert told["coverage"]["objects"]["status"] == "complete"


def test_a_report_tells_programs_what_people_decided_and_people_nothing_of_it(
    program: TestClient, installation: Installation, token: Callable[..., str]
) -> None:
    """Somebody who has a second look would see the first."""
    (job,) = pinned(program).json()["jobs"]
    judged(installation, job["id"])
    case = installation.queue.claim_next(ADMIN)
    assert case is not None
    installation.queue.decide(
        case.item.id, ADMIN, version=case.item.version, outcome=Outcome.UPHOLD
    )
    told = program.get(f"{API}/jobs/{job['id']}/report").json()
    assert [each["outcome"] for each in told["decisions"]] == ["uphold"]
    assert told["schema"] == "moderation.report/v1"
    lead = asking(installation, token(Role.LEAD))
    assert lead.get(f"{API}/jobs/{job['id']}/report").json()["decisions"] == []


def test_a_report_has_no_decisions_about_another_verdict(
    program: TestClient, installation: Installation
) -> None:
    (job,) = pinned(program).json()["jobs"]
    judged(installation, job["id"])
    scan, policy = installation.client.job(job["id"]).scan, Policy.parse(OURS, "")
    again = replace(scan, verdict=replace(scan.verdict, policy=policy.ref))
    installation.store.save(again, policy, fingerprint="all")
    case = installation.queue.claim_next(ADMIN)
    assert case is not None
    assert case.scan.verdict.policy == policy.ref
    installation.queue.decide(
        case.item.id, ADMIN, version=case.item.version, outcome=Outcome.UPHOLD
    )
    told = program.get(f"{API}/jobs/{job['id']}/report").json()
    assert (told["verdict"]["policy"]["name"], told["decisions"]) == ("default", [])


def test_a_scan_that_is_kept_no_longer_is_not_found(
    program: TestClient, installation: Installation
) -> None:
    (job,) = pinned(program).json()["jobs"]
    with installation.store.writing() as session:
        session.execute(update(JobRow).values(state="done", scan_id="gone"))
    assert program.get(f"{API}/jobs/{job['id']}/report").status_code == 404


def test_names_that_are_no_unicode_are_told_as_far_as_they_are(
    program: TestClient, installation: Installation
) -> None:
    installation.client.submit_many([Pinned("/videos/\udcff\0.mp4", "file:1:2")])
    (job,) = program.get(f"{API}/jobs").json()["jobs"]
    assert job["uri"] == "/videos/\ufffd\0.mp4"


def test_the_names_of_operations_stay(program: TestClient) -> None:
    """Generated clients have methods by these names."""
    paths = program.get(f"{API}/openapi.json").json()["paths"]
    ours = [each for path in paths.values() for each in path.values() if "jobs" in each["tags"]]
    assert sorted(each["operationId"] for each in ours) == [
        "jobs_backlog",
        "jobs_cancel",
        "jobs_deleted",
        "jobs_have_jobs",
        "jobs_outcomes",
        "jobs_pin",
        "jobs_pins",
        "jobs_report",
        "jobs_retry",
        "jobs_search",
        "jobs_show",
        "jobs_submit",
        "jobs_unfinished",
        "jobs_verdict",
    ]


def test_every_operation_says_what_it_does_and_gives(program: TestClient) -> None:
    paths = program.get(f"{API}/openapi.json").json()["paths"]
    ours = [each for path in paths.values() for each in path.values() if "jobs" in each["tags"]]
    for each in ours:
        good = [status for status in each["responses"] if status.startswith("2")]
        shape = each["responses"][good[0]]["content"]["application/json"]["schema"]
        assert each["summary"]
        assert shape["$ref"]
        assert "application/problem+json" in each["responses"]["4XX"]["content"]
