"""How objects in S3 are reached: `[s3]` among the settings. Credentials are boto3's business."""

from __future__ import annotations

import ipaddress
import socket
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

__all__ = ["S3Settings"]


class S3Settings(BaseModel):
    """The same for every bucket: who reads from two stores runs two installations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint_url: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="an S3 server of your own; empty: Amazon's"
    )
    buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="the only buckets that are read, whoever asks; commas between them in the "
        "environment; empty: all that the credentials reach",
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

    @field_validator("buckets", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("endpoint_url")
    @classmethod
    def _is_no_metadata_service(cls, value: str) -> str:
        """Whoever gets us to ask there is handed the machine's own credentials."""
        if value and _is_link_local(urlsplit(value).hostname or ""):
            raise ValueError("it is link-local, where clouds keep a machine's credentials")
        return value

    def allows(self, bucket: str) -> bool:
        """Whether this bucket may be read."""
        return not self.buckets or bucket in self.buckets


def _is_link_local(host: str) -> bool:
    """Of an address, however it is written; what a name resolves to is the resolver's business."""
    try:
        # As the C library reads it: 2852039166 and 0xa9.254.43518 are addresses to it.
        return ipaddress.IPv4Address(socket.inet_aton(host)).is_link_local
    except (OSError, UnicodeError):
        pass
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return False
    return (address.ipv4_mapped or address).is_link_local or address == _AMAZONS


_AMAZONS = ipaddress.IPv6Address("fd00:ec2::254")
"""Amazon's metadata service, which is unique-local."""
