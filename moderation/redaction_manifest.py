"""The manifest of a redacted video: what was done to it, where, for what reason and on whose word.

Its edits can be carried out again: they are also what `--edits FILE` takes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from moderation.covers import Part
from moderation.decision import Remedy
from moderation.errors import ConfigurationError
from moderation.evidence import Box
from moderation.redaction import Edit
from moderation.timeline import Span

__all__ = ["EditEntry", "Manifest", "MediaEntry", "entry", "read_edits"]

_LONGEST_S = 1e9
_Seconds = Annotated[float, Field(ge=0, le=_LONGEST_S, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_BoxEntry = tuple[_Share, _Share, _Share, _Share]
"""Left, top, width and height in fractions of the picture as displayed."""

_LARGEST = 64 << 20
"""Bytes of a file of edits: more than the boxes of hours."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PartEntry(_Entry):
    """A stretch of time; `box` moves evenly to `box_to`, all of the picture where there is none."""

    start_s: _Seconds
    end_s: _Seconds
    box: _BoxEntry | None = None
    box_to: _BoxEntry | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end_s <= self.start_s:
            raise ValueError(f"it ends at {self.end_s:g}, not after its start at {self.start_s:g}")
        if self.box is None and self.box_to is not None:
            raise ValueError("a box that moves needs a place to come from")
        return self

    def part(self) -> Part:
        boxes = [each and Box.from_corners(each[0], each[1], each[0] + each[2], each[1] + each[3])
                 for each in (self.box, self.box_to or self.box)]  # fmt: skip
        return Part(Span.from_seconds(self.start_s, self.end_s), *boxes)


class DecisionEntry(_Entry):
    """Who said so."""

    id: int
    item: str
    reviewer: str
    outcome: str
    reason: str
    decided_at: datetime


class EditEntry(_Entry):
    """One edit.

    parts   when, and for a blur where; without any, from `start_s` to `end_s`, of all the picture
    done    whether the file was changed; `reason` says why not
    about   pictures and samples of the original that it changed or left out
    """

    remedy: Remedy
    label: str = ""
    start_s: _Seconds
    end_s: _Seconds
    bleep: bool = False
    parts: tuple[PartEntry, ...] = ()
    subject: str | None = None
    decision: DecisionEntry | None = None
    done: bool = True
    reason: str = ""
    about: int = 0
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end_s < self.start_s:
            raise ValueError(f"it ends at {self.end_s:g}, before its start at {self.start_s:g}")
        if self.bleep and self.remedy is not Remedy.MUTE:
            raise ValueError("only what is muted can have a bleep in its place")
        return self

    def edit(self) -> Edit:
        """To be carried out. Raises `ValueError` for one of no length."""
        edit = Edit(
            label=self.label,
            span=Span.from_seconds(self.start_s, self.end_s),
            remedy=self.remedy,
            parts=tuple(each.part() for each in self.parts),
            bleep=self.bleep,
            subject=self.subject,
        )
        if self.parts or not edit.changes_file:
            return edit
        whole = PartEntry(start_s=self.start_s, end_s=self.end_s)
        return replace(edit, parts=(whole.part(),))


class MediaEntry(_Entry):
    """One of the two files."""

    uri: str
    sha256: str
    bytes: int
    duration_s: float
    width: int
    height: int
    codecs: tuple[str, ...]


class Manifest(BaseModel):
    """What was done. `output` is `None` for what was only planned.

    dropped  what of the input is not in the output
    notes    what else is different
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Literal["moderation.redaction/v1"] = Field("moderation.redaction/v1", alias="schema")
    engine_version: str
    made_at: datetime
    input: MediaEntry
    output: MediaEntry | None = None
    edits: tuple[EditEntry, ...]
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def json_text(self) -> str:
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


class _EditsFile(BaseModel):
    """A manifest, or as much of one as it takes."""

    edits: tuple[EditEntry, ...]


def entry(edit: Edit, about: int = 0) -> EditEntry:
    """What the manifest says of an edit that is about so many pictures and samples."""
    decision = edit.decision and DecisionEntry(
        id=edit.decision.id,
        item=edit.decision.item_id,
        reviewer=edit.decision.person,
        outcome=edit.decision.outcome,
        reason=edit.decision.reason,
        decided_at=edit.decision.decided_at,
    )
    return EditEntry(
        remedy=edit.remedy,
        label=edit.label,
        start_s=edit.span.start.seconds,
        end_s=edit.span.end.seconds,
        bleep=edit.bleep,
        parts=tuple(map(_part_entry, edit.parts)),
        subject=edit.subject,
        decision=decision,
        done=edit.changes_file,
        reason="" if edit.changes_file else _NOT_IN_FILE[edit.remedy],
        about=about,
        note=edit.note,
    )


_NOT_IN_FILE = {
    Remedy.NONE: "nothing is to be done about it",
    Remedy.AGE_RESTRICT: "nothing in a file restricts it: the platform that shows it has to",
}


def read_edits(path: Path) -> tuple[Edit, ...]:
    """Edits from a file. Raises `ConfigurationError`."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigurationError(
                f"{path} is larger than {_LARGEST} bytes", hint="give fewer edits at once"
            )
        entries = _EditsFile.model_validate_json(path.read_bytes()).edits
        return tuple(each.edit() for each in entries)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror})", hint="check the path"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            f"{path} holds no edits: {place + ': ' if place else ''}{first['msg']}",
            hint='write {"edits": [{"remedy": "blur", "start_s": 1, "end_s": 2}]}',
        ) from None


def _part_entry(part: Part) -> PartEntry:
    return PartEntry(
        start_s=part.span.start.seconds,
        end_s=part.span.end.seconds,
        box=_box_entry(part.box),
        box_to=_box_entry(part.box_to),
    )


def _box_entry(box: Box | None) -> _BoxEntry | None:
    return None if box is None else (box.left, box.top, box.width, box.height)
