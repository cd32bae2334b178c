"""What is stored comes back equal, whatever strangers wrote into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.errors import StoreError
from moderation.evidence import Box, Evidence, Producer, Word
from moderation.policy import Policy
from moderation.store import Store
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import Instant, Span

TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x00\ud800\udfff\ufdd0"))
MICROSECONDS = st.integers(-(10**12), 10**12)
SHARES = st.floats(0, 1).map(abs)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(MICROSECONDS)
    return Span(Instant(start), Instant(start + draw(st.integers(0, 10**9))))


@st.composite
def pieces(draw: st.DrawFn) -> Evidence:
    span = draw(spans())
    return Evidence(
        label=draw(TEXT),
        score=draw(SHARES),
        span=span,
        best=draw(st.sampled_from(list(span))),
        box=draw(st.none() | st.builds(Box, SHARES, SHARES, SHARES, SHARES)),
        text=draw(st.none() | TEXT),
        words=tuple(draw(st.lists(st.builds(Word, TEXT, spans(), SHARES, st.none() | TEXT)))),
        subject=draw(st.none() | TEXT),
        detail=draw(st.dictionaries(TEXT, JSON, max_size=3)),
        producer=draw(st.builds(Producer, TEXT, TEXT, TEXT, TEXT)),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path_factory.mktemp('exact') / 'moderation.db'}") as store:
        yield store


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.parse(
        'schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml"
    )


@settings(max_examples=60, deadline=None)
@given(evidence=st.lists(pieces(), max_size=4), name=TEXT, text=TEXT)
def test_any_scan_comes_back_equal(
    store: Store, policy: Policy, evidence: list[Evidence], name: str, text: str
) -> None:
    content = repr((evidence, name, text))
    scan = make_scan(*evidence, name=name, policy=policy.ref, id=f"scan {hash(content)}")
    scan = replace(scan, engine_version=text)
    store.save(scan, policy, fingerprint="all")
    found = store.find(scan.video.sha256, "all", policy.ref.digest)
    assert found == scan
    assert [each.id for each in found.evidence] == [each.id for each in evidence]


def test_a_moment_of_another_time_zone_comes_back_as_the_same_moment(
    store: Store, policy: Policy
) -> None:
    shanghai = timezone(timedelta(hours=8))
    scan = make_scan(
        name="zone", policy=policy.ref, scanned_at=datetime(2026, 11, 20, 1, 2, 3, 4, shanghai)
    )
    store.save(scan, policy, fingerprint="all")
    found = store.find(scan.video.sha256, "all", policy.ref.digest)
    assert found is not None
    assert found.scanned_at == scan.scanned_at
    assert found.scanned_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_detail_that_is_no_number_is_refused_in_one_sentence(
    store: Store, policy: Policy, value: float
) -> None:
    scan = make_scan(make_evidence(detail={"value": value}), name="detail", policy=policy.ref)
    with pytest.raises(StoreError, match="cannot be stored"):
        store.save(scan, policy, fingerprint="all")
    assert store.find_scan(scan.video.sha256, "all") is None
