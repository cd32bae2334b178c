"""PocketSphinx in its own process: it holds up nobody, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from moderation_speech.sphinx import PocketSphinx
from moderation_speech.sphinx_process import SphinxProcess
from moderation_speech.utterance import Utterance

from moderation.media.frames import SAMPLE_RATE
from moderation.models import Manifest, ModelStore
from moderation.timeline import Instant


@pytest.fixture(scope="module")
def model() -> Path:
    manifest = Manifest.of_package("moderation_speech")
    return ModelStore().resolve("pocketsphinx-en-us", manifest).path.absolute()


@pytest.fixture(scope="module")
def settings(model: Path) -> dict[str, object]:
    return {
        "hmm": str(model / "en-us"),
        "lm": str(model / "en-us.lm.bin"),
        "dict": str(model / "cmudict-en-us.dict"),
        "loglevel": "FATAL",
    }


def noise(seconds: float) -> bytes:
    samples = np.random.default_rng(1).normal(0, 3000, round(seconds * SAMPLE_RATE))
    return samples.astype("<i2").tobytes()


def test_it_is_a_process_of_its_own(settings: dict[str, object]) -> None:
    process = SphinxProcess(settings)
    assert psutil.Process(process.pid).ppid() == os.getpid()


def test_others_compute_while_it_listens(settings: dict[str, object]) -> None:
    """Held by Python's lock, this thread would come to a few steps in all of that time."""
    process, steps = SphinxProcess(settings), 0
    listening = threading.Thread(target=process.decode, args=[noise(3)])
    listening.start()
    while listening.is_alive():
        steps += 1
    assert steps > 10_000


def test_one_that_died_is_an_error_once(settings: dict[str, object]) -> None:
    process = SphinxProcess(settings)
    os.kill(process.pid, signal.SIGSTOP)
    process.send(noise(1))
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="PocketSphinx ended with -9"):
        process.receive()
    assert isinstance(process.decode(noise(0.5)), list)


def test_what_nobody_asks_for_is_forgotten(settings: dict[str, object]) -> None:
    process, sound = SphinxProcess(settings), noise(0.5)
    heard = process.decode(sound)
    process.send(noise(1))
    process.forget()
    assert process.decode(sound) == heard


def test_it_ends_with_its_owner(settings: dict[str, object]) -> None:
    process = SphinxProcess(settings)
    child = psutil.Process(process.pid)
    del process
    gc.collect()
    assert not child.is_running()


def test_a_model_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="PocketSphinx ended"):
        SphinxProcess({"hmm": str(tmp_path), "loglevel": "FATAL"})


def test_the_same_sound_gives_the_same_words(settings: dict[str, object]) -> None:
    process, sound = SphinxProcess(settings), noise(1)
    assert process.decode(sound) == process.decode(sound)


def test_too_short_a_sound_has_no_text(model: Path) -> None:
    blip = Utterance(np.zeros(10, np.float32), Instant(0), 1.0)
    assert all(each.text is None for each in PocketSphinx(model, 0.1).transcribe([blip]))
