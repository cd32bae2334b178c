"""The light installation: what the lock lists, and nothing of torch, scans a video."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from moderation.testing.clips import BLACK, Clip, written

LIGHT = ("nudity", "faces", "speech", "text")


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new environment, installed as `make light` does."""
    place = tmp_path_factory.mktemp("light") / "venv"
    members = [str(ROOT), *(str(ROOT / "plugins" / name) for name in LIGHT)]
    python, lock = str(place / "bin" / "python"), str(ROOT / "requirements-light.lock")
    uv("venv", "--python", sys.executable, str(place))
    uv("pip", "sync", "--python", python, "--require-hashes", lock)
    uv("pip", "install", "--python", python, "--no-deps", "--no-build-isolation", *members)
    return place / "bin"


def uv(*arguments: str) -> None:
    tool = Path(sys.executable).parent / "uv"
    subprocess.run([tool, "--quiet", *arguments], check=True, cwd="/", timeout=280)


def moderation(light: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "MODERATION_HOME": str(home / "data"),
        "MODERATION_OFFLINE": "1",
    }
    return subprocess.run(
        [light / "moderation", *arguments],
        capture_output=True, text=True, env=environment, cwd=home, timeout=200,
    )  # fmt: skip


def test_the_light_lock_has_no_torch() -> None:
    names = {
        line.partition("==")[0]
        for line in (ROOT / "requirements-light.lock").read_text().splitlines()
        if "==" in line
    }
    assert not names & {"torch", "torchvision", "torchaudio", "ultralytics", "pyannote-audio"}


def test_the_light_lock_agrees_with_the_full_one() -> None:
    light, full = (
        {line.split()[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}
        for name in ("requirements-light.lock", "requirements.lock")
    )
    assert light <= full


def test_it_scans_and_says_what_is_not_installed(light: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    Clip(320, 240, fps=5).show(2, written(BLACK, "hello there")).write(clip)
    done = moderation(light, tmp_path, "scan", str(clip), "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)[0]
    assert document["coverage"]["objects"]["status"] == "unavailable"
    assert document["coverage"]["nudity"]["status"] == "complete"
    assert document["verdict"]["action"] == "incomplete"


def test_its_own_policy_asks_only_for_what_is_there(light: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    Clip(320, 240, fps=5).show(2, written(BLACK, "hello there")).write(clip)
    done = moderation(light, tmp_path, "scan", str(clip), "--policy", "light", "--format", "json")
    assert json.loads(done.stdout)[0]["verdict"]["action"] == "approve", done.stderr
