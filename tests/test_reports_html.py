"""The HTML page: self-contained, inert whatever a video says, complete, and blurred at first."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from moderation.evidence import Box
from moderation.reports import FORMATS, Pictures, ReportOptions
from moderation.reports.page import LINES, PICTURES, SEGMENTS
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.timeline import Instant
from moderation.verdict import Action, Coverage, CoverageStatus

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style><script>alert(1)</script>",
    "</svg><foreignObject><iframe src=//example.org>",
    "{{ 7*7 }}{% raw %}",
    "<!--",
    "]]>",
]


@dataclass
class Page(HTMLParser):
    """What a browser would make of a page."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def written(*scans: Scan, pictures: Pictures | None = None) -> str:
    stream = io.StringIO()
    options = ReportOptions(pictures=pictures) if pictures else ReportOptions()
    FORMATS["html"](iter(scans), stream, options)
    return stream.getvalue()


def page_of(*scans: Scan, pictures: Pictures | None = None) -> Page:
    page = Page()
    page.feed(written(*scans, pictures=pictures))
    page.close()
    return page


def words(page: Page) -> str:
    return " ".join(page.text.split())


def a_picture(_: Scan, at: Instant) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 9), (at.us % 255, 0, 0)).save(stream, "JPEG")
    return stream.getvalue()


def hostile_scan(text: str) -> Scan:
    """A scan that says `text` wherever a video or a plugin could."""
    places = [
        make_evidence(label, text=text, subject=text, detail={text: text})
        for label in (text, f"{text}/x", "Context/Speech", "Context/Screen text", "Hate/Slur")
    ]
    scan = make_scan(*places, name=text)
    reason = replace(scan.verdict.reasons[0], values={text: text}, thresholds={text: text})
    gap = Coverage(detector=text, status=CoverageStatus.PARTIAL, reason=text, unit=text, planned=2)
    verdict = replace(scan.verdict, reasons=(reason,), missing=(text,))
    return replace(scan, verdict=verdict, coverage=(gap, *scan.coverage), engine_version=text)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_video_says_is_shown_and_never_run(text: str) -> None:
    harmless, page = page_of(hostile_scan("harmless")), page_of(hostile_scan(text))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    assert [set(each) for _, each in page.tags] == [set(each) for _, each in harmless.tags]
    assert page.text.count(text.rpartition("/")[2]) >= 10


@pytest.mark.parametrize("text", [*HOSTILE, "harmless"])
def test_the_page_runs_nothing_and_asks_nobody(text: str) -> None:
    page = page_of(hostile_scan(text), make_failed_scan(name=text), pictures=a_picture)
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & {
        tag for tag, _ in page.tags
    }
    attributes = [(name, value) for _, each in page.tags for name, value in each.items()]
    assert not [name for name, _ in attributes if name.startswith("on") or name == "style"]
    addresses = [value for name, value in attributes if name in ("src", "href", "action")]
    assert all(value.startswith(("#", "data:image/jpeg;base64,")) for value in addresses)


def test_the_pages_own_policy_allows_its_style_and_pictures_alone() -> None:
    text = written(make_scan())
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "url(" not in style
    assert "@import" not in style


def test_what_turns_or_hides_letters_is_not_shown() -> None:
    page = page_of(make_scan(make_evidence(text="exe.\u202egnp\u200b\x1b[0m\ud800")))
    assert "exe.gnp[0m\ufffd" in page.text


def test_a_video_says_its_verdict_with_rules_values_and_thresholds() -> None:
    text = words(page_of(make_scan(make_evidence(start_s=62.5))))
    assert "review high severity clip.mp4 1:00 · 1280 × 720" in text
    assert "knife review · high Violence/Weapons/Knife is shown" in text
    assert "Violence › Weapons › Knife · 1:02.5 · score 0.80" in text
    assert "score 0.80 min score 0.50" in text


def test_what_was_not_looked_at_stands_before_the_reasons() -> None:
    unseen = Coverage(detector="speech", status=CoverageStatus.UNAVAILABLE, reason="no weights")
    scan = make_scan(make_evidence(), action=Action.INCOMPLETE)
    page = words(page_of(replace(scan, coverage=(*scan.coverage, unseen))))
    notice = "Not everything was looked at objects examined 30 of 60 samples"
    assert page.index(notice) < page.index("Why knife incomplete")
    assert "objects 50 % partial 30 of 60 samples" in page
    assert "speech unavailable no weights" in page
    assert "not seen · unavailable" in page


def test_a_scan_that_was_cut_short_says_why() -> None:
    scan = make_scan(action=Action.APPROVE, cut_short="the decoder crashed")
    text = words(page_of(replace(scan, sandbox=("rlimits", "seccomp"))))
    assert "Not everything was looked at cut short: the decoder crashed" in text
    assert "No rule fired on what was seen." in text
    assert "Decoder held by rlimits, seccomp" in text


def test_a_video_that_could_not_be_scanned_says_why() -> None:
    text = words(page_of(make_failed_scan()))
    assert "This video could not be scanned broken.mp4 cannot be scanned (unreadable)" in text
    assert "Nothing that the policy names" not in text


def test_an_incomplete_video_is_not_said_to_be_without_findings() -> None:
    text = words(page_of(make_scan(action=Action.INCOMPLETE)))
    assert "No rule fired on what was seen." in text
    assert "Nothing that the policy names" not in text


def test_the_summary_links_to_every_video() -> None:
    page = page_of(make_scan(name="a.mp4"), make_failed_scan(name="b.mp4"))
    links = [each["href"] for each in page.all("a")]
    assert links == ["#video-1", "#video-2"]
    assert {"video-1", "video-2"} <= {each.get("id") for each in page.all("section")}


def test_a_page_of_no_videos_says_so() -> None:
    assert "No videos." in words(page_of())


def test_pictures_are_inside_the_page_and_blurred_without_a_script() -> None:
    scan = make_scan(make_evidence(box=Box(0.1, 0.2, 0.3, 0.4)))
    text = written(scan, pictures=a_picture)
    page = page_of(scan, pictures=a_picture)
    (picture,) = page.all("img")
    data = picture["src"].removeprefix("data:image/jpeg;base64,")
    assert base64.b64decode(data) == a_picture(scan, Instant(1_000_000))
    assert re.search(r"\.frame img \{[^}]*filter: blur", text)
    assert [each for each in page.all("input") if "checked" in each] == []


def test_boxes_are_drawn_over_their_picture() -> None:
    scan = make_scan(make_evidence(box=Box(0.1, 0.2, 0.3, 0.4)), make_evidence(start_s=9))
    boxes = [
        each for each in page_of(scan, pictures=a_picture).all("rect")
        if each.get("class") == "family-violence"
    ]  # fmt: skip
    assert [(box["x"], box["y"], box["width"], box["height"]) for box in boxes] == [
        ("0.1", "0.2", "0.3", "0.4")
    ]


def test_a_reason_links_to_its_picture() -> None:
    page = page_of(make_scan(make_evidence(start_s=2)), pictures=a_picture)
    assert "#video-1-2000000" in [each["href"] for each in page.all("a")]
    assert "video-1-2000000" in [each.get("id") for each in page.all("figure")]


def test_the_surest_moments_have_pictures_and_the_others_are_counted() -> None:
    evidence = [make_evidence(score=0.3 + n / 100, start_s=n) for n in range(PICTURES + 5)]
    asked: list[int] = []

    def pictures(scan: Scan, at: Instant) -> bytes:
        asked.append(at.us // 1_000_000)
        return a_picture(scan, at)

    page = page_of(make_scan(*evidence), pictures=pictures)
    assert asked == list(range(5, PICTURES + 5))
    assert "5 more moments have no picture here." in words(page)


def test_context_is_no_finding() -> None:
    page = page_of(make_scan(make_evidence("Context/Person")), pictures=a_picture)
    assert page.all("img") == []
    assert "Context what is no violation: 1 segment" in words(page)
    assert "Findings" not in page.text


def test_long_lists_are_cut_and_counted() -> None:
    spoken = (make_evidence("Context/Speech", start_s=n, text=f"{n}") for n in range(LINES + 2))
    found = (make_evidence("Hate/Slur", start_s=n) for n in range(SEGMENTS + 3))
    text = words(page_of(make_scan(*spoken, *found)))
    assert "2 more are in the JSON report." in text
    assert "3 more are in the JSON report." in text


def test_what_is_said_and_written_stands_with_its_time_and_findings() -> None:
    scan = make_scan(
        make_evidence("Context/Speech", 0.9, 14, 18, text="and I will kill you", subject="A"),
        make_evidence("Context/Screen text", 0.9, 24, 30, text="call now"),
        make_evidence("Violence/Threat", 0.9, 15, 17, text="kill you"),
    )
    text = words(page_of(scan))
    assert "What is said 1 line 0:14.0 A and I will kill you Violence › Threat" in text
    assert "What is written 1 line 0:24.0 call now Context" in text


def test_words_that_are_read_again_and_again_are_one_line() -> None:
    seen = [make_evidence("Context/Screen text", start_s=n, text="CALL NOW") for n in range(5)]
    assert "What is written 1 line 0:00.0 CALL NOW" in words(page_of(make_scan(*seen)))


def paths(page: Page) -> Iterator[dict[str, str]]:
    return (each for each in page.all("path") if each["class"] != "grid")


def test_each_detector_has_a_lane_that_says_what_it_shows() -> None:
    quiet = Coverage(detector="nudity", status=CoverageStatus.COMPLETE, planned=9, examined=9)
    scan = make_scan(make_evidence(), make_evidence("Context/Person", 0.5, 3))
    page = page_of(replace(scan, coverage=(*scan.coverage, quiet)))
    labels = [each["aria-label"] for each in page.all("svg") if each.get("role") == "img"]
    assert labels == [
        "objects: 2 sightings, the surest Violence/Weapons/Knife with 0.80 at 0:01.0",
        "nudity: nothing found",
    ]
    assert [each["class"] for each in paths(page)] == [
        "shape family-context",
        "shape family-violence",
    ]


def test_a_lane_is_as_high_as_the_score_where_it_was_seen() -> None:
    page = page_of(make_scan(make_evidence(score=0.8, start_s=30, end_s=45)))
    assert [each["d"] for each in paths(page)] == ["M250 100v-80h125v80z"]


def test_a_lane_stays_small_however_much_was_seen() -> None:
    evidence = [make_evidence(score=n % 97 / 97, start_s=n / 100) for n in range(6000)]
    (shape,) = paths(page_of(make_scan(*evidence)))
    assert len(shape["d"]) < 20_000


def test_a_family_of_a_plugin_has_a_class_that_is_one() -> None:
    (shape,) = paths(page_of(make_scan(make_evidence('Other "x" family/y'))))
    assert shape["class"] == "shape family-other-x-family"
