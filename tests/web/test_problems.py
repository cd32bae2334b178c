"""Whatever goes wrong is told in one shape, and what is ours to know is not told at all."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from pydantic import BaseModel
from structlog.testing import capture_logs

from moderation import errors
from moderation.address_guard import HostUnknown
from moderation.errors import (
    AccessDenied,
    MediaFault,
    ModerationError,
    NotFound,
    ReviewConflict,
    SourceError,
    SourceUnavailable,
    StoreBusy,
    StoreError,
)
from moderation.web.problems import Problem, kind_of, status_of, tell_problems

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


class Body(BaseModel):
    number: int


class Many(BaseModel):
    numbers: list[int]


def failing(error: Exception) -> TestClient:
    """An application whose routes fail."""
    app = FastAPI()

    @app.get("/api/fail/{name}")
    @app.get("/fail/{name}")
    def fail() -> None:
        raise error

    @app.post("/api/body")
    def body(given: Body) -> None: ...

    tell_problems(app)
    return TestClient(app, raise_server_exceptions=False)


def every_error() -> list[type[ModerationError]]:
    return [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, ModerationError)
    ]


def made(kind: type[ModerationError]) -> ModerationError:
    more: dict[str, Any] = {"fault": MediaFault.EMPTY} if "fault" in _parameters(kind) else {}
    return kind("canary of the machine", hint="canary of the hint", **more)


def _parameters(kind: type[ModerationError]) -> Any:
    return inspect.signature(kind.__init__).parameters


@pytest.mark.parametrize("kind", every_error(), ids=lambda each: each.__name__)
def test_each_error_has_one_shape_and_its_name(kind: type[ModerationError]) -> None:
    error = made(kind)
    answer = failing(error).get("/api/fail/x")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert problem.status == answer.status_code == status_of(error)
    assert problem.kind == kind_of(error)
    named = {_snake(each.__name__): each for each in every_error()}
    assert named[problem.kind] is kind, "a client finds the class by it"


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name).strip("_")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("x"), 404),
        (ReviewConflict("x"), 409),
        (HostUnknown("x"), 422),
        (SourceError("x", fault=MediaFault.EMPTY), 422),
        (SourceUnavailable("x"), 503),
    ],
)
def test_what_callers_can_put_right_is_told_in_its_words(
    error: ModerationError, status: int
) -> None:
    error.hint = "the next step"
    answer = failing(error).get("/api/fail/x")
    assert answer.status_code == status
    assert (answer.json()["title"], answer.json()["hint"]) == ("x", "the next step")


def test_an_error_of_a_subclass_goes_by_the_name_that_clients_know() -> None:
    assert kind_of(HostUnknown("x")) == "transient_error"


@pytest.mark.parametrize(
    "error",
    [RuntimeError("canary"), StoreError("canary"), StoreBusy("canary"), KeyError("canary")],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("place", ["/api/fail/canary", "/fail/canary"])
@pytest.mark.parametrize("accept", ["*/*", BROWSER["Accept"]])
def test_what_is_ours_to_know_is_in_the_log_under_a_number(
    error: Exception, place: str, accept: str
) -> None:
    with capture_logs() as logged:
        answer = failing(error).get(place, headers={"Accept": accept})
    assert answer.status_code in (500, 503)
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    (entry,) = logged
    assert entry["id"] in answer.text
    assert "canary" in entry["traceback"]
    assert entry["route"].endswith("fail"), "and not the address, which may be a key"


def test_who_is_not_known_is_told_nothing_else() -> None:
    told = [
        failing(AccessDenied(words, hint=words)).get("/api/fail/x").text
        for words in ("no such token", "it has expired")
    ]
    assert told[0] == told[1]
    assert json.loads(told[0])["title"] == "access is denied"


def test_who_is_not_known_is_told_how_to_be() -> None:
    answer = failing(AccessDenied("x")).get("/api/fail/x")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("ask", "status", "kind"),
    [
        (lambda app: app.get("/api/nothing"), 404, "not_found"),
        (lambda app: app.delete("/api/body"), 405, "method_not_allowed"),
        (lambda app: app.post("/api/body", content=b"{"), 400, "configuration_error"),
        (lambda app: app.post("/api/body", content=b"\xff\xfe"), 400, "configuration_error"),
        (lambda app: app.post("/api/body", content=b'{"number": ' + b"9" * 5_000 + b"}"), 400,
         "bad_request"),
        (lambda app: app.post("/api/body", content=b'{"number": "x"}'), 422, "configuration_error"),
        (lambda app: app.post("/api/body", content=b""), 422, "configuration_error"),
        (lambda app: app.post("/api/body", content=b'{"number": 1e999}'), 422,
         "configuration_error"),
        (lambda app: app.post("/api/body", content=b'{"number": NaN}'), 422, "configuration_error"),
        (lambda app: app.post("/api/body", content=b'"\\ud800"'), 422, "configuration_error"),
        (lambda app: app.post("/api/body", content=b'{"number": "\\ud800"}'), 422,
         "configuration_error"),
    ],
)  # fmt: skip
def test_what_the_framework_refuses_has_the_same_shape(
    ask: Callable[[TestClient], Any], status: int, kind: str
) -> None:
    app = failing(RuntimeError())
    app.headers["Content-Type"] = "application/json"
    answer = ask(app)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert (answer.status_code, problem.status, problem.kind) == (status, status, kind)


def test_a_method_that_an_address_does_not_take_is_answered_with_those_it_does() -> None:
    app = FastAPI()

    @app.get("/api/both")
    def get() -> None: ...

    @app.post("/api/both")
    def post() -> None: ...

    tell_problems(app)
    assert TestClient(app).delete("/api/both").headers["Allow"] == "GET, POST"


def test_what_files_do_not_take_is_refused(tmp_path: Path) -> None:
    app = FastAPI()
    app.mount("/files", StaticFiles(directory=tmp_path))
    tell_problems(app)
    assert TestClient(app).post("/files/x").json()["kind"] == "method_not_allowed"
    assert TestClient(app).get("/files/x").json()["kind"] == "not_found"


def test_of_a_request_that_does_not_hold_the_first_flaws_are_told_without_its_words() -> None:
    app = FastAPI()

    @app.post("/api/many")
    def many(given: Many) -> None: ...

    tell_problems(app)
    answer = TestClient(app).post("/api/many", json={"numbers": ["canary"] * 100_000})
    flaws = answer.json()["flaws"]
    assert len(flaws) == 20
    assert flaws[0]["where"] == "body.numbers.0"
    assert "integer" in flaws[0]["what"]
    assert "canary" not in answer.text


def test_a_browser_is_shown_a_page_elsewhere() -> None:
    app = failing(NotFound("there is no <b>item</b> \ud800", hint="claim the next one"))
    answer = app.get("/fail/x", headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "there is no &lt;b&gt;item&lt;/b&gt; \ufffd" in answer.text
    assert "claim the next one" in answer.text


def test_a_script_of_a_page_is_told_a_problem_elsewhere() -> None:
    answer = failing(NotFound("x")).get("/fail/x", headers={"Accept": "application/json"})
    assert answer.json()["kind"] == "not_found"
