"""An upload, and how far a job of it has come: what there is to be erased, or to be kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from moderation.config import Settings
from moderation.erasure import Eraser, Receipt
from moderation.evidence import Word
from moderation.job import Job, Lease, Pinned, Submission
from moderation.media import MediaReader
from moderation.policy import Policy
from moderation.publish import Publisher
from moderation.scan import Scan
from moderation.sources import open_source
from moderation.store import Failure, Jobs, Leases, Store
from moderation.testing.clips import WHITE, Clip
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import Span

__all__ = ["NAME", "POLICY", "SECRET", "Upload", "make_clip"]

SECRET = "rosebud at dawn"
"""Said, shown and noted in the video."""

NAME = "holiday-of-jane"
"""Of its file."""

POLICY = Policy.parse('schema = "moderation.policy/v1"\nname = "test"\nversion = "1"', "test.toml")


def make_clip(folder: Path) -> Path:
    return Clip(64, 48, fps=5).show(3, WHITE).write(folder / f"{NAME}.mp4")


class Upload:
    """Of one installation; `uri` may be set to that of another upload.

    scan_id  of the next look at it
    """

    def __init__(self, settings: Settings, uri: str) -> None:
        self.settings, self.uri = settings, uri
        self.store = Store.open(settings.database_url)
        self.jobs, self.leases = Jobs(self.store), Leases(self.store, attempts=1)
        self.scan_id = "0c0ffee0"

    @property
    def pinned(self) -> Pinned:
        with open_source(self.uri, self.settings.s3) as source:
            return Pinned(source.pinned_uri, source.pin)

    @property
    def sha256(self) -> str:
        with open_source(self.uri, self.settings.s3) as source:
            return source.sha256()

    @property
    def scan(self) -> Scan:
        words = (Word(SECRET, Span.from_seconds(1, 2), 0.9),)
        detail = {"embedding": [0.25] * 8, "around": SECRET}
        seen = make_evidence(text=SECRET, words=words, subject=SECRET, detail=detail, end_s=2)
        scan = make_scan(seen, name=self.pinned.uri, id=self.scan_id, policy=POLICY.ref)
        coverage = tuple(replace(each, reason=SECRET) for each in scan.coverage)
        video = replace(scan.video, sha256=self.sha256)
        return replace(scan, video=video, coverage=coverage, cut_short=SECRET)

    def submit(self) -> Job:
        self.jobs.keep(POLICY)
        uri, pin = self.pinned
        submission = Submission(uri=uri, pin=pin, policy=POLICY.ref.digest, tag=f"of {NAME}")
        return self.jobs.submit([submission])[0]

    def lease(self, lane: str = "control") -> Lease:
        lease = self.leases.claim(lane, "worker")
        assert lease is not None
        return lease

    def plan(self, lease: Lease) -> None:
        video = self.scan.video
        written = {"video": {"uri": video.uri, "sha256": video.sha256, "title": SECRET}}
        self.leases.plan(lease, written, ["cpu"], video=video)

    def see(self, lease: Lease) -> None:
        self.leases.seen(lease, {"text": SECRET})

    def decide(self, lease: Lease) -> None:
        self.leases.decided(lease, self.scan, POLICY, "all", publish=True)

    def publish(self, job: Job) -> None:
        source = open_source(self.uri, self.settings.s3)
        with source, MediaReader(source) as media:
            publisher = Publisher(self.settings)
            publisher.publish(self.scan, self.pinned, job.id, lambda: media)

    def fail(self, lease: Lease) -> None:
        self.leases.fail(lease, Failure(error=f"{NAME}: {SECRET}", traceback=SECRET))

    def bring(self, job: Job, state: str) -> Lease | None:
        """The job is in that state now; what a worker holds of it."""
        if state == "queued":
            return None
        ingest = self.lease()
        if state == "ingesting":
            return ingest
        self.plan(ingest)
        if state == "planned":
            return self.lease("cpu")
        if state == "dead":
            self.fail(self.lease("cpu"))
            return None
        self.see(self.lease("cpu"))
        if state == "seen":
            return None
        decide = self.lease()
        if state == "deciding":
            return decide
        self.decide(decide)
        publish = self.lease()
        if state == "publishing":
            return publish
        self.publish(job)
        self.leases.published(publish)
        return None

    def erase(self, video: str = "", *, media: bool = False) -> Receipt:
        eraser = Eraser(self.settings, self.store)
        return eraser.erase(video or self.uri, actor="dpo", media=media)

    def hits(self, *texts: str) -> list[str]:
        """Files of the data directory, by content or by name, that have one of the texts."""
        wanted, home = [each.encode() for each in texts], self.settings.home
        return [
            str(path)
            for path in home.rglob("*")
            if any(each in str(path.relative_to(home)).encode() for each in wanted)
            or (path.is_file() and any(each in path.read_bytes() for each in wanted))
        ]
