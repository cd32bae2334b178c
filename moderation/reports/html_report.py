"""One self-contained HTML page: no script, no request to anywhere, nothing run from a video.

Every text is escaped and freed of what turns or hides letters; the page's own policy forbids
scripts, frames, forms and every address but the pictures inside it.
"""

from __future__ import annotations

import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from moderation import __version__
from moderation.reports.options import ReportOptions
from moderation.reports.page import Summary, view
from moderation.reports.wording import FILTERS, shown
from moderation.scan import Scan
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
            section_view = view(scan, number, options.pictures, options.decisions(scan))
            summaries.append(section_view.summary)
            waiting.writelines(section.generate(view=section_view))
        waiting.seek(0)
        stream.writelines(page.generate(**_around(summaries), sections=_chunks(waiting)))


def _around(summaries: list[Summary]) -> dict[str, Any]:
    counts = Counter(each.action for each in summaries)
    style = "".join(path.read_text("utf-8") for path in _styles())
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return {
        "summaries": summaries,
        "counts": [(action, counts[action]) for action in Action if counts[action]],
        "style": Markup(style),
        "style_digest": digest,
        "engine_version": __version__,
    }


def _styles() -> Iterator[Traversable]:
    package = resources.files("moderation.reports")
    yield package / "look" / "look.css"
    yield package / "page" / "style.css"


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
        finalize=shown,
    )
    environment.filters |= FILTERS
    return environment
