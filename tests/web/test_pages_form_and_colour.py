"""Every page can be used by keyboard, by ear, in the dark and on a small screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise

import pytest

from moderation.person import Role
from moderation.testing.scans import make_evidence
from moderation.web import Installation
from moderation.web.app import STATIC
from moderation.web.views.decision_form import OUTCOMES
from tests.web.conftest import ReviewedScan
from tests.web.html import Html
from tests.web.visitor import Visitor

LOOK = STATIC.parents[1] / "reports" / "look" / "look.css"

READ = [
    ("ink", "paper"),
    ("ink", "card"),
    ("ink", "track"),
    ("quiet", "paper"),
    ("quiet", "card"),
    ("quiet", "track"),
    ("on-action", "action"),
    ("action", "card"),
    ("late", "paper"),
    ("late", "card"),
    ("review", "card"),
    ("review", "paper"),
    ("reject", "card"),
    ("reject", "paper"),
    ("incomplete", "paper"),
    ("approve", "paper"),
]
"""Text, and what it stands on."""


@pytest.fixture
def pages(
    installation: Installation, token: Callable[..., str], reviewed_scan: ReviewedScan
) -> Mapping[str, Html]:
    reviewed_scan(name="other.mp4")
    speech = make_evidence("Context/Speech", start_s=2, text="hello")
    item = reviewed_scan(make_evidence(), make_evidence(start_s=9), speech)
    lea = Visitor(installation, token(Role.LEAD, "lea"))
    found = {"work": lea.page("/work"), "queue": lea.page("/queue")}
    found["waiting"] = lea.page(f"/items/{item.id}")
    lea.post(f"/items/{item.id}/claim")
    found["held"] = lea.page("/work")
    found["item"] = lea.page(f"/items/{item.id}")
    found["error"] = Html.of(lea.get("/items/nothing").text)
    return found


def test_every_page_has_its_landmarks_a_title_and_one_heading(pages: Mapping[str, Html]) -> None:
    for name, page in pages.items():
        assert page.one("html")["lang"] == "en", name
        assert page.one("title").words.endswith("· moderation"), name
        assert len(page.all("h1")) == 1, name
        assert page.one("main")["id"] == "main", name
        assert page.all("a", class_="skip", href="#main"), name


def test_headings_are_in_order(pages: Mapping[str, Html]) -> None:
    for name, page in pages.items():
        levels = [int(x.tag[1]) for x in page.elements if re.fullmatch("h[1-6]", x.tag)]
        assert all(below - above <= 1 for above, below in pairwise([0, *levels])), name


def test_every_field_has_a_label(pages: Mapping[str, Html]) -> None:
    for name, page in pages.items():
        fields = [x for x in page.elements if x.tag in ("input", "select", "textarea")]
        for each in (x for x in fields if x.get("type") != "hidden"):
            labels = [x for x in each.around if x.tag == "label" and x.words]
            assert labels or page.all("label", for_=each.get("id")), (name, each)


def test_every_button_says_what_it_does_and_its_key(pages: Mapping[str, Html]) -> None:
    for page in pages.values():
        buttons = page.all("button")
        assert all(each.words for each in buttons)
        acts = [each for each in buttons if "data-act" in each]
        with_keys = [x for x in acts if any(x in y.around for y in page.all("kbd"))]
        assert len(with_keys) == len(acts)
    done = {each.get("data-act") for each in pages["item"].all("button")}
    assert done >= {
        *("play", "back", "forward", "frame-back", "frame-forward", "previous", "next", "unveil"),
        *("grey", "mute", "whole", "note", "skip", "escalate", "submit", "help"),
    }


def test_outcomes_stand_in_the_order_of_their_keys(pages: Mapping[str, Html]) -> None:
    radios = pages["item"].all("input", type="radio", name="outcome")
    assert [each["value"] for each in radios] == [each.value for each in OUTCOMES]
    keys = [each.words[-1] for each in pages["item"].all("label") if each.words[-1:].isdigit()]
    assert keys == ["1", "2", "3", "4", "5"]


def test_what_scrolls_can_be_reached_by_keyboard(pages: Mapping[str, Html]) -> None:
    (table,) = [x for x in pages["queue"].all("div") if "scroll" in x.get("class")]
    assert (table["tabindex"], table["role"]) == ("0", "region")
    assert table["aria-label"]
    assert pages["item"].one("ol", class_="lines")["tabindex"] == "0"


def test_ids_are_unique(pages: Mapping[str, Html]) -> None:
    for name, page in pages.items():
        ids = [each["id"] for each in page.elements if "id" in each]
        assert len(ids) == len(set(ids)), name


def test_what_names_something_names_what_is_there(pages: Mapping[str, Html]) -> None:
    for name, page in pages.items():
        ids = {each.get("id") for each in page.elements}
        named = [each["aria-labelledby"] for each in page.elements if "aria-labelledby" in each]
        jumps = [x["href"][1:] for x in page.all("a") if x["href"].startswith("#")]
        assert set(named) | set(jumps) <= ids, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), READ)
def test_text_stands_out(scheme: str, text: str, ground: str) -> None:
    colours = _colours(scheme)
    assert _contrast(colours[text], colours[ground]) >= 4.5


def test_nothing_moves_for_who_does_not_want_it() -> None:
    style = (STATIC / "style.css").read_text()
    allowed = style.partition("@media (prefers-reduced-motion: no-preference)")
    assert allowed[1]
    assert not re.findall(r"transition|animation|(?<!over)scroll-behavior", allowed[0])


def test_nothing_is_taken_from_elsewhere() -> None:
    for path in (STATIC / "style.css", STATIC / "no-script.css", LOOK):
        assert not re.findall(r"url\(|@import|https?:", path.read_text()), path


def _colours(scheme: str) -> dict[str, str]:
    """Of the variables of both sheets; those of the dark go before those of the light."""
    found: dict[str, str] = {}
    for path in (LOOK, STATIC / "style.css"):
        light, _, dark = path.read_text().partition("@media (prefers-color-scheme: dark)")
        blocks = [light] if scheme == "light" else [light, dark.partition("\n}\n")[0]]
        for block in blocks:
            found |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))
    return found


def _contrast(one: str, other: str) -> float:
    """As WCAG 2 has it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * each for each in digits)
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (red, green, blue)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
