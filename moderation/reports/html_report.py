"""One self-contained HTML page: no script, no request to anywhere, nothing run from a video.

Every text is escaped and freed of what turns or hides letters; the page's own policy forbids
scripts, frames, forms and every address but the pictures inside it.
"""

from __future__ import annotations

import re
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Any, Final, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from moderation import __version__
from moderation.reports.options import ReportOptions
from moderation.reports.page import Summary, view
from moderation.reports.text import visible
from moderation.scan import Scan
from moderation.timeline import Instant, Span
from moderation.verdict import Action

__all__ = ["write_html"]

_CHUNK: Final = 1 << 16


def write_html(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """A page with a summary of all videos, then each one: verdict, coverage, evidence."""
    environment = _environment()
    section, page = environment.get_template("video.html"), environment.get_template("page.html")
    summaries: list[Summary] = []
    # The summary stands first and is known last: sections wait on disk, not in memory.
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as waiting:
        for number, scan in enumerate(scans, start=1):
            shown = view(scan, number, options.pictures, options.decisions(scan))
            summaries.append(shown.summary)
            waiting.writelines(section.generate(view=shown))
        waiting.seek(0)
        stream.writelines(page.generate(**_around(summaries), sections=_chunks(waiting)))


def _around(summaries: list[Summary]) -> dict[str, Any]:
    counts = Counter(each.action for each in summaries)
    style = (resources.files("moderation.reports") / "page" / "style.css").read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return {
        "summaries": summaries,
        "counts": [(action, counts[action]) for action in Action if counts[action]],
        "style": Markup(style),
        "style_digest": digest,
        "engine_version": __version__,
    }


def _chunks(file: TextIO) -> Iterator[Markup]:
    while chunk := file.read(_CHUNK):
        yield Markup(chunk)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("moderation.reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to every expression of the templates, so that none can forget it.
        finalize=_shown,
    )
    environment.filters |= {
        "clock": _clock,
        "colour": _colour,
        "counted": _counted,
        "file_size": _file_size,
        "length_of": _length_of,
        "path": _path,
        "value": _value,
        "words": _words,
    }
    return environment


def _shown(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


def _clock(time: Instant | Span) -> str:
    """To a tenth of a second: `1:02.5`, and `1:02.5 – 1:04.0` for a span."""
    if isinstance(time, Instant):
        return _short(str(Instant(round(time.us, -5)))[:-2])
    start, end = _clock(time.start), _clock(time.end)
    return start if start == end else f"{start} – {end}"


def _length_of(duration_us: int) -> str:
    """To the second: `1:02`."""
    return _short(str(Instant(round(duration_us, -6))).partition(".")[0])


def _short(clock: str) -> str:
    """Without hours where there are none, and without a leading zero."""
    return clock.removeprefix("0:").removeprefix("0")


def _colour(family: str) -> str:
    """The class that colours a family; one that the style sheet does not name is slate."""
    return "family-" + re.sub("[^a-z0-9]+", "-", family.casefold())


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _file_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _path(label: str) -> str:
    return " › ".join(label.split("/"))


def _value(value: object) -> str:
    """A value or threshold of a rule."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    """`min_score` as a person writes it."""
    return name.replace("_", " ")
