"""What people look at, sent through signed links: the upload in ranges, and frames kept of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from moderation.errors import ModerationError, NotAllowed, NotFound
from moderation.person import Right
from moderation.source import Source
from moderation.store.item_media import item_media
from moderation.timeline import Instant
from moderation.web.caller import Caller
from moderation.web.identity import SignedIn
from moderation.web.installation import Here, Installation
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
async def video(token: str, request: Request, here: Here, caller: SignedIn) -> Response:
    """The upload of an item, or the range that is asked for."""
    _check(request, caller)
    link = here.links.read_video(token, caller)
    media = await here.streams.work(partial(item_media, here.store, link.item_id))
    source = await here.streams.work(partial(here.playback.open, media))
    kind = content_type(media)
    return _sent(request, here, caller, source, f'"{media.sha256}"', kind)


@router.get("/media/preview/{token}")
@router.head("/media/preview/{token}")
async def preview(token: str, request: Request, here: Here, caller: SignedIn) -> Response:
    """The same of a copy that was made of it."""
    _check(request, caller)
    link = here.links.read_preview(token, caller)
    media = await here.streams.work(partial(item_media, here.store, link.item_id))
    source = await here.streams.work(partial(here.previews.open, media))
    return _sent(request, here, caller, source, f'"{media.sha256}-preview"', "video/mp4")


@router.get("/media/picture/{token}")
async def picture(token: str, request: Request, here: Here, caller: SignedIn) -> Response:
    """A frame that was kept of an item's video."""
    _check(request, caller)
    link = here.links.read_picture(token, caller)
    jpeg = await here.streams.work(partial(_jpeg, here, link.item_id, Instant(link.at_us)))
    shown = await here.streams.work(partial(veiled, jpeg)) if link.veiled else jpeg
    return Response(shown, headers=_HEADERS, media_type="image/jpeg")


class _Stream(StreamingResponse):
    """A range of a source; both are over with the answer, however that ends."""

    def __init__(
        self,
        here: Installation,
        person: str,
        source: Source,
        span: ByteRange,
        status: int,
        headers: Mapping[str, str],
        kind: str,
    ) -> None:
        self._streams, self._person = here.streams, person
        self._source, self._span = source, span
        super().__init__(self._pieces(), status, headers, kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.end(self._person)
            self._source.close()

    async def _pieces(self) -> AsyncIterator[bytes]:
        at, end = self._span
        try:
            while at < end:
                read = partial(self._source.read, min(_PIECE, end - at), at)
                piece = await self._streams.work(read)
                if not piece:  # it has become shorter: so does the answer
                    log.warning("an upload ended while it was played", uri=self._source.uri)
                    return
                yield piece
                at += len(piece)
        except ModerationError as error:  # the head is sent: all that is left is to break off
            log.warning("an upload could not be played to its end", reason=str(error))


def _sent(
    request: Request, here: Installation, caller: Caller, source: Source, etag: str, kind: str
) -> Response:
    """All of it or the range that is asked for."""
    headers = {**_HEADERS, "Accept-Ranges": "bytes", "ETag": etag}
    try:
        asked = _asked(request, etag, source.size)
        if asked is not None:
            headers["Content-Range"] = asked.content_range(source.size)
        span, status = asked or ByteRange(0, source.size), 206 if asked else 200
        headers["Content-Length"] = str(span.end - span.start)
        if request.method != "HEAD":
            here.streams.begin(caller.person.name)
            return _Stream(here, caller.person.name, source, span, status, headers, kind)
    except Unsatisfiable:
        status, headers = 416, {"Content-Range": f"bytes */{source.size}"}
    except BaseException:
        source.close()
        raise
    source.close()
    return Response(status_code=status, headers=headers, media_type=kind)


def _asked(request: Request, etag: str, size: int) -> ByteRange | None:
    header = request.headers.get("range", "")
    if not header or request.headers.get("if-range", etag) != etag:
        return None
    return asked_range(header, size)


def _check(request: Request, caller: Caller) -> None:
    caller.person.require(Right.CLAIM)
    if request.headers.get("sec-fetch-dest", "") not in _SHOWING:
        raise NotAllowed("that is shown in its page only", hint="open the review item")


def _jpeg(here: Installation, item_id: str, at: Instant) -> bytes:
    """Raises `NotFound`."""
    media = item_media(here.store, item_id)
    jpeg = here.pictures.at(media.sha256, at) if media.sha256 else None
    if jpeg is None:
        raise NotFound("the picture was not kept, or not for this long", hint="play that moment")
    return jpeg
