"""How workers share jobs: `[jobs]` among the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["JobSettings"]

_SHORTEST_SECTION_S: Final = 2


class JobSettings(BaseModel):
    """Patience, and where it ends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    broker: str = Field(
        "redis://127.0.0.1:6379/0",
        description="where workers hear that there is work; what work there is stands in the "
        "database",
    )
    lease_s: float = Field(
        90,
        gt=0,
        description="seconds that a worker may be silent before its part is another's: three "
        "heartbeats, and a restart of the database",
    )
    attempts: int = Field(
        3, ge=1, description="tries of a part that fail before it is a dead letter"
    )
    retry_s: float = Field(
        10, ge=0, description="seconds before the second try; four times as many before the third"
    )
    sweep_s: float = Field(
        15,
        gt=0,
        description="how often every worker looks for silent workers and work nobody heard of",
    )
    wakes: int = Field(
        100,
        ge=1,
        description="messages in a lane's queue at most: each worker that finds work says so again",
    )
    time_limit_s: float = Field(
        4 * 3600, gt=0, description="seconds that one part may take; hours of 4K"
    )
    grace_s: float = Field(
        60,
        gt=0,
        description="seconds from then to the end of the process that works on it, for what does "
        "not listen: an engine that hangs, or that keeps Python's lock",
    )
    max_memory_mb: int = Field(
        12_000,
        ge=0,
        description="a worker's process that ever held this much memory is replaced when its part "
        "is over: engines leak; well above what all detectors take, for it costs the loading of "
        "their models; 0: never",
    )
    section_s: float = Field(
        600,
        ge=0,
        description="about how many seconds of a long video are one part: several workers share "
        "it, and what one of them loses is no more; cut in pauses; at least 2, for each section "
        "is a decoder's start; 0: a video is always one part",
    )
    shutdown_s: float = Field(
        30, ge=0, description="seconds that a worker told to stop may go on; then its part is back"
    )
    heartbeat: Path | None = Field(
        None,
        description="a file that a worker touches while it hears of work, for health checks; each "
        "worker of a machine needs its own",
    )

    @field_validator("section_s")
    @classmethod
    def _worth_a_part(cls, value: float) -> float:
        if 0 < value < _SHORTEST_SECTION_S:
            raise ValueError(f"a section has {_SHORTEST_SECTION_S} seconds at least; 0: none")
        return value
