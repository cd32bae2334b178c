"""Opening a link in a browser without showing it to everybody who lists processes."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path

__all__ = ["opened"]


@contextmanager
def opened(url: str) -> Iterator[bool]:
    """Whether a browser was found; it goes to `url`.

    It is given the name of a file that sends it there and that only we may read: what stands on a
    command line is no secret. The file is there until the block ends.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".html", prefix="moderation-") as page:
        page.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(url)}">\n')
        page.flush()
        yield webbrowser.open(Path(page.name).as_uri())
