"""The option `--since`, alike for every command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from moderation.timeline import MICROSECONDS, parse_duration

__all__ = ["Since"]


class Since(click.ParamType[datetime]):
    """A moment: `2026-11-20`, `2026-11-20T15:00`, or how long ago: `24h`, `7d`."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
        try:
            return datetime.now(UTC) - timedelta(microseconds=_ago_us(value))
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time: write 2026-11-20, 2026-11-20T15:00, 24h or 7d",
                param,
                context,
            )


def _ago_us(text: str) -> int:
    if text.endswith("d") and text[:-1].isdecimal():
        return int(text[:-1]) * 24 * 3600 * MICROSECONDS
    return parse_duration(text)
