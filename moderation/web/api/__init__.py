"""The HTTP API, version 1: each part is a module with a `router`."""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from moderation.web.api import appeals, audit, board, jobs, me, people, review, webhooks
from moderation.web.problems import DESCRIBED

__all__ = ["router"]

PREFIX = "/api/v1"


def _operation_id(route: APIRoute) -> str:
    """What generated clients call it: `jobs_submit`."""
    return f"{route.tags[0]}_{route.name}"


router = APIRouter(prefix=PREFIX, generate_unique_id_function=_operation_id, responses=DESCRIBED)
router.include_router(jobs.router)
router.include_router(review.router)
router.include_router(appeals.router)
router.include_router(webhooks.router)
router.include_router(me.router)
router.include_router(people.router)
router.include_router(audit.router)
router.include_router(board.router)
