"""Fixtures that every test of the repository may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.register_assert_rewrite("moderation.testing.contract")

ROOT = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real media and weights beside the checkout: skipped where there are none, required in CI."""
    place = Path(os.environ.get("MODERATION_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not place.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the test data at {place}; set MODERATION_TEST_DATA")
        pytest.skip("no test data beside the checkout; set MODERATION_TEST_DATA")
    return place
