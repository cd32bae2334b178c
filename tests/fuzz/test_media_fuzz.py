"""The short run of `make fuzz`: a thousand mutants, and decoders that are killed at work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from moderation.errors import MediaError, MediaFault
from tests.fuzz.answers import Answer, BrokenPromiseError
from tests.fuzz.campaign import Campaign, prepared
from tests.fuzz.crashes import clip_for_crashes, survived
from tests.fuzz.executor import Trial
from tests.fuzz.fuzz import SHARED, Figures
from tests.fuzz.inside import inside
from tests.fuzz.leaks import Belongings
from tests.fuzz.mutants import KINDS, Corpus
from tests.fuzz.seeds import Seed, composed
from tests.fuzz.structure import mended, parts

SHARED_MEMORY = Path("/dev/shm")

SHARE = 128
SHARES = 8
"""Of mutants: together 1,024."""

DECODES = 25
ROUNDS = 4
"""Of decoders that are ended on purpose: together 100."""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(prepared(tmp_path_factory.mktemp("fuzz"), SHARED))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Seed]:
    return composed(tmp_path_factory.mktemp("seeds"))


# The mutants


def test_every_seed_is_whole(seeds: list[Seed]) -> None:
    assert {seed.name: inside(seed.data, closer=True).fate for seed in seeds} == {
        seed.name: "whole" for seed in seeds
    }


def test_seeds_are_the_same_bytes_each_time(seeds: list[Seed], tmp_path: Path) -> None:
    assert composed(tmp_path) == seeds


def test_a_mutant_is_the_same_bytes_each_time(seeds: list[Seed]) -> None:
    assert [Corpus(seeds, [], 1).mutant(n) for n in range(50)] == [
        Corpus(seeds, [], 1).mutant(n) for n in range(50)
    ]
    assert Corpus(seeds, [], 1).mutant(0) != Corpus(seeds, [], 2).mutant(0)


def test_odd_files_do_not_change_the_mutants_of_the_others(seeds: list[Seed]) -> None:
    corpus, larger = Corpus(seeds, [], 1), Corpus(seeds, [Seed("odd", "found", b"odd")], 1)
    numbers = [number for number in range(200) if larger.mutant(number).container != "found"]
    assert 120 < len(numbers) < 180
    assert all(corpus.mutant(number) == larger.mutant(number) for number in numbers)


def test_hardly_a_mutant_is_a_valid_file(seeds: list[Seed]) -> None:
    valid = {seed.data for seed in seeds}
    corpus = Corpus(seeds, [], 1)
    assert sum(corpus.mutant(number).data in valid for number in range(500)) < 25


@pytest.mark.parametrize("name", ["mp4", "mp4-fragmented", "mov", "mkv", "webm", "avi", "ts",
                                  "flv", "wav", "ogg", "flac"])  # fmt: skip
def test_parts_of_a_container_are_found(seeds: list[Seed], name: str) -> None:
    (data,) = (seed.data for seed in seeds if seed.name == name)
    found = parts(data)
    assert len(found) >= 3
    assert max(part.end for part in found) == len(data) or name == "flac"


def test_right_checksums_stay_as_they_are(seeds: list[Seed]) -> None:
    assert all(mended(seed.data) == seed.data for seed in seeds)


# What is found


def test_what_is_left_behind_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = Belongings.now()
    path = tmp_path / "left"
    with path.open("w"):
        left = Belongings.now().left_since(before)
    assert "1 descriptors" in left
    assert f"files ['{path}']" in left
    path.unlink()
    assert not Belongings.now().left_since(before)


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="this system has no place for it")
def test_shared_memory_is_left_behind_when_nobody_else_uses_it() -> None:
    before, path = Belongings.now(), SHARED_MEMORY / f"moderation-{os.getpid()}"
    path.write_bytes(b"left")
    try:
        assert str(path) in Belongings.now().left_since(before)
        with _used_by_another(path):
            assert str(path) not in Belongings.now().left_since(before)
    finally:
        path.unlink()


@contextmanager
def _used_by_another(path: Path) -> Iterator[None]:
    script = f"""
import mmap, sys
with open({str(path)!r}, "rb+") as file:
    held = mmap.mmap(file.fileno(), 0)
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        if other.stdout is not None:
            other.stdout.readline()
        yield
        other.communicate()


def test_a_dead_process_is_a_finding_and_the_others_are_tried(campaign: Campaign) -> None:
    numbers, trials = list(range(1, 60)), list[Trial]()
    for trial in campaign.tried("inside", numbers):
        if not trials:
            below = psutil.Process().children()  # servers of other tests may be among them
            (executor,) = (each for each in below if "tests.fuzz.executor" in each.cmdline())
            executor.kill()
        trials.append(trial)
    assert [trial.number for trial in trials] == numbers
    assert [trial.problem for trial in trials if trial.problem] == ["the process died (SIGKILL)"]


def test_a_mutant_that_takes_too_long_is_a_finding(campaign: Campaign) -> None:
    hasty = Campaign(campaign.seeds, limit_s=1e-6)
    (trial,) = hasty.tried("inside", [1])
    assert trial.problem == "it took longer than 1e-06 s"


def test_an_end_by_a_bug_of_ours_is_a_finding() -> None:
    error = MediaError("the decoder ended (KeyError: 1)", fault=MediaFault.DECODER_CRASHED)
    with pytest.raises(BrokenPromiseError):
        Answer.refused(error)


@pytest.mark.parametrize("share", range(SHARES))
def test_mutants_come_to_an_answer(campaign: Campaign, share: int) -> None:
    figures = Figures.of(campaign.run(range(share * SHARE, (share + 1) * SHARE)))
    print(figures)
    assert figures.count == SHARE
    assert not figures.failed, figures
    assert len(figures.kinds) > len(KINDS) / 2
    assert figures.ways["outside"] >= SHARE // 10


@pytest.mark.parametrize("_", range(ROUNDS))
def test_nothing_is_left_of_decoders_that_end_on_the_way(tmp_path: Path, _: int) -> None:
    fates, left = survived(clip_for_crashes(tmp_path), DECODES)
    print(fates)
    assert not left
    assert set(fates) == {
        ("by itself", "whole"),
        ("killed", "decoder_crashed"),
        ("crashed once", "whole"),
        ("crashed twice", "decoder_crashed"),
    }
    assert fates.total() == DECODES
