"""The labels, their tree, and what other systems call them: `taxonomy.toml`.

>>> taxonomy = Taxonomy.default()
>>> "Violence/Weapons/Knife" in taxonomy
True
>>> taxonomy.get("Violence/Weapons/Knife").rekognition
'Weapons'
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, ValidationError

from moderation.errors import TaxonomyError
from moderation.verdict import Severity

__all__ = ["CONTEXT", "Label", "Taxonomy", "is_within", "parents"]

CONTEXT = "Context"
"""The family of what is no violation."""


@dataclass(frozen=True, slots=True)
class Label:
    """One node of the tree.

    path         `Violence/Weapons/Knife`
    severity     unless a policy says otherwise
    rekognition  label of Amazon Rekognition content moderation 7; empty where there is none
    tencent      label of Tencent Video Moderation; empty where there is none
    dsa          category of the EU's DSA transparency database; empty where there is none
    """

    path: str
    description: str
    severity: Severity
    rekognition: str
    tencent: str
    dsa: str

    @property
    def name(self) -> str:
        """The last part of the path, for display."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """The path above; empty for a family."""
        return self.path.rpartition("/")[0]

    @property
    def is_violation(self) -> bool:
        return not is_within(self.path, CONTEXT)


class _Entry(BaseModel):
    """One line of the file: what is not given comes from the parent."""

    model_config = ConfigDict(extra="forbid")

    description: str
    severity: Severity | None = None
    rekognition: str | None = None
    tencent: str | None = None
    dsa: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: str
    labels: dict[str, _Entry]


@dataclass(frozen=True)
class Taxonomy:
    """A tree of labels under a version; a mapping from path to `Label` in the file's order."""

    version: str
    labels: Mapping[str, Label]

    @staticmethod
    @lru_cache(maxsize=1)
    def default() -> Taxonomy:
        """The tree that comes with the core."""
        file = resources.files("moderation") / "taxonomy.toml"
        return Taxonomy.parse(file.read_text("utf-8"), "taxonomy.toml")

    @classmethod
    def parse(cls, text: str, where: str) -> Taxonomy:
        """Read TOML; raises `TaxonomyError`, naming `where`, for what is no tree of labels."""
        try:
            file = _File.model_validate(tomllib.loads(text))
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise TaxonomyError(f"{where} is no taxonomy: {error}") from None
        labels: dict[str, Label] = {}
        for path, entry in file.labels.items():
            labels[path] = _inherit(path, entry, labels, where)
        return cls(file.version, labels)

    def get(self, path: str) -> Label:
        """The label at `path`; raises `TaxonomyError`, with the nearest spelling, for none."""
        try:
            return self.labels[path]
        except KeyError:
            near = self.nearest(path)
            hint = f"did you mean {near!r}?" if near else f"the families are {self._families}"
            raise TaxonomyError(f"the taxonomy has no label {path!r}", hint=hint) from None

    def nearest(self, path: str) -> str | None:
        """The label that `path` was probably meant to be: a typo of one, or its last parts."""
        tail = f"/{path.casefold()}"
        ends = [known for known in self.labels if f"/{known}".casefold().endswith(tail)]
        if ends:
            return ends[0]
        spellings = {label.name.casefold(): label.path for label in self}
        spellings |= {known.casefold(): known for known in self.labels}
        close = difflib.get_close_matches(path.casefold(), spellings, n=1, cutoff=0.7)
        return spellings[close[0]] if close else None

    def ancestors(self, path: str) -> tuple[Label, ...]:
        """What lies above a label, nearest first; raises `TaxonomyError` for an unknown one."""
        return tuple(self.labels[parent] for parent in parents(self.get(path).path))

    def descendants(self, path: str) -> tuple[Label, ...]:
        """What lies below a label at any depth; raises `TaxonomyError` for an unknown one."""
        above = f"{self.get(path).path}/"
        return tuple(label for label in self if label.path.startswith(above))

    def __contains__(self, path: object) -> bool:
        return path in self.labels

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels.values())

    def __len__(self) -> int:
        return len(self.labels)

    def __hash__(self) -> int:
        return hash((self.version, len(self.labels)))

    @cached_property
    def _families(self) -> str:
        return ", ".join(label.path for label in self if not label.parent)


def is_within(path: str, ancestor: str) -> bool:
    """Whether `path` is `ancestor` or lies below it."""
    return path == ancestor or path.startswith(f"{ancestor}/")


def parents(path: str) -> Iterator[str]:
    """The paths above one, nearest first, whether any taxonomy knows them or not."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _inherit(path: str, entry: _Entry, above: Mapping[str, Label], where: str) -> Label:
    parent = above.get(path.rpartition("/")[0])
    if parent is None and "/" in path:
        raise TaxonomyError(f"{where}: {path!r} stands before its parent")
    dsa = f"STATEMENT_CATEGORY_{entry.dsa}" if entry.dsa else entry.dsa

    def given(value: str | None, inherited: str) -> str:
        return inherited if value is None else value

    return Label(
        path=path,
        description=entry.description,
        severity=entry.severity or (parent.severity if parent else Severity.NONE),
        rekognition=given(entry.rekognition, parent.rekognition if parent else ""),
        tencent=given(entry.tencent, parent.tencent if parent else ""),
        dsa=given(dsa, parent.dsa if parent else ""),
    )
