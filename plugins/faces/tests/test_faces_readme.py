"""What the README promises."""

from __future__ import annotations

import re
from pathlib import Path

from moderation_faces.detector import Faces
from moderation_faces.enrollment import MIN_FACE

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_options_in_the_readme_are_the_options_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S*) ?\|", README.partition("## Options")[2], re.MULTILINE)
    defaults = {name: str(value).strip("`") for name, value in rows}
    assert defaults == {
        name: "" if field.default is None else str(field.default)
        for name, field in Faces.Options.model_fields.items()
    }


def test_the_readme_names_the_least_face_that_is_enrolled() -> None:
    assert f"at least {MIN_FACE} pixels" in README
