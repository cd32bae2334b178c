"""`Retry-After`: how long somebody who answered wants to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after"]


def retry_after(header: str) -> float | None:
    """Seconds from now, of a number of them or of a date; `None` for anything else."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # of more digits, decades are enough
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a zone or a year that no clock has
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
