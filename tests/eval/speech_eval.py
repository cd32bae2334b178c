"""Figures of `speech`: word error rate, speech found, other languages held back, time.

    python tests/eval/speech_eval.py [--data DIR] [--model NAME] [--json FILE]

Without Whisper's weights the recogniser is PocketSphinx; name a model of the model directories or
a folder to measure Whisper. Times are of the processor, one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from moderation_speech.detector import Speech
from moderation_speech.options import Activity
from moderation_speech.utterance import utterances
from moderation_speech.vad import SileroVad
from numpy.typing import NDArray

from moderation import Device, Evidence, Span
from moderation.media.frames import SAMPLE_RATE
from moderation.models import ModelStore
from moderation.testing.feed import audio_chunks, look

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FOREIGN = {
    "aishell-BAC009S0724W0121.wav": (0, None),
    "count-deutsch-audio.mp4": (0, None),
    "multilingual.mp3": (31, None),
}
"""Chinese and German; of the last, the German part from this second on."""
TURNS = {
    "pyannote_sample/sample.wav": "pyannote_sample/sample.rttm",
    "ami_excerpts/dev00.wav": "ami_excerpts/debug.development.rttm",
}
ANNOTATED = 30
"""Seconds of each recording whose turns are annotated."""

_FRAME = 0.01
"""Seconds that count as one decision of speech or not."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Read:
    """A recording with a transcript."""

    name: str
    words: int
    errors: int
    expected: float | None
    """Word error rate that the data's own notes measured with PocketSphinx."""

    @property
    def rate(self) -> float:
        return self.errors / self.words


@dataclass(frozen=True)
class Found:
    """Speech found, by hundredths of a second."""

    name: str
    precision: float
    recall: float


def sound(path: Path) -> Sound:
    """Any file as mono at `SAMPLE_RATE`."""
    resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [out.to_ndarray()[0] for frame in frames for out in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def plain(text: str) -> list[str]:
    """Words without case and punctuation."""
    return re.findall(r"[\w']+", text.lower().replace("mr.", "mister").replace("mr ", "mister "))


def errors(truth: Sequence[str], heard: Sequence[str]) -> int:
    """Substitutions, insertions and deletions: the edit distance of words."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(truth, 1):
        before, row[0] = row[0], count
        for index, other in enumerate(heard, 1):
            before, row[index] = (
                row[index],
                min(row[index] + 1, row[index - 1] + 1, before + (word != other)),
            )
    return row[-1]


def hear(detector: Speech, samples: Sound) -> list[Evidence]:
    return look(detector, audio_chunks(samples))[0]


def said(seen: Iterable[Evidence]) -> list[str]:
    return plain(" ".join(each.text or "" for each in seen))


def reads(detector: Speech, data: Path) -> Iterator[Read]:
    known = json.loads((data / "audio" / "expected_speech.json").read_text())["files"]
    for name, entry in known.items():
        truth = entry.get("truth")
        if isinstance(truth, str) and "wer" in entry:
            words = plain(truth)
            wrong = errors(words, said(hear(detector, sound(data / name))))
            yield Read(name.removeprefix("audio/"), len(words), wrong, entry["wer"])


def conversation(detector: Speech, data: Path) -> Read:
    """Two people on the telephone."""
    folder = data / "audio" / "diarization" / "pyannote_sample"
    lines = (folder / "sample.stm").read_text().splitlines()
    truth = plain(" ".join(line.split(maxsplit=5)[5] for line in lines))
    wrong = errors(truth, said(hear(detector, sound(folder / "sample.wav"))))
    return Read("pyannote_sample/sample.wav", len(truth), wrong, None)


def speech_found(vad: SileroVad, data: Path, activity: Activity) -> Iterator[Found]:
    folder = data / "audio" / "diarization"
    for name, turns in TURNS.items():
        samples = sound(folder / name)[: ANNOTATED * SAMPLE_RATE]
        found = marked(each.span for each in utterances(audio_chunks(samples), vad, activity))
        truth = marked(annotated(folder / turns, Path(name).stem))
        both = (found & truth).sum()
        yield Found(name, both / found.sum(), both / truth.sum())


def annotated(rttm: Path, recording: str) -> Iterator[Span]:
    for line in rttm.read_text().splitlines():
        _, name, _, start, seconds, *_ = line.split()
        if name == recording:
            yield Span.from_seconds(float(start), float(start) + float(seconds))


def marked(spans: Iterable[Span]) -> NDArray[np.bool_]:
    """True for each hundredth of a second that a span covers."""
    marks = np.zeros(round(ANNOTATED / _FRAME), bool)
    for span in spans:
        marks[round(span.start.seconds / _FRAME) : round(span.end.seconds / _FRAME)] = True
    return marks


def held_back(detector: Speech, data: Path) -> Iterator[tuple[str, int, int]]:
    """For each recording in another language: utterances, and how many got an English text."""
    for name, (start, end) in FOREIGN.items():
        samples = sound(data / "audio" / name)[start * SAMPLE_RATE : end]
        seen = hear(detector, samples)
        yield name, len(seen), sum(each.text is not None for each in seen)


def real_time_factor(detector: Speech, samples: Sound) -> float:
    """Processor seconds for a second of speech."""
    started = time.process_time()
    hear(detector, samples)
    return (time.process_time() - started) / (len(samples) / SAMPLE_RATE)


def loaded(store: ModelStore, **options: Any) -> Speech:
    detector = Speech(options, store)
    detector.load(Device("cpu", threads=1))
    return detector


def rates(title: str, results: Sequence[Read]) -> None:
    print(title)
    for each in results:
        noted = "" if each.expected is None else f"  (noted: {each.expected:.2f})"
        print(f"  {each.rate:.2f}  {each.name}{noted}")
    total = sum(each.errors for each in results) / sum(each.words for each in results)
    print(f"  {total:.3f}  all {sum(each.words for each in results)} words")


def main() -> None:
    arguments = _arguments()
    data, store = arguments.data, ModelStore((arguments.data / "models",))
    every = loaded(store, model=arguments.model, min_confidence=0)
    strict = loaded(store, model=arguments.model)
    name = strict.producer.model
    clean = list(reads(strict, data))
    rates(f"word error rate of {name}, read sentences", clean)
    rates(f"word error rate of {name}, telephone, every word given", [conversation(every, data)])
    vad = SileroVad(store.resolve("silero-vad-v6", Speech.manifest).path)
    figures = {}
    for title, activity in {
        "speech found, utterances as transcribed": Activity(),
        "speech found, without padding and bridged silences": Activity(
            padding=0, min_silence=0.1, min_speech=0.1
        ),
    }.items():
        figures[title] = list(speech_found(vad, data, activity))
        print(title)
        for each in figures[title]:
            print(f"  precision {each.precision:.3f} recall {each.recall:.3f}  {each.name}")
    print("other languages: evidence, and how many with an English text")
    for recording, count, wrong in held_back(strict, data):
        print(f"  {count} {wrong}  {recording}")
    silent = hear(strict, sound(data / "audio/diarization/ami_excerpts/empty.wav"))
    print(f"evidence in silence: {len(silent)}")
    factor = real_time_factor(strict, sound(data / "audio" / "jfk.wav"))
    print(f"real time factor of {name} on one thread: {factor:.2f}")
    if arguments.json:
        found = {title: [asdict(each) for each in rows] for title, rows in figures.items()}
        document = {"model": name, "read": [asdict(each) for each in clean], "speech": found}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    known = os.environ.get("MODERATION_TEST_DATA") or SHARED
    parser.add_argument("--data", type=Path, default=Path(known), help="the test data")
    parser.add_argument("--model", default="whisper-small", help="a manifest's name or a folder")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
