"""`/api/v1/people`: who may do something here, and their tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Self, TypeAlias

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from moderation import people as known
from moderation.person import Right, Role
from moderation.reports.text import whole
from moderation.web.api.moments import Moment
from moderation.web.identity import needs
from moderation.web.installation import Here

__all__ = ["router"]

_NAME: Final = r"^[a-z0-9][a-z0-9._@+-]{0,99}$"
_LONGEST_LABEL: Final = 200
"""Letters: a line of a list."""

_ADMIN: Final = Depends(needs(Right.MANAGE_PEOPLE))

router = APIRouter(tags=["people"], dependencies=[_ADMIN])

Admin: TypeAlias = Annotated[known.Person, _ADMIN]
Name: TypeAlias = Annotated[str, Path(pattern=_NAME)]
TokenId: TypeAlias = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Token(BaseModel):
    """What is known of a token: not the token."""

    id: str
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: known.Token) -> Self:
        given = {name: getattr(token, name) for name in cls.model_fields}
        return cls(**{**given, "label": whole(token.label)})


class Person(BaseModel):
    """Somebody, or a program, who may do something here."""

    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, person: known.Person) -> Self:
        return cls(**{name: getattr(person, name) for name in Person.model_fields})


class PersonWithTokens(Person):
    tokens: list[Token]


class Everybody(BaseModel):
    """By name, the disabled ones among them."""

    people: list[PersonWithTokens]


class NewPerson(_Asked):
    name: Annotated[str, Field(pattern=_NAME)]
    role: Role = Role.REVIEWER


class NewRole(_Asked):
    role: Role


class NewToken(_Asked):
    label: Annotated[str, Field(max_length=_LONGEST_LABEL)] = ""
    """Where it is used."""
    expires_at: Moment | None = None
    """Never, unless given."""


class IssuedToken(BaseModel):
    """A new one, and the only time that its secret is seen."""

    token: Token
    secret: str


@router.get("/people")
def people(here: Here) -> Everybody:
    """Everybody, with what is known of their tokens."""
    tokens: dict[str, list[Token]] = {}
    for each in here.people.tokens():
        tokens.setdefault(each.person, []).append(Token.of(each))
    everybody = [
        PersonWithTokens(**Person.of(each).model_dump(), tokens=tokens.get(each.name, []))
        for each in here.people.list()
    ]
    return Everybody(people=everybody)


@router.post("/people", status_code=201)
def add(given: NewPerson, here: Here, by: Admin) -> Person:
    """Somebody new; without a token they open nothing."""
    return Person.of(here.people.add(given.name, given.role, by=by))


@router.post("/people/{name}/role")
def change_role(name: Name, given: NewRole, here: Here, by: Admin) -> Person:
    """From the next thing they do on."""
    return Person.of(here.people.change_role(name, given.role, by=by))


@router.post("/people/{name}/disable")
def disable(name: Name, here: Here, by: Admin) -> Person:
    """Nothing is allowed to them from now on, and their tokens are revoked for good."""
    return Person.of(here.people.disable(name, by=by))


@router.post("/people/{name}/enable")
def enable(name: Name, here: Here, by: Admin) -> Person:
    """They may do again what their role may, with new tokens."""
    return Person.of(here.people.enable(name, by=by))


@router.post("/people/{name}/tokens", status_code=201)
def issue(name: Name, given: NewToken, here: Here, by: Admin, response: Response) -> IssuedToken:
    """A new token of theirs, shown this once."""
    made = here.people.issue(name, by=by, label=given.label, expires_at=given.expires_at)
    response.headers["Cache-Control"] = "no-store"
    return IssuedToken(token=Token.of(made.token), secret=made.secret)


@router.post("/tokens/{id}/revoke")
def revoke(id: TokenId, here: Here, by: Admin) -> Token:
    """It opens nothing from now on."""
    return Token.of(here.people.revoke(id, by=by))
