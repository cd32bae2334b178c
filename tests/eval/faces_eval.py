"""Figures of faces found and of watch-list matches, on labelled pictures.

    python tests/eval/faces_eval.py [--data DIR] [--recogniser NAME] [--json FILE]

One picture of each of two people is enrolled. Every other picture of `faces/watchlist` is looked
at for them, and every face of `faces/groups` is a stranger. The recogniser is MobileFaceNet unless
another is named whose weights are in the model directory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from moderation_faces.detector import Faces
from moderation_faces.enrollment import enroll
from moderation_faces.lookout import RECOGNISABLE
from moderation_faces.watchlist import WatchList
from numpy.typing import NDArray
from PIL import Image

from moderation import Device, Evidence
from moderation.models import ModelStore
from moderation.testing.feed import frame_batches, look

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ENROLLED = {"obama": "obama_1.jpg", "biden": "biden_1.jpg"}
THRESHOLDS = (0.5, 0.8, 0.9)
FACE, MATCH = "Context/Face", "Identity/Watch list"


@dataclass(frozen=True)
class Looked:
    """One picture: how many faces were seen, and for each enrolled person the score."""

    picture: str
    faces: int
    people: frozenset[str]
    """Who is really in it."""
    scores: dict[str, float]
    similarities: dict[str, float]


@dataclass(frozen=True)
class Figures:
    """Matches at one threshold, counted per person and picture."""

    threshold: float
    precision: float
    recall: float
    missed: int
    false_alarms: int


def pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, by name."""
    return sorted(p for p in folder.rglob("*") if p.suffix in {".jpg", ".png", ".bmp"})


def people_in(path: Path) -> frozenset[str]:
    """The names of the watch-list set say who is in a picture."""
    return frozenset(person for person in ENROLLED if person in path.name)


def enrolled(data: Path, recogniser: str, store: ModelStore, target: Path) -> Faces:
    """The detector with a list of the enrolled people."""
    options = {"recogniser": recogniser, "watch_list": target, "match_threshold": 0}
    detector = Faces(options, store)
    finder, network = detector.finder(), detector.recogniser()
    portraits = [(who, data / "watchlist" / name) for who, name in ENROLLED.items()]
    empty = WatchList(network.model.name, network.model.digest)
    enroll(empty, portraits, finder, network)[0].write(target)
    detector.load(Device("cpu"))
    return detector


def looked(detector: Faces, path: Path) -> Looked:
    seen = _seen(detector, np.asarray(Image.open(path).convert("RGB")))
    matches = [each for each in seen if each.label == MATCH]
    best = {str(m.subject): m for m in sorted(matches, key=lambda each: each.score)}
    return Looked(
        path.name,
        sum(each.label == FACE for each in seen),
        people_in(path),
        {who: match.score for who, match in best.items()},
        {who: match.detail["similarity"] for who, match in best.items()},
    )


def _seen(detector: Faces, image: NDArray[np.uint8]) -> list[Evidence]:
    return look(detector, frame_batches([image]))[0]


def figures(looks: Sequence[Looked], threshold: float) -> Figures:
    named = [{w for w, score in each.scores.items() if score >= threshold} for each in looks]
    right = sum(len(who & each.people) for who, each in zip(named, looks, strict=True))
    wrong = sum(len(who - each.people) for who, each in zip(named, looks, strict=True))
    wanted = sum(len(each.people) for each in looks)
    precision = right / (right + wrong) if right + wrong else 1.0
    return Figures(threshold, precision, right / wanted, wanted - right, wrong)


def extremes(looks: Sequence[Looked]) -> tuple[float, float]:
    """The least cosine of a person to their picture, and the greatest of anybody else."""
    same = [each.similarities.get(who, -1.0) for each in looks for who in each.people]
    other = [
        cosine
        for each in looks
        for who, cosine in each.similarities.items()
        if who not in each.people
    ]
    return min(same), max(other, default=-1.0)


def strangers(detector: Faces, groups: Path) -> NDArray[np.float64]:
    """The cosines of all pairs of faces in the group pictures, each large enough to recognise."""
    finder, recogniser = detector.finder(), detector.recogniser()
    embeddings = []
    for path in pictures(groups):
        image = np.asarray(Image.open(path).convert("RGB"))
        for batch in frame_batches([image]):
            embeddings += [
                recogniser.embed(image, face)
                for face in finder.find(batch)[0]
                if face.shorter_side >= RECOGNISABLE
            ]
    pairs = itertools.combinations(embeddings, 2)
    return np.array([float(left @ right) for left, right in pairs])


def recall(detector: Faces, groups: Path, expected: dict[str, dict[str, int]]) -> Iterator[str]:
    """A line for each group picture: faces found of those annotated, and the time."""
    for path in pictures(groups):
        image = np.asarray(Image.open(path).convert("RGB"))
        started = time.perf_counter()
        found = sum(each.label == FACE for each in _seen(detector, image))
        spent = (time.perf_counter() - started) * 1000
        size = f"{image.shape[1]}x{image.shape[0]}"
        wanted = expected[path.name]["annotated"] or expected[path.name]["yunet"]
        yield f"  {path.name:24} {size:>10} {found:3} of {wanted:3} {spent:6.0f} ms"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    default = Path(os.environ.get("MODERATION_TEST_DATA", SHARED))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--recogniser", default="mobilefacenet")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    faces, store = arguments.data / "faces", ModelStore((arguments.data / "models",))
    expected = json.loads((faces / "expected_faces.json").read_text())["groups"]
    with tempfile.TemporaryDirectory() as folder:
        detector = enrolled(faces, arguments.recogniser, store, Path(folder, "list.npz"))
    known = [p for p in pictures(faces / "watchlist") if p.name not in ENROLLED.values()]
    looks = [looked(detector, path) for path in (*known, *pictures(faces / "groups"))]
    others = sum(each.faces - len(each.people) for each in looks)
    same, other = extremes(looks)
    print(f"watch list by {arguments.recogniser}: 2 people, 1 picture each; {len(looks)} pictures")
    print(f"  cosine of the same person >= {same:.2f}; of {others} strangers <= {other:.2f}")
    results = [figures(looks, each) for each in THRESHOLDS]
    for each in results:
        print(
            f"  score >= {each.threshold}: precision {each.precision:.3f} recall {each.recall:.3f}"
            f" missed {each.missed} false alarms {each.false_alarms}"
        )
    cosines = strangers(detector, faces / "groups")
    print(
        f"  {len(cosines)} pairs of strangers: cosine of one in a hundred above "
        f"{np.quantile(cosines, 0.99):.2f}, in a thousand above {np.quantile(cosines, 0.999):.2f}, "
        f"greatest {cosines.max():.2f}"
    )
    print("faces found, with everybody embedded")
    for line in recall(detector, faces / "groups", expected):
        print(line)
    if arguments.json:
        document = {"same": same, "other": other, "figures": [asdict(each) for each in results]}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
