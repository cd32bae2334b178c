"""How lanes and their workers look on a terminal; shared by `status` and `doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Column, Table
from rich.text import Text

from moderation.reports.text import visible
from moderation.store.workers import LaneLoad

__all__ = ["deserted", "lanes_table"]


def lanes_table(loads: Sequence[LaneLoad]) -> Table:
    """One row each."""
    numbers = [Column(name, justify="right") for name in ("waiting", "running", "workers")]
    table = Table("lane", *numbers, box=None, header_style="bold")
    for each in loads:
        counts = (each.waiting, each.running, each.workers)
        table.add_row(Text(visible(each.lane)), *map(str, counts))
    return table


def deserted(loads: Sequence[LaneLoad]) -> Iterator[str]:
    """A sentence for each lane that has no worker, but work, or workers beside it."""
    is_fleet = any(each.workers for each in loads)
    for each in loads:
        if not each.workers and (is_fleet or each.waiting or each.running):
            start = f"start one with `moderation worker --lane {each.lane}`"
            yield f"lane {each.lane} has no worker: {_parts(each)}; {start}"


def _parts(load: LaneLoad) -> str:
    """12 parts wait, 1 runs."""
    waiting, running = load.waiting, load.running
    told = []
    if waiting:
        told.append(f"{waiting} {'part waits' if waiting == 1 else 'parts wait'}")
    if running:
        told.append(f"{running} {'part is' if running == 1 else 'parts are'} held by nobody alive")
    return " and ".join(told) or "nothing waits yet"
