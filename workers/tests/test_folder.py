"""The folder trigger: what lies in a folder, and when it is taken."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from moderation_workers import embedded_redis
from moderation_workers.folder import Arrival, FolderTrigger
from moderation_workers.supervisor import ProcessGroup

from moderation.client import Client
from moderation.config import Settings
from moderation.errors import StoreBusy
from moderation.job import Job, Pinned
from moderation.job_settings import JobSettings
from moderation.policy import Policy
from moderation.transport import DatabaseTransport


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "uploads"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Without one every submission would wait for it in vain."""
    with ProcessGroup() as group:
        log = tmp_path_factory.mktemp("redis") / "log"
        yield embedded_redis.start(group, log)[1]


@pytest.fixture
def settings(tmp_path: Path, broker: str) -> Settings:
    return Settings(home=tmp_path / "home", policy="light", jobs=JobSettings(broker=broker))


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with Client(settings) as made:
        yield made


@pytest.fixture
def trigger(folder: Path, client: Client) -> FolderTrigger:
    return FolderTrigger(folder, client)


def names(arrivals: Sequence[Arrival]) -> list[str]:
    return [each.path.name for each in arrivals]


def uris(client: Client) -> list[str]:
    """Of all jobs."""
    return sorted(Path(each.job.uri).name for each in client.jobs(limit=None))


def test_a_file_is_taken_when_two_looks_find_it_alike(
    folder: Path, client: Client, trigger: FolderTrigger
) -> None:
    (folder / "a.mp4").write_bytes(b"video")
    assert trigger.poll() == []
    (arrival,) = trigger.poll()
    assert arrival.job is not None
    assert arrival.job.job.uri == str(folder / "a.mp4")
    assert arrival.job.job.tag == str(folder)
    assert trigger.poll() == []
    assert uris(client) == ["a.mp4"]


def test_a_file_that_grew_between_two_looks_waits(folder: Path, trigger: FolderTrigger) -> None:
    path = folder / "a.mp4"
    for size in range(1, 5):
        path.write_bytes(bytes(size))
        assert trigger.poll() == []
    assert names(trigger.poll()) == ["a.mp4"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who writes")
def test_a_file_that_is_open_for_writing_waits(folder: Path, trigger: FolderTrigger) -> None:
    with (folder / "a.mp4").open("wb", buffering=0) as upload:
        upload.write(b"the first half")
        assert [trigger.poll() for _ in range(3)] == [[], [], []]
    assert names(trigger.poll()) == ["a.mp4"]


def test_a_file_that_was_moved_in_is_taken(
    folder: Path, tmp_path: Path, trigger: FolderTrigger
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"video")
    (tmp_path / "a.mp4").rename(folder / "a.mp4")
    trigger.poll()
    assert names(trigger.poll()) == ["a.mp4"]


def test_a_replaced_file_is_another_job(
    folder: Path, client: Client, trigger: FolderTrigger
) -> None:
    for content in (b"one", b"another"):
        (folder / "a.mp4").write_bytes(content)
        trigger.poll()
        assert names(trigger.poll()) == ["a.mp4"]
    assert uris(client) == ["a.mp4", "a.mp4"]


def test_what_lies_there_at_the_start_is_the_job_that_it_was(
    folder: Path, client: Client, trigger: FolderTrigger
) -> None:
    (folder / "a.mp4").write_bytes(b"video")
    before = [trigger.poll(), trigger.poll()][-1]
    again = FolderTrigger(folder, client)
    after = [again.poll(), again.poll()][-1]
    assert [each.job.id for each in before if each.job] == [
        each.job.id for each in after if each.job
    ]
    assert uris(client) == ["a.mp4"]


@pytest.mark.parametrize(
    "name", [".hidden.mp4", ".sync/a.mp4", "a.mp4.part", "a.mp4.CRDOWNLOAD", "a.mp4~"]
)
def test_hidden_and_unfinished_files_are_left_alone(
    folder: Path, trigger: FolderTrigger, name: str
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"video")
    assert [trigger.poll(), trigger.poll()] == [[], []]


def test_a_download_is_taken_when_it_has_its_name(folder: Path, trigger: FolderTrigger) -> None:
    (folder / "a.mp4.part").write_bytes(b"video")
    trigger.poll()
    (folder / "a.mp4.part").rename(folder / "a.mp4")
    assert trigger.poll() == []
    assert names(trigger.poll()) == ["a.mp4"]


def test_subfolders_are_looked_through(folder: Path, trigger: FolderTrigger) -> None:
    (folder / "monday" / "morning").mkdir(parents=True)
    (folder / "monday" / "morning" / "a.mp4").write_bytes(b"video")
    trigger.poll()
    assert names(trigger.poll()) == ["a.mp4"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_symbolic_link_is_refused_once(
    folder: Path, tmp_path: Path, client: Client, trigger: FolderTrigger, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.mp4").write_bytes(b"video")
    (folder / "link").symlink_to(outside if kind == "folder" else outside / "secret.mp4")
    trigger.poll()
    (refused,) = trigger.poll()
    assert refused.job is None
    assert "symbolic link" in refused.refusal
    assert trigger.poll() == []
    assert uris(client) == []


def test_an_empty_file_is_refused_once_and_taken_when_it_is_filled(
    folder: Path, trigger: FolderTrigger
) -> None:
    (folder / "a.mp4").touch()
    trigger.poll()
    (refused,) = trigger.poll()
    assert "empty" in refused.refusal
    assert trigger.poll() == []
    (folder / "a.mp4").write_bytes(b"video")
    trigger.poll()
    (taken,) = trigger.poll()
    assert taken.job is not None


def test_one_bad_file_does_not_hold_up_the_others(
    folder: Path, client: Client, trigger: FolderTrigger
) -> None:
    (folder / "a.mp4").touch()
    (folder / "b.mp4").write_bytes(b"video")
    os.mkfifo(folder / "c.mp4")
    trigger.poll()
    assert sorted(names(trigger.poll())) == ["a.mp4", "b.mp4", "c.mp4"]
    assert uris(client) == ["b.mp4"]


def test_a_name_that_is_no_text_is_taken(folder: Path, trigger: FolderTrigger) -> None:
    path = os.fsdecode(os.fsencode(folder) + b"/\xff.mp4")
    try:
        Path(path).write_bytes(b"video")
    except OSError:
        pytest.skip("this file system has text names only")
    trigger.poll()
    (arrival,) = trigger.poll()
    assert arrival.job is not None
    assert arrival.job.refresh().job.uri == path


def test_a_folder_that_comes_back_is_looked_at_again(
    folder: Path, tmp_path: Path, trigger: FolderTrigger
) -> None:
    folder.rename(tmp_path / "elsewhere")
    assert trigger.poll() == []
    (tmp_path / "elsewhere").rename(folder)
    (folder / "a.mp4").write_bytes(b"video")
    trigger.poll()
    assert names(trigger.poll()) == ["a.mp4"]


def test_thousands_of_files_are_submitted_once_each(
    folder: Path, client: Client, trigger: FolderTrigger
) -> None:
    for number in range(1_200):
        (folder / f"{number}.mp4").write_bytes(b"video")
    trigger.poll()
    assert len(trigger.poll()) == 1_200
    assert trigger.poll() == []
    assert len(uris(client)) == 1_200


def test_what_the_database_did_not_take_is_tried_again(folder: Path, settings: Settings) -> None:
    class Busy(DatabaseTransport):
        """Locked at the first submission."""

        locked = True

        def submit(
            self,
            given: Sequence[str | Pinned],
            policy: Policy | str | None,
            *,
            priority: int,
            tag: str,
            key: str,
        ) -> list[Job]:
            if self.locked:
                self.locked = False
                raise StoreBusy("the database is locked")
            return super().submit(given, policy, priority=priority, tag=tag, key=key)

    (folder / "a.mp4").write_bytes(b"video")
    with Client(transport=Busy(settings)) as client:
        trigger = FolderTrigger(folder, client)
        trigger.poll()
        with pytest.raises(StoreBusy):
            trigger.poll()
        assert names(trigger.poll()) == ["a.mp4"]
