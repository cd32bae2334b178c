"""The pages: each is a module with a `router`."""

from fastapi import APIRouter

from moderation.web import health
from moderation.web.pages import activity, board, item, links, live, preview, queue, sign_in, work

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
router.include_router(item.router)
router.include_router(links.router)
router.include_router(preview.router)
router.include_router(queue.router)
router.include_router(sign_in.router)
router.include_router(health.router)
router.include_router(work.router)
router.include_router(activity.router)
router.include_router(board.router)
router.include_router(live.router)
