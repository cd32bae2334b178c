"""What a worker tells Prometheus: `[metrics]` among the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MetricsSettings"]


class MetricsSettings(BaseModel):
    """Off unless a port is given; every worker tells the same of the whole installation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int = Field(
        0, ge=0, le=65535, description="where a worker answers GET /metrics; 0: nowhere"
    )
    address: str = Field(
        "127.0.0.1",
        description="the interface; others than this machine's own let strangers read how much "
        "work there is",
    )
