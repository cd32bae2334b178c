"""What a scan costs, beside what its parts cost: `python tests/bench/bench_scan.py --markdown`.

On three kinds of clips (`clips_for_bench`), in one run, several rounds in turn:

- scan: `Pipeline.scan` with all default detectors, from the file to the stored verdict
- glue: the same libraries with the same weights, one after another over the same file, each of
  them reading it for itself (`glue`)
- decode alone: PyAV with frame threads over pictures and sound, and nothing else
- inference alone: each detector's `detect` over the batches that our scan feeds it, in memory;
  all side by side, as the scan has them, and one after another. The quicker way is the one that
  the scan is compared with

Both sides look at one frame a second, each in a process of its own, with its models loaded and
warm before the first round; that time is left out on both sides. They are no copies of each other:

- the scan also hashes the file, follows lines and faces through time, matches term lists, judges,
  and stores evidence and pictures; the glue does not
- NudeNet's package squares a frame, 640x640; we pad it to 640x384
- YuNet sees the whole frame in the glue, and two smaller ones of it with us
- where Whisper's weights are not in the model directories, PocketSphinx hears the speech on both
  sides; with us in utterances, and with wider beams

What the glue found must be found by us (`findings`, `translate`).

On a machine that others use, each part waits until the machine is idle and is measured again, on
both sides alike, when it did not stay so (`patience`); what others took then is told.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

from apart import Apart
from clips_for_bench import KINDS, SPOKEN, compose
from decode_alone import decode_alone
from figures import Figures, Round, table
from findings import Finding
from glue import STEPS, Glue, Weights
from machine import described, sentence
from moderation_faces.detector import Faces
from moderation_objects.detector import Objects
from moderation_speech.detector import Speech
from ours import Ours
from patience import DISTURBED, Patience
from translate import translated

from moderation.errors import ModelMissing
from moderation.models import ModelStore

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
WARM_UP_S = 4


def weights(models: Path) -> Weights:
    """The files that our detectors would load, for the glue."""
    store = ModelStore((models,))
    try:
        whisper = store.resolve(Speech.Options().model, Speech.manifest).path
    except ModelMissing:
        whisper = None
    yolo = store.resolve(Objects.Options().model, Objects.manifest).path
    return Weights(yolo, store.resolve(Faces.Options().model, Faces.manifest).path, whisper)


def one_round(video: Path, glue: Apart[Glue], ours: Apart[Ours], calm: Patience) -> Round:
    names = ours.ask(Ours.names)
    return Round(
        glue=[calm(partial(glue.ask, Glue.run, name, video)) for name in STEPS],
        decode=calm(partial(decode_alone, video)),
        together=calm(partial(ours.ask, Ours.infer, video, names)),
        each={name: calm(partial(ours.ask, Ours.infer, video, [name])) for name in names},
        scan=calm(partial(ours.ask, Ours.scan, video)),
    )


def findings(one: Round, video: Path, kind: str, glue: Apart[Glue]) -> list[Finding]:
    """What the glue found, its objects in the frames that everybody looks at."""
    objects = glue.ask(Glue.objects_in_samples, video)
    steps = [replace(s, seen=objects) if s.name == Objects.name else s for s in one.glue]
    return translated(steps, spoken=kind in SPOKEN)


def compared(
    clips: dict[str, Path], warm_up: Path, models: Path, given: argparse.Namespace
) -> list[Figures]:
    """All rounds, one clip after another in each."""
    results, calm = defaultdict[str, list[Round]](list), Patience(given.tries)
    with Apart(Glue, weights(models)) as glue, Apart(Ours, models) as ours:
        one_round(warm_up, glue, ours, Patience(1))
        for number in range(given.rounds):
            for kind, video in clips.items():
                results[kind].append(one_round(video, glue, ours, calm))
                note(f"round {number + 1} of {given.rounds}: {kind}")
        return [
            Figures(kind, given.seconds, each, findings(each[-1], clips[kind], kind, glue))
            for kind, each in results.items()
        ]


def note(text: str) -> None:
    sys.stderr.write(text + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    data = os.environ.get("MODERATION_TEST_DATA") or SHARED
    parser.add_argument("--seconds", type=int, default=60, help="length of each clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tries", type=int, default=3, help="of a part that others disturb")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--data", type=Path, default=Path(data), help="the shared test data")
    parser.add_argument("--clips", type=Path, help="folder that keeps the clips for the next run")
    parser.add_argument("--out", type=Path, help="JSON file of all figures")
    parser.add_argument("--markdown", action="store_true", help="print the table alone")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if not given.data.is_dir():
        sys.exit(f"no test data at {given.data}: set MODERATION_TEST_DATA")
    machine = described()
    with tempfile.TemporaryDirectory() as folder:
        place = (given.clips or Path(folder)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        note(f"composing clips of {given.seconds} s")
        clips = {kind: compose(kind, given.data, place, given.seconds) for kind in given.kinds}
        warm_up = compose("talking head", given.data, place, WARM_UP_S)
        results = compared(clips, warm_up, given.data.resolve() / "models", given)
    if given.out:
        document = {"machine": machine, "clips": [each.document() for each in results]}
        given.out.write_text(json.dumps(document, indent=1))
    told = [] if given.markdown else [each.told() for each in results]
    disturbed = max(each.disturbed for each in results)
    if disturbed > DISTURBED:
        note(
            f"not to be trusted: others took up to {disturbed:.0%} of the processors; run it again"
        )
    sys.stdout.write("\n\n".join([*told, table(results), sentence(machine)]) + "\n")


if __name__ == "__main__":
    main()
