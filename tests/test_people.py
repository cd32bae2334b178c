"""People, their roles and rights, and the tokens that open something to them until they do not."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from moderation.audit import AuditLog
from moderation.cli import main
from moderation.errors import AccessDenied, ConfigurationError, NotAllowed
from moderation.people import RIGHTS, People, Person, Right, Role, local_person
from moderation.store import Store
from moderation.store.models import TokenRow

ADMIN = Person(name="root", role=Role.ADMIN, created_at=datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'moderation.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as store:
        yield store


@pytest.fixture
def people(store: Store) -> People:
    people = People(store)
    people.add("anna", Role.REVIEWER, by=ADMIN)
    return people


def events(store: Store) -> list[tuple[str, str, str, Any]]:
    """Who did what to whom, the first one first, but for the first person."""
    found = reversed(AuditLog(store).entries())
    return [(each.actor, each.action, each.subject, each.content) for each in found][1:]


# Who may do what


EVERYTHING = set(Right)
REVIEWING = {Right.CLAIM, Right.DECIDE}
SERVING = {Right.SUBMIT, Right.READ, Right.APPEAL}
ADMINISTRATION = {Right.MANAGE_PEOPLE, Right.MANAGE_WEBHOOKS, Right.ERASE}


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.REVIEWER, REVIEWING),
        (Role.LEAD, EVERYTHING - ADMINISTRATION),
        (Role.ADMIN, EVERYTHING),
        (Role.SERVICE, SERVING),
    ],
)
def test_a_role_may_do_this_and_nothing_else(role: Role, rights: set[Right]) -> None:
    person = Person(name="anna", role=role, created_at=ADMIN.created_at)
    assert {right for right in Right if person.may(right)} == rights


def test_every_right_is_somebodys() -> None:
    assert RIGHTS.keys() == EVERYTHING


def test_people_have_ranks_and_a_program_stands_beside_them() -> None:
    people = [Role.REVIEWER, Role.LEAD, Role.ADMIN]
    assert [[a.is_at_least(b) for b in people] for a in people] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
    assert Role.SERVICE.is_at_least(Role.SERVICE)
    assert not any(a.is_at_least(Role.SERVICE) or Role.SERVICE.is_at_least(a) for a in people)


def test_whoever_may_not_is_told_who_may() -> None:
    person = Person(name="anna", role=Role.REVIEWER, created_at=ADMIN.created_at)
    person.require(Right.CLAIM)
    with pytest.raises(NotAllowed, match=r"anna \(reviewer\) may not see audit: .* lead, admin$"):
        person.require(Right.SEE_AUDIT)


def test_the_user_of_this_machine_is_its_admin_under_their_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    person = local_person()
    assert person.name == pwd.getpwuid(os.getuid()).pw_name
    assert all(map(person.may, Right))


def test_a_container_without_a_name_for_its_user_has_one_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_017)
    assert local_person().name == "uid-2000000017"


# Added, changed, disabled


def test_people_are_listed_by_name(people: People) -> None:
    people.add(" Berta@Example.org ", Role.LEAD, by=ADMIN)
    people.add("a-program", Role.SERVICE, by=ADMIN)
    assert [(each.name, each.role) for each in people.list()] == [
        ("a-program", Role.SERVICE),
        ("anna", Role.REVIEWER),
        ("berta@example.org", Role.LEAD),
    ]


@pytest.mark.parametrize("name", ["", "-rf", "a b", "a\nb", "аnna", "a" * 101, "a:b", "<script>"])
def test_what_is_no_name_is_refused(people: People, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no name"):
        people.add(name, Role.REVIEWER, by=ADMIN)


def test_a_name_is_given_once_even_after_somebody_has_left(people: People) -> None:
    people.disable("anna", by=ADMIN)
    with pytest.raises(ConfigurationError, match="the name anna is taken"):
        people.add("Anna", Role.ADMIN, by=ADMIN)
    (anna,) = people.list()
    assert (anna.role, anna.disabled_at is None) == (Role.REVIEWER, False)


def test_a_new_role_counts_at_once(people: People) -> None:
    token = people.issue("anna", by=ADMIN).secret
    people.change_role("anna", Role.LEAD, by=ADMIN)
    assert people.authenticate(token).role is Role.LEAD


def test_somebody_disabled_may_do_nothing_and_enabled_again_needs_a_new_token(
    people: People,
) -> None:
    old = people.issue("anna", by=ADMIN).secret
    assert not any(map(people.disable("anna", by=ADMIN).may, Right))
    with pytest.raises(AccessDenied):
        people.vouched("anna")
    with pytest.raises(ConfigurationError, match="disabled"):
        people.issue("anna", by=ADMIN)
    people.enable("anna", by=ADMIN)
    with pytest.raises(AccessDenied):
        people.authenticate(old)
    assert people.authenticate(people.issue("anna", by=ADMIN).secret).may(Right.CLAIM)


def test_every_change_is_an_event_and_what_changes_nothing_is_none(
    people: People, store: Store
) -> None:
    for _ in range(2):
        people.change_role("anna", Role.LEAD, by=ADMIN)
    token = people.issue("anna", by=ADMIN, label="Anna's laptop").token.id
    for _ in range(2):
        people.disable("anna", by=ADMIN)
        people.revoke(token, by=ADMIN)
    for _ in range(2):
        people.enable("anna", by=ADMIN)
    who = ("root", "person:anna")
    assert events(store) == [
        (who[0], action, who[1], content)
        for action, content in [
            ("person.role_changed", {"was": "reviewer", "role": "lead"}),
            ("token.issued", {"token": token, "expires_at": None}),
            ("person.disabled", {}),
            ("token.revoked", {"token": token}),
            ("person.enabled", {}),
        ]
    ]


def test_only_an_admin_manages_people(people: People, store: Store) -> None:
    for role in set(Role) - {Role.ADMIN}:
        other = Person(name="other", role=role, created_at=ADMIN.created_at)
        for change in (
            lambda by: people.add("berta", Role.ADMIN, by=by),
            lambda by: people.change_role("anna", Role.ADMIN, by=by),
            lambda by: people.disable("anna", by=by),
            lambda by: people.enable("anna", by=by),
            lambda by: people.issue("anna", by=by),
            lambda by: people.revoke("abc", by=by),
        ):
            with pytest.raises(NotAllowed):
                change(other)
    assert events(store) == []


def test_nobody_can_be_changed_who_is_not_there(people: People) -> None:
    for change in (people.disable, people.enable, people.issue):
        with pytest.raises(ConfigurationError, match="nobody called berta"):
            change("berta", by=ADMIN)


# Tokens


def test_a_token_says_whose_it_is(people: People) -> None:
    secrets = [people.issue("anna", by=ADMIN).secret for _ in range(2)]
    assert len(set(secrets)) == 2
    assert all(each.startswith("mod_") and len(each) == 47 for each in secrets)
    assert {people.authenticate(each).name for each in secrets} == {"anna"}


def test_a_proxy_may_vouch_for_a_name(people: People) -> None:
    assert people.vouched("Anna").name == "anna"


def expire(store: Store) -> None:
    with store.writing() as session:
        session.execute(update(TokenRow).values(expires_at=datetime.now(UTC)))


def test_fault_128_whatever_is_wrong_with_a_token_the_answer_is_the_same(
    people: People, store: Store
) -> None:
    known = [people.issue("anna", by=ADMIN) for _ in range(2)]
    people.revoke(known[0].token.id, by=ADMIN)
    people.add("berta", Role.ADMIN, by=ADMIN)
    gone = people.issue("berta", by=ADMIN)
    people.disable("berta", by=ADMIN)
    expire(store)
    wrong = [each.secret for each in (*known, gone)] + ["mod_unknown", "", "\ud800", "a" * 10_000]
    answers = set()
    for token in (*wrong, known[1].secret.upper(), f"{known[1].secret} "):
        with pytest.raises(AccessDenied) as denied:
            people.authenticate(token)
        answers.add((type(denied.value), str(denied.value)))
    with pytest.raises(AccessDenied) as denied:
        people.vouched("nobody")
    assert answers == {(AccessDenied, str(denied.value))}


def test_a_token_opens_something_until_it_expires(people: People, store: Store) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    issued = people.issue("anna", by=ADMIN, expires_at=soon)
    assert issued.token.expires_at == soon
    assert people.authenticate(issued.secret).name == "anna"
    expire(store)
    with pytest.raises(AccessDenied):
        people.authenticate(issued.secret)
    (token,) = people.tokens()
    assert not token.is_live(datetime.now(UTC))


def test_a_token_that_would_have_expired_is_not_made(people: People) -> None:
    with pytest.raises(ConfigurationError, match="expired already"):
        people.issue("anna", by=ADMIN, expires_at=datetime.now(UTC))
    assert people.tokens() == ()


def test_a_token_is_revoked_by_the_beginning_of_its_id_or_as_it_was_found(people: People) -> None:
    by_id, found, kept = (people.issue("anna", by=ADMIN) for _ in range(3))
    assert people.revoke(by_id.token.id.upper(), by=ADMIN).id == by_id.token.id
    assert people.revoke(f"{found.secret}\n", by=ADMIN).id == found.token.id
    for secret in (by_id.secret, found.secret):
        with pytest.raises(AccessDenied):
            people.authenticate(secret)
    assert people.authenticate(kept.secret).name == "anna"


@pytest.mark.parametrize("id", ["", "%", "_", "no", "mod_wrong"])
def test_what_names_no_single_token_is_refused_and_not_repeated(people: People, id: str) -> None:
    issued = people.issue("anna", by=ADMIN)
    with pytest.raises(ConfigurationError) as refused:
        people.revoke(id, by=ADMIN)
    assert "mod_wrong" not in str(refused.value)
    assert people.authenticate(issued.secret).name == "anna"


# The command


@pytest.fixture
def command(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("MODERATION_DATABASE", url)

    def run(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["moderation", "users", *arguments])
        with pytest.raises(SystemExit) as done:
            main()
        told = capsys.readouterr()
        return done.value.code, told.out, told.err

    return run


def test_the_command_adds_people_and_shows_a_token_once(command: Any, store: Store) -> None:
    assert "there is nobody yet" in command("list")[2]
    assert command("add", "anna")[:2] == (0, "anna: reviewer\n")
    assert command("add", "anna")[0] == 2
    assert command("role", "anna", "lead")[1] == "anna: lead\n"
    code, secret, told = command("token", "anna", "--label", "laptop\x1b[2J")
    assert code == 0
    assert People(store).authenticate(secret.strip()).role is Role.LEAD
    (token,) = People(store).tokens()
    assert token.expires_at is not None
    assert token.id in told
    code, shown, _ = command("list")
    assert "laptop[2J" in shown
    assert secret.strip() not in told + shown


def test_the_command_revokes_and_disables(command: Any, store: Store) -> None:
    command("add", "bot", "--role", "service")
    secrets = [command("token", "bot", "--forever")[1].strip() for _ in range(2)]
    first, second = People(store).tokens()
    assert command("revoke", first.id)[1] == f"token {first.id} of bot is revoked\n"
    assert "revoked" in command("list")[1]
    assert command("disable", "bot")[1] == "bot: service, disabled\n"
    assert [each.revoked_at is not None for each in People(store).tokens()] == [True, True]
    assert command("enable", "bot")[1] == "bot: service\n"
    for secret in secrets:
        with pytest.raises(AccessDenied):
            People(store).authenticate(secret)
    assert second.expires_at is None
    actors = {each.actor for each in AuditLog(store).entries()}
    assert actors == {local_person().name}
