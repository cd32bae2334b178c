"""Limits: how much of an upload is read, and how far the process may go that reads it.

`[media]` among the settings. Apart from them, because that process needs nothing else of these.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MediaLimits"]


class MediaLimits(BaseModel):
    """How much of an upload we read. Beyond a limit: refused or cut, never silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_bytes: int = Field(
        4 << 30, gt=0, description="size of the file; 4 GiB holds hours of 1080p"
    )
    max_seconds: float = Field(
        4 * 3600,
        gt=0,
        description="decoded length; headers lie, so decoding stops here and says so",
    )
    max_pixels: int = Field(
        7680 * 4320, gt=0, description="per frame; 8K, above which a frame is a bomb"
    )
    max_streams: int = Field(
        32, gt=0, description="streams in one file; FFmpeg would truncate in silence"
    )
    max_fps: float = Field(
        240.5, gt=0, description="frames per second; high-speed phones reach 240"
    )
    max_frames: int = Field(1_000_000, gt=0, description="decoded frames; 4 hours at 60 per second")
    max_samples: int = Field(20_000, gt=0, description="sampled frames handed to one detector")
    max_errors: int = Field(1_000, gt=0, description="consecutive packets that do not decode")
    longest_side: int = Field(
        1920,
        ge=64,
        description="frames are scaled down to this in pixels: what small text and faces need",
    )
    unchanged_below: float = Field(
        8.0,
        ge=0,
        le=255,
        description="a sampled frame of which no block's mean colour moved this far is like the "
        "last one that was looked at, and inherits what was seen there; 0: all are looked at",
    )
    closer: int = Field(
        4,
        ge=1,
        le=60,
        description="around what breaks the policy frames are looked at this many times as often, "
        "to find its true span and to corroborate it; 1: no second look",
    )
    closer_s: float = Field(
        60, ge=0, description="seconds of a video that get a second look, the surest finds first"
    )
    queue_batches: int = Field(
        2, gt=0, description="batches that wait for a slow detector; bounds memory"
    )
    require_sandbox: bool = Field(
        False, description="refuse to decode where the kernel cannot lock the decoder in"
    )
    decoder_memory: int = Field(
        3 << 30,
        ge=512 << 20,
        description="address space of the process that decodes, in bytes; 8K takes 1 GiB",
    )
    decoder_cpu_s: float = Field(
        8 * 3600, ge=1, description="seconds of processor of that process: hours of 4K"
    )
    decoder_pace: float = Field(
        30,
        gt=0,
        description="seconds of processor that a second of video may cost: no camera's film does",
    )
    decoder_grace_s: float = Field(
        60, gt=0, description="seconds of processor beyond that, for short and odd files"
    )
    decoder_stall_s: float = Field(
        60, gt=0, description="seconds without a sign of life after which a decoder is ended"
    )
    part_s: float = Field(
        4 * 3600,
        gt=0,
        description="seconds that a scan waits for its decoder, all waits together: hours of 4K",
    )
    decoder_threads: int = Field(2, ge=0, description="FFmpeg's threads; 0 lets it choose")
