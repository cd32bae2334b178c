"""Erasure from PostgreSQL and from S3: what a dump and a bucket say afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, update

from moderation.audit import AuditLog
from moderation.config import Settings
from moderation.errors import ConfigurationError, LeaseLost
from moderation.job import JobState
from moderation.publish_settings import PublishSettings
from moderation.retention import sweep
from moderation.s3_settings import S3Settings
from moderation.store.enqueue import ItemState
from moderation.store.models import ReviewItemRow
from tests.services.postgres_server import PostgresServer
from tests.services.s3_proxy import Answer, S3Proxy
from tests.services.s3_server import S3Server
from tests.services.upload import NAME, SECRET, Upload, make_clip

STATES = ("queued", "ingesting", "planned", "seen", "deciding", "publishing", "published", "dead")
KEY = f"{NAME}.mp4"
PLACES = PublishSettings(
    results="s3://uploads/moderation/results/", pictures="s3://uploads/moderation/pictures/"
)

ROUNDS = 8
"""Of two who meet."""

pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def server(s3_server: S3Server, clip: Path) -> S3Server:
    """With a bucket that keeps versions, and the upload in it."""
    s3_server.reset()
    s3_server.client.create_bucket(Bucket="uploads")
    s3_server.client.put_bucket_versioning(
        Bucket="uploads", VersioningConfiguration={"Status": "Enabled"}
    )
    s3_server.client.put_object(Bucket="uploads", Key=KEY, Body=clip.read_bytes())
    return s3_server


@pytest.fixture
def proxy(server: S3Server, s3_proxy: S3Proxy) -> S3Proxy:
    s3_proxy.reset()
    s3_proxy.upstream = server.port
    return s3_proxy


@pytest.fixture
def upload(tmp_path: Path, postgres_url: str, proxy: S3Proxy) -> Iterator[Upload]:
    """In S3, known in PostgreSQL, published to S3."""
    s3 = S3Settings(endpoint_url=proxy.url, region="us-east-1", max_attempts=2)
    settings = Settings(home=tmp_path / "home", database=postgres_url, s3=s3, publish=PLACES)
    made = Upload(settings, f"s3://uploads/{KEY}")
    yield made
    made.store.close()


def dump(url: str) -> str:
    """As `pg_dump` writes the whole database."""
    place = make_url(url)
    asked = ["-h", str(place.host), "-p", str(place.port), "-U", str(place.username)]
    command = [str(PostgresServer.find() / "pg_dump"), *asked, str(place.database)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def hits(upload: Upload, server: S3Server) -> list[str]:
    """Where the text or the name is left: in the dump, or among our files in the bucket."""
    found = [line for line in dump(upload.settings.database).splitlines() if _quotes(line)]
    for kept in ("Versions", "DeleteMarkers"):
        listed = server.client.list_object_versions(Bucket="uploads", Prefix="moderation/")
        found += [each["Key"] for each in listed.get(kept, ())]
    return found


def _quotes(text: str) -> bool:
    return SECRET in text or NAME in text


def versions(server: S3Server) -> int:
    """Of the upload."""
    listed = server.client.list_object_versions(Bucket="uploads", Prefix=KEY)
    return len(listed.get("Versions", ())) + len(listed.get("DeleteMarkers", ()))


@pytest.mark.parametrize("state", STATES)
def test_row_121_no_text_is_left_whatever_state_the_job_is_in(
    upload: Upload, server: S3Server, state: str
) -> None:
    lease = upload.bring(upload.submit(), state)
    assert hits(upload, server)
    upload.erase()
    if lease is not None:
        with pytest.raises(LeaseLost):
            upload.fail(lease)
    assert hits(upload, server) == []
    assert AuditLog(upload.store).verify().flaw is None
    assert versions(server) == 1


def test_the_upload_is_deleted_in_the_version_that_was_seen(
    upload: Upload, server: S3Server
) -> None:
    upload.bring(upload.submit(), "published")
    server.client.put_object(Bucket="uploads", Key=KEY, Body=b"somebody else's")
    receipt = upload.erase(media=True)
    assert receipt.removed["media"] == 1
    assert versions(server) == 1
    assert server.client.get_object(Bucket="uploads", Key=KEY)["Body"].read() == b"somebody else's"


def test_what_may_not_be_removed_is_said_and_can_be_done_later(
    upload: Upload, server: S3Server, proxy: S3Proxy
) -> None:
    job = upload.submit()
    upload.bring(job, "published")
    proxy.faults.extend([Answer(403, "AccessDenied")])
    with pytest.raises(ConfigurationError, match=r"deleting is not permitted.*DeleteObject"):
        upload.erase()
    assert hits(upload, server)
    assert upload.jobs.get(job.id).state is JobState.DONE
    upload.erase()
    assert hits(upload, server) == []


def test_row_121_whoever_decides_in_the_same_moment_leaves_nothing(
    upload: Upload, server: S3Server
) -> None:
    for number in range(ROUNDS):
        upload.scan_id = f"look{number}"
        server.client.put_object(Bucket="uploads", Key=KEY, Body=b"film %d" % number)
        lease = upload.bring(upload.submit(), "deciding")
        assert lease is not None
        with ThreadPoolExecutor(2) as pool:
            decided = pool.submit(upload.decide, lease)
            pool.submit(upload.erase).result()
            assert isinstance(decided.exception(), LeaseLost | None)
        assert hits(upload, server) == []


def test_what_is_kept_too_long_goes_from_there_too(upload: Upload, server: S3Server) -> None:
    upload.bring(upload.submit(), "published")
    with upload.store.writing() as session:
        session.execute(update(ReviewItemRow).values(state=ItemState.DECIDED))
    removed = sweep(upload.store, upload.settings, datetime.now(UTC) + timedelta(days=201))
    assert {what: count for what, count in removed.items() if count} == {
        "documents": 1,
        "evidence": 1,
        "jobs": 1,
        "parts": 4,
        "pictures": 1,
        "scans": 1,
        "verdict_texts": 1,
        "videos": 1,
    }
    assert hits(upload, server) == []
    assert versions(server) == 1
