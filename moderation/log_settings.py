"""How workers write their logs: `[logs]` among the settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LogSettings"]


class LogSettings(BaseModel):
    """Where they go is the business of whoever starts workers: they are written to stderr."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal["auto", "json", "text"] = Field(
        "auto", description="auto: text on a terminal, a JSON object per line elsewhere"
    )
