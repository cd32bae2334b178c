"""The figures of one clip: medians, ratios, and how much of the glue's findings we have too."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from cost import Cost, median
from findings import Finding, Recall, recall
from glue import Step
from ours import Scanned
from translate import is_sure

__all__ = ["Figures", "Round", "table"]

_HEADING: Final = (
    "clip",
    "scan",
    "glue",
    "scan / glue",
    "decode alone",
    "inference alone",
    "scan / larger",
    "findings of the glue found",
    "frames inherited",
    "first result / batch",
)


@dataclass(frozen=True, slots=True)
class Round:
    """Everything once, on one clip.

    together, each  inference alone, of all detectors side by side and of one at a time
    """

    glue: Sequence[Step]
    decode: Cost
    together: Cost
    each: dict[str, Cost]
    scan: Scanned

    @property
    def glued(self) -> Cost:
        return sum((step.cost for step in self.glue), Cost())

    @property
    def in_turn(self) -> Cost:
        return sum(self.each.values(), Cost())


class Figures:
    """What the rounds on one clip give; `wanted` are the glue's findings."""

    def __init__(
        self, clip: str, seconds: float, rounds: Sequence[Round], wanted: Sequence[Finding]
    ) -> None:
        self.clip, self.seconds, self._rounds = clip, seconds, rounds
        self.costs = {
            "scan": median(each.scan.cost for each in rounds),
            "glue": median(each.glued for each in rounds),
            "decode": median(each.decode for each in rounds),
            "inference side by side": median(each.together for each in rounds),
            "inference in turn": median(each.in_turn for each in rounds),
        }
        self._steps = _by_name([{s.name: s.cost for s in each.glue} for each in rounds])
        self._engines = _by_name([each.each for each in rounds])
        sure = [each for each in wanted if is_sure(each)]
        unsure = [each for each in wanted if not is_sure(each)]
        # Should the rounds differ, the worst one counts.
        recalls = [recall(sure, each.scan.findings) for each in rounds]
        self.recall = max(recalls, key=lambda each: sum(len(one.missed) for one in each))
        self.unsure = recall(unsure, rounds[-1].scan.findings)

    @property
    def disturbed(self) -> float:
        """The largest share of the processors that others took while something was measured."""
        return max(each.disturbed for each in self.costs.values())

    @property
    def larger_s(self) -> float:
        """Of decoding and inference, the slower; of both ways of inference, the quicker."""
        ways = (self.costs["inference side by side"], self.costs["inference in turn"])
        return max(self.costs["decode"].wall_s, min(each.wall_s for each in ways))

    @property
    def ratios(self) -> dict[str, float]:
        scan = self.costs["scan"].wall_s
        firsts = [each.scan.first_s / each.scan.batch_s for each in self._rounds]
        return {
            "scan / glue": scan / self.costs["glue"].wall_s,
            "scan / glue, CPU": self.costs["scan"].cpu_s / self.costs["glue"].cpu_s,
            "scan / larger": scan / self.larger_s,
            "first result / batch": statistics.median(firsts),
            "seconds of video a second": self.seconds / scan,
        }

    @property
    def found(self) -> tuple[int, int]:
        """Of how many findings of the glue's."""
        total = sum(each.total for each in self.recall)
        return total - sum(len(each.missed) for each in self.recall), total

    def document(self) -> dict[str, Any]:
        """For programs."""
        last = self._rounds[-1]
        return {
            "clip": self.clip,
            "seconds": self.seconds,
            "costs": {name: asdict(cost) for name, cost in self.costs.items()},
            "ratios": self.ratios,
            "glue": {name: asdict(cost) for name, cost in self._steps.items()},
            "inference": {name: asdict(cost) for name, cost in self._engines.items()},
            "busy_s": last.scan.busy_s,
            "first_s": statistics.median(each.scan.first_s for each in self._rounds),
            "evidence_s": statistics.median(each.scan.evidence_s for each in self._rounds),
            "batch_s": statistics.median(each.scan.batch_s for each in self._rounds),
            "coverage": [asdict(each) for each in last.scan.coverage],
            "findings": [_told(each) for each in self.recall],
            "findings the glue is unsure of": [_told(each) for each in self.unsure],
            "rounds": [_walls(each) for each in self._rounds],
        }

    def told(self) -> str:
        """For people: where the time goes, and what was not found."""
        lines = [f"{self.clip}, {self.seconds:g} s of video"]
        lines += [_line(name, cost) for name, cost in self.costs.items()]
        lines += [_line(f"  glue {name}", cost) for name, cost in self._steps.items()]
        lines += [_line(f"  inference {name}", cost) for name, cost in self._engines.items()]
        lines += [f"{name:32} {value:8.2f}" for name, value in self.ratios.items()]
        for each in (*self.recall, *self.unsure):
            doubt = ", unsure" if each in self.unsure else ""
            lines.append(f"found of {each.detector + doubt:23} {each.found:5} of {each.total}")
            lines += [
                f"  missed {one.label} at {one.start_s:.2f} {one.text}" for one in each.missed
            ]
        return "\n".join(lines)

    def row(self) -> tuple[str, ...]:
        """One line of the table, under `_HEADING`."""
        costs, ratios, (found, total) = self.costs, self.ratios, self.found
        ways = (costs["inference side by side"], costs["inference in turn"])
        return (
            f"{self.clip}, {self.seconds:g} s",
            f"{costs['scan'].wall_s:.1f} s ({ratios['seconds of video a second']:.1f}x real time)",
            f"{costs['glue'].wall_s:.1f} s",
            f"{ratios['scan / glue']:.2f}",
            f"{costs['decode'].wall_s:.1f} s",
            f"{min(each.wall_s for each in ways):.1f} s",
            f"{ratios['scan / larger']:.2f}",
            f"{found / total if total else 1:.1%} of {total}",
            self._inherited(),
            f"{ratios['first result / batch']:.2f}",
        )

    def _inherited(self) -> str:
        frames = [each for each in self._rounds[-1].scan.coverage if each.unit == "samples"]
        inherited = sum(each.inherited for each in frames)
        return f"{inherited:g} of {sum(each.examined for each in frames):g}"


def table(figures: Sequence[Figures]) -> str:
    """Markdown."""
    rows = [_HEADING, tuple("---" for _ in _HEADING), *(each.row() for each in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _line(name: str, cost: Cost) -> str:
    cpu, others = f"{cost.cpu_s:6.2f} s of CPU", f"others took {cost.disturbed:.0%}"
    return f"{name:32} {cost.wall_s:8.2f} s, {cpu}, {others}"


def _by_name(rounds: Sequence[dict[str, Cost]]) -> dict[str, Cost]:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def _told(of: Recall) -> dict[str, Any]:
    missed = [asdict(each) for each in of.missed]
    return {"detector": of.detector, "found": of.found, "total": of.total, "missed": missed}


def _walls(one: Round) -> dict[str, float]:
    return {
        "glue": one.glued.wall_s,
        "decode": one.decode.wall_s,
        "inference side by side": one.together.wall_s,
        "inference in turn": one.in_turn.wall_s,
        "scan": one.scan.cost.wall_s,
    }
