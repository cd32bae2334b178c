"""Rewrite: have the process that decodes write a video anew, and take what it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from moderation.errors import MediaFault
from moderation.media import protocol as say
from moderation.media.process import DecoderLost
from moderation.media.reader import MediaReader

__all__ = ["MOST_EDITS", "rewrite"]

MOST_EDITS = 10_000
"""Of one video: more than its evidence has pieces."""

_AT_ONCE = 1_000
"""Pieces of edits in one message."""


def rewrite(
    media: MediaReader,
    pieces: Sequence[say.Edit],
    edits: int,
    write: Callable[[int, bytes], None],
    check: Callable[[], None] = lambda: None,
    *,
    draft: int = 0,
) -> say.Redacted:
    """Have the video of `media`, which was probed, written with these pieces of so many edits.

    write  called with a position in the new file and the bytes that belong there
    check  called now and then, and may raise
    draft  pixels of the longer side of a copy to look at; 0: of the size that it has

    Raises `MediaError` for what is no whole video, unless it is a draft, or of which nothing would
    be left, `SourceError`, and what `write` and `check` raise.
    """
    for first in range(0, len(pieces), _AT_ONCE):
        media.tell(say.Edits(pieces=tuple(pieces[first : first + _AT_ONCE])))
    request = say.Redact(edits=edits, pieces=len(pieces), draft=draft)
    for reply in media.ask(request, say.Redacted, check):
        check()
        match reply:
            case say.Written() if reply.at + reply.data.length <= media.limits.max_bytes:
                write(reply.at, media.take(reply.data))
            case say.Redacted() if len(reply.touched) == edits:
                return reply
            case _:
                break
    raise DecoderLost("the decoder writes what is no video", fault=MediaFault.DECODER_CRASHED)
