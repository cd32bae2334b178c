"""Moments as requests give them: written as RFC 3339 has it, and such as every database keeps."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

__all__ = ["Moment"]

_WRITTEN: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
"""A number would be taken for seconds since 1970, or for milliseconds if it is large."""

_YEARS: Final = range(1970, 9000)
"""Far from the ends of what a `datetime` holds, where another time zone would be beyond them."""


def _written(value: object) -> object:
    if not (isinstance(value, str) and _WRITTEN.match(value)):
        raise ValueError("write a moment as 2026-11-21T09:30:00Z")
    return value


def _kept(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError(f"a year lies from {_YEARS.start} to {_YEARS.stop - 1}")
    return moment


Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_kept)]
