"""How workers share jobs: `[jobs]` among the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["JobSettings"]


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
    shutdown_s: float = Field(
        30, ge=0, description="seconds that a worker told to stop may go on; then its part is back"
    )
