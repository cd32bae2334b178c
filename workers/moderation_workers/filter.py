"""Filter: which of the objects that a bucket announces are scanned, and under which policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from moderation_workers.events import ObjectEvent

__all__ = ["Filter"]


class Filter(BaseModel):
    """Settings: which objects are scanned, under which policy. Prefixes are of the key.

    Suffixes match in either case: `.MP4` is no way past `.mp4`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefixes: tuple[str, ...] = Field((), description="only keys that begin so; empty: all")
    suffixes: tuple[str, ...] = Field((), description="only keys that end so; empty: all")
    ignore_prefixes: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="never keys that begin so: where our own results are put"
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

    def refusal(self, event: ObjectEvent) -> str:
        """Why the event is refused; "" when it is not.

        A size that is unknown is not refused, nor is that of a removed object: it may have been
        scanned under other settings.
        """
        if event.key.startswith(self.ignore_prefixes):
            return "its prefix is ignored"
        if self.prefixes and not event.key.startswith(self.prefixes):
            return "its prefix is not listed"
        if self.suffixes and not self._has_suffix(event.key):
            return "its suffix is not listed"
        return "" if event.kind == "removed" else self._size_refusal(event.size)

    def policy_of(self, event: ObjectEvent) -> str | None:
        """The name of the policy to judge it under; `None` for the default."""
        prefixes = [prefix for prefix in self.policies if event.key.startswith(prefix)]
        return self.policies[max(prefixes, key=len)] if prefixes else None

    def _has_suffix(self, key: str) -> bool:
        return key.lower().endswith(tuple(suffix.lower() for suffix in self.suffixes))

    def _size_refusal(self, size: int | None) -> str:
        if size is not None and size < self.min_bytes:
            return f"its {size} bytes are fewer than {self.min_bytes}"
        if size is not None and self.max_bytes is not None and size > self.max_bytes:
            return f"its {size} bytes are more than {self.max_bytes}"
        return ""
