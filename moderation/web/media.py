"""What people look at, sent through signed links: the upload in ranges, and frames kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from moderation.errors import ModerationError, NotAllowed, NotFound
from moderation.person import Right
from moderation.source import Source
from moderation.store.item_media import item_media
from moderation.timeline import Instant
from moderation.web.identity import SignedIn
from moderation.web.installation import Here
from moderation.web.playback import content_type
from moderation.web.ranges import ByteRange, Unsatisfiable, asked_range
from moderation.web.veil import veiled

__all__ = ["router"]

log = structlog.get_logger(__name__)

router = APIRouter(include_in_schema=False)

_PIECE: Final = 256 << 10
"""Bytes sent at once: a player that goes away has not been read much for in vain."""

_SHOWING: Final = ("", "video", "audio", "image", "empty")
"""What a browser may want it for: a part of our page. A page of its own would show it unveiled."""

_HEADERS: Final = {
    "Cache-Control": "private, no-store",  # what harms people stays on no reviewer's disk
    "Content-Disposition": "attachment",
}


@router.get("/media/video/{token}")
@router.head("/media/video/{token}")
def video(token: str, request: Request, here: Here, caller: SignedIn) -> Response:
    """The upload of an item, or the range that is asked for."""
    caller.person.require(Right.CLAIM)
    _check_shown_in_page(request)
    link = here.links.read_video(token, caller)
    media = item_media(here.store, link.item_id)
    return _sent(request, here.playback.open(media), f'"{media.sha256}"', content_type(media))


@router.get("/media/preview/{token}")
@router.head("/media/preview/{token}")
def preview(token: str, request: Request, here: Here, caller: SignedIn) -> Response:
    """The same of a copy that was made of it."""
    caller.person.require(Right.CLAIM)
    _check_shown_in_page(request)
    link = here.links.read_preview(token, caller)
    media = item_media(here.store, link.item_id)
    return _sent(request, here.previews.open(media), f'"{media.sha256}-preview"', "video/mp4")


@router.get("/media/picture/{token}")
def picture(token: str, request: Request, here: Here, caller: SignedIn) -> Response:
    """A frame that was kept of an item's video."""
    caller.person.require(Right.CLAIM)
    _check_shown_in_page(request)
    link = here.links.read_picture(token, caller)
    media = item_media(here.store, link.item_id)
    jpeg = here.pictures.at(media.sha256, Instant(link.at_us)) if media.sha256 else None
    if jpeg is None:
        raise NotFound("the picture was not kept, or not for this long", hint="play that moment")
    return Response(
        veiled(jpeg) if link.veiled else jpeg, headers=_HEADERS, media_type="image/jpeg"
    )


def _check_shown_in_page(request: Request) -> None:
    if request.headers.get("sec-fetch-dest", "") not in _SHOWING:
        raise NotAllowed("that is shown in its page only", hint="open the review item")


def _sent(request: Request, source: Source, etag: str, kind: str) -> Response:
    """All of it or the range that is asked for; the source is closed with the answer."""
    headers = {**_HEADERS, "Accept-Ranges": "bytes", "ETag": etag}
    try:
        asked = _asked(request, etag, source.size)
    except Unsatisfiable:
        source.close()
        return Response(status_code=416, headers={"Content-Range": f"bytes */{source.size}"})
    if asked is not None:
        headers["Content-Range"] = asked.content_range(source.size)
    span = asked or ByteRange(0, source.size)
    headers["Content-Length"] = str(span.end - span.start)
    status = 206 if asked else 200
    if request.method == "HEAD":
        source.close()
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(_pieces(source, span), status, headers, kind)


def _asked(request: Request, etag: str, size: int) -> ByteRange | None:
    header = request.headers.get("range", "")
    if not header or request.headers.get("if-range", etag) != etag:
        return None
    return asked_range(header, size)


async def _pieces(source: Source, span: ByteRange) -> AsyncIterator[bytes]:
    at = span.start
    try:
        while at < span.end:
            piece = await run_in_threadpool(source.read, min(_PIECE, span.end - at), at)
            if not piece:  # it has become shorter: the answer ends before its announced length
                log.warning("an upload ended while it was played", uri=source.uri)
                return
            yield piece
            at += len(piece)
    except ModerationError as error:  # the head is sent: all that is left is to break off
        log.warning("an upload could not be played to its end", reason=str(error))
    finally:
        source.close()
