"""Filter: which of the objects that a bucket announces are scanned, and under which policy."""

from __future__ import annotations

from moderation.object_filter import ObjectFilter
from moderation_workers.events import ObjectEvent

__all__ = ["Filter"]


class Filter(ObjectFilter):
    """The same rules as those of `moderation sweep`, asked about events."""

    def refusal(self, event: ObjectEvent) -> str:
        """Why the event is refused; "" when it is not.

        The size of a removed object is no reason: it may have been scanned under other settings.
        """
        size = None if event.kind == "removed" else event.size
        return self.key_refusal(event.bucket, event.key, size)

    def policy_of(self, event: ObjectEvent) -> str | None:
        """The name of the policy to judge it under; `None` for the default."""
        return self.key_policy(event.key)
