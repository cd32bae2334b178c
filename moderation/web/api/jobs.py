"""`/api/v1/jobs` and `/api/v1/uploads`: hand in videos, see how far they are, read the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

from fastapi import APIRouter, Depends, Query, Response

from moderation import job as known
from moderation.config import Settings
from moderation.errors import ConfigurationError, NotFound, StillRunning
from moderation.job import JobState
from moderation.person import Person, Right, Role
from moderation.policy import Policy
from moderation.reports.document import Document, document
from moderation.scan import Scan
from moderation.transport import side_by_side
from moderation.web.admission import admitted
from moderation.web.api import schemas_jobs as shapes
from moderation.web.api.schemas_jobs import MOST_JOBS, Upload, Uri, Word
from moderation.web.idempotency import Once
from moderation.web.identity import needs
from moderation.web.installation import Here

__all__ = ["router"]

router = APIRouter(tags=["jobs"])

SUBMITTING: Final = [Depends(needs(Right.SUBMIT))]
READING: Final = [Depends(needs(Right.READ))]

Reader: TypeAlias = Annotated[Person, Depends(needs(Right.READ))]


@router.post(
    "/jobs",
    status_code=202,
    response_model=shapes.Jobs,
    summary="Have uploads judged",
    dependencies=SUBMITTING,
)
def submit(given: shapes.Submission, here: Here, once: Once) -> Response:
    """One job for each upload, in their order: a new one, or the one that there is already.

    An upload without a pin is looked for, and what lies there now is judged. Where one cannot be
    opened, none is submitted.
    """
    if given.key and len(given.uploads) > 1:
        raise ConfigurationError(
            "a key is one upload's", hint="send each upload that has a key by itself"
        )

    def work() -> shapes.Jobs:
        jobs = here.transport.submit(
            _admitted(given.uploads, here.settings),
            _policy(given.policy),
            priority=given.priority,
            tag=given.tag,
            key=given.key,
        )
        return shapes.Jobs.of(jobs)

    return once.answer(work, status=202)


@router.get("/jobs", summary="List jobs", dependencies=READING)
def search(
    here: Here,
    state: Annotated[list[JobState] | None, Query(description="any of these")] = None,
    tag: Annotated[Word | None, Query(description="exactly this one")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_JOBS)] = 100,
    after: Annotated[Word | None, Query(description="`next` of the page before")] = None,
) -> shapes.JobPage:
    """The newest first, without their parts."""
    return shapes.JobPage.of(here.transport.find(state, tag, limit, after), limit)


@router.get("/jobs/unfinished", summary="Jobs of an upload that are not over", dependencies=READING)
def unfinished(here: Here, uri: Annotated[Uri, Query()]) -> shapes.Jobs:
    """Of any of its versions."""
    return shapes.Jobs.of(here.transport.unfinished(uri))


@router.get("/jobs/backlog", summary="How much waits for a worker", dependencies=READING)
def backlog(here: Here) -> shapes.Backlog:
    return shapes.Backlog(waiting=here.transport.waiting())


@router.post("/jobs/outcomes", summary="State and verdict of many jobs", dependencies=READING)
def outcomes(given: shapes.JobIds, here: Here) -> shapes.Outcomes:
    """Changes nothing."""
    found = here.transport.outcomes(given.ids)
    return shapes.Outcomes.model_validate({"outcomes": found})


@router.get("/jobs/{job_id}", summary="How far a job is", dependencies=READING)
def show(job_id: str, here: Here) -> shapes.Job:
    return shapes.Job.model_validate(here.transport.get(job_id))


@router.get(
    "/jobs/{job_id}/verdict", summary="What the policy says of a job's video", dependencies=READING
)
def verdict(job_id: str, here: Here) -> shapes.JobVerdict:
    """409 while there is none."""
    job = here.transport.get(job_id)
    return shapes.JobVerdict.model_validate(
        {**vars(document(_scan(job, here))), "job_id": job.id, "scan_id": job.scan_id}
    )


@router.get(
    "/jobs/{job_id}/report",
    response_model=Document,
    summary="All that was seen, judged and decided",
)
def report(job_id: str, here: Here, by: Reader) -> Response:
    """409 while there is no verdict. What people decided, of a verdict in force, is told to
    programs: people see it with the review item, so that second looks stay blind.
    """
    scan = _scan(here.transport.get(job_id), here)
    is_told = by.role is Role.SERVICE and here.transport.is_in_force(scan)
    decisions = here.queue.decisions([scan.id]).get(scan.id, ()) if is_told else ()
    told = document(scan, decisions)
    return Response(told.model_dump_json(by_alias=True), media_type="application/json")


@router.post(
    "/jobs/{job_id}/cancel",
    response_model=shapes.Job,
    summary="Cancel a job",
    dependencies=SUBMITTING,
)
def cancel(job_id: str, here: Here, once: Once) -> Response:
    """Nobody works on it from now on; a job that is over stays as it is."""
    return once.answer(lambda: shapes.Job.model_validate(here.transport.cancel(job_id)))


@router.post(
    "/jobs/{job_id}/retry",
    response_model=shapes.Job,
    summary="Try a job again",
    dependencies=SUBMITTING,
)
def retry(job_id: str, here: Here, once: Once, given: shapes.Retry | None = None) -> Response:
    """What failed for good or was cancelled is tried again, and judged anew."""
    detectors = given.detectors if given else ()
    return once.answer(lambda: shapes.Job.model_validate(here.transport.retry(job_id, detectors)))


@router.post("/uploads/pin", summary="Which versions lie there now", dependencies=SUBMITTING)
def pin(given: shapes.Uris, here: Here) -> shapes.Uploads:
    """In their order; an error where one cannot be opened. Changes nothing."""
    uris = [admitted(uri, here.settings) for uri in given.uris]
    found = side_by_side(here.transport.pin, uris)
    return shapes.Uploads.model_validate({"uploads": [each._asdict() for each in found]})


@router.post("/uploads/known", summary="Which versions have a job", dependencies=READING)
def have_jobs(given: shapes.Asked, here: Here) -> shapes.Known:
    """Under the policy, whatever became of it. Changes nothing."""
    pinned = [known.Pinned(each.uri, each.pin) for each in given.uploads]
    policy = _policy(given.policy)
    return shapes.Known(known=here.transport.known(pinned, policy))


@router.post("/uploads/pins", summary="Of which versions there are jobs", dependencies=READING)
def pins(given: shapes.Uris, here: Here) -> shapes.Pins:
    """Changes nothing."""
    found = here.transport.pins(given.uris)
    return shapes.Pins(pins={uri: sorted(each) for uri, each in found.items()})


@router.post(
    "/uploads/deleted",
    response_model=shapes.ClosedItems,
    summary="An upload is gone",
    dependencies=SUBMITTING,
)
def deleted(given: shapes.Deleted, here: Here, once: Once) -> Response:
    """What a person is still asked about it is closed, unless it or the same bytes elsewhere are
    there all the same.
    """
    uri = admitted(given.uri, here.settings)
    return once.answer(lambda: shapes.ClosedItems(items=here.transport.deleted(uri)))


def _policy(given: shapes.PolicyGiven | None) -> Policy | None:
    return given.read() if given else None


def _admitted(uploads: Sequence[Upload], settings: Settings) -> list[str | known.Pinned]:
    uris = ((admitted(each.uri, settings), each.pin) for each in uploads)
    return [known.Pinned(uri, pin) if pin else uri for uri, pin in uris]


def _scan(job: known.Job, here: Here) -> Scan:
    scan = here.transport.scan(job)
    if scan is not None:
        return scan
    if job.scan_id:
        raise NotFound(f"the scan of the job {job.id} is kept no longer", hint="submit it again")
    reason = f": {job.error}" if job.error else ""
    raise StillRunning(
        f"the job {job.id} has no verdict, it is {job.state}{reason}", hint="ask again later"
    )
