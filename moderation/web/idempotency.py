"""Idempotency: a request that is sent twice with one `Idempotency-Key` is done once.

Whoever hears no answer sends it again and is told what the first one was told. Failures are not
kept: the same request may succeed later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from moderation.store.answers import Answer, Answers
from moderation.web.identity import SignedIn
from moderation.web.installation import Here
from moderation.web.problems import problem

__all__ = ["Once"]

JSON: Final = "application/json"

_KEY: Final = r"^[!-~]{1,255}$"
"""Visible ASCII: what a header carries unchanged; a UUID, most often."""

_AGAIN_S: Final = 1
"""Seconds after which whoever came too early may ask again."""


@dataclass(frozen=True, slots=True)
class _Once:
    """One request, and the answer that it gets however often it is sent."""

    answers: Answers
    person: str
    key: str
    digest: str

    def answer(self, work: Callable[[], BaseModel], *, status: int = 200) -> Response:
        """What the work makes, or made for the same request before."""
        if not self.key:
            return _response(Answer(status, work().model_dump_json(by_alias=True)))
        begun = self.answers.begin(self.person, self.key, self.digest)
        if isinstance(begun, Answer):
            return _response(begun, is_replayed=True) if begun.is_made else _too_early()
        try:
            answer = Answer(status, work().model_dump_json(by_alias=True))
        except BaseException:
            self.answers.give_back(begun)
            raise
        self.answers.finish(begun, answer)
        return _response(answer)


async def _once(
    request: Request,
    here: Here,
    caller: SignedIn,
    idempotency_key: Annotated[
        str,
        Header(
            pattern=_KEY,
            description="any text of your own, a UUID say: the same request sent again with it is "
            "done once and answered alike for two days; another request with it is refused",
        ),
    ] = "",
) -> _Once:
    what = (request.method, request.url.path, request.url.query)
    digest = hashlib.sha256("\0".join(what).encode() + b"\0" + await request.body()).hexdigest()
    return _Once(Answers(here.store), caller.person.name, idempotency_key, digest)


Once = Annotated[_Once, Depends(_once)]
"""For the arguments of a route: `return once.answer(lambda: ..., status=202)`."""


def _response(answer: Answer, *, is_replayed: bool = False) -> Response:
    headers = {"Idempotent-Replayed": "true"} if is_replayed else {}
    return Response(answer.content, answer.status, headers, JSON)


def _too_early() -> Response:
    response = problem(
        409,
        "a request with this Idempotency-Key is being worked on",
        "send the same again in a second",
        kind="in_progress",
    )
    response.headers["Retry-After"] = str(_AGAIN_S)
    return response
