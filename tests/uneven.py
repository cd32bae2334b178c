"""Videos whose pictures stand for different times."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np

__all__ = ["uneven"]


def uneven(path: Path, lengths: list[float], *, reordered: int = 0, **options: str) -> Path:
    """A picture for each length in seconds, of which so many in a row may need a later one."""
    clock = 90_000
    ends = list(accumulate(round(length * clock) for length in lengths))
    starts = [0, *ends]
    length_at = {start: end - start for start, end in pairwise(starts)}
    with av.open(path, "w", options=options) as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, clock)
        stream.codec_context.options = {"bf": str(reordered)}
        noise = np.random.default_rng(0)
        frames = [*(noise.integers(0, 256, (48, 64, 3), np.uint8) for _ in lengths), None]
        for at, image in zip(starts, frames, strict=True):
            frame = None if image is None else av.VideoFrame.from_ndarray(image)
            if frame is not None:
                frame.pts, frame.time_base = at, Fraction(1, clock)
            for packet in stream.encode(frame):
                packet.duration = length_at[packet.pts]
                container.mux(packet)
    return path
