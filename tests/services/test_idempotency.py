"""Requests that are sent twice, on real databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from moderation.config import Settings
from moderation.erasure import Eraser
from moderation.people import People
from moderation.person import Person, Role
from moderation.store import Store
from moderation.store.answers import ABANDONED, KEPT, Answer, Answers, Turn
from moderation.store.models import IdempotentAnswerRow
from moderation.web_settings import WebSettings
from tests.web.server import WebServer

ADMIN = Person(name="root", role=Role.ADMIN, created_at=datetime.now(UTC))

ONE = {"uploads": [{"uri": "s3://b/a", "pin": "etag:1"}]}
OTHER = {"uploads": [{"uri": "s3://b/b", "pin": "etag:1"}]}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    with Store.open(database_url) as store:
        yield store


@pytest.fixture
def url(database_url: str, tmp_path: Path) -> Iterator[str]:
    """Of the API of a server."""
    web = WebSettings(folders=(tmp_path,))
    settings = Settings(home=tmp_path / "home", database=database_url, web=web)
    with WebServer(settings) as server:
        yield f"{server.url}/api/v1"


@pytest.fixture
def caller(store: Store, url: str) -> Iterator[httpx.Client]:
    with _caller(store, url, "uploads") as caller:
        yield caller


@pytest.fixture
def answers(store: Store) -> Answers:
    return Answers(store)


def _caller(store: Store, url: str, name: str) -> httpx.Client:
    people = People(store)
    people.add(name, Role.SERVICE, by=ADMIN)
    token = people.issue(name, by=ADMIN).secret
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def submit(caller: httpx.Client, content: Any = ONE, key: str = "k") -> httpx.Response:
    return caller.post("/jobs", json=content, headers={"Idempotency-Key": key})


def jobs(caller: httpx.Client) -> list[str]:
    return [job["id"] for job in caller.get("/jobs").json()["jobs"]]


def age(store: Store, by: timedelta) -> None:
    """All answers were begun that much earlier."""
    moment = datetime.now(UTC) - by
    with store.writing() as session:
        session.execute(update(IdempotentAnswerRow).values(created_at=moment))


def test_fault_133_the_same_request_is_answered_alike(caller: httpx.Client) -> None:
    first = submit(caller)
    (job,) = first.json()["jobs"]
    caller.post(f"/jobs/{job['id']}/cancel")
    again = submit(caller)
    assert (first.status_code, "Idempotent-Replayed" in first.headers) == (202, False)
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_fault_133_a_key_of_another_request_is_refused(caller: httpx.Client) -> None:
    (job,) = submit(caller).json()["jobs"]
    refused = submit(caller, OTHER)
    assert (refused.status_code, refused.json()["kind"]) == (422, "configuration_error")
    cancel = caller.post(f"/jobs/{job['id']}/cancel", headers={"Idempotency-Key": "k"})
    assert cancel.status_code == 422
    assert jobs(caller) == [job["id"]]


def test_fault_133_at_one_moment_all_but_one_are_asked_to_wait(
    caller: httpx.Client, store: Store
) -> None:
    submit(caller)
    with store.writing() as session:  # as if it were still being worked on
        session.execute(update(IdempotentAnswerRow).values(status=0, content="somebody"))
    refused = submit(caller)
    assert (refused.status_code, refused.json()["kind"]) == (409, "in_progress")
    assert refused.headers["Retry-After"] == "1"


def test_fault_133_twenty_at_once_make_one_job(caller: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda content: submit(caller, content), [ONE] * 20))
    assert len(jobs(caller)) == 1
    assert {each.status_code for each in told} <= {202, 409}
    done = [each for each in told if each.status_code == 202]
    assert {each.content for each in done} == {submit(caller).content}
    assert len([each for each in done if "Idempotent-Replayed" not in each.headers]) == 1


def test_a_key_is_one_persons(caller: httpx.Client, store: Store, url: str) -> None:
    first = submit(caller)
    with _caller(store, url, "others") as others:
        second = submit(others, OTHER)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() != second.json()


def test_a_failure_is_not_kept(caller: httpx.Client, tmp_path: Path) -> None:
    video = tmp_path / "late.mp4"
    given = {"uploads": [{"uri": str(video)}]}
    assert submit(caller, given).json()["fault"] == "not_found"
    video.write_bytes(b"it is there")
    assert submit(caller, given).status_code == 202


def test_an_answer_is_kept_for_more_than_a_day(caller: httpx.Client, store: Store) -> None:
    first = submit(caller)
    age(store, timedelta(hours=25))
    assert submit(caller).content == first.content
    age(store, KEPT + timedelta(hours=1))
    assert "Idempotent-Replayed" not in submit(caller, OTHER).headers


def test_a_request_whose_server_died_is_worked_on_again(
    answers: Answers, store: Store, caller: httpx.Client
) -> None:
    assert caller
    dead = answers.begin("uploads", "k", "digest")
    assert isinstance(dead, Turn)
    assert answers.begin("uploads", "k", "digest") == Answer(0, "")
    age(store, ABANDONED + timedelta(seconds=1))
    heir = answers.begin("uploads", "k", "digest")
    assert isinstance(heir, Turn)
    answers.give_back(dead)
    answers.finish(dead, Answer(200, "late"))
    answers.finish(heir, Answer(200, "in time"))
    assert answers.begin("uploads", "k", "digest") == Answer(200, "in time")


@pytest.mark.parametrize("key", ["two words", "x" * 256, "ä".encode()])
def test_a_key_that_no_header_carries_unchanged_is_refused(caller: httpx.Client, key: Any) -> None:
    assert submit(caller, key=key).status_code == 422


def test_without_a_key_nothing_is_kept(caller: httpx.Client, store: Store) -> None:
    assert caller.post("/jobs", json=ONE).status_code == 202
    with store.reading() as session:
        assert not session.scalars(select(IdempotentAnswerRow)).all()


def test_what_was_erased_is_in_no_answer(
    caller: httpx.Client, store: Store, database_url: str, tmp_path: Path
) -> None:
    submit(caller)
    submit(caller, OTHER, key="k2")
    settings = Settings(home=tmp_path / "home", database=database_url)
    Eraser(settings, store).erase("s3://b/a", actor="root")
    with store.reading() as session:
        (left,) = session.scalars(select(IdempotentAnswerRow))
        assert (left.key, "s3://b/a" in left.content) == ("k2", False)
