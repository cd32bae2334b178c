"""How objects in S3 are reached: `[s3]` among the settings. Credentials are boto3's business."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["S3Settings"]


class S3Settings(BaseModel):
    """The same for every bucket: who reads from two stores runs two installations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint_url: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="an S3 server of your own; empty: Amazon's"
    )
    region: str = Field("", description="empty: what boto3 finds in its own configuration")
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        "auto", description="path: the bucket behind the host name, as servers without DNS need"
    )
    max_attempts: int = Field(
        5, ge=1, description="tries of a request, and connections that may break in one range"
    )
    connect_timeout: float = Field(5, gt=0, description="seconds until the server is reached")
    read_timeout: float = Field(30, gt=0, description="seconds without a byte from it")
    block_bytes: int = Field(
        4 << 20,
        ge=64 << 10,
        description="bytes fetched at once, of which four blocks are kept; a request costs as long "
        "as some megabytes do, and FFmpeg reads little at a time",
    )
