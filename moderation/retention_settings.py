"""How long what is kept is kept: `[retention]` among the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["RetentionSettings"]


class RetentionSettings(BaseModel):
    """Days for each kind of data; 0: for ever.

    Counted from when the last thing happened: the verdict, the same bytes seen again, the decision.
    What waits for a person is kept, however old. The audit log is kept always: it has no texts, and
    each of its entries vouches for those before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pictures: int = Field(
        30,
        ge=0,
        description="days that evidence pictures are kept: they are what harms people who see "
        "them, and can be had again from the video",
    )
    evidence: int = Field(
        190,
        ge=0,
        description="days that all is kept that was seen, heard and read, with what people noted "
        "of it, and published documents; a decision may be complained about for six months "
        "(Digital Services Act, article 20), and whoever answers needs it",
    )
    verdicts: int = Field(
        200,
        ge=0,
        description="days that the bare verdicts and decisions are kept, with the names of uploads "
        "and their jobs; not fewer than `evidence`; an upload that still lies in its bucket is "
        "judged anew by the next `moderation sweep` after that",
    )
    work: int = Field(
        30,
        ge=0,
        description="days that is kept what workers noted of a job that is over: plans, results of "
        "parts, errors; that long it can be tried again part by part; a job without a verdict is "
        "forgotten then",
    )
    webhooks: int = Field(
        30, ge=0, description="days that messages to webhooks are kept, to be sent once more"
    )
    exposure: int = Field(
        90,
        ge=0,
        description="days that is kept how long each person watched: long enough to see that "
        "somebody has too much for weeks, and nobody's business after that",
    )
    every_h: float = Field(
        1, gt=0, description="hours between two looks of a worker at what is kept too long"
    )
