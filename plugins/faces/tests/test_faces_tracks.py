"""Faces followed over time: what is one person in sight, and what is another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from moderation_faces.face import Face
from moderation_faces.tracks import Sight, Track, Tracker
from moderation_faces.watchlist import Enrolled, Match
from numpy.typing import NDArray

from moderation import Box, Instant, Span

SECOND = 1_000_000


def face(left: float = 0.4, top: float = 0.4, side: float = 0.2, score: float = 0.9) -> Face:
    return Face(Box(left, top, side, side), score, np.zeros((5, 2), np.float32), (100, 100))


def embedding(degrees: float) -> NDArray[np.float32]:
    """Two embeddings have the cosine of the angle between them."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def sight(second: float, *, degrees: float | None = None, match: Match | None = None,
          left: float = 0.4, side: float = 0.2, score: float = 0.9) -> Sight:  # fmt: skip
    found = None if degrees is None else embedding(degrees)
    return Sight(face(left, side=side, score=score), at(second), found, match)


def at(second: float) -> Instant:
    return Instant(round(second * SECOND))


def follow(*sights: Sight, max_gap: float = 3.0, until: float | None = None) -> list[Track]:
    """All tracks of sights at whole seconds, in the order in which they began."""
    tracker = Tracker(round(max_gap * SECOND), itertools.count(1), likeness=float)
    last = max(sight.at.us for sight in sights) // SECOND if until is None else int(until)
    tracks: list[Track] = []
    for second in range(last + 1):
        tracks += tracker.follow(at(second), [each for each in sights if each.at == at(second)])
    return sorted([*tracks, *tracker.close()], key=lambda track: track.number)


def test_a_face_that_stays_is_one_track() -> None:
    [track] = follow(*(sight(second) for second in range(5)))
    assert (track.name, track.frames) == ("face 1", 5)
    assert track.span == Span(at(0), at(4))


def test_a_face_that_moves_half_its_width_is_one_track() -> None:
    assert len(follow(sight(0), sight(1, left=0.5), sight(2, left=0.6))) == 1


def test_a_track_knows_its_way_and_that_of_one_who_stands_is_short() -> None:
    [track] = follow(*(sight(second, left=0.1 + 0.1 * second) for second in range(3)))
    assert track.trail.path == [
        [0, 0.1, 0.4, 0.2, 0.2], [SECOND, 0.2, 0.4, 0.2, 0.2], [2 * SECOND, 0.3, 0.4, 0.2, 0.2]
    ]  # fmt: skip
    [track] = follow(*(sight(second) for second in range(30)))
    assert [at_us for at_us, *_ in track.trail.path] == [0, 29 * SECOND]


def test_a_small_face_that_a_pan_moves_is_one_track() -> None:
    assert len(follow(*(sight(s, left=0.1 + 0.1 * s, side=0.03) for s in range(6)))) == 1


def test_two_small_faces_that_a_pan_moves_keep_their_tracks() -> None:
    lefts = [(second, start + 0.1 * second) for second in range(5) for start in (0.1, 0.25)]
    tracks = follow(*(sight(second, left=left, side=0.03) for second, left in lefts))
    assert [track.frames for track in tracks] == [5, 5]


@pytest.mark.parametrize("other", [{"left": 0.7}, {"side": 0.03}])
def test_a_face_elsewhere_or_of_another_size_is_another_track(other: dict[str, float]) -> None:
    assert len(follow(sight(0), sight(1, **other))) == 2  # type: ignore[arg-type]


def test_two_faces_side_by_side_keep_their_tracks() -> None:
    sights = [sight(second, left=left) for second in range(3) for left in (0.1, 0.4)]
    tracks = follow(*sights)
    assert [track.frames for track in tracks] == [3, 3]
    assert [track.best.face.box.left for track in tracks] == [0.1, 0.4]


def test_a_short_gap_is_bridged() -> None:
    [track] = follow(sight(0), sight(3))
    assert track.frames == 2


def test_a_long_gap_ends_the_track_when_it_is_over() -> None:
    tracker = Tracker(2 * SECOND, itertools.count(1), likeness=float)
    tracker.follow(at(0), [sight(0)])
    assert tracker.follow(at(2), []) == []
    [ended] = tracker.follow(at(3), [])
    assert ended.span == Span.at(at(0))
    assert tracker.close() == []


def test_frames_that_lie_far_apart_do_not_end_a_track() -> None:
    tracker = Tracker(SECOND, itertools.count(1), likeness=float)
    for second in (0, 10, 20):
        tracker.follow(at(second), [sight(second)])
    [track] = tracker.close()
    assert track.frames == 3


def test_the_best_frame_of_a_track_is_the_one_with_the_highest_score() -> None:
    [track] = follow(sight(0, score=0.8), sight(1, score=0.95), sight(2, score=0.9))
    assert track.best.at == at(1)


def test_a_person_who_crosses_the_picture_is_known_by_the_embedding() -> None:
    assert len(follow(sight(0, degrees=0), sight(1, degrees=30, left=0.8))) == 1


def test_a_cut_to_another_person_in_the_same_place_begins_a_track() -> None:
    assert len(follow(sight(0, degrees=0), sight(1, degrees=90))) == 2


def test_a_turned_head_in_the_same_place_stays_in_its_track() -> None:
    assert len(follow(sight(0, degrees=0), sight(1, degrees=80))) == 1


def test_two_people_who_change_places_keep_their_tracks() -> None:
    tracks = follow(
        sight(0, degrees=0, left=0.1), sight(0, degrees=90, left=0.4),
        sight(1, degrees=5, left=0.4), sight(1, degrees=85, left=0.1),
    )  # fmt: skip
    assert [track.last.face.box.left for track in tracks] == [0.4, 0.1]


def test_a_track_remembers_in_which_frames_whom_it_resembled() -> None:
    def alike(similarity: float) -> Match:
        return Match(Enrolled("p-1", "aa"), similarity, similarity)

    [track] = follow(
        sight(0), sight(1, match=alike(0.5)), sight(2, match=alike(0.7)), sight(3), sight(4)
    )
    recognition = track.recognitions["p-1"]
    assert recognition.span == Span(at(1), at(2))
    assert (recognition.frames, recognition.best.at) == (2, at(2))
    assert recognition.match.similarity == 0.7
    assert recognition.total / recognition.frames == pytest.approx(0.6)
