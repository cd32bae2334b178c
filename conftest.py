"""Fixtures that every test of the repository may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

pytest.register_assert_rewrite("moderation.testing.contract")

ROOT = Path(__file__).resolve().parent


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Programs started in the background ignore Ctrl-C, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_as_ever() -> Iterator[None]:
    """A command that a test runs in this process sets up logs, to a stream that is closed after."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real media and weights beside the checkout: skipped where there are none, required in CI."""
    place = Path(os.environ.get("MODERATION_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not place.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs the test data at {place}; set MODERATION_TEST_DATA")
        pytest.skip("no test data beside the checkout; set MODERATION_TEST_DATA")
    return place
