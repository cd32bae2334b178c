"""Logs of workers: one form for all that is written, with what it is about and without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from moderation.config import Settings
from moderation.log_settings import LogSettings
from moderation.logs import set_up, without_secrets
from moderation.testing.clips import Clip, solid
from tests.services.installation import Installation
from tests.services.redis_server import RedisServer


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What is logged in this process, in JSON; all is as before afterwards."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up(logging.INFO, Settings(), stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.configure(**before)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line]


# A line


def test_our_lines_and_those_of_libraries_have_one_form(stream: io.StringIO) -> None:
    structlog.get_logger("ours").warning("it happened", part=7)
    logging.getLogger("celery.worker").warning("%s %s", "it", "happened")
    ours, theirs = lines(stream.getvalue())
    assert (ours["event"], ours["level"], ours["logger"], ours["part"]) == (
        "it happened", "warning", "ours", 7,
    )  # fmt: skip
    assert (theirs["event"], theirs["level"], theirs["logger"]) == (
        "it happened", "warning", "celery.worker",
    )  # fmt: skip
    assert ours["timestamp"] <= theirs["timestamp"]


def test_what_is_bound_stands_in_every_line(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(job="j", part=7, lane="gpu", attempt=2):
        structlog.get_logger("ours").info("of ours")
        logging.getLogger("boto3.retries").warning("of a library")
    structlog.get_logger("ours").info("of nothing")
    first, second, last = lines(stream.getvalue())
    for each in (first, second):
        assert {each[name] for name in ("job", "part", "lane", "attempt")} == {"j", 7, "gpu", 2}
    assert "job" not in last


def test_an_error_is_one_line_with_its_traceback(stream: io.StringIO) -> None:
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        structlog.get_logger("ours").exception("it broke")
        logging.getLogger("theirs").exception("it broke")
    ours, theirs = lines(stream.getvalue())
    for each in (ours, theirs):
        assert each["level"] == "error"
        assert each["exception"].endswith("ValueError: broken\nin two")


def test_the_level_holds_for_all(stream: io.StringIO) -> None:
    structlog.get_logger("ours").debug("too much")
    logging.getLogger("theirs").debug("too much")
    logging.getLogger("botocore.endpoint").info("one of its requests")
    assert stream.getvalue() == ""


def test_a_terminal_gets_text(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> None:
    monkeypatch.setattr(stream, "isatty", lambda: True)
    set_up(logging.INFO, Settings(), stream)
    structlog.get_logger("ours").warning("it happened")
    assert "it happened" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_setting_decides_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO
) -> None:
    monkeypatch.setattr(stream, "isatty", lambda: True)
    set_up(logging.INFO, Settings(logs=LogSettings(form="json")), stream)
    structlog.get_logger("ours").warning("it happened")
    assert lines(stream.getvalue())[0]["event"] == "it happened"


# Secrets


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("redis://:hunter2@node:6379/0", "redis://:***@node:6379/0"),
        ("no postgresql://me:hunter2@db/x here", "no postgresql://me:***@db/x here"),
        ("https://u:hun@ter2@host/a", "https://u:***@host/a"),
        ("https://b.s3/a.mp4?X-Amz-Signature=hunter2&X-Amz-Date=1", "https://b.s3/a.mp4?***"),
        ("'https://b.s3/a?Signature=hunter2'", "'https://b.s3/a?***'"),
        ("s3://b/a.mp4?versionId=7", "s3://b/a.mp4?versionId=7"),
        ("https://b/a?versionId=7&token=hunter2", "https://b/a?versionId=7"),
        ("what? at 10:20@night", "what? at 10:20@night"),
        (["x", {"url": "redis://:hunter2@node"}], ["x", {"url": "redis://:***@node"}]),
        (None, None),
    ],
)  # fmt: skip
def test_urls_lose_their_passwords_and_queries(told: object, kept: object) -> None:
    assert without_secrets(told) == kept


def test_no_secret_is_in_any_part_of_a_line(stream: io.StringIO) -> None:
    url = "redis://:hunter2@node"
    try:
        raise OSError(f"cannot reach {url}")
    except OSError as error:
        structlog.get_logger("ours").exception("no broker at %s", url, error=error, at={"url": url})
        logging.getLogger("theirs").exception("no broker at %s", url)
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("redis://:***@node") >= 5


# A worker


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_server: RedisServer) -> Iterator[Installation]:
    made = Installation(tmp_path / "home", postgres_url, redis_server.url)
    yield made
    made.close()


def test_every_line_of_a_worker_is_a_json_object_and_says_of_which_part_it_is(
    fleet: Installation, tmp_path: Path
) -> None:
    worker = fleet.worker()
    with fleet.client() as client:
        red = Clip(64, 48, fps=5).show(1, solid(255, 0, 0)).write(tmp_path / "film.mp4")
        job = client.submit(red).wait(60)
    assert worker.stop() == 0
    _, ready, later = worker.log.partition('{"event": "Connected')  # after Celery's banner
    told = lines((ready + later).partition("worker: Hitting")[0])
    assert {"celery.worker.strategy", "celery.app.trace"} <= {each["logger"] for each in told}
    (failed,) = (each for each in told if each["event"] == "a detector failed")
    assert (failed["job"], failed["detector"]) == (job.id, "colours")
    assert (failed["lane"], failed["attempt"], failed["kind"]) == ("cpu", 1, "scan")
    assert failed["part"] in {part.id for part in job.refresh().job.parts}
    assert "RuntimeError: it is red" in failed["exception"]
