"""`moderation redact`: from what is stored about a video to the new file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest

from moderation.cli import main
from moderation.decision import Judgement, Outcome, Remedy, SegmentDecision
from moderation.evidence import Box
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import ReviewQueue
from moderation.scan import Scan
from moderation.source import Source
from moderation.store import Store
from moderation.testing.clips import Clip, solid, tone
from moderation.testing.scans import make_evidence, make_scan

KNIFE, CIGARETTE = "Violence/Weapons/Knife", "Drugs and tobacco/Smoking"
ADA = Person(name="ada", role=Role.ADMIN, created_at=datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    clip = Clip(64, 48, fps=10).show(3, solid(30, 120, 60)).hear(tone(3))
    return clip.write(tmp_path / "clip.mp4")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'moderation.db'}"
    monkeypatch.setenv("MODERATION_DATABASE", url)
    with Store.open(url) as store:
        yield store


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["moderation", "redact", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        told = capsys.readouterr()
        return done.value.code, told.out, " ".join(told.err.split())

    return run


@pytest.fixture
def scan(store: Store, video: Path) -> Scan:
    """Of the video, with a knife at 1 s and a cigarette at 2 s, in somebody's queue."""
    policy = Policy.parse(
        'schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml"
    )
    made = make_scan(
        make_evidence(KNIFE, start_s=1, box=Box(0.1, 0.1, 0.2, 0.2)),
        make_evidence(CIGARETTE, start_s=2, box=Box(0.6, 0.6, 0.2, 0.2)),
        policy=policy.ref,
    )
    with Source.open(video) as source:
        made = replace(made, video=replace(made.video, sha256=source.sha256(), uri=str(video)))
    store.save(made, policy, fingerprint="all")
    return made


def decide(store: Store, scan: Scan, outcome: Outcome, *remedies: Remedy) -> None:
    queue = ReviewQueue(store)
    case = queue.claim_next(ADA)
    assert case is not None
    segments = [
        SegmentDecision(
            label=each.label,
            span=each.span,
            judgement=Judgement.CONFIRM,
            remedy=remedy,
            evidence_ids=each.evidence_ids,
        )
        for each, remedy in zip(scan.verdict.segments, remedies, strict=False)
    ]
    queue.decide(case.item.id, ADA, version=case.item.version, outcome=outcome, segments=segments)


def manifest(video: Path) -> Any:
    return json.loads(video.with_name("clip.redacted.mp4.json").read_text())


def frames(path: Path) -> int:
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


def test_what_was_decided_is_carried_out(
    command: Any, store: Store, scan: Scan, video: Path
) -> None:
    decide(store, scan, Outcome.UPHOLD, Remedy.CUT, Remedy.AGE_RESTRICT)
    code, out, told = command(video)
    assert (code, out.strip()) == (0, str(video.with_name("clip.redacted.mp4")))
    assert frames(Path(out.strip())) == 20
    cut, age = manifest(video)["edits"]
    assert (cut["remedy"], cut["label"], cut["decision"]["reviewer"]) == ("cut", KNIFE, "ada")
    assert (age["remedy"], age["done"]) == ("age_restrict", False)
    assert "age_restrict" in told


@pytest.mark.usefixtures("scan")
def test_without_a_decision_it_says_what_to_do(command: Any, video: Path) -> None:
    code, out, told = command(video)
    assert (code, out) == (2, "")
    assert "nobody has decided" in told
    assert "--remedy" in told


def test_a_decision_that_is_not_final_does_not_count(
    command: Any, store: Store, scan: Scan, video: Path
) -> None:
    decide(store, scan, Outcome.ESCALATE, Remedy.CUT)
    code, _, told = command(video)
    assert code == 2
    assert "nobody has decided" in told


@pytest.mark.usefixtures("scan")
def test_remedies_by_label_need_no_decision(command: Any, video: Path) -> None:
    code, _, _ = command(video, "--remedy", "Violence=blur", "--all", "cut")
    assert code == 0
    assert {each["label"]: each["remedy"] for each in manifest(video)["edits"]} == {
        KNIFE: "blur",
        CIGARETTE: "cut",
    }


def test_edits_from_a_file_need_no_scan(command: Any, video: Path, tmp_path: Path) -> None:
    listed = tmp_path / "edits.json"
    listed.write_text(
        '{"edits": [{"remedy": "mute", "bleep": true, "start_s": 1, "end_s": 2},'
        '{"remedy": "cut", "start_s": 0, "end_s": 1}]}'
    )
    target = tmp_path / "new.mp4"
    assert command(video, "--edits", listed, "--output", target)[0] == 0
    assert frames(target) == 20


@pytest.mark.usefixtures("scan")
def test_a_dry_run_prints_the_manifest_and_writes_nothing(
    command: Any, video: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    code, out, _ = command(video, "--all", "blur", "--dry-run")
    assert code == 0
    assert [each["remedy"] for each in json.loads(out)["edits"]] == ["blur", "blur"]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all", "blur"], "was not scanned"),
        (["--remedy", "Violense=blur"], "did you mean 'Violence'"),
        (["--remedy", "Violence=burn"], "write LABEL=blur"),
        (["--edits", "none.json"], "cannot be read"),
        (["--edits", "none.json", "--all", "cut"], "leave --remedy and --all away"),
    ],
)
def test_a_wrong_call_is_one_sentence_with_the_next_step(
    command: Any, video: Path, arguments: list[str], said: str
) -> None:
    code, out, told = command(video, *arguments)
    assert (code, out) == (2, "")
    assert said in told
    assert not video.with_name("clip.redacted.mp4").exists()


def test_a_video_that_is_not_there_is_one_sentence(command: Any, tmp_path: Path) -> None:
    code, _, told = command(tmp_path / "none.mp4", "--all", "blur")
    assert code == 3
    assert "there is no such file" in told
