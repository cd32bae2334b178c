"""Protocol: what the process that decodes and the one that asks it say to each other.

Each message is a length of four bytes and JSON of one of the classes below. The parent checks
every one: who has taken over a decoder must not be able to say more than a decoder may.
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from moderation.errors import MediaFault
from moderation.limits import MediaLimits

__all__ = [
    "LENGTH",
    "Alive",
    "Block",
    "Bytes",
    "Choice",
    "Cuts",
    "Decode",
    "Decoded",
    "Divided",
    "Edit",
    "Edits",
    "Failed",
    "Finished",
    "Free",
    "Need",
    "Picked",
    "Probe",
    "Probed",
    "Progress",
    "Ready",
    "Redact",
    "Redacted",
    "Reply",
    "Request",
    "Sound",
    "Start",
    "Still",
    "Stills",
    "Unwanted",
    "Written",
    "body_length",
    "packed",
    "reply",
    "request",
]

LENGTH = struct.Struct(">I")

_LONGEST = 1 << 20
"""Bytes of a message: the longest is a list of instants of which stills are wanted."""

_Microseconds = Annotated[int, Field(ge=0, le=1 << 60)]
_Count = Annotated[int, Field(ge=0, le=1 << 60)]
_Side = Annotated[int, Field(ge=0, lt=1 << 31)]
"""What the database takes for a width or a height."""
_Text = Annotated[str, Field(max_length=4_000)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# What the parent asks


class Start(_Message):
    """The first message. `fd` is the file, or -1 where the parent serves its bytes."""

    kind: Literal["start"] = "start"
    limits: MediaLimits
    fd: int
    size: int
    ring_fd: int
    ring_size: int


class Probe(_Message):
    kind: Literal["probe"] = "probe"


class Decode(_Message):
    """One pass over the file.

    rates         frames a second that somebody wants; other messages name them by their position
    sound         whether sound is wanted
    longest_side  pixels
    windows       microseconds from and to; only these parts are decoded; empty: everything
    section       microseconds from and to before: nothing else is given; all of it when not set
    plain         times are known to lead to frames, which is not to be found out by reading all
    sent, heard   picked frames of each rate, and pieces of sound, that need not be sent again
    """

    kind: Literal["decode"] = "decode"
    rates: tuple[float, ...]
    sound: bool
    longest_side: int
    windows: tuple[tuple[int, int], ...] = ()
    section: tuple[int, int] | None = None
    plain: bool = False
    sent: tuple[int, ...] = ()
    heard: int = 0


class Stills(_Message):
    """JPEGs of what the video that was probed shows at these instants."""

    kind: Literal["stills"] = "stills"
    instants_us: tuple[int, ...]
    longest_side: int
    plain: bool = False


class Cuts(_Message):
    """Where the video may be cut, about so many microseconds apart."""

    kind: Literal["cuts"] = "cuts"
    every_us: int


class Edit(BaseModel):
    """What happens to the pictures or the sound of a stretch of time.

    number         of the edit that it is a piece of
    from_us, to_us microseconds from the start of the video, to before
    box, box_to    left, top, right and bottom in fractions of the picture as displayed, when the
                   stretch starts and when it ends; all of the picture when not set
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    remedy: Literal["blur", "mute", "bleep", "cut"]
    from_us: int
    to_us: int
    box: tuple[float, float, float, float] | None = None
    box_to: tuple[float, float, float, float] | None = None


class Edits(_Message):
    """Pieces of edits, to be carried out by the `Redact` that follows; no answer."""

    kind: Literal["edits"] = "edits"
    pieces: tuple[Edit, ...]


class Redact(_Message):
    """Write the video anew with the edits that were sent before.

    edits    how many there are
    pieces   how many pieces of them were sent
    draft    pixels of the longer side of a copy to look at: smaller, quicker, and of a damaged
             video what can be seen; 0: all of it, as it is
    """

    kind: Literal["redact"] = "redact"
    edits: int
    pieces: int
    draft: int = 0


class Free(_Message):
    """The oldest block of the ring has been read."""

    kind: Literal["free"] = "free"


class Unwanted(_Message):
    """Nobody reads these rates, or sound, any more."""

    kind: Literal["unwanted"] = "unwanted"
    rates: tuple[int, ...]
    sound: bool


class Bytes(_Message):
    """The answer to `Need`: so many bytes follow."""

    kind: Literal["bytes"] = "bytes"
    count: int


Request: TypeAlias = (
    Start | Probe | Decode | Stills | Cuts | Edits | Redact | Free | Unwanted | Bytes
)


# What the child answers


class Ready(_Message):
    """It is locked in, by these layers, and has not read the file yet."""

    kind: Literal["ready"] = "ready"
    sandbox: Annotated[tuple[_Text, ...], Field(max_length=16)]


class Need(_Message):
    """Bytes of the file that the parent is to serve."""

    kind: Literal["need"] = "need"
    at: _Count
    count: Annotated[int, Field(gt=0, le=64 << 20)]


class Alive(_Message):
    """It is at work, though it has nothing to show."""

    kind: Literal["alive"] = "alive"


class Progress(_Message):
    kind: Literal["progress"] = "progress"
    at_us: _Microseconds


class Probed(_Message):
    """`moderation.scan.Video` without what the parent knows better."""

    kind: Literal["probed"] = "probed"
    duration_us: _Microseconds
    width: _Side
    height: _Side
    fps: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    has_video: bool
    has_audio: bool
    container: _Text
    codecs: Annotated[tuple[_Text, ...], Field(max_length=10_000)]


class Block(_Message):
    """A part of the ring, to be freed once it is read."""

    offset: _Count
    length: _Count


class Choice(_Message):
    """A rate by its position, and the number of the frame among those picked for it."""

    rate: _Count
    index: _Count


class Picked(_Message):
    """A sampled frame. Its pixels come along where it does not look like the one before.

    fresh      rates for which it is to be looked at
    unchanged  rates for which it looks like the last fresh one
    """

    kind: Literal["picked"] = "picked"
    at_us: _Microseconds
    stream: _Count
    fresh: Annotated[tuple[Choice, ...], Field(max_length=64)] = ()
    unchanged: Annotated[tuple[Choice, ...], Field(max_length=64)] = ()
    width: _Count = 0
    height: _Count = 0
    pixels: Block | None = None


class Sound(_Message):
    """Mono float32 at `SAMPLE_RATE`."""

    kind: Literal["sound"] = "sound"
    at_us: _Microseconds
    samples: Block


class Still(_Message):
    kind: Literal["still"] = "still"
    at_us: _Microseconds
    jpeg: Block


class Divided(_Message):
    kind: Literal["divided"] = "divided"
    at_us: Annotated[tuple[_Microseconds, ...], Field(max_length=10_000)]


class Finished(_Message):
    """There are no more stills."""

    kind: Literal["finished"] = "finished"


class Written(_Message):
    """Bytes of the new video, and where in its file they belong."""

    kind: Literal["written"] = "written"
    at: _Count
    data: Block


class Redacted(_Message):
    """The new video is whole.

    touched  of each edit, how many pictures and samples it is about
    dropped  what of the file is not in the new one
    notes    what else is different
    """

    kind: Literal["redacted"] = "redacted"
    width: _Side
    height: _Side
    frames: _Count
    duration_us: _Microseconds
    touched: Annotated[tuple[_Count, ...], Field(max_length=10_000)]
    dropped: Annotated[tuple[_Text, ...], Field(max_length=64)]
    notes: Annotated[tuple[_Text, ...], Field(max_length=64)]


class Decoded(_Message):
    """The file has ended. The fields of `moderation.media.outcome`, and how much was planned.

    planned       of each rate, frames that the whole video asks for
    sound         samples that it asks for
    """

    kind: Literal["decoded"] = "decoded"
    decoded_us: _Microseconds
    claimed_us: _Microseconds = 0
    frames: _Count = 0
    lost: _Count = 0
    fault: MediaFault | None
    message: _Text
    planned: Annotated[tuple[_Count, ...], Field(max_length=64)]
    sound: _Count = 0


class Failed(_Message):
    """The question cannot be answered: a `MediaError`, `SourceError` or `ConfigurationError`."""

    kind: Literal["failed"] = "failed"
    about: Literal["media", "source", "settings"]
    fault: MediaFault = MediaFault.UNREADABLE
    message: _Text
    hint: _Text


Reply: TypeAlias = (
    Ready
    | Need
    | Alive
    | Progress
    | Probed
    | Picked
    | Sound
    | Still
    | Divided
    | Finished
    | Written
    | Redacted
    | Decoded
    | Failed
)

_REQUESTS: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])
_REPLIES: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="kind")])


def packed(message: Request | Reply) -> bytes:
    """The message as it goes through the pipe."""
    body = message.model_dump_json().encode()
    return LENGTH.pack(len(body)) + body


def body_length(head: bytes) -> int:
    """How many bytes follow a message's first `LENGTH.size`. Raises `ValueError` for too many."""
    (length,) = LENGTH.unpack(head)
    if length > _LONGEST:
        raise ValueError(f"a message of {length} bytes is longer than any")
    return int(length)


def reply(body: bytes) -> Reply:
    """Raises `ValueError` for what no decoder says."""
    return _REPLIES.validate_json(body)


def request(body: bytes) -> Request:
    """Raises `ValueError`."""
    return _REQUESTS.validate_json(body)
