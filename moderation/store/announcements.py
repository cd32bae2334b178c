"""What receivers of webhooks are told of jobs and verdicts: ids, and enough to act on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.decision import Decision, Purpose, Remedy, standing
from moderation.scan import Scan
from moderation.store.convert import verdict_from
from moderation.store.decisions import of_case
from moderation.store.models import (
    JobRow,
    PolicyRow,
    ReviewItemRow,
    ScanRow,
    VerdictRow,
    VideoRow,
)
from moderation.store.outbox import announce, recall
from moderation.timeline import MICROSECONDS
from moderation.verdict import Verdict
from moderation.webhook import EventType

__all__ = [
    "announce_change",
    "announce_decision",
    "announce_job",
    "in_force",
    "recall_decision",
]

_MOST: Final = 100
"""Rules and labels that an event names; the verdict itself has them all."""


def announce_job(session: Session, job: JobRow, scan: Scan | None, now: datetime) -> None:
    """A job is over: with its verdict, or, without a scan, failed for good."""
    data = {"job_id": job.id, "state": str(job.state), "uri": job.uri, "tag": job.tag}
    seen = _seen(scan) if scan is not None else {"error": job.error}
    announce(session, type=EventType.JOB_COMPLETED, data={**data, **seen}, now=now)


def in_force(session: Session, video_id: int) -> Verdict | None:
    """The verdict in force for a video."""
    found = session.execute(
        select(VerdictRow, PolicyRow)
        .join(PolicyRow, PolicyRow.digest == VerdictRow.policy_digest)
        .where(VerdictRow.video_id == video_id, VerdictRow.current)
    ).one_or_none()
    return None if found is None else verdict_from(*found)


def announce_change(session: Session, scan: Scan, former: Verdict | None, now: datetime) -> None:
    """A verdict takes the place of another; nobody is told of one that says the same.

    The first one of a video changes nothing: that its job is completed says it.
    """
    if former is None or _says(former) == _says(scan.verdict):
        return
    data = {"uri": scan.video.uri, **_seen(scan), "former": _told(former)}
    announce(session, type=EventType.VERDICT_CHANGED, data=data, now=now)


def announce_decision(session: Session, decision: Decision, case: str, delay_s: float) -> None:
    """A person has decided; what they wrote is not told, for notes are for colleagues.

    A second look says what it says, and another decision may stand: both are told.
    """
    is_appeal = decision.purpose is Purpose.APPEAL
    announce(
        session,
        type=EventType.APPEAL_DECIDED if is_appeal else EventType.REVIEW_DECIDED,
        data=_decided(session, decision, case),
        now=decision.decided_at,
        id=_event_of(decision.id, decision.decided_at),
        delay_s=delay_s,
    )


def recall_decision(session: Session, decision_id: int, decided_at: datetime) -> bool:
    """It was taken back: who has not been told of it is not told any more; whether that is all."""
    return recall(session, _event_of(decision_id, decided_at))


def _event_of(decision_id: int, decided_at: datetime) -> str:
    """With the moment: a database that was restored gives out the same numbers again."""
    return f"decision_{decision_id}_{round(decided_at.timestamp() * MICROSECONDS)}"


def _decided(session: Session, decision: Decision, case: str) -> dict[str, Any]:
    item = session.get_one(ReviewItemRow, decision.item_id)
    verdict = session.get_one(VerdictRow, item.verdict_id)
    video, scan = (
        session.get_one(VideoRow, item.video_id),
        session.get_one(ScanRow, verdict.scan_id),
    )
    remedies = {each.remedy for each in decision.segments} - {Remedy.NONE}
    stands = standing(of_case(session, case))
    return {
        "item": decision.item_id,
        "case": case,
        "purpose": decision.purpose.value,
        "outcome": decision.outcome.value,
        "stands": None if stands is None else stands.outcome.value,
        "reason": decision.reason,
        "remedies": sorted(each.value for each in remedies),
        "uri": video.uri,
        "sha256": video.sha256,
        "scan_id": scan.scan_id,
        "action": verdict.action,
    }


def _seen(scan: Scan) -> dict[str, Any]:
    return {
        "scan_id": scan.id,
        "sha256": scan.video.sha256,
        "verdict": _told(scan.verdict),
        **({"failure": scan.failure.fault} if scan.failure else {}),
    }


def _told(verdict: Verdict) -> dict[str, Any]:
    policy = verdict.policy
    return {
        **_says(verdict),
        "policy": {"name": policy.name, "version": policy.version, "digest": policy.digest},
    }


def _says(verdict: Verdict) -> dict[str, Any]:
    return {
        "action": verdict.action,
        "severity": verdict.severity,
        "rules": _first(reason.rule for reason in verdict.reasons),
        "labels": _first(reason.label for reason in verdict.reasons),
        "missing": [*verdict.missing],
    }


def _first(names: Iterable[str]) -> list[str]:
    return [*islice(sorted(set(names)), _MOST)]
