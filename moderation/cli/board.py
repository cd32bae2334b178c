"""`moderation queue board`: what waits, who decides how much, and what turns out to be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moderation.board import DAYS, Board, Figures, Pace
from moderation.config import Settings
from moderation.person import local_person
from moderation.rates import Agreement, Rate
from moderation.reports.text import visible
from moderation.store import Store

__all__ = ["board"]

_MOST_DAYS: Final = 366


@click.command("board")
@click.option("--days", type=click.IntRange(1, _MOST_DAYS), default=DAYS, show_default=True)
def board(days: int) -> None:
    """The figures that leads look at: now, and of so many days."""
    with Store.open(Settings.read().database_url) as store:
        figures = Board(store).figures(local_person(), days=days)
    console = Console()
    for each in _tables(figures):
        console.print(each, end="\n\n")
    console.print(Text(_agreement(figures.agreement)))


def _tables(figures: Figures) -> Iterator[Table]:
    yield _waiting(figures)
    if figures.held:
        yield _held(figures)
    yield _paces(figures)
    proved = figures.proved
    missed = {"approved videos drawn by lot": proved.missed} if proved.missed.n else {}
    for title, rates in (
        ("overturned by rule", proved.rules),
        ("overturned by detector", proved.detectors),
        ("missed", missed),
    ):
        if rates:
            yield _rates(title, rates)


def _waiting(figures: Figures) -> Table:
    table = _table("waiting", "under 24 h", "24 to 48 h", "older", "overdue")
    for each in figures.waiting:
        counted = (each.under_24_h, each.under_48_h, each.older, each.overdue)
        table.add_row(each.severity.value, *map(str, counted))
    return table


def _held(figures: Figures) -> Table:
    table = _table("held", "by", "since (UTC)", "severity", "why")
    for each in figures.held:
        since = each.since.strftime("%Y-%m-%d %H:%M")
        shown = (each.item_id, each.person, since, each.severity.value, each.purpose.value)
        table.add_row(*map(_plain, shown))
    return table


def _paces(figures: Figures) -> Table:
    table = _table("decisions", "in all", "a day", "an hour", "median s", "skipped", "handed up")
    for each in (*figures.people, figures.everybody):
        table.add_row(_plain(each.person or "all"), *_pace(each))
    return table


def _pace(pace: Pace) -> Iterator[str]:
    yield str(pace.decisions)
    yield from (f"{each:.1f}" for each in (pace.a_day, pace.an_hour, pace.median_s))
    yield from (str(pace.skipped), str(pace.escalated))


def _rates(title: str, rates: Mapping[str, Rate]) -> Table:
    table = _table(title, "n", "wrong", "rate", "95 %")
    for name, each in rates.items():
        sure = f"{each.low:.0%} to {each.high:.0%}"
        table.add_row(_plain(name), str(each.n), f"{each.hits:g}", f"{each.share:.0%}", sure)
    return table


def _agreement(found: Agreement) -> str:
    if found.same is None:
        return "nothing was looked at twice"
    kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
    return f"first and second looks: {found.n}, the same {found.same:.0%}, Cohen's kappa {kappa}"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    return table


def _plain(text: str) -> Text:
    """A name that says [bold] is no mark-up, and one with control codes commands nothing."""
    return Text(visible(text))
