"""Which objects of a bucket are scanned, and under which policy: alike for trigger and sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from moderation.publish_settings import PublishSettings, ignored_prefixes

__all__ = ["ObjectFilter"]


class ObjectFilter(BaseModel):
    """Settings: which objects are scanned, under which policy. Prefixes are of the key.

    Suffixes match in either case: `.MP4` is no way past `.mp4`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefixes: tuple[str, ...] = Field((), description="only keys that begin so; empty: all")
    suffixes: tuple[str, ...] = Field((), description="only keys that end so; empty: all")
    ignore_prefixes: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="never keys that begin so"
    )
    publish: PublishSettings = Field(
        PublishSettings(), description="where our own results are put, which are never scanned"
    )
    min_bytes: int = Field(0, ge=0, description="smaller objects are not scanned")
    max_bytes: int | None = Field(None, ge=0, description="nor are larger ones; unset: no limit")
    policies: Mapping[str, str] = Field(
        default_factory=dict, description="policy by prefix of the key; the longest prefix wins"
    )

    @model_validator(mode="after")
    def _some_size_fits(self) -> Self:
        if self.max_bytes is not None and self.max_bytes < self.min_bytes:
            raise ValueError(f"no object has {self.min_bytes} to {self.max_bytes} bytes")
        return self

    def key_refusal(self, bucket: str, key: str, size: int | None = None) -> str:
        """Why the object is refused; "" when it is not. A size that is unknown is no reason."""
        if key.startswith(self.ignore_prefixes):
            return "its prefix is ignored"
        if key.startswith(ignored_prefixes(self.publish, bucket)):
            return "it is a result of ours"
        if self.prefixes and not key.startswith(self.prefixes):
            return "its prefix is not listed"
        if self.suffixes and not self._has_suffix(key):
            return "its suffix is not listed"
        return self._size_refusal(size)

    def key_policy(self, key: str) -> str | None:
        """The name of the policy to judge it under; `None` for the default."""
        prefixes = [prefix for prefix in self.policies if key.startswith(prefix)]
        return self.policies[max(prefixes, key=len)] if prefixes else None

    def _has_suffix(self, key: str) -> bool:
        return key.lower().endswith(tuple(suffix.lower() for suffix in self.suffixes))

    def _size_refusal(self, size: int | None) -> str:
        if size is not None and size < self.min_bytes:
            return f"its {size} bytes are fewer than {self.min_bytes}"
        if size is not None and self.max_bytes is not None and size > self.max_bytes:
            return f"its {size} bytes are more than {self.max_bytes}"
        return ""
