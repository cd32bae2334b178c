"""Whatever a video, a plugin or a person writes is text on a page, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from moderation.config import Settings
from moderation.person import Role
from moderation.policy import Policy
from moderation.review_settings import ReviewSettings
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan
from moderation.verdict import Action, Coverage, CoverageStatus
from moderation.web import Installation
from tests.web.conftest import ADMIN, POLICY
from tests.web.html import Html
from tests.web.visitor import Visitor

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></style><script>alert(1)</script>",
    "</textarea></select><script>alert(1)</script>",
    "</svg><foreignObject><iframe src=//example.org>",
    "{{ 7*7 }}{% raw %}",
    "<!--",
    "]]>",
    "\u202egpj.exe\u2066\u200b\x1b[2J",
]

CALM = ReviewSettings(audit_share=0, second_look_share=0)

Written = Callable[[str], dict[str, Html]]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """The pages of an installation whose videos, plugins and people say `text` everywhere."""
    with ExitStack() as stack:

        def pages(text: str) -> dict[str, Html]:
            home = tmp_path / str(len(list(tmp_path.iterdir())))
            here = stack.enter_context(Installation.open(Settings(home=home, review=CALM)))
            here.people.add("lea", Role.LEAD, by=ADMIN)
            return _pages(here, Visitor(here, here.people.issue("lea", by=ADMIN).secret), text)

        yield pages


def _pages(here: Installation, lea: Visitor, text: str) -> dict[str, Html]:
    id = _save(here, text)
    queue = lea.page("/queue")
    lea.post(f"/items/{id}/claim")
    refused = lea.decide(id, outcome=text, note=text, reason=text)
    item = lea.page(f"/items/{id}")
    lea.decide(id, outcome="uphold", note=text)
    appeal = lea.follow(lea.post(f"/items/{id}/appeal", why=text))
    return {"queue": queue, "refused": Html.of(refused.text), "item": item, "appeal": appeal}


def _save(installation: Installation, text: str) -> str:
    places = [
        make_evidence(label, start_s=start, text=text, subject=text, detail={text: text})
        for start, label in enumerate(
            (text, f"{text}/x", "Context/Speech", "Context/Screen text", "Hate/Slur")
        )
    ]
    policy = Policy.parse(POLICY, "ours.toml")
    scan = make_scan(*places, name=text, action=Action.INCOMPLETE, id=f"scan of {text}")
    reason = replace(scan.verdict.reasons[0], values={text: text}, thresholds={text: text})
    gap = Coverage(detector=text, status=CoverageStatus.PARTIAL, reason=text, unit=text, planned=2)
    verdict = replace(scan.verdict, reasons=(reason,), missing=(text,), policy=policy.ref)
    scan = replace(
        scan, verdict=verdict, coverage=(gap, *scan.coverage), engine_version=text, cut_short=text
    )
    installation.store.save(scan, policy, fingerprint="all")
    return installation.queue.list(ADMIN)[0].id


@pytest.mark.parametrize("text", HOSTILE)
def test_row_124_what_a_stranger_writes_is_inert_text(written: Written, text: str) -> None:
    hostile = written(text)
    for name, harmless in written("harmless").items():
        page = hostile[name]
        assert [x.tag for x in page.elements] == [x.tag for x in harmless.elements], name
        assert [set(x.attributes) for x in page.elements] == [
            set(x.attributes) for x in harmless.elements
        ], name


@pytest.mark.parametrize("text", HOSTILE)
def test_row_124_it_is_there_to_be_read(written: Written, text: str) -> None:
    shown = "".join(letter for letter in text if letter.isprintable()).rpartition("/")[2]
    assert written(text)["item"].one("body").text.count(shown) >= 10


def test_row_124_a_page_runs_and_styles_nothing_inside_itself(written: Written) -> None:
    for page in written("<script>alert(1)</script>").values():
        scripts = [x for x in page.all("script") if x.get("type") != "application/json"]
        assert scripts
        assert all(x["src"].startswith("/static/") and not x.words for x in scripts)
        assert not page.all("style")
        names = [name for each in page.elements for name in each.attributes]
        assert not [name for name in names if name == "style" or name.startswith("on")]


def test_row_124_addresses_lead_to_this_server_alone(written: Written) -> None:
    for page in written("javascript:alert(1)").values():
        addresses = [
            value
            for each in page.elements
            for name, value in each.attributes.items()
            if name in ("href", "src", "action", "poster", "formaction")
        ]
        assert addresses
        assert not [each for each in addresses if not each.startswith(("/", "#"))]
        assert not [each for each in addresses if each.startswith("//")]


def test_row_124_what_scripts_are_told_cannot_end_their_data(written: Written) -> None:
    text = "</script><script>alert(1)</script>"
    item = written(text)["item"]
    assert text in json.dumps(item.case["moments"])
    assert "</script" not in item.one("script", id="case").text


def test_what_turns_or_hides_letters_is_not_shown(written: Written) -> None:
    for page in written("\u202egpj.exe\u200b").values():
        assert "gpj.exe" in page.text
        assert "\u202e" not in page.text
        assert "\u200b" not in page.text


def test_names_and_words_of_strangers_keep_to_themselves(written: Written) -> None:
    page = written("\u05d0\u05d1\u05d2 abc")["item"]
    assert page.one("h1").around[-1].tag == "header"
    assert [x for x in page.all("bdi") if any(y.tag == "h1" for y in x.around)]
    quoted = page.all("q")
    assert quoted
    assert all(each["dir"] == "auto" for each in quoted)
    assert len(page.all("span", dir="auto")) == 2


def test_a_label_with_hidden_letters_can_be_judged(
    installation: Installation, token: Callable[..., str]
) -> None:
    id = _save(installation, "Gore\u200b\u202e")
    lea = Visitor(installation, token(Role.LEAD, "lea"))
    lea.post(f"/items/{id}/claim")
    fields = {f"segment-{n}-judgement": "confirm" for n in range(3)}
    assert lea.decide(id, outcome="uphold", **fields).status_code == 303
    labels = [x.label for x in installation.queue.show(id, ADMIN).decisions[0].segments]
    assert "Gore\u200b\u202e" in labels


def test_a_reviewer_is_not_told_where_an_upload_lies(
    installation: Installation, token: Callable[..., str]
) -> None:
    place = "s3://secret-bucket/inner/upload.mp4?versionId=abc"
    policy = Policy.parse(POLICY, "ours.toml")
    failed = make_failed_scan(name=place, policy=policy.ref, id="failed")
    installation.store.save(failed, policy, fingerprint="all")
    rut = Visitor(installation, token(Role.REVIEWER, "rut"))
    queue, answer = rut.get("/queue"), rut.post("/work")
    path = answer.headers["location"]
    asked = [queue, rut.get(path), rut.get(f"{path}/report.json"), rut.post(f"{path}/rescan")]
    assert not [each.text for each in asked if "secret-bucket" in each.text]
    assert "upload.mp4 cannot be scanned" in queue.text
    lea = Visitor(installation, token(Role.LEAD, "lea"))
    assert place in lea.get(path).text
