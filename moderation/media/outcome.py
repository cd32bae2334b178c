"""Outcome: how much of a file could be decoded, and why not all of it."""

from __future__ import annotations

from dataclasses import dataclass

from moderation.errors import MediaError, MediaFault
from moderation.media.decode import Decoder
from moderation.media.track import AudioTrack, Track, VideoTrack
from moderation.timeline import MICROSECONDS, Instant

__all__ = ["Outcome", "Shortfall"]

_TOLERANCE_US = 250_000
"""Headers are wrong by a frame or two without anything missing."""

_TOLERANCE_SHARE = 100
"""And by 1 / this of the length."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Microseconds of pictures and of sound known to be missing, all streams together."""

    pictures_us: int
    sound_us: int

    @classmethod
    def of(cls, decoder: Decoder) -> Shortfall:
        """What a decode that has ended did not give."""
        return cls(
            _missing(decoder, VideoTrack, decoder.unseen_us),
            _missing(decoder, AudioTrack, decoder.unheard_us),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a decode that ran to its end.

    decoded     up to where pictures or sound were decoded, from the start of the video
    claimed_us  how long the header says that the video is; 0 when it says nothing
    frames      decoded pictures of all video streams
    lost        packets that could not be decoded
    fault       the first reason why it is not whole; `None` for a whole file
    message     all reasons in one line; empty for a whole file
    """

    decoded: Instant
    claimed_us: int = 0
    frames: int = 0
    lost: int = 0
    fault: MediaFault | None = None
    message: str = ""

    @classmethod
    def of(cls, decoder: Decoder, shortfall: Shortfall) -> Outcome:
        """Sum up a decode that has ended. Raises `MediaError` when it gave nothing at all."""
        reasons = _reasons(decoder, shortfall)
        fault, message = next(iter(reasons.values()), None), "; ".join(reasons)
        if not any(track.frames or not _expected(track, decoder) for track in decoder.tracks):
            raise MediaError(
                f"nothing in the file can be decoded: {message or 'it holds no data'}",
                fault=fault or MediaFault.UNREADABLE,
                hint="upload it again",
            )
        return cls(
            decoded=Instant(max(0, *(_end_us(track, decoder) for track in decoder.tracks))),
            claimed_us=decoder.claimed_us,
            frames=sum(each.frames for each in decoder.tracks if isinstance(each, VideoTrack)),
            lost=sum(track.failed for track in decoder.tracks),
            fault=fault,
            message=message,
        )


def _missing(decoder: Decoder, kind: type[Track], refused_us: list[int]) -> int:
    tracks = [track for track in decoder.tracks if isinstance(track, kind)]
    missing = sum(_missing_of(track, decoder) for track in tracks)
    if tracks:
        missing = max(missing, _missing_tail(decoder, tracks))
    return missing + sum(max(claimed, MICROSECONDS) for claimed in refused_us)


def _missing_of(track: Track, decoder: Decoder) -> int:
    """Runs of broken packets, or what the header claims and nobody found."""
    if not track.frames:
        claimed_us = max(_claimed(track, decoder), track.lost_us, MICROSECONDS)
        return claimed_us if _expected(track, decoder) else 0
    missing = max(track.lost_us, _short_of(track, decoder))
    return max(missing, MICROSECONDS) if track.ended else missing


def _missing_tail(decoder: Decoder, tracks: list[Track]) -> int:
    """What lay behind the end of a file that ended early: some streams claim nothing themselves."""
    tail, end = max((_short_of(track, decoder), track.end_us) for track in decoder.tracks)
    if decoder.cut_off:
        return max(tail, MICROSECONDS)
    if tail:
        return tail if max(track.end_us for track in tracks) <= end + MICROSECONDS else 0
    if any(track.claimed_us for track in decoder.tracks):
        return 0
    excerpt = decoder.excerpt
    decoded_us = max(excerpt.of_claim(track.end_us) for track in decoder.tracks)
    return _short(excerpt.of_claim(decoder.claimed_us), decoded_us)


def _claimed(track: Track, decoder: Decoder) -> int:
    """The container's claim is that of its longest stream: held against others only when cut."""
    whole = decoder.finished and not decoder.cut_off
    claimed_us = track.claimed_us or (0 if whole else decoder.claimed_us)
    return decoder.excerpt.of_claim(claimed_us)


def _expected(track: Track, decoder: Decoder) -> bool:
    """Whether it should have given anything: a stream may end before an excerpt begins."""
    return decoder.excerpt.is_whole or track.failed > 0 or _claimed(track, decoder) > 0


def _end_us(track: Track, decoder: Decoder) -> int:
    return min(track.end_us, decoder.excerpt.end_us)


def _short_of(track: Track, decoder: Decoder) -> int:
    if _all_came(track, decoder):
        return 0
    return _short(_claimed(track, decoder), decoder.excerpt.of_track(track))


def _all_came(track: Track, decoder: Decoder) -> bool:
    """Every picture that the header lists: where they last long and differently, the sum of their
    lengths is more than the time that they are shown in.
    """
    came = track.frames + track.failed == track.announced > 0
    return came and isinstance(track, VideoTrack) and decoder.excerpt.is_whole


def _short(claimed_us: int, decoded_us: int) -> int:
    short = claimed_us - decoded_us
    return short if short > max(_TOLERANCE_US, claimed_us // _TOLERANCE_SHARE) else 0


def _reasons(decoder: Decoder, shortfall: Shortfall) -> dict[str, MediaFault]:
    reasons = dict(decoder.faults)
    for track in decoder.tracks:
        reasons.update(track.faults)
        if not track.frames and _expected(track, decoder):
            reasons[f"nothing of the {track.kind} decodes"] = MediaFault.UNREADABLE
    if not reasons and (shortfall.pictures_us or shortfall.sound_us):
        reasons["it ends before its header says"] = MediaFault.UNREADABLE
    return reasons
