"""Links to what people look at: signed, for one person and one session, and for a few minutes.

Nothing of where an upload lies stands in them.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Self, TypeVar

from moderation.errors import NotAllowed
from moderation.store import Store
from moderation.store.keys import signing_key
from moderation.web.caller import Caller

__all__ = ["Links", "PictureLink", "PreviewLink", "VideoLink"]

_DIGITS: Final = 40
"""Of the signature: 160 bits, more than anybody guesses within its minutes."""


class VideoLink(NamedTuple):
    """What a link to a video says."""

    item_id: str
    expires: int

    def text(self) -> str:
        return f"{self.item_id}.{self.expires}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ValueError`."""
        item_id, expires = text.split(".")
        return cls(item_id, int(expires))


class PreviewLink(VideoLink):
    """The same of the copy that was made of it."""


class PictureLink(NamedTuple):
    """What a link to a frame says; `veiled`: blurred and grey."""

    item_id: str
    at_us: int
    veiled: bool
    expires: int

    def text(self) -> str:
        return f"{self.item_id}.{self.at_us}.{'veiled' if self.veiled else 'clear'}.{self.expires}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ValueError`."""
        item_id, at_us, how, expires = text.split(".")
        return cls(item_id, int(at_us), how != "clear", int(expires))


Link = TypeVar("Link", VideoLink, PreviewLink, PictureLink)


class Links:
    """Makes and checks them; every server of an installation knows those of the others.

    seconds  for which one is good
    """

    def __init__(self, store: Store, seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._key, self._seconds, self._clock = signing_key(store, "links"), seconds, clock

    def expires(self) -> int:
        """When a link that is made now is over, in milliseconds since 1970."""
        return int((self._clock() + self._seconds) * 1_000)

    def video(self, item_id: str, caller: Caller) -> str:
        """URL of the upload that an item is about. Whoever makes it has checked who asks."""
        return f"/media/video/{self._signed(VideoLink(item_id, self.expires()), caller)}"

    def preview(self, item_id: str, caller: Caller) -> str:
        """URL of the copy that was made of it."""
        return f"/media/preview/{self._signed(PreviewLink(item_id, self.expires()), caller)}"

    def picture(self, item_id: str, at_us: int, caller: Caller, *, veiled: bool = True) -> str:
        """URL of a frame that was kept of it."""
        link = PictureLink(item_id, at_us, veiled, self.expires())
        return f"/media/picture/{self._signed(link, caller)}"

    def read_video(self, token: str, caller: Caller) -> VideoLink:
        """What the link says. Raises `NotAllowed` where it is another's, changed, or over."""
        return self._read(VideoLink, token, caller)

    def read_preview(self, token: str, caller: Caller) -> PreviewLink:
        return self._read(PreviewLink, token, caller)

    def read_picture(self, token: str, caller: Caller) -> PictureLink:
        return self._read(PictureLink, token, caller)

    def _signed(self, link: VideoLink | PictureLink, caller: Caller) -> str:
        return f"{link.text()}.{self._mark(link, caller)}"

    def _read(self, kind: type[Link], token: str, caller: Caller) -> Link:
        said, _, mark = token.rpartition(".")
        try:
            link = kind.parse(said)
        except ValueError:
            raise _refused() from None
        # What was said is written anew: of a text that means the same, only one is good.
        if not hmac.compare_digest(mark.encode(), self._mark(link, caller).encode()):
            raise _refused()
        if link.text() != said or link.expires <= self._clock() * 1_000:
            raise _refused()
        return link

    def _mark(self, link: VideoLink | PictureLink, caller: Caller) -> str:
        said = (type(link).__name__, link.text(), caller.person.name, caller.session)
        return hmac.new(self._key, "\0".join(said).encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _refused() -> NotAllowed:
    return NotAllowed("the link is not good, or not any more", hint="load the page again")
