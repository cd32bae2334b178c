"""What `import moderation` offers is complete, sorted and documented."""

from __future__ import annotations

import moderation


def test_the_public_names_are_sorted() -> None:
    assert list(moderation.__all__) == sorted(moderation.__all__)


def test_every_public_name_is_documented() -> None:
    assert [name for name in moderation.__all__ if not getattr(moderation, name).__doc__] == []


def test_the_changelog_knows_the_version() -> None:
    from conftest import ROOT

    assert f"## [{moderation.__version__}]" in (ROOT / "CHANGELOG.md").read_text() or (
        "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
    )
