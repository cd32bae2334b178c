"""The remedies as a filter script for FFmpeg, which is the whole of the file:

    ffmpeg -i VIDEO -/filter_complex SCRIPT -map '[video]' -map '[audio]' OUT

(`-filter_complex_script SCRIPT` before FFmpeg 7; without `-map '[audio]'` for a silent video.)
Blurred boxes and muted sound come first, on the times of the original; then what is to be cut is
left out, exact to the frame and to the sample. An age restriction changes nothing in a file.
There is nothing in it but numbers: no name, label or text of anybody's can say a filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from moderation.decision import Decision, Remedy
from moderation.evidence import Box
from moderation.reports.edits import Edit, edits, kept, of_kind
from moderation.scan import Scan
from moderation.timeline import Instant, Span

__all__ = ["filter_script"]

_SOFTNESS: Final = 0.05
"""Radius of the blur as a share of the longest side: a face or a sign cannot be read any more."""
_SOFTNESS_PX: Final = 40
"""Where the size of the pictures is not known."""
_PIECE: Final = 256
"""Samples that are muted or not as one: what comes in whole frames would begin too late."""
_SMALLEST_PX: Final = 16
"""Side of a blurred box: filters refuse one without pixels."""


def filter_script(scan: Scan, decisions: Sequence[Decision]) -> str:
    """One graph from `[0:v]` and `[0:a]` to `[video]` and `[audio]`, of those that there are."""
    found = edits(scan, decisions)
    cuts = of_kind(found, Remedy.CUT)
    last = "out" if cuts else ""
    chains: list[str] = []
    if scan.video.has_video:
        chains += _pictures(scan, found, f"video{last}")
    if scan.video.has_audio:
        chains.append(_sound(found, f"audio{last}"))
    if cuts:
        chains += _cut(scan, kept(scan, cuts))
    return ";\n".join(chains) + "\n"


def _pictures(scan: Scan, found: Sequence[Edit], last: str) -> Iterator[str]:
    blurs = [each for each in found if each.remedy is Remedy.BLUR]
    video = scan.video
    softness = max(video.width, video.height) * _SOFTNESS or _SOFTNESS_PX
    name = "0:v"
    for number, blur in enumerate(blurs):
        yield from _blurred(name, number, blur, f"gblur=sigma={softness:.1f}")
        name = f"v{number}"
    yield f"[{name}]null[{last}]"


def _blurred(name: str, number: int, blur: Edit, filter: str) -> Iterator[str]:
    when, out = _when([blur.span]), f"[v{number}]"
    if blur.box is None:
        yield f"[{name}]{filter}:{when}{out}"
        return
    whole, part, soft = (f"[{letter}{number}]" for letter in "wps")
    yield f"[{name}]split{whole}{part}"
    yield f"{part}{_cropped(blur.box)},{filter}{soft}"
    corner = f"x='min({blur.box.left:.6f}*W,W-w)':y='min({blur.box.top:.6f}*H,H-h)'"
    yield f"{whole}{soft}overlay={corner}:format=auto:{when}{out}"


def _cropped(box: Box) -> str:
    width, height = (f"max({_SMALLEST_PX},{share:.6f}*" for share in (box.width, box.height))
    size = f"w='min(iw,{width}iw))':h='min(ih,{height}ih))'"
    return f"crop={size}:x='min({box.left:.6f}*iw,iw-ow)':y='min({box.top:.6f}*ih,ih-oh)'"


def _sound(found: Sequence[Edit], last: str) -> str:
    muted = of_kind(found, Remedy.MUTE)
    silenced = f"asetnsamples=n={_PIECE}:p=0,volume=0:{_when(muted)}"
    return f"[0:a]{silenced if muted else 'anull'}[{last}]"


def _when(spans: Sequence[Span]) -> str:
    times = (f"between(t,{_seconds(each.start)},{_seconds(each.end)})" for each in spans)
    return f"enable='{'+'.join(times)}'"


def _cut(scan: Scan, parts: Sequence[Span]) -> Iterator[str]:
    """Each part by itself, then one after the other: also right where frames have no fixed rate."""
    parts = parts or (Span.at(Instant(0)),)
    kinds = (("video", "", scan.video.has_video), ("audio", "a", scan.video.has_audio))
    present = [(name, letter) for name, letter, there in kinds if there]
    for name, letter in present:
        copies = "".join(f"[{name}{number}]" for number in range(len(parts)))
        yield f"[{name}out]{letter}split={len(parts)}{copies}"
        for number, part in enumerate(parts):
            times = f"start={_seconds(part.start)}:end={_seconds(part.end)}"
            trimmed = f"{letter}trim={times},{letter}setpts=PTS-STARTPTS"
            yield f"[{name}{number}]{trimmed}[{name}p{number}]"
    pieces = "".join(f"[{name}p{number}]" for number in range(len(parts)) for name, _ in present)
    counts = f"n={len(parts)}:v={scan.video.has_video:d}:a={scan.video.has_audio:d}"
    yield f"{pieces}concat={counts}{''.join(f'[{name}]' for name, _ in present)}"


def _seconds(at: Instant) -> str:
    return f"{at.us // 1_000_000}.{at.us % 1_000_000:06}"
