"""Redact: carry edits out on a video, into a new file with a manifest beside it, or into nothing.

The file is decoded and encoded by the process that is locked in; here it is only put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from moderation import __version__
from moderation.covers import Part
from moderation.decision import Remedy
from moderation.errors import ConfigurationError, MediaError, MediaFault
from moderation.evidence import Box
from moderation.limits import MediaLimits
from moderation.media import MediaReader
from moderation.media import protocol as say
from moderation.media.rewrite import MOST_EDITS, rewrite
from moderation.redaction import Edit
from moderation.redaction_files import check_target, new_pair
from moderation.redaction_manifest import Manifest, MediaEntry, entry
from moderation.scan import Video
from moderation.source import Source, shown

__all__ = ["plan", "redact"]


def plan(source: Source, edits: Sequence[Edit], limits: MediaLimits) -> Manifest:
    """What `redact` would do, and nothing is done. Raises what it raises of what it can see."""
    with MediaReader(source, limits) as media:
        video = media.probe()
    _check(edits, video)
    return _manifest(video, edits)


def redact(
    source: Source,
    edits: Sequence[Edit],
    target: Path,
    limits: MediaLimits,
    *,
    force: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Manifest:
    """Write the video with these edits to `target`, and what was done to a manifest beside it.

    Both appear whole, or nothing does. `force` replaces files that are there, but never the
    source. `check` is called now and then, and may raise.

    Raises `ConfigurationError` for edits that cannot be placed and a target that cannot be
    written, `MediaError` for what is no whole video, `SourceError` and `OutOfSpace`.
    """
    check_target(target, source, force=force)
    with MediaReader(source, limits) as media:
        video = media.probe()
        _check(edits, video)
        with new_pair(target, source, force=force) as pair:
            pieces = tuple(_pieces(edits))
            done = rewrite(media, pieces, len(edits), pair.video.write, check)
            source.check_unchanged()
            _check_touched(edits, done.touched)
            made = _probed(pair.video.finished(), target, video, limits)
            manifest = _manifest(video, edits, made, done)
            pair.manifest.write(0, manifest.json_text().encode())
            pair.manifest.finished()
    return manifest


def _manifest(
    video: Video,
    edits: Sequence[Edit],
    made: MediaEntry | None = None,
    done: say.Redacted | None = None,
) -> Manifest:
    about = done.touched if done else (0,) * len(edits)
    return Manifest(
        engine_version=__version__,
        made_at=datetime.now(UTC),
        input=_media_entry(video, shown(video.uri)),
        output=made,
        edits=tuple(entry(edit, count) for edit, count in zip(edits, about, strict=True)),
        dropped=done.dropped if done else (),
        notes=done.notes if done else (),
    )


def _media_entry(video: Video, uri: str) -> MediaEntry:
    return MediaEntry(
        uri=uri,
        sha256=video.sha256,
        bytes=video.bytes,
        duration_s=video.duration_us / 1e6,
        width=video.width,
        height=video.height,
        codecs=video.codecs,
    )


# What can be done


def _check(edits: Sequence[Edit], video: Video) -> None:
    if len(edits) > MOST_EDITS:
        raise ConfigurationError(
            f"{len(edits)} edits are more than {MOST_EDITS}", hint="give fewer at once"
        )
    if not any(edit.changes_file for edit in edits):
        raise ConfigurationError(
            f"no remedy changes anything in {shown(video.uri)}",
            hint="blur, mute and cut do; the video can be shown as it is, or not at all",
        )
    for edit in edits:
        if edit.remedy is Remedy.BLUR and not video.has_video:
            raise _misplaced(edit, "the file has no picture")
        if edit.remedy is Remedy.MUTE and not video.has_audio:
            raise _misplaced(edit, "the file has no sound")


def _check_touched(edits: Sequence[Edit], touched: Sequence[int]) -> None:
    for edit, count in zip(edits, touched, strict=True):
        if edit.changes_file and not count:
            what = "sound" if edit.remedy is Remedy.MUTE else "picture"
            raise _misplaced(edit, f"there is no {what} at that time")


def _misplaced(edit: Edit, reason: str) -> ConfigurationError:
    label = f" of {edit.label}" if edit.label else ""
    return ConfigurationError(
        f"the {edit.remedy}{label} at {edit.span.start} cannot be placed: {reason}",
        hint="nothing was written; choose another remedy for it, such as cut",
    )


def _pieces(edits: Sequence[Edit]) -> Iterator[say.Edit]:
    for number, edit in enumerate(edits):
        for part in edit.parts if edit.changes_file else ():
            yield _piece(number, edit, part)


def _piece(number: int, edit: Edit, part: Part) -> say.Edit:
    box = part.box if edit.remedy is Remedy.BLUR else None
    return say.Edit(
        number=number,
        remedy="bleep" if edit.bleep else edit.remedy.value,
        from_us=part.span.start.us,
        to_us=part.span.end.us,
        box=_corners(box),
        box_to=_corners(box and (part.box_to or box)),
    )


def _corners(box: Box | None) -> tuple[float, float, float, float] | None:
    return None if box is None else (box.left, box.top, box.right, box.bottom)


def _probed(made: Path, target: Path, old: Video, limits: MediaLimits) -> MediaEntry:
    """Read back what was written. Raises `MediaError` when it is not what it should be."""
    with Source.open(made) as source, MediaReader(source, limits) as media:
        new = media.probe()
    if (new.has_video, new.has_audio) != (old.has_video, old.has_audio):
        raise MediaError(
            "the new video does not have what the old one has",
            fault=MediaFault.DECODER_CRASHED,
            hint="try it again; if it stays so, report the file",
        )
    return _media_entry(new, target.name)
