"""`moderation report` in every format, from what a person decided in a real queue."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from moderation.cli import cli
from moderation.config import Settings
from moderation.decision import Outcome, Remedy
from moderation.evidence import Box
from moderation.person import Person, Role, local_person
from moderation.policy import Policy
from moderation.reports import FORMATS
from moderation.review import ReviewQueue
from moderation.store import Store
from moderation.testing.decisions import corrected
from moderation.testing.scans import make_evidence, make_scan

FIREARM = "Violence/Weapons/Firearm"
ANNA = Person(name="anna", role=Role.REVIEWER, created_at=datetime(2026, 11, 1, tzinfo=UTC))
POLICY = Policy.parse('schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml")


KNIFE = make_evidence(start_s=2, box=Box(0.1, 0.2, 0.3, 0.4))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One in which anna has left an item, and then decided it."""
    home = tmp_path_factory.mktemp("home")
    with Store.open(Settings.read(home=home).database_url) as store:
        store.save(make_scan(KNIFE, policy=POLICY.ref), POLICY, fingerprint="all")
        decide(ReviewQueue(store))
    return home


@pytest.fixture
def home(installation: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the reports go."""
    monkeypatch.setenv("MODERATION_HOME", str(installation))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def decide(queue: ReviewQueue) -> None:
    said = corrected(KNIFE, FIREARM, Remedy.BLUR)
    for outcome, segments in ((Outcome.SKIP, ()), (Outcome.PARTIAL, (said,))):
        (waiting,) = queue.list(local_person())
        item = queue.claim(waiting.id, ANNA).item
        queue.decide(item.id, ANNA, version=item.version, outcome=outcome, segments=segments)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["report", *arguments], catch_exceptions=False)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written(form: str) -> None:
    done = report("--format", form)
    assert done.exit_code == 0
    assert done.output


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("form", ["json", "csv", "html", "webvtt", "edl", "dsa", "coco"])
def test_what_a_person_decided_is_in_the_report(form: str) -> None:
    assert "Firearm" in report("--format", form).output


@pytest.mark.usefixtures("home")
def test_the_reviewer_and_the_decision_are_in_the_csv() -> None:
    (row,) = csv.DictReader(io.StringIO(report().output, newline=""))
    assert (row["decision"], row["reviewer"], row["remedy"]) == ("partial", "anna", "blur")


@pytest.mark.usefixtures("home")
def test_the_skips_say_what_was_left_and_decided_since() -> None:
    (row,) = csv.DictReader(io.StringIO(report("--format", "skips").output, newline=""))
    assert (row["what"], row["person"], row["decided"]) == ("item", "anna", "yes")


@pytest.mark.usefixtures("home")
def test_rekognitions_labels_are_aggregated_on_demand() -> None:
    asked = ("--format", "rekognition", "--aggregate-by", "segments")
    answer = json.loads(report(*asked).output)
    assert answer["GetRequestMetadata"]["AggregateBy"] == "SEGMENTS"
    assert answer["ModerationLabels"][0]["DurationMillis"] == 0


@pytest.mark.parametrize(("name", "begin"), [("a.vtt", "WEBVTT"), ("a.edl", "TITLE")])
def test_the_suffix_of_the_file_says_the_format(home: Path, name: str, begin: str) -> None:
    assert report("--output", name).exit_code == 0
    assert (home / name).read_text("utf-8").startswith(begin)


def test_a_folder_has_a_file_for_each_video(home: Path) -> None:
    (home / "subtitles").mkdir()
    assert report("--format", "webvtt", "--output", "subtitles").exit_code == 0
    assert [each.suffix for each in (home / "subtitles").iterdir()] == [".vtt"]
