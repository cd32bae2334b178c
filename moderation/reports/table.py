"""A table for the terminal: one row for each video, readable in 80 columns and without colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final, TextIO

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from moderation.decision import Decision, standing
from moderation.reports.highlights import gaps, weightiest
from moderation.reports.options import ReportOptions
from moderation.reports.text import one_line, visible
from moderation.scan import Scan
from moderation.timeline import Span
from moderation.verdict import Action, Coverage, CoverageStatus, Reason

__all__ = ["write_table"]

TOP: Final = 3
"""Reasons shown for one video; the other formats have all of them."""

_COLOURS: Final = {
    Action.APPROVE: "green",
    Action.REVIEW: "yellow",
    Action.REJECT: "red",
    Action.INCOMPLETE: "magenta",
}


def write_table(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """What each verdict is, why, and what nobody looked at."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=True, header_style="bold")
    table.add_column("video", max_width=28, overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", ratio=1, overflow="fold")
    for scan in scans:
        decision = standing(options.decisions(scan))
        table.add_row(_name(scan), _verdict(scan, decision), Group(*_why(scan)))
    console = Console(file=stream, highlight=False)
    console.print(table if table.row_count else "no videos")


def _name(scan: Scan) -> Text:
    return Text(visible(PurePosixPath(scan.video.uri).name or scan.video.uri))


def _verdict(scan: Scan, decision: Decision | None) -> Text:
    verdict = scan.verdict
    shown = Text(verdict.action.value, style=f"bold {_COLOURS[verdict.action]}")
    if verdict.action is not Action.APPROVE:
        shown.append(f"\n{verdict.severity.value}", style="dim")
    if decision is not None:
        shown.append(f"\n{decision.outcome.value}", style="bold")
        shown.append(f" by {one_line(decision.person)}", style="not bold")
    return shown


def _why(scan: Scan) -> Iterator[Text]:
    if scan.failure is not None:
        yield Text(visible(scan.failure.message))
        return
    reasons, unseen = weightiest(scan), gaps(scan)
    for reason in reasons[:TOP]:
        yield _reason(reason)
    if len(reasons) > TOP:
        yield Text(f"and {len(reasons) - TOP} more", style="dim")
    if scan.cut_short:
        yield Text(f"cut short: {visible(scan.cut_short)}", style="magenta")
    for sentence in scan.verdict.missing:
        yield Text(f"missing: {visible(sentence)}", style="magenta")
    if unseen:
        yield Text(f"not fully seen: {', '.join(map(_gap, unseen))}", style="dim")
    if not (reasons or unseen or scan.verdict.missing or scan.cut_short):
        yield Text("nothing that the policy names", style="dim")


def _reason(reason: Reason) -> Text:
    shown = Text(visible(reason.rule), style="bold")
    return shown.append(f"  {reason.score:.2f}  {_when(reason.span)}", style="not bold")


def _when(span: Span) -> str:
    """To the second: `1:02` or `1:02-1:05`."""
    start, end = (str(at).rpartition(".")[0].removeprefix("0:") for at in span)
    return start if start == end else f"{start}-{end}"


def _gap(coverage: Coverage) -> str:
    if coverage.status is CoverageStatus.PARTIAL:
        return f"{visible(coverage.detector)} {coverage.share:.0%}"
    return f"{visible(coverage.detector)} {coverage.status.value}"
