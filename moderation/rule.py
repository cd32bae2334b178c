"""A rule of a policy: what must be seen, how surely and how often, and what is then to be done.

Scores are 0..1, durations integer microseconds (in the file texts such as `10s`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from moderation.errors import TaxonomyError
from moderation.taxonomy import Taxonomy, is_within
from moderation.timeline import MICROSECONDS, parse_duration
from moderation.verdict import Action, Severity

__all__ = [
    "Clause",
    "Condition",
    "Count",
    "Duration",
    "LabelPath",
    "Name",
    "Rule",
    "Share",
    "Table",
]


UNKNOWN_LABEL = "unknown-label"
"""The rule that reasons name for labels that no rule decides."""


def _known_label(label: str, info: ValidationInfo) -> str:
    taxonomy: Taxonomy = (info.context or {}).get("taxonomy") or Taxonomy.default()
    try:
        return taxonomy.get(label).path
    except TaxonomyError as error:
        raise _fault(error.message, error.hint) from None


def _microseconds(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError('a duration is a text such as "10s", "500ms" or "1.5m"')
    return parse_duration(value)


def _duration_text(us: int) -> str:
    return f"{us / MICROSECONDS:.6f}".rstrip("0").rstrip(".") + "s"


def _fault(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("policy", "{message}", {"message": message, "hint": hint})


LabelPath: TypeAlias = Annotated[str, AfterValidator(_known_label)]
"""A label that the taxonomy of the validation's context knows."""
Duration: TypeAlias = Annotated[
    int, BeforeValidator(_microseconds), PlainSerializer(_duration_text, when_used="json")
]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=1, strict=True)]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class Table(BaseModel):
    """A table of the policy file: no other keys, and no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(Table):
    """What a rule or one of its clauses may say of segments of evidence."""

    except_: tuple[LabelPath, ...] = Field((), alias="except")
    detectors: tuple[str, ...] = ()
    """Only what these saw counts; empty for all."""
    min_score: Share = 0.5
    """Of each piece of evidence, before segments are built."""
    min_samples: Count | None = None
    """Different instants in the segment; with `min_duration` too, either is enough."""
    min_duration: Duration | None = None


class Clause(Condition):
    """Segments of one label, with its descendants, that are sure and corroborated enough."""

    label: LabelPath

    def covers(self, label: str) -> bool:
        """Whether evidence of `label`, known to the taxonomy or not, is meant."""
        carved_out = any(is_within(label, carved) for carved in self.except_)
        return is_within(label, self.label) and not carved_out

    def is_corroborated_by(self, samples: int, duration_us: int) -> bool:
        """Whether a segment of so many instants and this length is enough."""
        if self.min_samples is None and self.min_duration is None:
            return True
        enough_samples = self.min_samples is not None and samples >= self.min_samples
        long_enough = self.min_duration is not None and duration_us >= self.min_duration
        return enough_samples or long_enough


class Rule(Condition):
    """What to do when one label is seen, any of several, or all of them near together."""

    id: Name
    action: Literal[Action.REVIEW, Action.REJECT]
    severity: Severity | None = None
    """The severity of the label that was seen unless given."""
    description: str = ""
    label: LabelPath | None = None
    any: tuple[Clause, ...] = ()
    all: tuple[Clause, ...] = ()
    min_count: Count | None = None
    """Different instants in a window of `within`, over all segments of the label."""
    within: Duration | None = None

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        """What the rule looks for: `all` of them together, otherwise each alone."""
        if self.label is None:
            return self.any or self.all
        fields = {name: getattr(self, name) for name in Condition.model_fields}
        return (Clause.model_construct(label=self.label, **fields),)

    @field_validator("id")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value == UNKNOWN_LABEL:
            raise _fault(f"the id {value!r} is taken by the core", "choose another")
        return value

    @model_validator(mode="after")
    def _has_one_condition(self) -> Rule:
        if sum(map(bool, (self.label, self.any, self.all))) != 1:
            raise _fault("a rule has exactly one of label, any and all", "keep one of the three")
        fields = Condition.model_fields.items()
        misplaced = [name for name, field in fields if getattr(self, name) != field.default]
        if not self.label and misplaced:
            names = ", ".join(name.rstrip("_") for name in misplaced)
            raise _fault(f"{names} cannot stand beside any or all", "write it inside each of them")
        if len(self.all) == 1:
            raise _fault("all needs two conditions or more", "use label for a single one")
        return self

    @model_validator(mode="after")
    def _has_one_way_of_counting(self) -> Rule:
        if self.min_count and not self.label:
            raise _fault("min_count needs a label", "write one rule for each label")
        if self.min_count and (self.min_samples or self.min_duration):
            raise _fault(
                "min_count counts in a window, min_samples and min_duration in a segment",
                "keep one of them",
            )
        if (self.within is not None) != bool(self.min_count or self.all):
            raise _fault(
                "within is the window of min_count or all, and both need one",
                'add within = "10s" or drop it',
            )
        return self
