"""Persons and programs, their roles, and which role may do what."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from moderation.errors import NotAllowed

__all__ = ["RIGHTS", "Person", "Right", "Role", "local_person"]


class Role(StrEnum):
    """What somebody is here; the order of the people is that of their rank."""

    REVIEWER = "reviewer"
    """Works through the queue."""
    LEAD = "lead"
    """Answers for the reviewers' work."""
    ADMIN = "admin"
    """Runs the installation."""
    SERVICE = "service"
    """A program: hands in videos and appeals, reads what came of them, decides nothing."""

    def is_at_least(self, other: Role) -> bool:
        """Whether this one ranks as high; a program ranks with programs alone."""
        if Role.SERVICE in (self, other):
            return self is other
        ranks = tuple(Role)
        return ranks.index(self) >= ranks.index(other)


class Right(StrEnum):
    """Something that not everybody may do."""

    CLAIM = "claim"
    """See the queue, and take an item out of it."""
    DECIDE = "decide"
    REOPEN = "reopen"
    ASSIGN = "assign"
    """Take an item from one person, give it to another, see who holds what."""
    APPEAL = "appeal"
    """Hand in somebody's appeal; who decides it needs more."""
    SUBMIT = "submit"
    READ = "read"
    """Jobs, verdicts and reports."""
    MANAGE_PEOPLE = "manage_people"
    MANAGE_WEBHOOKS = "manage_webhooks"
    ERASE = "erase"
    SEE_AUDIT = "see_audit"


_REVIEWING: Final = frozenset({Role.REVIEWER, Role.LEAD, Role.ADMIN})
_LEADING: Final = frozenset({Role.LEAD, Role.ADMIN})
_ADMIN: Final = frozenset({Role.ADMIN})
_SERVING: Final = _LEADING | {Role.SERVICE}

RIGHTS: Final[Mapping[Right, frozenset[Role]]] = MappingProxyType(
    {
        Right.CLAIM: _REVIEWING,
        Right.DECIDE: _REVIEWING,
        Right.REOPEN: _LEADING,
        Right.ASSIGN: _LEADING,
        Right.APPEAL: _SERVING,
        Right.SUBMIT: _SERVING,
        Right.READ: _SERVING,
        Right.MANAGE_PEOPLE: _ADMIN,
        Right.MANAGE_WEBHOOKS: _ADMIN,
        Right.ERASE: _ADMIN,
        Right.SEE_AUDIT: _LEADING,
    }
)
"""Who may do what: the whole of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, or a program, who may do something here.

    name         unique, and the actor of what is done; never given to somebody else
    disabled_at  since when nothing is allowed any more
    """

    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None = None

    def may(self, right: Right) -> bool:
        """Whether it is allowed now."""
        return self.disabled_at is None and self.role in RIGHTS[right]

    def require(self, right: Right) -> None:
        """Raise `NotAllowed` unless it is allowed."""
        if not self.may(right):
            roles = ", ".join(role for role in Role if role in RIGHTS[right])
            raise NotAllowed(
                f"{self.name} ({self.role}) may not {right.replace('_', ' ')}",
                hint=f"that is for {roles}",
            )


def local_person() -> Person:
    """Whoever runs this command, as the operating system knows them; an admin.

    Who can open the database directly can do everything anyway. The name is that of the process'
    user, not what the environment says it is, since it becomes the actor of what is done.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container under any number
        name = f"uid-{os.getuid()}"
    return Person(name=name, role=Role.ADMIN, created_at=datetime.now(UTC))
