"""Row 128: at every route everybody gets in who may, nobody else does, and nobody learns why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import update

from moderation.people import RIGHTS, Right, Role
from moderation.store.models import TokenRow
from moderation.web import Installation, create_app
from moderation.web.caller import Caller, Via
from tests.web.conftest import ADMIN
from tests.web.knocking import Knocked, knock, routes

Token = Callable[..., str]

API: Final = "/api/v1"

OPEN: Final = {
    ("GET", f"{API}/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/static"),
}
"""To everybody."""

FORMS: Final = ("claim", "release", "decide", "undo", "reopen", "appeal", "rescan")
"""Of an item; whoever loads the address of one again is led back to the item."""

KNOWN: Final = {
    *(("GET", f"/items/{{id}}/{form}") for form in FORMS),
    ("GET", f"{API}/me"),
    ("GET", "/"),
    ("POST", "/sign-out"),
}
"""To whoever is somebody here."""

RIGHT: Final[Mapping[tuple[str, str], Right]] = {
    ("GET", f"{API}/jobs"): Right.READ,
    ("POST", f"{API}/jobs"): Right.SUBMIT,
    ("GET", f"{API}/jobs/unfinished"): Right.READ,
    ("GET", f"{API}/jobs/backlog"): Right.READ,
    ("POST", f"{API}/jobs/outcomes"): Right.READ,
    ("GET", f"{API}/jobs/{{job_id}}"): Right.READ,
    ("GET", f"{API}/jobs/{{job_id}}/verdict"): Right.READ,
    ("GET", f"{API}/jobs/{{job_id}}/report"): Right.READ,
    ("POST", f"{API}/jobs/{{job_id}}/cancel"): Right.SUBMIT,
    ("POST", f"{API}/jobs/{{job_id}}/retry"): Right.SUBMIT,
    ("POST", f"{API}/uploads/pin"): Right.SUBMIT,
    ("POST", f"{API}/uploads/known"): Right.READ,
    ("POST", f"{API}/uploads/pins"): Right.READ,
    ("POST", f"{API}/uploads/deleted"): Right.SUBMIT,
    ("GET", f"{API}/review/items"): Right.CLAIM,
    ("GET", f"{API}/review/items/{{id}}"): Right.CLAIM,
    ("POST", f"{API}/review/claim"): Right.CLAIM,
    ("POST", f"{API}/review/items/{{id}}/claim"): Right.CLAIM,
    ("POST", f"{API}/review/items/{{id}}/extend"): Right.CLAIM,
    ("POST", f"{API}/review/items/{{id}}/release"): Right.CLAIM,
    ("POST", f"{API}/review/items/{{id}}/free"): Right.ASSIGN,
    ("POST", f"{API}/review/items/{{id}}/decide"): Right.DECIDE,
    ("POST", f"{API}/review/items/{{id}}/undo"): Right.DECIDE,
    ("POST", f"{API}/review/items/{{id}}/reopen"): Right.REOPEN,
    ("POST", f"{API}/review/items/{{id}}/appeal"): Right.APPEAL,
    ("POST", f"{API}/appeals"): Right.APPEAL,
    ("GET", f"{API}/webhooks"): Right.MANAGE_WEBHOOKS,
    ("POST", f"{API}/webhooks"): Right.MANAGE_WEBHOOKS,
    ("GET", f"{API}/webhook-deliveries"): Right.MANAGE_WEBHOOKS,
    ("POST", f"{API}/webhook-events/replay"): Right.MANAGE_WEBHOOKS,
    ("POST", f"{API}/webhook-events/{{event}}/replay"): Right.MANAGE_WEBHOOKS,
    ("GET", f"{API}/webhooks/{{id}}"): Right.MANAGE_WEBHOOKS,
    ("POST", f"{API}/webhooks/{{id}}/disable"): Right.MANAGE_WEBHOOKS,
    ("POST", f"{API}/webhooks/{{id}}/enable"): Right.MANAGE_WEBHOOKS,
    ("POST", f"{API}/webhooks/{{id}}/rotate"): Right.MANAGE_WEBHOOKS,
    ("DELETE", f"{API}/webhooks/{{id}}"): Right.MANAGE_WEBHOOKS,
    ("GET", f"{API}/people"): Right.MANAGE_PEOPLE,
    ("POST", f"{API}/people"): Right.MANAGE_PEOPLE,
    ("POST", f"{API}/people/{{name}}/role"): Right.MANAGE_PEOPLE,
    ("POST", f"{API}/people/{{name}}/disable"): Right.MANAGE_PEOPLE,
    ("POST", f"{API}/people/{{name}}/enable"): Right.MANAGE_PEOPLE,
    ("POST", f"{API}/people/{{name}}/tokens"): Right.MANAGE_PEOPLE,
    ("POST", f"{API}/tokens/{{id}}/revoke"): Right.MANAGE_PEOPLE,
    ("GET", f"{API}/audit"): Right.SEE_AUDIT,
    ("POST", f"{API}/audit/verify"): Right.SEE_AUDIT,
    ("GET", f"{API}/board"): Right.ASSIGN,
    ("GET", "/work"): Right.CLAIM,
    ("POST", "/work"): Right.CLAIM,
    ("GET", "/queue"): Right.CLAIM,
    ("GET", "/items/{id}"): Right.CLAIM,
    ("GET", "/items/{id}/report.json"): Right.CLAIM,
    ("POST", "/items/{id}/claim"): Right.CLAIM,
    ("POST", "/items/{id}/release"): Right.CLAIM,
    ("POST", "/items/{id}/decide"): Right.DECIDE,
    ("POST", "/items/{id}/undo"): Right.DECIDE,
    ("POST", "/items/{id}/reopen"): Right.REOPEN,
    ("POST", "/items/{id}/appeal"): Right.APPEAL,
    ("POST", "/items/{id}/rescan"): Right.CLAIM,
    ("GET", "/items/{id}/links"): Right.CLAIM,
    ("POST", "/items/{id}/preview"): Right.CLAIM,
    ("GET", "/items/{id}/preview"): Right.CLAIM,
    ("POST", "/items/{id}/activity"): Right.CLAIM,
    ("GET", "/live"): Right.CLAIM,
    ("GET", "/board"): Right.ASSIGN,
    ("POST", "/board/free/{id}"): Right.ASSIGN,
    ("GET", "/board/me"): Right.CLAIM,
    ("GET", "/media/video/{token}"): Right.CLAIM,
    ("HEAD", "/media/video/{token}"): Right.CLAIM,
    ("GET", "/media/preview/{token}"): Right.CLAIM,
    ("HEAD", "/media/preview/{token}"): Right.CLAIM,
    ("GET", "/media/picture/{token}"): Right.CLAIM,
}
"""What it takes."""

NOBODY: Final = ("nothing", "no_scheme", "unknown", "expired", "revoked", "disabled")

NONE: Final = "aaaaaaaaaa"
"""An item that there is not: whoever gets in hears of that."""

Where = tuple[str, str]


@pytest.fixture
def shown(installation: Installation, token: Token) -> Callable[[str], dict[str, str]]:
    """What somebody shows who is nobody here, or not any more."""

    def header(kind: str) -> dict[str, str]:
        secret, name = token(Role.ADMIN, kind.replace("_", "-")), kind.replace("_", "-")
        match kind:
            case "nothing":
                return {}
            case "no_scheme":
                return {"Authorization": secret}
            case "unknown":
                secret = "mod_" + "x" * 43
            case "expired":
                with installation.store.writing() as session:
                    over = datetime.now(UTC) - timedelta(seconds=1)
                    session.execute(update(TokenRow).values(expires_at=over))
            case "revoked":
                installation.people.revoke(secret, by=ADMIN)
            case "disabled":
                installation.people.disable(name, by=ADMIN)
        return {"Authorization": f"Bearer {secret}"}

    return header


def answers(
    installation: Installation, asked: set[Where], fill: Mapping[str, str], **headers: str
) -> dict[Where, Knocked]:
    """Of all these routes, one after the other."""
    app = create_app(installation)

    async def all_of_them() -> dict[Where, Knocked]:
        return {
            (method, path): await knock(app, method, filled(path, fill), **headers)
            for method, path in sorted(asked)
        }

    return asyncio.run(all_of_them())


def filled(path: str, given: Mapping[str, str]) -> str:
    kind = path.split("/")[2] if path.startswith("/media/") else ""
    values = {"id": NONE, "job_id": NONE, "name": "nobody", "event": "msg_none", **given}
    return path.format(**{**values, "token": given.get(kind, "none")})


def links(installation: Installation, name: str) -> dict[str, str]:
    """Of this person's own, by the kind of what they lead to."""
    caller = Caller(person=installation.people.vouched(name), via=Via.TOKEN)
    made = installation.links
    urls = (
        made.video(NONE, caller),
        made.preview(NONE, caller),
        made.picture(NONE, 0, caller),
    )
    return {url.split("/")[2]: url.split("/")[3] for url in urls}


def closed() -> set[Where]:
    return {*KNOWN, *RIGHT}


@pytest.fixture
def all_routes(installation: Installation) -> set[Where]:
    return routes(create_app(installation))


def test_row_128_every_route_stands_in_a_table(all_routes: set[Where]) -> None:
    assert all_routes == OPEN | KNOWN | set(RIGHT)


@pytest.mark.parametrize("kind", NOBODY)
def test_row_128_who_is_nobody_here_gets_in_nowhere(
    installation: Installation, shown: Callable[[str], dict[str, str]], kind: str
) -> None:
    told = answers(installation, closed(), {}, **shown(kind))
    assert {where: each.status for where, each in told.items() if each.status != 401} == {}
    bodies = {each.body for (method, _), each in told.items() if method != "HEAD"}
    assert len(bodies) == 1, "in the same words"
    (problem,) = {each.problem["title"] for each in told.values() if each.body}
    assert problem == "access is denied"


def test_row_128_who_is_nobody_hears_the_same_whatever_they_show(
    installation: Installation, shown: Callable[[str], dict[str, str]]
) -> None:
    where = ("GET", f"{API}/people")
    told = {answers(installation, {where}, {}, **shown(kind))[where].body for kind in NOBODY}
    assert len(told) == 1


def test_row_128_who_has_not_signed_in_is_sent_to_do_so(installation: Installation) -> None:
    pages = {(method, path) for method, path in closed() if method == "GET"}
    pages = {(method, path) for method, path in pages if not path.startswith(API)}
    told = answers(installation, pages, {}, Accept="text/html")
    assert {where: each.status for where, each in told.items() if each.status != 303} == {}
    assert {each.headers["location"].partition("?")[0] for each in told.values()} == {"/sign-in"}


@pytest.mark.parametrize("role", Role)
def test_row_128_a_role_gets_in_where_it_may_and_nowhere_else(
    installation: Installation, token: Token, role: Role
) -> None:
    header = {"Authorization": f"Bearer {token(role, 'anna')}"}
    told = answers(installation, closed(), links(installation, "anna"), **header)
    wrong = {where: each.status for where, each in told.items() if not _right(where, role, each)}
    assert wrong == {}


def _right(where: Where, role: Role, told: Knocked) -> bool:
    if where in KNOWN or role in RIGHTS[RIGHT[where]]:
        return told.status < 500 and told.status not in (401, 403)
    return told.status == 403


def test_what_is_open_is_open_to_everybody(installation: Installation) -> None:
    pages = {(method, path) for method, path in OPEN if method == "GET"} - {("GET", "/static")}
    told = answers(installation, pages | {("GET", "/static/icon.svg")}, {})
    assert {where: each.status for where, each in told.items() if each.status != 200} == {}
