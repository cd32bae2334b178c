"""What a browser makes of a page, as far as tests ask."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final

__all__ = ["Element", "Html"]

_VOID: Final = frozenset(("br", "hr", "img", "input", "link", "meta", "source"))


@dataclass
class Element:
    """A tag with its attributes, what stands around it, and all the text inside."""

    tag: str
    attributes: dict[str, str]
    around: tuple[Element, ...]
    text: str = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.attributes

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


@dataclass
class Html(HTMLParser):
    """Its elements in their order; nothing of it is run."""

    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []

    @classmethod
    def of(cls, text: str) -> Html:
        page = cls()
        page.feed(text)
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        element = Element(tag, given, tuple(self._open))
        self.handle_data(" ")  # a browser puts a border between, or nothing; words stay apart
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if any(each.tag == tag for each in self._open):
            while self._open.pop().tag != tag:
                continue

    def handle_data(self, data: str) -> None:
        for each in self._open:
            each.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """`for_` and `class_` stand for what Python reserves, `_` for `-`."""
        wanted = {name.rstrip("_").replace("_", "-"): each for name, each in attributes.items()}
        return [
            each
            for each in self.elements
            if each.tag == tag and all(each.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        return self.one("body").words

    @property
    def case(self) -> Any:
        """What the page's scripts are told."""
        return json.loads(self.one("script", id="case").text)

    def field(self, name: str, form: str = "decision") -> str:
        """What a form's field of that name would send; of radio buttons, the checked one."""
        inside = [x for x in self.elements if any(y.get("id") == form for y in x.around)]
        inputs = [each for each in inside if each.get("name") == name and each.tag != "button"]
        if inputs[0].get("type") == "radio":
            return next((each["value"] for each in inputs if "checked" in each), "")
        (found,) = inputs
        if found.tag == "textarea":
            return found.text.removeprefix("\n")
        if found.tag == "select":
            options = [each for each in inside if each.tag == "option" and found in each.around]
            return next((x["value"] for x in options if "selected" in x), options[0]["value"])
        return found.get("value")

    def form(self, id: str = "decision") -> dict[str, str]:
        """All that it would send without a button, by name."""
        inside = [x for x in self.elements if any(y.get("id") == id for y in x.around)]
        names = dict.fromkeys(x["name"] for x in inside if x.get("name") and x.tag != "button")
        found = {name: self.field(name, id) for name in names}
        return {name: value for name, value in found.items() if value or name != "outcome"}
