"""Ids that nobody means well by are refused at every route, and break nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import pytest

from moderation.person import Role
from moderation.web import Installation, create_app
from tests.web.knocking import knock, routes

HOSTILE: Final = {
    "nul": "%00",
    "lone_surrogate": quote("\ud800", errors="surrogatepass"),
    "long": "a" * 10_000,
    "long_number": "9" * 5_000,
    "traversal": "..%2f..%2fetc%2fpasswd",
    "encoded_traversal": "%2e%2e%5c%2e%2e",
    "percent": "%25",
    "sql": quote("' OR 1=1 --"),
    "like": "%25_%25",
    "line_break": "a%0d%0aX-Set: 1",
    "turned": quote("\u202egnp.exe"),
    "full_width": quote("\uff41\uff42"),
    "spaces": "%20%20",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_id_is_refused_everywhere(
    installation: Installation, token: Callable[..., str], kind: str
) -> None:
    app = create_app(installation)
    header = {"Authorization": f"Bearer {token(Role.ADMIN, 'ruth')}"}
    asked = sorted(each for each in routes(app) if "{" in each[1])

    async def answers() -> dict[tuple[str, str], int]:
        told = {}
        for method, path in asked:
            start, *rest = path.split("{")
            hostile = start + HOSTILE[kind] + "".join(each.partition("}")[2] for each in rest)
            told[method, path] = (await knock(app, method, hostile, **header)).status
        return told

    told = asyncio.run(answers())
    assert len(told) > 40
    assert {where: status for where, status in told.items() if not 400 <= status < 500} == {}
