"""The floor of any scan that decodes everything: PyAV with frame threads, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from cost import Cost, measured

__all__ = ["decode_alone"]


def decode_alone(video: Path) -> Cost:
    """Every frame and every sample; no conversion, no sampling."""
    with measured() as cost, av.open(str(video)) as container:
        for stream in container.streams.video:
            stream.thread_type = "AUTO"
        streams: Any = [*container.streams.video, *container.streams.audio]
        for packet in container.demux(streams):
            packet.decode()
    return cost
