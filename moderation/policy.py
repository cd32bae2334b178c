"""What an operator wants done about what is seen: a policy, written in TOML.

    schema = "moderation.policy/v1"
    name = "ours"
    version = "2026-11"
    extends = "default"               # a built-in policy; a rule of the same id replaces its rule
    allow = ["Alcohol"]               # seen, and fine by itself, with its descendants

    [unknown_labels]                  # labels that neither a rule nor `allow` decides
    mode = "review"                   # review | inherit_parent | ignore
    min_score = 0.5

    [segments]
    max_gap = "3s"                    # nearer evidence of one label and subject is one segment

    [coverage]                        # what must have been looked at, else `incomplete`
    nudity = 0.95                     # share of what was planned; 0 means "not required"
    speech = { share = 0.95, allow_degraded = true }

    [[rules]]
    id = "weapon"
    description = "a weapon is shown"
    label = "Violence/Weapons"        # with its descendants
    except = ["Violence/Weapons/Blunt object"]
    detectors = ["objects"]           # only what these saw; all unless given
    min_score = 0.5                   # of each piece of evidence, before any counting
    min_samples = 2                   # different instants in one segment,
    min_duration = "1s"               # or its length: either is enough
    action = "review"                 # review | reject
    severity = "high"                 # the label's own unless given

    [[rules]]
    id = "swearing"
    label = "Language/Profanity"
    min_count = 5                     # different instants, in any window
    within = "60s"                    # of this length
    action = "review"

    [[rules]]
    id = "threat-with-weapon"
    all = [{ label = "Violence/Threat" }, { label = "Violence/Weapons", min_score = 0.4 }]
    within = "10s"                    # a window that touches a segment of each
    action = "review"

    [reasons]                         # codes that reviewers choose from, and what they mean
    toy = "what looks like a weapon is a toy"

`any = [...]` in place of `all` is a rule with several conditions, each of which is enough.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from moderation.errors import PolicyError
from moderation.rule import Clause, Duration, LabelPath, Name, Rule, Share, Table
from moderation.taxonomy import Taxonomy, is_within
from moderation.toml_document import Problem, TomlDocument, did_you_mean
from moderation.verdict import PolicyRef

__all__ = [
    "SCHEMA",
    "Policy",
    "Requirement",
    "Segmentation",
    "UnknownLabels",
    "built_in",
    "built_in_text",
    "check",
]

SCHEMA = "moderation.policy/v1"
"""The form of the file; another form is another number."""

_FOLDER = resources.files("moderation") / "policies"


class Requirement(Table):
    """How much of its plan a detector must have examined for a video to be approved."""

    share: Share
    allow_degraded: bool = False
    """Whether less than the detector's best means are good enough."""

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: object) -> object:
        return {"share": value} if isinstance(value, int | float) else value


class UnknownLabels(Table):
    """What becomes of evidence whose label neither a rule nor `allow` decides.

    A rule and an `allow` hold for descendants, those that the taxonomy does not know included.

    review          what is undecided is reviewed, and so is all that the taxonomy does not know:
                    a new plugin cannot slip past an old policy
    inherit_parent  what is undecided is reviewed; the decision on a parent is decision enough
    ignore          only rules count
    """

    mode: Literal["review", "inherit_parent", "ignore"] = "review"
    min_score: Share = 0.5


class Segmentation(Table):
    """How neighbouring evidence of one label and subject merges."""

    max_gap: Duration = 3_000_000


class Policy(Table):
    """Rules, what is allowed, and what must have been looked at. Frozen, and can be pickled."""

    schema_: Literal["moderation.policy/v1"] = Field(alias="schema")
    name: Name
    version: str = Field(min_length=1, max_length=64)
    description: str = ""
    extends: str = ""
    taxonomy: str = ""
    """Version of the taxonomy that its labels were checked against."""
    allow: tuple[LabelPath, ...] = ()
    unknown_labels: UnknownLabels = UnknownLabels()
    segments: Segmentation = Segmentation()
    coverage: Mapping[str, Requirement] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    reasons: Mapping[str, str] = Field(default_factory=dict)
    """What a reviewer may give as the reason of a decision: a code, and what it means."""

    @classmethod
    def read(cls, path_or_name: str | Path, taxonomy: Taxonomy | None = None) -> Policy:
        """A built-in policy by its name, or a file; raises `PolicyError` with every problem."""
        if str(path_or_name) in built_in():
            return cls.parse(built_in_text(str(path_or_name)), str(path_or_name), taxonomy)
        try:
            text = Path(path_or_name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(
                f"the policy {path_or_name} cannot be read ({error})",
                hint=f"give a TOML file or one of {', '.join(built_in())}",
            ) from None
        return cls.parse(text, str(path_or_name), taxonomy)

    @classmethod
    def parse(cls, text: str, where: str, taxonomy: Taxonomy | None = None) -> Policy:
        """Read TOML; raises `PolicyError`, one line `where:line: ...` for each problem."""
        policy, problems = check(TomlDocument.parse(text, where), taxonomy or Taxonomy.default())
        if policy is None:
            raise PolicyError("\n".join(map(str, problems)))
        return policy

    @classmethod
    def restore(cls, canonical: str) -> Policy:
        """The policy whose `canonical` text this is; raises `PolicyError` if it is none."""
        try:
            return cls.model_validate_json(canonical)
        except ValidationError as error:
            raise PolicyError(
                f"a stored policy does not hold: {error.errors()[0]['msg']}"
            ) from None

    @cached_property
    def canonical(self) -> str:
        """All that the policy says, as JSON; comments, layout and spelling of durations aside."""
        content = self.model_dump(mode="json", by_alias=True)
        if not self.reasons:  # so that policies of before there were any keep their digests
            del content["reasons"]
        return json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))

    @cached_property
    def ref(self) -> PolicyRef:
        """Name, version and the digest of the canonical form."""
        digest = hashlib.sha256(self.canonical.encode()).hexdigest()
        return PolicyRef(name=self.name, version=self.version, digest=digest)

    @property
    def required(self) -> tuple[str, ...]:
        """The detectors that must have looked."""
        return tuple(sorted(name for name, asked in self.coverage.items() if asked.share))

    @property
    def lowest_score(self) -> float:
        """No rule reads evidence below it."""
        clauses = (clause.min_score for rule in self.rules for clause in rule.clauses)
        unknown = () if self.unknown_labels.mode == "ignore" else (self.unknown_labels.min_score,)
        return min((*clauses, *unknown), default=1.0)

    def concerns(self, label: str, score: float) -> bool:
        """Whether a rule reads evidence of this label and score."""
        clauses = (clause for rule in self.rules for clause in rule.clauses)
        return any(score >= clause.min_score and clause.covers(label) for clause in clauses)

    def decides(self, label: str) -> bool:
        """Whether the policy says by itself what is to be done about `label`.

        A combination does not: of a label alone it says nothing.
        """
        alone = (clause for rule in self.rules if not rule.all for clause in rule.clauses)
        return any(is_within(label, allowed) for allowed in self.allow) or any(
            clause.covers(label) for clause in alone
        )

    def __hash__(self) -> int:
        return hash(self.ref)


_TABLES: Mapping[tuple[str, ...], type[Table]] = {
    (): Policy,
    ("unknown_labels",): UnknownLabels,
    ("segments",): Segmentation,
    ("coverage", "*"): Requirement,
    ("rules",): Rule,
    ("rules", "any"): Clause,
    ("rules", "all"): Clause,
}
_KEYS: Mapping[tuple[str, ...], Iterable[str]] = {
    path: [field.alias or name for name, field in table.model_fields.items()]
    for path, table in _TABLES.items()
}
"""The known keys of each table of the file; `*` is any name."""

_OWN = {"schema", "name", "version", "description", "extends"}
"""What a policy says of itself and does not take over from the one that it extends."""


def built_in() -> tuple[str, ...]:
    """The names of the policies that come with the core."""
    return tuple(sorted(Path(file.name).stem for file in _FOLDER.iterdir()))


def check(
    document: TomlDocument, taxonomy: Taxonomy
) -> tuple[Policy, list[Problem]] | tuple[None, list[Problem]]:
    """The policy that a document holds, or none and every reason why."""
    if document.fault:
        return None, [document.fault]
    problems = [
        *_wrong_base(document),
        *_repeated_ids(document),
        *_wrong_taxonomy(document, taxonomy),
    ]
    try:
        data = {**_with_base(document.data), "taxonomy": taxonomy.version}
        policy = Policy.model_validate(data, context={"taxonomy": taxonomy})
    except ValidationError as error:
        return None, sorted(problems + document.problems(error, _KEYS))
    return (None, sorted(problems)) if problems else (policy, [])


def _with_base(own: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a file upon that of the built-in policy that it extends.

    Its own rules and labels come first, so that their indices are those of its own lines.
    """
    if own.get("extends") not in built_in():
        return dict(own)
    base = _with_base(tomllib.loads(built_in_text(own["extends"])))
    merged = {**{key: value for key, value in base.items() if key not in _OWN}, **own}
    for key, value in own.items():
        inherited = base.get(key)
        if isinstance(value, dict) and isinstance(inherited, dict):
            merged[key] = inherited | value
        elif key == "rules" and isinstance(value, list):
            replaced = {rule.get("id") for rule in value if isinstance(rule, dict)}
            merged[key] = value + [rule for rule in base[key] if rule["id"] not in replaced]
        elif key == "allow" and isinstance(value, list):
            merged[key] = value + base[key]
    return merged


def _wrong_base(document: TomlDocument) -> Iterator[Problem]:
    base = document.data.get("extends", "default")
    if base not in built_in():
        hint = did_you_mean(str(base), built_in())
        yield document.problem(("extends",), f"there is no built-in policy {base!r}", hint)


def _wrong_taxonomy(document: TomlDocument, taxonomy: Taxonomy) -> Iterator[Problem]:
    version = document.data.get("taxonomy", taxonomy.version)
    if version != taxonomy.version:
        message = f"written for taxonomy {version!r}, and this is {taxonomy.version!r}"
        yield document.problem(("taxonomy",), message, "check the labels, then change the version")


def _repeated_ids(document: TomlDocument) -> Iterator[Problem]:
    rules = document.data.get("rules", [])
    seen: set[object] = set()
    for index, rule in enumerate(rules if isinstance(rules, list) else []):
        name = rule.get("id") if isinstance(rule, dict) else None
        if isinstance(name, str) and name in seen:
            message = f"a second rule has the id {name!r}"
            yield document.problem(("rules", index, "id"), message, "give each rule its own id")
        seen.add(name if isinstance(name, str) else None)


def built_in_text(name: str) -> str:
    """The file of a policy that comes with the core; raises `OSError` for any other name."""
    return (_FOLDER / f"{name}.toml").read_text("utf-8")
