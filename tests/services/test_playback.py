"""Uploads in S3 are played from S3, as the version that was scanned."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from moderation.errors import NotFound, SourceUnavailable
from moderation.s3_settings import S3Settings
from moderation.source import Source
from moderation.sources import open_source
from moderation.store.item_media import ItemMedia
from moderation.web.playback import Playback
from tests.services.bucket import Amazon

FIRST, SECOND = b"first" * 50_000, b"other" * 50_000


@pytest.fixture
def settings(amazon: Amazon) -> S3Settings:
    return S3Settings(endpoint_url=amazon.endpoint)


@pytest.fixture
def media(amazon: Amazon) -> ItemMedia:
    amazon.s3.put_object(Bucket=amazon.bucket, Key="a ?é.mp4", Body=FIRST)
    return ItemMedia(
        sha256=hashlib.sha256(FIRST).hexdigest(),
        bytes=len(FIRST),
        container="mov",
        uris=(f"s3://{amazon.bucket}/gone.mp4", f"s3://{amazon.bucket}/a ?é.mp4"),
        pins=frozenset(),
    )


def test_an_object_is_played_from_where_it_still_is(media: ItemMedia, settings: S3Settings) -> None:
    with closing(Playback(settings).open(media)) as source:
        assert source.read(10, 5) == FIRST[5:15]


def test_an_object_that_was_replaced_is_not_played(
    amazon: Amazon, media: ItemMedia, settings: S3Settings
) -> None:
    playback = Playback(settings)
    playback.open(media).close()
    amazon.s3.put_object(Bucket=amazon.bucket, Key="a ?é.mp4", Body=SECOND)
    with pytest.raises(NotFound, match="another one now"):
        playback.open(media)


def test_a_version_that_a_job_had_is_known_without_reading_it(
    media: ItemMedia, settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_source(media.uris[-1], settings)) as source:
        pinned = replace(media, pins=frozenset({source.pin}))
        monkeypatch.setattr(type(source), "sha256", _never)
    Playback(settings).open(pinned).close()


def test_a_store_that_is_away_is_said_to_be_without_saying_where(media: ItemMedia) -> None:
    away = S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=1)
    with pytest.raises(SourceUnavailable) as error:
        Playback(away).open(media)
    assert "gone.mp4" not in str(error.value)
    assert "127.0.0.1" not in str(error.value)


def test_a_place_that_is_away_does_not_hide_another(media: ItemMedia, tmp_path: Path) -> None:
    here = tmp_path / "here.mp4"
    here.write_bytes(FIRST)
    away = S3Settings(endpoint_url="http://127.0.0.1:9", max_attempts=1)
    both = replace(media, uris=(media.uris[0], str(here)))
    Playback(away).open(both).close()


def test_what_two_ask_for_at_once_is_read_once(
    media: ItemMedia, settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    playback, reads = Playback(settings), []
    read = Source.sha256

    def counted(source: Source) -> str:
        reads.append(source.uri)
        return read(source)

    with closing(open_source(media.uris[-1], settings)) as source:
        kind = type(source)
        read = kind.sha256
    monkeypatch.setattr(kind, "sha256", counted)
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(playback.open, [media] * 4):
            each.close()
    assert len(reads) == 1


def test_a_bucket_that_is_not_ours_is_not_asked(media: ItemMedia, settings: S3Settings) -> None:
    elsewhere = settings.model_copy(update={"buckets": ("others",)})
    with pytest.raises(NotFound):
        Playback(elsewhere).open(media)


def _never(_: Source) -> str:
    pytest.fail("the whole object was read")
