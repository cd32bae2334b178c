"""People: who may do something here, and the tokens that they or their programs show.

Every change is an event of the audit log. A token is shown once, to whoever makes it; the database
has its hash alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.errors import AccessDenied, ConfigurationError, NotFound
from moderation.person import RIGHTS, Person, Right, Role, local_person
from moderation.store import Store
from moderation.store.audit import record
from moderation.store.database import retried
from moderation.store.models import PersonRow, TokenRow

__all__ = [
    "RIGHTS",
    "IssuedToken",
    "People",
    "Person",
    "Right",
    "Role",
    "Token",
    "local_person",
]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
"""Takes an address of e-mail, as a proxy that signs people in may name them; nothing that looks
like something else in a log."""

_PREFIX: Final = "mod_"
"""By which scanners for secrets know a token."""

_TOKEN_BYTES: Final = 32
"""256 random bits: too many to guess, so that their hash needs neither salt nor slowness."""

_ID_DIGITS: Final = 12
"""Of the hash: enough to tell the tokens of an installation apart, and of no other use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token: not the token.

    id  the beginning of its hash
    """

    id: str
    person: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it still opens anything, if its person is not disabled."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new one, and the only time that its secret is seen."""

    token: Token
    secret: str = field(repr=False)


class People:
    """The people of one store. Threads may share it; each method is one transaction.

    `by` is whoever does it: each change raises `NotAllowed` for those who may not manage people.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def authenticate(self, token: str) -> Person:
        """Whose token it is.

        Looked up by its hash, so that the time it takes tells nothing of the token. Raises
        `AccessDenied`, in the same words whether it is unknown, expired, revoked, or its person
        disabled.
        """
        live = (
            TokenRow.digest == _hash(token),
            TokenRow.revoked_at.is_(None),
            or_(TokenRow.expires_at.is_(None), TokenRow.expires_at > datetime.now(UTC)),
        )
        with self._store.reading() as session:
            return _active(session.scalar(select(PersonRow).join(TokenRow).where(*live)))

    def vouched(self, name: str) -> Person:
        """Whom something in front of us has signed in, as a proxy does. Raises `AccessDenied`."""
        with self._store.reading() as session:
            return _active(session.get(PersonRow, _normal(name)))

    def list(self) -> tuple[Person, ...]:
        """By name, the disabled ones among them."""
        with self._store.reading() as session:
            found = session.scalars(select(PersonRow).order_by(PersonRow.name))
            return tuple(_person(row) for row in found)

    def tokens(self) -> tuple[Token, ...]:
        """Of everybody, by name and then by age."""
        order = (TokenRow.person, TokenRow.created_at, TokenRow.digest)
        with self._store.reading() as session:
            return tuple(map(_token, session.scalars(select(TokenRow).order_by(*order))))

    @retried
    def add(self, name: str, role: Role, *, by: Person) -> Person:
        """Raises `ConfigurationError` for a name that does not hold or is taken."""
        by.require(Right.MANAGE_PEOPLE)
        name = _valid(name)
        with self._store.writing() as session:
            row = PersonRow(name=name, role=role, created_at=datetime.now(UTC))
            session.add(row)
            try:
                session.flush()
            except IntegrityError:
                raise ConfigurationError(
                    f"the name {name} is taken",
                    hint="`moderation users role` and `moderation users enable` change them",
                ) from None
            _note(session, by, "person.added", name, role=role)
            return _person(row)

    @retried
    def change_role(self, name: str, role: Role, *, by: Person) -> Person:
        """From the next thing they do on. Raises `ConfigurationError` for nobody."""
        by.require(Right.MANAGE_PEOPLE)
        with self._store.writing() as session:
            row = _locked(session, name)
            if row.role != role:
                _note(session, by, "person.role_changed", row.name, was=row.role, role=role)
                row.role = role
            return _person(row)

    @retried
    def disable(self, name: str, *, by: Person) -> Person:
        """Nothing is allowed to them from now on, and their tokens are revoked for good."""
        by.require(Right.MANAGE_PEOPLE)
        with self._store.writing() as session:
            row = _locked(session, name)
            if row.disabled_at is None:
                row.disabled_at = datetime.now(UTC)
                _note(session, by, "person.disabled", row.name)
                _revoke(session, by, *_live_tokens(session, row.name))
            return _person(row)

    @retried
    def enable(self, name: str, *, by: Person) -> Person:
        """They may do again what their role may, with new tokens."""
        by.require(Right.MANAGE_PEOPLE)
        with self._store.writing() as session:
            row = _locked(session, name)
            if row.disabled_at is not None:
                row.disabled_at = None
                _note(session, by, "person.enabled", row.name)
            return _person(row)

    @retried
    def issue(
        self, name: str, *, by: Person, label: str = "", expires_at: datetime | None = None
    ) -> IssuedToken:
        """A new token of this person's.

        label       where it is used, for whoever reads the list
        expires_at  with a time zone

        Raises `ConfigurationError` for nobody, for somebody disabled, and for a time that is over.
        """
        by.require(Right.MANAGE_PEOPLE)
        now, secret = datetime.now(UTC), _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        if expires_at is not None and expires_at <= now:
            raise ConfigurationError("the token would have expired already", hint="choose later")
        with self._store.writing() as session:
            person = _locked(session, name)
            if person.disabled_at is not None:
                raise ConfigurationError(
                    f"{person.name} is disabled", hint="`moderation users enable` comes first"
                )
            row = TokenRow(
                digest=_hash(secret),
                person=person.name,
                label=label,
                created_at=now,
                expires_at=expires_at,
            )
            session.add(row)
            until = None if expires_at is None else expires_at.astimezone(UTC).isoformat()
            token = _token(row)
            _note(session, by, "token.issued", person.name, token=token.id, expires_at=until)
            return IssuedToken(token, secret)

    @retried
    def revoke(self, token_id: str, *, by: Person) -> Token:
        """It opens nothing from now on.

        token_id  its id, or the beginning of it, or the token itself, as somebody found it

        Raises `ConfigurationError` where that is no token, or more than one.
        """
        by.require(Right.MANAGE_PEOPLE)
        given = token_id.strip()
        if not given:
            raise ConfigurationError("an empty id is no token's", hint="write some of it")
        begins = _hash(given) if given.startswith(_PREFIX) else given.lower()
        found = select(TokenRow).where(TokenRow.digest.startswith(begins, autoescape=True))
        with self._store.writing() as session:
            rows = session.scalars(found.limit(2).with_for_update()).all()
            if len(rows) != 1:
                raise ConfigurationError(
                    f"{'several tokens begin' if rows else 'no token begins'} like that",
                    hint="`moderation users list` shows their ids",
                )
            if rows[0].revoked_at is None:
                _revoke(session, by, *rows)
            return _token(rows[0])


def _revoke(session: Session, by: Person, *tokens: TokenRow) -> None:
    for token in tokens:
        token.revoked_at = datetime.now(UTC)
        _note(session, by, "token.revoked", token.person, token=token.digest[:_ID_DIGITS])


def _live_tokens(session: Session, name: str) -> Any:
    found = select(TokenRow).where(TokenRow.person == name, TokenRow.revoked_at.is_(None))
    return session.scalars(found.order_by(TokenRow.digest).with_for_update())


def _active(row: PersonRow | None) -> Person:
    if row is None or row.disabled_at is not None:
        raise AccessDenied("access is denied", hint="an admin can add people and make tokens")
    return _person(row)


def _locked(session: Session, name: str) -> PersonRow:
    row = session.get(PersonRow, _normal(name), with_for_update=True)
    if row is None:
        raise NotFound(
            f"there is nobody called {name}", hint="`moderation users list` shows them all"
        )
    return row


def _note(session: Session, by: Person, action: str, name: str, **content: Any) -> None:
    record(
        session,
        actor=by.name,
        action=action,
        subject=f"person:{name}",
        content=content,
        now=datetime.now(UTC),
    )


def _normal(name: str) -> str:
    return name.strip().lower()


def _valid(name: str) -> str:
    normal = _normal(name)
    if not _NAME.fullmatch(normal):
        raise ConfigurationError(
            f"{name!r} is no name",
            hint="write up to 100 letters of a-z, digits and . _ @ + -, like an address of e-mail",
        )
    return normal


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _person(row: PersonRow) -> Person:
    return Person(
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.digest[:_ID_DIGITS],
        person=row.person,
        label=row.label,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
