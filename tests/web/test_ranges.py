"""Which bytes a request asks for."""

from __future__ import annotations

import pytest

from moderation.web.ranges import ByteRange, Unsatisfiable, asked_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-200", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes= 5 - 6", (5, 7)),
    ],
)
def test_one_range_is_cut_at_the_end(header: str, expected: tuple[int, int]) -> None:
    assert asked_range(header, 100) == ByteRange(*expected)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes=-",
        "bytes=a-b",
        "bytes=1-2,4-5",
        "chars=0-1",
        "bytes=9-3",
        "bytes=" + "9" * 30 + "-",
    ],
)
def test_what_is_no_single_range_asks_for_everything(header: str) -> None:
    assert asked_range(header, 100) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0)]
)
def test_a_range_without_a_byte_cannot_be_had(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        asked_range(header, size)


def test_it_says_where_its_bytes_stand() -> None:
    assert ByteRange(10, 20).content_range(100) == "bytes 10-19/100"
