"""The client over HTTP and straight to the database: the same calls, the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from moderation import AsyncClient, Client
from moderation.config import Settings
from moderation.errors import (
    ConfigurationError,
    MediaFault,
    NotFound,
    PolicyError,
    SourceError,
    StillRunning,
)
from moderation.evidence import Box, Word
from moderation.job import JobState, Pinned
from moderation.job_settings import JobSettings
from moderation.people import People
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.s3_settings import S3Settings
from moderation.scan import Scan
from moderation.store import Store
from moderation.store.models import Base, JobRow
from moderation.testing.clips import BLACK, WHITE, Clip
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.timeline import Span
from moderation.verdict import Action
from moderation.web_settings import WebSettings
from tests.services.installation import Installation
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer
from tests.web.server import WebServer

ADMIN = Person(name="root", role=Role.ADMIN, created_at=datetime.now(UTC))

STAYING = {"alembic_version", "audit_event", "person", "signing_key", "token"}
"""Tables that belong to the installation, not to one test."""


@dataclass(frozen=True)
class Site:
    """An installation with a server, its database, and a token of a program."""

    settings: Settings
    store: Store
    url: str
    token: str

    def clear(self) -> None:
        with self.store.writing() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if table.name not in STAYING:
                    session.execute(delete(table))

    def issue(self, role: Role) -> str:
        people, name = People(self.store), f"somebody-{len(People(self.store).list())}"
        people.add(name, role, by=ADMIN)
        return people.issue(name, by=ADMIN).secret


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return Clip(64, 48, fps=5).show(1, BLACK).write(path)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server_session: RedisServer,
    clip: Path,
) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    url, postgres = f"sqlite:///{home / 'moderation.db'}", None
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres_server")
        assert isinstance(postgres, PostgresServer)
        url = postgres.create_database()
    settings = Settings(
        home=home,
        database=url,
        jobs=JobSettings(broker=redis_server_session.url),
        s3=S3Settings(endpoint_url="http://127.0.0.1:9", buckets=("b",)),
        web=WebSettings(folders=(clip.parent,)),
    )
    with Store.open(url) as store, WebServer(settings) as server:
        people = People(store)
        people.add("uploads", Role.SERVICE, by=ADMIN)
        token = people.issue("uploads", by=ADMIN).secret
        yield Site(settings, store, server.url, token)
    if postgres is not None:
        postgres.drop_database(url)


@pytest.fixture
def site(module_site: Site, redis_server_session: RedisServer) -> Site:
    """Without anything that another test left."""
    redis_server_session.reset()
    module_site.clear()
    return module_site


@pytest.fixture
def direct(site: Site) -> Iterator[Client]:
    with Client(site.settings) as client:
        yield client


@pytest.fixture
def remote(site: Site) -> Iterator[Client]:
    with Client(site.url, token=site.token) as client:
        yield client


@pytest.fixture(params=["direct", "remote"])
def client(request: pytest.FixtureRequest, direct: Client, remote: Client) -> Client:
    """Over each transport."""
    return direct if request.param == "direct" else remote


def many(count: int) -> list[Pinned]:
    return [Pinned(f"s3://b/{number}", "etag:1") for number in range(count)]


def judge(site: Site, job_id: str, scan: Scan) -> Scan:
    """The scan under the job's policy, as what workers made of the job."""
    with Client(site.settings) as client:
        digest = client.job(job_id).job.policy
    policy = Policy.restore(site.store.policy(digest) or "")
    scan = replace(scan, verdict=replace(scan.verdict, policy=policy.ref))
    site.store.save(scan, policy, fingerprint="all")
    values = {"state": "done", "scan_id": scan.id, "action": scan.verdict.action}
    with site.store.writing() as session:
        session.execute(update(JobRow).where(JobRow.id == job_id).values(values))
    return scan


def test_a_submitted_video_waits(client: Client, clip: Path) -> None:
    job = client.submit(clip, priority=9, tag="mine")
    assert (job.state, job.job.priority, job.job.tag) == (JobState.QUEUED, 9, "mine")
    assert job.job.uri == str(clip)
    assert job.job.pin == client.pin(clip).pin


def test_workers_are_told_of_it(
    client: Client, clip: Path, redis_server_session: RedisServer
) -> None:
    client.submit(clip)
    assert redis_server_session.client.llen("moderation:control") == 1


def test_the_same_again_is_the_same_job(direct: Client, remote: Client, clip: Path) -> None:
    first, second = remote.submit_many([clip, clip])
    assert first.job == second.job == direct.submit(clip).job


def test_an_idempotency_key_decides(direct: Client, remote: Client, clip: Path) -> None:
    first = remote.submit(clip, idempotency_key="upload 1")
    assert first.id == direct.submit(clip, idempotency_key="upload 1").id
    assert first.id != remote.submit(clip, idempotency_key="upload 2").id


def test_many_are_one_call_in_their_order(client: Client) -> None:
    """More than one request takes."""
    jobs = client.submit_many(many(1_201), tag="mine")
    assert [job.job.uri for job in jobs] == [uri for uri, _ in many(1_201)]
    assert client.waiting() == 1_201
    jobs[17].cancel()
    outcomes = client.outcomes(jobs)
    assert [outcomes[job.id].state for job in jobs].index(JobState.CANCELLED) == 17
    assert len(client.jobs(tag="mine", limit=None)) == 1_201


def test_where_one_cannot_be_opened_none_is_submitted(client: Client, clip: Path) -> None:
    given: list[str | Path | Pinned] = [clip, *many(600), clip.with_name("nothing.mp4")]
    with pytest.raises(SourceError, match="there is no such file") as refused:
        client.submit_many(given)
    assert refused.value.fault is MediaFault.NOT_FOUND
    assert not client.jobs()


def test_of_many_each_says_whether_it_can_be_opened(client: Client, clip: Path) -> None:
    opened, missing, again = client.pin_many([clip, clip.with_name("nothing.mp4"), str(clip)])
    assert opened == again == client.pin(clip)
    assert isinstance(missing, SourceError)
    assert missing.fault is MediaFault.NOT_FOUND


def test_a_bucket_that_is_not_listed_is_refused_unasked(client: Client) -> None:
    for given in ("s3://others/a.mp4", Pinned("s3://others/a.mp4", "etag:1")):
        with pytest.raises(SourceError, match=r"others is not among s3\.buckets") as refused:
            client.submit_many([given])
        assert refused.value.fault is MediaFault.ACCESS_DENIED


def test_who_knows_a_version_learns_whether_it_has_a_job(client: Client) -> None:
    first, second = Pinned("s3://b/a", "etag:1"), Pinned("s3://b/a", "etag:2")
    client.submit_many([first])
    assert client.known([first, second, *many(600)]) == [True, False, *[False] * 600]
    assert client.known([first], policy="light") == [False]
    assert client.known([]) == []
    assert client.pins(["s3://b/a", "s3://b/b"]) == {"s3://b/a": frozenset({"etag:1"})}


def test_a_file_is_a_policy_and_its_errors_have_lines(client: Client, tmp_path: Path) -> None:
    ours = tmp_path / "ours.toml"
    ours.write_text('schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"\n')
    (job,) = client.submit_many([Pinned("s3://b/a", "etag:1")], policy=str(ours))
    assert job.job.policy == Policy.read(ours).ref.digest
    ours.write_text(ours.read_text() + "nonsense = 1\n")
    with pytest.raises(PolicyError, match=r"ours\.toml:4: "):
        client.submit_many([Pinned("s3://b/a", "etag:1")], policy=str(ours))


@pytest.mark.parametrize("policy", ["nonsense", "/dev/null/policy.toml"])
def test_a_policy_that_there_is_not_is_refused(client: Client, policy: str) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        client.submit_many(many(1), policy=policy)


def test_a_priority_that_there_is_not_is_refused(client: Client) -> None:
    with pytest.raises(ConfigurationError, match="priority 10"):
        client.submit_many(many(1), priority=10)


@pytest.mark.parametrize("id", ["nothing", "", "../jobs", "a/b", "ü?#%00"])
def test_an_id_that_there_is_not_is_not_found(client: Client, id: str) -> None:
    for asked in (client.job, client._transport.cancel, client._transport.retry):
        with pytest.raises(NotFound):
            asked(id)


def test_jobs_are_listed_by_state_and_tag(client: Client) -> None:
    first, second = client.submit_many(many(2), tag="mine")
    (other,) = client.submit_many([Pinned("s3://b/x", "etag:1")])
    first.cancel()
    assert [job.id for job in client.jobs("cancelled")] == [first.id]
    assert [job.id for job in client.jobs(JobState.QUEUED, tag="mine")] == [second.id]
    assert [job.id for job in client.jobs(limit=1)] == [other.id]


def test_pages_are_one_list(direct: Client, remote: Client) -> None:
    direct.submit_many(many(1_103))
    listed = [job.job for job in remote.jobs(limit=None)]
    assert listed == [job.job for job in direct.jobs(limit=None)]
    assert [job.job for job in remote.jobs(limit=1_050)] == listed[:1_050]


def test_unfinished_jobs_are_those_of_any_version(client: Client) -> None:
    uris = ("s3://b/ä b", "s3://b/ä b?versionId=1", "s3://b/ä bc")
    jobs = client.submit_many([Pinned(uri, "etag:1") for uri in uris])
    assert {job.id for job in client.unfinished("s3://b/ä b")} == {jobs[0].id, jobs[1].id}
    jobs[0].cancel()
    assert [job.id for job in client.unfinished("s3://b/ä b")] == [jobs[1].id]


def test_a_job_is_cancelled_and_tried_again(client: Client) -> None:
    (job,) = client.submit_many(many(1))
    assert job.cancel().wait(1).state is JobState.CANCELLED
    assert client.job(job.id).retry().state is JobState.QUEUED
    with pytest.raises(ConfigurationError, match="nobody had no turn"):
        job.retry(["nobody"])


def test_waiting_ends_and_the_job_goes_on(client: Client) -> None:
    (job,) = client.submit_many(many(1))
    with pytest.raises(StillRunning, match="is queued after 0 s"):
        job.wait(timeout=0)


def test_what_is_not_judged_has_no_verdict(client: Client) -> None:
    (job,) = client.submit_many(many(1))
    with pytest.raises(StillRunning, match="has no verdict, it is queued"):
        job.verdict  # noqa: B018  # asked for


def test_a_scan_comes_back_as_it_was_stored(client: Client, site: Site) -> None:
    (job,) = client.submit_many(many(1))
    seen = (
        make_evidence(
            start_s=1.000001,
            end_s=3599.999999,
            score=0.123456,
            box=Box(0.1, 0.2, 0.3, 0.4),
            detail={"path": [[0.1, 1], [0.2, 2]], "term": "ä"},
        ),
        make_evidence(
            "Context/Speech",
            start_s=2,
            end_s=4,
            text="<script>alert(1)</script>",
            words=(Word("hi", Span.from_seconds(2, 2.5), 0.75, "anna"),),
            subject="anna",
        ),
    )
    scan = judge(site, job.id, make_scan(*seen, sandbox=("landlock",), cut_short="it crashed"))
    assert job.wait(1).scan == scan
    assert job.verdict == scan.verdict
    assert [each.id for each in job.evidence] == [each.id for each in seen]
    assert "s3://" not in job.report("csv")
    assert job.job.action is Action.REVIEW


def test_a_failed_scan_comes_back_as_it_was_stored(client: Client, site: Site) -> None:
    (job,) = client.submit_many(many(1))
    scan = judge(site, job.id, make_failed_scan(MediaFault.ENCRYPTED))
    assert job.refresh().scan == scan


def test_all_that_is_said_of_jobs_is_the_same(
    direct: Client, remote: Client, site: Site, clip: Path
) -> None:
    jobs = [direct.submit(clip), *direct.submit_many(many(3), tag="mine")]
    jobs[1].cancel()
    judge(site, jobs[2].id, make_scan(make_evidence()))
    for job in jobs:
        there, here = direct.job(job.id), remote.job(job.id)
        assert here.job == there.job
        assert here.job.parts
        assert here.job.progress == there.job.progress
    assert remote.outcomes(jobs) == direct.outcomes(jobs)
    assert remote.jobs(limit=None)[0].job == direct.jobs(limit=None)[0].job
    assert remote.job(jobs[2].id).report("json") == direct.job(jobs[2].id).report("json")


def test_an_upload_that_nobody_asks_about_may_be_gone(client: Client) -> None:
    assert client.deleted("s3://b/nothing") == ()


@pytest.mark.parametrize("over_http", [False, True])
def test_all_of_it_can_be_awaited(site: Site, clip: Path, over_http: bool) -> None:
    async def go() -> None:
        client = (
            AsyncClient(site.url, token=site.token) if over_http else AsyncClient(site.settings)
        )
        pinned = await client.pin(clip)
        assert await client.pin_many([clip]) == [pinned]
        assert await client.known([pinned]) == [False]
        job = await client.submit(clip)
        assert await client.known([pinned]) == [True]
        assert await client.pins([str(clip)]) == {str(clip): frozenset({pinned.pin})}
        assert [each.id for each in await client.submit_many([pinned])] == [job.id]
        assert (await client.jobs("queued"))[0].id == (await client.job(job.id)).id == job.id
        assert [each.id for each in await client.unfinished(str(clip))] == [job.id]
        assert await client.waiting() == 1
        await client.cancel(job)
        assert (await client.wait(job, timeout=5)).state is JobState.CANCELLED
        assert (await client.outcomes([job]))[job.id].state is JobState.CANCELLED
        assert (await client.retry(job)).state is JobState.QUEUED
        assert await client.deleted("s3://b/nothing") == ()
        await client.close()

    asyncio.run(go())


def test_what_is_handed_in_over_http_is_judged_by_workers(
    tmp_path: Path, postgres_url: str, redis_server: RedisServer
) -> None:
    video = Clip(64, 48, fps=5).show(1, BLACK).show(1, WHITE).write(tmp_path / "white.mp4")
    made = Installation(tmp_path / "home", postgres_url, redis_server.url)
    settings = made.settings.model_copy(update={"web": WebSettings(folders=(tmp_path,))})
    with closing(made), WebServer(settings) as server:
        made.worker()
        people = People(server.installation.store)
        people.add("uploads", Role.SERVICE, by=ADMIN)
        token = people.issue("uploads", by=ADMIN).secret
        with Client(server.url, token=token) as client, made.client() as direct:
            job = client.submit(video).wait(120)
            assert (job.state, job.verdict.action) == (JobState.DONE, Action.REVIEW)
            assert job.scan == direct.job(job.id).scan
            assert {each.label for each in job.evidence} == {"Violence/Weapons/Firearm"}
