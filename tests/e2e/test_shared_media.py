"""Real media beside the checkout: of every file as much is seen as can be decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from moderation.config import Settings
from moderation.errors import MediaFault
from moderation.panel import Panel
from moderation.pipeline import Pipeline
from moderation.policy import Policy
from moderation.registry import Registry
from moderation.scan import Scan
from moderation.store import Store
from moderation.testing.detectors import Brightness, Loudness, as_plugin
from moderation.verdict import Action, CoverageStatus

EVERYTHING_SEEN = """
schema = "moderation.policy/v1"
name = "everything-seen"
version = "1"
allow = ["Context"]
[coverage]
brightness = 0.95
loudness = 0.95
"""


class Decodes(Enum):
    WHOLE = "whole"
    PARTLY = "partly"
    NOT = "not at all"


BETTER_KNOWN: Mapping[str, Decodes] = {
    # One frame of fifty is lost, between two others.
    "video/broken/bitstream_corrupted.mp4": Decodes.WHOLE,
    # Encrypted; FFmpeg makes pictures of it all the same.
    "video/broken/cbcs.mp4": Decodes.NOT,
    # Its edit list hides every frame, from nobody but FFmpeg.
    "video/broken/example-sans-amf0.mp4": Decodes.WHOLE,
    # There is more behind the first packet that does not decode.
    "video/broken/opus_audioinit_two_desc.mp4": Decodes.PARTLY,
    # It has many sound tracks, and one is listened to.
    "video/formats/iamf.mp4": Decodes.PARTLY,
    # A name inside is not UTF-8, which the pictures do not care about.
    "video/formats/video_desks.3gp": Decodes.WHOLE,
}
"""Where we differ from a plain decode, which `expected_media.json` was measured with, and why."""

NOTHING_TO_SEE = {"video/broken/awful.wav"}
"""Whole, and too short for anybody to have seen or heard anything: 0.4 ms."""

Expected = Mapping[str, Any]


@pytest.fixture(scope="module")
def media(shared_data: Path) -> Expected:
    """What a plain decode gave of each file, by its path."""
    return expectations(shared_data, "video/expected_media.json")["files"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Detectors that need no weights, under a policy that wants everything to be seen."""
    registry = Registry()
    registry.register(as_plugin(Brightness, Loudness), "glance")
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    policy = Policy.parse(EVERYTHING_SEEN, "everything-seen.toml")
    with Store.open(settings.database_url) as store:
        yield Pipeline(settings, Panel(registry, settings), policy, store)


def expectations(shared_data: Path, name: str) -> dict[str, Any]:
    return json.loads((shared_data / name).read_text())  # type: ignore[no-any-return]


def expected(path: str, measured: Expected) -> Decodes:
    frames = {kind: measured[f"pyav_{kind}_frames"] for kind in ("video", "audio")}
    if path in BETTER_KNOWN:
        return BETTER_KNOWN[path]
    if not any(frames.values()):
        return Decodes.NOT
    streams = {each["type"] for each in measured["streams"]} & set(frames)
    whole = not measured["pyav_error"] and all(frames[kind] for kind in streams)
    return Decodes.WHOLE if whole else Decodes.PARTLY


def seen(scan: Scan) -> Decodes:
    if scan.failure is not None:
        return Decodes.NOT
    whole = {CoverageStatus.COMPLETE, CoverageStatus.NOT_APPLICABLE}
    return Decodes.WHOLE if {each.status for each in scan.coverage} <= whole else Decodes.PARTLY


def scans(glance: Pipeline, shared_data: Path, media: Expected, folder: str) -> dict[str, Scan]:
    paths = [path for path in media if path.startswith(f"{folder}/")]
    return {path: glance.scan(str(shared_data / path)) for path in paths}


@pytest.mark.parametrize(
    "folder",
    [
        "video/formats",
        "video/broken",
        "video/people_objects",
        "video/onscreen_text",
        "video/scenes",
        "audio",
    ],
)
def test_of_every_file_as_much_is_seen_as_can_be_decoded(
    glance: Pipeline, shared_data: Path, media: Expected, folder: str
) -> None:
    found = scans(glance, shared_data, media, folder)
    assert {path: seen(scan) for path, scan in found.items()} == {
        path: expected(path, media[path]) for path in found
    }
    approved = {path for path, scan in found.items() if scan.verdict.action is Action.APPROVE}
    assert approved == {
        path for path in found if seen(found[path]) is Decodes.WHOLE and path not in NOTHING_TO_SEE
    }


def test_what_was_not_seen_is_said(glance: Pipeline, shared_data: Path, media: Expected) -> None:
    for path, scan in scans(glance, shared_data, media, "video/broken").items():
        if seen(scan) is Decodes.WHOLE:
            continue
        assert scan.verdict.action is Action.INCOMPLETE, path
        assert scan.verdict.missing, path
        assert not scan.evidence or seen(scan) is Decodes.PARTLY, path
        lacking = [each for each in scan.coverage if each.share < 1]
        assert lacking, path
        assert all(each.reason for each in lacking), path


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("cbcs.mp4", MediaFault.ENCRYPTED),
        ("clear_with_enc_boxes.mp4", MediaFault.ENCRYPTED),
        ("empty_file.mp3", MediaFault.EMPTY),
        ("init_truncated.mp4", MediaFault.NO_STREAMS),
        ("sample_ac4.mp4", MediaFault.UNSUPPORTED_CODEC),
        ("sample_fragmented_clearkey.mp4", MediaFault.ENCRYPTED),
        ("short-cenc.mp4", MediaFault.ENCRYPTED),
        ("there_is_no_such_ext.bogus", MediaFault.NOT_MEDIA),
        ("zero_empty_stsc.mp4", MediaFault.UNREADABLE),
    ],
)
def test_a_file_that_cannot_be_scanned_has_its_fault(
    glance: Pipeline, shared_data: Path, name: str, fault: MediaFault
) -> None:
    scan = glance.scan(str(shared_data / "video" / "broken" / name))
    assert scan.failure is not None
    assert scan.failure.fault is fault


def test_lengths_are_those_of_the_files(
    glance: Pipeline, shared_data: Path, media: Expected
) -> None:
    wrong = {}
    for path, scan in scans(glance, shared_data, media, "video/formats").items():
        told = media[path]["duration"]
        # Its last fragment claims to end after forty hours.
        if told is None or path == "video/formats/sample_fragmented.mp4":
            continue
        if scan.video.duration_us / 1e6 != pytest.approx(float(told), abs=0.1):
            wrong[path] = (told, scan.video.duration_us)
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("video_0.mov", (568, 320)),
        ("video_180.mov", (568, 320)),
        ("video_270.mov", (320, 568)),
        ("video_rotation_90.mp4", (60, 100)),
        ("portrait_4k60.mp4", (2160, 3840)),
        ("h264_white_frame_sar_16_9.mp4", (1138, 480)),
    ],
)
def test_sizes_are_those_that_players_show(
    glance: Pipeline, shared_data: Path, name: str, size: tuple[int, int]
) -> None:
    video = glance.scan(str(shared_data / "video" / "formats" / name)).video
    assert (video.width, video.height) == size
