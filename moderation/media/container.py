"""Opening a container: what FFmpeg may do with hostile bytes, and which streams are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from moderation.errors import MediaError, MediaFault
from moderation.limits import MediaLimits
from moderation.media.clock import believable
from moderation.media.formats import (
    AUDIO_CODECS,
    CONTAINERS,
    INDEXED,
    MEDIA_MARKS,
    SCRIPT_MARKS,
    VIDEO_CODECS,
)
from moderation.media.upload import Upload, UploadFile
from moderation.timeline import MICROSECONDS

__all__ = [
    "DECODER_ERRORS",
    "Streams",
    "check_size",
    "claimed_us",
    "encrypted",
    "open_container",
    "prepare",
]

DECODER_ERRORS = (
    av.error.FFmpegError,
    OSError,
    ValueError,  # UnicodeDecodeError too: names inside the file
    MemoryError,
    ArithmeticError,
    LookupError,
    RuntimeError,
)
"""What PyAV raises on bytes that it cannot decode."""

_PROBE_BYTES = 5_000_000
"""How far FFmpeg reads to find the streams: its own default, fixed against other builds."""

_PROBE_US = 5 * MICROSECONDS

_CODECS = ",".join((*VIDEO_CODECS, *AUDIO_CODECS))

_UNDECODED = {"codec_whitelist": "none", "max_pixels": str((1 << 31) - 1)}
"""Options by which FFmpeg reads what the headers say, of any size, and decodes nothing."""

_SNIFFED = 1 << 20
"""Bytes at the start of a file that does not open in which its kind is looked for."""

_PROTECTION = (b"schm", b"tenc", b"pssh")
"""Boxes of MP4 Common Encryption."""

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
"""Cover art: a video stream to FFmpeg, no video to anybody who watches."""


@contextmanager
def open_container(
    upload: Upload, limits: MediaLimits, *, undecoded: bool = False
) -> Iterator[InputContainer]:
    """Open the upload's bytes, and close them in any case; `undecoded` reads headers alone.

    A container that is left to Python's garbage collector can crash the process, so it is never
    handed out of a `with`. Raises `MediaError`.
    """
    options = _options(limits) | (_UNDECODED if undecoded else {})
    file = UploadFile(upload)
    try:
        container = av.open(file, "r", options=options, metadata_errors="replace")
    except DECODER_ERRORS as error:
        raise _unopened(upload, limits, error) from error
    try:
        if len(container.streams) > limits.max_streams:
            raise _too_many_streams(limits)
        yield container
    except (av.error.FFmpegError, UnicodeDecodeError, MemoryError) as error:
        raise _unreadable(error) from error
    finally:
        container.close()


def _options(limits: MediaLimits) -> dict[str, str]:
    return {
        # The bytes come from Python; nothing else is to be opened by whatever protocol.
        "protocol_whitelist": "none",
        "format_whitelist": ",".join(CONTAINERS),
        "codec_whitelist": _CODECS,
        # One more than allowed: FFmpeg leaves the rest away without a word.
        "max_streams": str(limits.max_streams + 1),
        "max_pixels": str(limits.max_pixels),
        "probesize": str(_PROBE_BYTES),
        "analyzeduration": str(_PROBE_US),
        # As browsers play: an edit list shifts the time, and hides no frame from us.
        "advanced_editlist": "0",
        # A track that another names as its chapters is cover art or data to FFmpeg, although
        # browsers play it like any other.
        "ignore_chapters": "1",
    }


@dataclass(frozen=True, slots=True)
class Streams:
    """Which streams are decoded, and which are not although they carry pictures or sound.

    videos   all pictures there are: what is harmful may be in the second stream
    audio    the one that players play: the first that is marked as default, else the first
    unseen   video streams whose codec we do not decode
    unheard  all other audio streams
    """

    videos: tuple[VideoStream, ...]
    audio: AudioStream | None
    unseen: tuple[VideoStream, ...]
    unheard: tuple[AudioStream, ...]

    @classmethod
    def of(cls, container: InputContainer) -> Streams:
        """Raises `MediaError` when nothing in the file can be decoded."""
        pictures = [each for each in container.streams.video if not each.disposition & _PICTURES]
        sounds = container.streams.audio
        audio = _played([each for each in sounds if _decodable(each, AUDIO_CODECS)])
        streams = cls(
            videos=tuple(each for each in pictures if _decodable(each, VIDEO_CODECS)),
            audio=audio,
            unseen=tuple(each for each in pictures if not _decodable(each, VIDEO_CODECS)),
            unheard=tuple(each for each in sounds if each is not audio),
        )
        streams._check()
        return streams

    def __iter__(self) -> Iterator[VideoStream | AudioStream]:
        """The decoded ones."""
        yield from self.videos
        if self.audio is not None:
            yield self.audio

    def _check(self) -> None:
        if any(self):
            return
        if not self.unseen and not self.unheard:
            raise MediaError(
                "the file has neither a video nor an audio stream",
                fault=MediaFault.NO_STREAMS,
                hint="upload a video",
            )
        names = sorted({_codec(each) for each in (*self.unseen, *self.unheard)})
        raise MediaError(
            f"the codec is not supported: {', '.join(names)}",
            fault=MediaFault.UNSUPPORTED_CODEC,
            hint="convert it to H.264 and AAC",
        )


def check_size(upload: Upload, container: InputContainer, limits: MediaLimits) -> None:
    """Raise `MediaError` for larger pictures than allowed, those of all streams together.

    FFmpeg forgets a size that is beyond `max_pixels`, so it is then asked once more.
    """
    sizes = _sizes(container)
    if not all(sizes):
        with open_container(upload, limits, undecoded=True) as headers:
            sizes = _sizes(headers)
    if sum(sizes) > limits.max_pixels:
        raise MediaError(
            f"the pictures have {sum(sizes)} pixels, more than {limits.max_pixels}",
            fault=MediaFault.TOO_LARGE,
            hint="raise media.max_pixels if such videos are expected",
        )


def _sizes(container: InputContainer) -> list[int]:
    contexts = [each.codec_context for each in container.streams.video if each.codec_context]
    return [context.width * context.height for context in contexts]


def _decodable(stream: Stream, codecs: tuple[str, ...]) -> bool:
    return stream.codec_context is not None and stream.codec_context.name in codecs


def _played(sounds: list[AudioStream]) -> AudioStream | None:
    default = [each for each in sounds if each.disposition & Disposition.default]
    return next(iter(default or sounds), None)


def _codec(stream: Stream) -> str:
    return stream.codec_context.name if stream.codec_context is not None else "unknown"


def prepare(stream: VideoStream | AudioStream, limits: MediaLimits) -> None:
    """Open the stream's decoder within the limits. Raises `MediaError`.

    `av.open` does not hand its options on to the decoders that PyAV opens, and unknown options
    are ignored: so they are given here, and counted afterwards.
    """
    context = stream.codec_context
    context.options = {"codec_whitelist": _CODECS, "max_pixels": str(limits.max_pixels)}
    if stream.type == "video":
        context.thread_count = limits.decoder_threads
        context.thread_type = "AUTO"
    try:
        context.open(strict=False)
    except DECODER_ERRORS as error:
        raise MediaError(
            f"the {stream.type} decoder {context.name} refuses the stream: {_reason(error)}",
            fault=MediaFault.UNSUPPORTED_CODEC,
            hint="convert it to H.264 and AAC",
        ) from error
    if context.options:
        raise MediaError(
            f"FFmpeg does not know the limits {', '.join(context.options)}",
            fault=MediaFault.UNSUPPORTED_CODEC,
            hint="install the av version that the lock file names",
        )


def claimed_us(container: InputContainer, stream: Stream | None = None) -> int:
    """How long the header says that a stream, or the whole file, is in microseconds.

    A claim and no fact: it tells how much of a truncated file is missing. 0 when nothing is said.
    """
    if container.format.name.partition(",")[0] not in INDEXED:
        return 0
    if stream is None:
        return max(0, believable(container.duration or 0))
    length = Fraction(0)
    if stream.duration and stream.time_base:
        length = stream.duration * stream.time_base
    if isinstance(stream, VideoStream) and stream.average_rate:
        length = max(length, stream.frames / stream.average_rate)
    return max(0, believable(round(length * MICROSECONDS)))


def _unopened(upload: Upload, limits: MediaLimits, error: Exception) -> MediaError:
    if isinstance(error, MemoryError):  # how some demuxers answer to `max_streams`
        return _too_many_streams(limits)
    head = upload.read(_SNIFFED)
    if any(head.lstrip().startswith(mark) for mark in SCRIPT_MARKS):
        return MediaError(
            "the file is a playlist or a script, not a video",
            fault=MediaFault.UNSUPPORTED_CONTAINER,
            hint="upload the video itself",
        )
    if not any(head[at:].startswith(mark) for at, mark in MEDIA_MARKS):
        return MediaError(
            "the file is no video or audio that we know",
            fault=MediaFault.NOT_MEDIA,
            hint="upload a video, such as MP4, MOV, WebM or MKV",
        )
    if sum(mark in head for mark in _PROTECTION) > 1:
        return encrypted()
    return _unreadable(error)


def _unreadable(error: Exception) -> MediaError:
    return MediaError(
        f"the file is damaged or cut off: {_reason(error)}",
        fault=MediaFault.UNREADABLE,
        hint="upload it again",
    )


def _too_many_streams(limits: MediaLimits) -> MediaError:
    return MediaError(
        f"the file has more than {limits.max_streams} streams",
        fault=MediaFault.TOO_MANY_STREAMS,
        hint="raise media.max_streams if such files are expected",
    )


def encrypted() -> MediaError:
    return MediaError(
        "the file is encrypted",
        fault=MediaFault.ENCRYPTED,
        hint="upload it without digital rights management",
    )


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
