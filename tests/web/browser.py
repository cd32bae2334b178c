"""A browser: the machine's own Chromium, driven by Playwright, with one person at each window."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect, sync_playwright

from moderation.evidence import Box, Evidence
from moderation.person import Role
from moderation.review import ReviewItem
from moderation.testing.scans import make_evidence
from moderation.web import Installation
from tests.services.server import until
from tests.web.clip import another, clip, video_of
from tests.web.server import WebServer

if TYPE_CHECKING:
    from tests.web.conftest import ReviewedScan

__all__ = [
    "GUN",
    "KNIFE",
    "Desk",
    "OpenDesk",
    "WaitingClips",
    "chromium",
    "clip_file",
    "keep_picture",
    "open_desk",
    "waiting_clips",
]

KNIFE: Final = make_evidence(start_s=2, end_s=3, box=Box(0.25, 0.25, 0.5, 0.5))
GUN: Final = make_evidence("Violence/Weapons/Firearm", 0.7, start_s=14, end_s=15)
"""With three seconds around them they play from 0 to 6 s and from 11 to 18 s."""

_FLAGS: Final = (
    "--no-sandbox",  # tests run as root in containers, and visit nothing but our own pages
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_PATIENCE_MS: Final = 30_000
"""For whatever a test waits for: a loaded machine takes seconds for what usually takes none."""

_TELL_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) =>
    console.error(`policy violated: ${violatedDirective} by ${blockedURI}`));
"""

_SCREENSHOTS: Final = "MODERATION_TEST_SCREENSHOTS"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Skipped where there is none, required in CI. Of a module: Playwright's event loop runs in
    this thread meanwhile, and other tests have their own."""
    path = shutil.which("chromium")
    if path is None:
        absent = pytest.fail if os.environ.get("CI") else pytest.skip
        absent("no chromium on the PATH: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


class OpenDesk(Protocol):
    """Opens a window of its own, without cookies; `role` signs somebody new in.

    `options` are those of Playwright's `Browser.new_context`.
    """

    def __call__(self, role: Role | None = Role.REVIEWER, **options: Any) -> Desk: ...


@pytest.fixture
def open_desk(
    chromium: Browser, web_server: WebServer, token: Callable[..., str]
) -> Iterator[OpenDesk]:
    """Windows that are closed with the test, which fails if a page did what none may do."""
    desks: list[Desk] = []
    with ExitStack() as stack:

        def opened(role: Role | None = Role.REVIEWER, **options: Any) -> Desk:
            context = chromium.new_context(base_url=web_server.url, **options)
            stack.callback(context.close)
            context.set_default_timeout(_PATIENCE_MS)
            context.add_init_script(_TELL_VIOLATIONS)
            desks.append(Desk(context.new_page()))
            if role is not None:
                desks[-1].sign_in(token(role))
            return desks[-1]

        with _patient():
            yield opened
    assert [fault for desk in desks for fault in desk.faults] == []


@contextmanager
def _patient() -> Iterator[None]:
    expect.set_options(timeout=_PATIENCE_MS)
    yield
    expect.set_options(timeout=5_000)


class WaitingClips(Protocol):
    """Items of as many clips that can be played, in the order in which they are given out."""

    def __call__(self, many: int = 1, *evidence: Evidence) -> list[ReviewItem]: ...


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that every browser plays."""
    return clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
def waiting_clips(reviewed_scan: ReviewedScan, clip_file: Path, tmp_path: Path) -> WaitingClips:
    numbers = count(1)

    def waiting(many: int = 1, *evidence: Evidence) -> list[ReviewItem]:
        return [stored(next(numbers), evidence or (KNIFE, GUN)) for _ in range(many)]

    def stored(number: int, evidence: Sequence[Evidence]) -> ReviewItem:
        path = another(clip_file, tmp_path / f"clip {number}.mp4", number)
        return reviewed_scan(*evidence, name=path.name, video=video_of(path))

    return waiting


def keep_picture(installation: Installation, item: ReviewItem, at_us: int) -> None:
    """Keep a frame of its video: green, so that veiled and clear ones can be told apart."""
    jpeg = io.BytesIO()
    Image.new("RGB", (320, 180), (0, 200, 0)).save(jpeg, "JPEG")
    folder = installation.settings.pictures / item.sha256
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{at_us}.jpg").write_bytes(jpeg.getvalue())


class Desk:
    """One person at one window.

    faults  what no page of ours may do: errors of scripts, dialogs, violations of the policy
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", self._refuse)
        page.on("console", self._hear)

    def sign_in(self, token: str) -> None:
        self.page.goto("/sign-in")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).to_have_url("/work")

    def claim(self) -> str:
        """The next item's id; its video is ready to be played."""
        self.page.goto("/work")
        self.page.get_by_role("button", name="Claim next").click()
        self.arrive("**/items/*")
        self.wait_for_picture()
        return self.item

    def reload(self) -> None:
        """The same page again; its video is ready to be played."""
        self.page.reload()
        self.arrive("**")
        self.wait_for_picture()

    def arrive(self, address: str) -> None:
        """Wait for another page, a pattern of whose address is given, and for its scripts."""
        self.page.wait_for_url(address)
        self.page.wait_for_selector("body[data-scripts=ready]")

    @property
    def item(self) -> str:
        """The id of the item on the page."""
        return str(self.page.evaluate("JSON.parse(document.getElementById('case').textContent).id"))

    def until(self, expression: str) -> None:
        """Wait until it is true of the video. Not `Page.wait_for_function`: our policy forbids the
        page to evaluate strings."""
        until(lambda: bool(self.video(expression)), expression)

    def wait_for_picture(self) -> None:
        self.until("readyState >= 2")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def video(self, expression: str) -> Any:
        """Of its element, such as "paused"."""
        return self.page.evaluate(
            f"(() => {{with (document.getElementById('video')) return {expression}}})()"
        )

    @property
    def filter(self) -> str:
        """What lies over the picture, as the browser computes it."""
        return str(self.page.evaluate("getComputedStyle(document.getElementById('video')).filter"))

    @property
    def seconds(self) -> float:
        """Where the video is."""
        return float(self.video("currentTime"))

    def expect_status(self, text: str) -> None:
        expect(self.page.locator("#status")).to_contain_text(text)

    def photograph(self, name: str) -> None:
        """Keep a picture of the page, where somebody asked for them."""
        if folder := os.environ.get(_SCREENSHOTS):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def _refuse(self, dialog: Dialog) -> None:
        self.faults.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _hear(self, message: ConsoleMessage) -> None:
        # That an answer was 4xx is not wrong by itself; tests look at what the page makes of it.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)
