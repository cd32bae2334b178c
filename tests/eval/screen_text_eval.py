"""Figures of `screen_text`: characters read, time a frame, frames passed over, memory.

    python tests/eval/screen_text_eval.py [directory of the test data]

Times are of the processor, one thread, so that what else the machine does counts little.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import av
import numpy as np
from moderation_text.screen_text import ScreenText
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from moderation import Device
from moderation.media.change import Reference, thumbnail
from moderation.testing.feed import frame_batches, look

ROOT = Path(__file__).resolve().parents[2]
SIDES = (640, 800, 960)
HEIGHTS = (1.5, 2.0, 2.5, 3.0, 4.0)
"""Sizes of drawn captions, percent of the frame's height."""

DOCUMENTS = {
    "phototest.tif": "phototest.gold.txt",
    "phototest-rotated-180.png": "phototest.gold.txt",
    "phototest-rotated-L.png": "phototest.gold.txt",
    "phototest-rotated-R.png": "phototest.gold.txt",
    "eurotext.tif": "eurotext.txt",
    "8071_093.3B.tif": "8071_093.3B.txt",
    "8087_054.3B.tif": "8087_054.3B.txt",
}
UNKNOWN_SCRIPTS = ("devanagari.jpg", "eslav.jpg", "korean.jpg", "ta.png", "th_rec.jpg")
STILL = ("scenes/testvideo.mp4", "onscreen_text/counter.mp4")
BUSY = (
    "people_objects/street_people_1080p.mp4",
    "people_objects/talking_face_with_audio.mp4",
    "people_objects/bottle-detection.mp4",
    "people_objects/04_coffee.mp4",
    "people_objects/chaplin.mp4",
    "onscreen_text/smpte-2997.mp4",
)
WORDS = ("call", "now", "0800", "555", "cheap", "pills", "www", "visit", "shop", "telegram")

Picture = NDArray[np.uint8]


def main(data: Path) -> None:
    readers = {side: loaded(side) for side in SIDES}
    print("characters read, percent (processor ms a frame)")
    row("", [f"side {side}" for side in SIDES])
    for name, cases in (
        ("lines, Chinese and English", list(lines(data))),
        ("pages of print", list(pages(data))),
        ("counter.mp4, every frame", list(counter(data))),
        *((f"captions of {height} %", list(captions(data, height))) for height in HEIGHTS),
    ):
        row(name, [figure(readers[side], cases) for side in SIDES])
    scripts(readers[800], data)
    changes(data)
    memory(readers[800])


def loaded(side: int) -> ScreenText:
    detector = ScreenText({"side": side})
    detector.load(Device("cpu", threads=1))
    return detector


def row(name: str, cells: Iterable[str]) -> None:
    print(f"  {name:30}", *(f"{cell:>16}" for cell in cells))


Case = tuple[Picture, Sequence[str]]
"""A picture and the lines that stand in it."""


def figure(detector: ScreenText, cases: Sequence[Case]) -> str:
    right = total = 0.0
    started = time.process_time()
    for picture, truth in cases:
        found = [each.text or "" for each in look(detector, frame_batches([picture]))[0]]
        found.append("".join(found))  # a line that was found in parts
        right += sum(read(line, found) for line in truth)
        total += sum(len(bare(line)) for line in truth)
    spent = (time.process_time() - started) / len(cases)
    return f"{100 * right / total:5.1f} ({1000 * spent:5.0f})"


def read(truth: str, found: Sequence[str]) -> float:
    """Characters of a line that were read, in whichever line of the result."""
    wanted = bare(truth)
    matches = (
        SequenceMatcher(None, wanted, bare(line), autojunk=False).get_matching_blocks()
        for line in found
    )
    return max((sum(block.size for block in each) for each in matches), default=0)


def bare(text: str) -> str:
    return "".join(text.split())


def lines(data: Path) -> Iterator[Case]:
    """RapidOCR's own test images."""
    truths: Mapping[str, str | list[str] | None] = {
        name: entry["truth"]
        for name, entry in json.loads((data / "ocr/expected_text.json").read_text())[
            "files"
        ].items()
    }
    for name, truth in truths.items():
        if truth and Path(name).name not in ("devanagari_rec.png", *UNKNOWN_SCRIPTS):
            yield opened(data / name), [truth] if isinstance(truth, str) else truth
    yield opened(data / "ocr/tesseract/HelloGoogle.tif"), ["Hello Google"]


def pages(data: Path) -> Iterator[Case]:
    """Tesseract's test pages: upright, on their head, on either side, five languages, newsprint."""
    folder = data / "ocr/tesseract"
    for name, text in DOCUMENTS.items():
        truth = [line for line in (folder / text).read_text().splitlines() if line.strip()]
        yield opened(folder / name), truth


def counter(data: Path) -> Iterator[Case]:
    for index, frame in enumerate(frames(data / "video/onscreen_text/counter.mp4", every_s=0)):
        yield frame, [f"Frame = {index + 1}", f"PTS = {index / 10:.1f}s"]


def captions(data: Path, height: float) -> Iterator[Case]:
    """Words drawn on real pictures, light and dark."""
    chance = random.Random(round(height * 10))
    for number, clip in enumerate(BUSY[:5]):
        ground = Image.fromarray(next(iter(frames(data / "video" / clip, every_s=3600))))
        if ground.width < 1280:
            ground = ground.resize((1280, round(ground.height * 1280 / ground.width)))
        words = " ".join(chance.sample(WORDS, 5))
        size = ground.height * height / 100
        light = number % 2 == 0
        ImageDraw.Draw(ground).text(
            (ground.width * 0.1, ground.height * chance.uniform(0.1, 0.9)),
            words,
            font=ImageFont.load_default(size=size),
            fill="white" if light else "black",
            stroke_width=max(1, round(size / 14)),
            stroke_fill="black" if light else "white",
        )
        yield np.asarray(ground), [words]


def scripts(detector: ScreenText, data: Path) -> None:
    print("\nscripts that the recogniser does not know")
    for name in UNKNOWN_SCRIPTS:
        ground = Image.new("RGB", (1280, 720), "grey")
        line = Image.fromarray(opened(data / "ocr/rapidocr" / name))
        ground.paste(ImageOps.contain(line, (900, 300)), (190, 380))
        seen, told = look(detector, frame_batches([np.asarray(ground)]))
        sure = [each.text for each in seen if each.score >= 0.8]
        print(f"  {name:18}", "; ".join(each.reason for each in told) or "silent", f"sure: {sure}")


def changes(data: Path) -> None:
    """How many frames, one a second, are passed over because nothing changed."""
    threshold = ScreenText().options.change
    print(f"\nframes passed over, threshold {threshold}")
    for clip in (*STILL, *BUSY):
        reference, skipped, total, spent = Reference(threshold), 0, 0, 0.0
        for frame in frames(data / "video" / clip, every_s=1):
            started = time.process_time()
            now = thumbnail(frame)
            if reference.differs(now):
                reference.examined(now)
            else:
                skipped += 1
            spent, total = spent + time.process_time() - started, total + 1
        print(f"  {clip:42} {skipped:3} of {total:3}   {1000 * spent / total:.1f} ms a frame")


def memory(detector: ScreenText) -> None:
    """Resident memory over pictures that are all of another size."""
    chance, sizes = random.Random(3), []
    for number in range(61):
        picture = Image.new("RGB", (chance.randrange(300, 1300), chance.randrange(300, 1300)))
        words = "word " * chance.randrange(1, 12)
        font = ImageFont.load_default(size=chance.randrange(16, 60))
        ImageDraw.Draw(picture).text((10, picture.height // 2), words, font=font, fill="white")
        look(detector, frame_batches([np.asarray(picture)]))
        if number % 20 == 0:
            sizes.append(resident())
    print("\nresident MiB after 1, 21, 41, 61 pictures of as many sizes:", *sizes)


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def opened(path: Path) -> Picture:
    """As a browser shows it: upright, on white."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(ground, picture).convert("RGB"))


def frames(path: Path, every_s: float) -> Iterator[Picture]:
    with av.open(str(path)) as container:
        due = 0.0
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= due:
                due += every_s
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MODERATION_TEST_DATA")
    place = Path(given or ROOT.parent / "shared/data")
    if not place.is_dir():
        sys.exit(f"no test data at {place}: set MODERATION_TEST_DATA")
    main(place)
