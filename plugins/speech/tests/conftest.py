"""Speech to test with: a recording that a wheel carries, and tiny models in the real formats."""

from __future__ import annotations

import importlib.util
import wave
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ctranslate2.specs import common_spec, whisper_spec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from moderation_speech.diarization import import_pyannote
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, decoders, models

from moderation.models import ModelStore

_WIDTH, _HEADS, _MELS = 64, 2, 80
_UNSAID = "Ġunsaid"
_MULTILINGUAL = ""
"""The last text token of every multilingual Whisper, by which CTranslate2 knows one."""

_EMBEDDING = 8
_PIPELINE = """
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    segmentation: $model/segmentation
    embedding: $model/embedding
    plda: $model/plda
    segmentation_step: 0.5
    clustering: VBxClustering
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""


@pytest.fixture(scope="session")
def dialogue() -> NDArray[np.float32]:
    """30 s of two people on the telephone, who start after 6.7 s: pyannote.audio's sample."""
    spec = importlib.util.find_spec("pyannote")
    for place in spec.submodule_search_locations or () if spec else ():
        sample = Path(place) / "audio" / "sample" / "sample.wav"
        if sample.is_file():
            return read_wav(sample)
    pytest.skip("the recording comes with moderation-speech[diarization]")


def read_wav(path: Path) -> NDArray[np.float32]:
    """16 bit mono at 16 kHz."""
    with wave.open(str(path)) as sound:
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    samples: NDArray[np.float32] = pcm.astype(np.float32) / np.float32(32768)
    return samples


@pytest.fixture
def whisper(tmp_path: Path) -> Callable[..., Path]:
    """Write a Whisper model in CTranslate2's form that says `text` whatever it hears.

    Its weights are random where only times come from them; what it says at each position is
    written into its position encodings.
    """

    def make(text: str, *, language: str = "de", no_speech: bool = False) -> Path:
        folder = tmp_path / "tiny-whisper"
        folder.mkdir(exist_ok=True)
        words = [f"Ġ{word}" for word in text.split()]
        vocabulary = _vocabulary(words)
        heard = "<|nospeech|>" if no_speech else f"<|{language}|>"
        # After <|startoftranscript|> comes the language, after the language the task.
        script = [heard, "<|transcribe|>", "<|0.00|>", *words, "<|1.00|>", "<|endoftext|>"]
        spec = _spec(vocabulary, [vocabulary.index(token) for token in script])
        spec.validate()
        spec.save(str(folder))
        _tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
        return folder

    return make


@pytest.fixture
def pipeline(tmp_path: Path) -> ModelStore:
    """A model directory with `tiny-diarization`: a pyannote.audio pipeline of random weights.

    Its segmentation is biased to hear one speaker all the time.
    """
    torch = pytest.importorskip("torch", reason="needs moderation-speech[diarization]")
    import_pyannote()
    folder = tmp_path / "models" / "tiny-diarization"
    torch.manual_seed(0)
    _save(folder / "segmentation", _segmentation(torch))
    _save(folder / "embedding", _embedding())
    (folder / "plda").mkdir()
    width = np.eye(_EMBEDDING, dtype=np.float64)
    zero, one = np.zeros(_EMBEDDING), np.ones(_EMBEDDING)
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=zero, mean2=zero, lda=width)
    np.savez(folder / "plda" / "plda.npz", mu=zero, tr=width, psi=one)
    (folder / "config.yaml").write_text(_PIPELINE)
    return model_directory(folder)


def model_directory(folder: Path) -> ModelStore:
    """A store that knows the folder's weights under its name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listing = "".join(
        f'"{path.relative_to(folder)}" = "{sha256(path.read_bytes()).hexdigest()}"\n'
        for path in files
    )
    (folder.parent / "manifest.toml").write_text(f"[{folder.name}.files]\n{listing}")
    return ModelStore((folder.parent,))


def _segmentation(torch: Any) -> Any:
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    model: Any = PyanNet(lstm={"hidden_size": 4, "num_layers": 1}, linear={"num_layers": 0})
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=5.0,
        classes=["speaker#1", "speaker#2"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.build()
    with torch.no_grad():
        model.classifier.bias[1] += 100
    return model


def _embedding() -> Any:
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorMFCC

    model: Any = XVectorMFCC(dimension=_EMBEDDING, mfcc={"melkwargs": {"n_mels": 64}})
    model.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0, classes=["any"]
    )
    model.build()
    return model


def _save(folder: Path, model: Any) -> None:
    """The checkpoint that pyannote.audio's trainer would write."""
    import lightning
    import torch

    checkpoint: dict[str, Any] = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": lightning.__version__,
    }
    model.on_save_checkpoint(checkpoint)
    folder.mkdir(parents=True)
    torch.save(checkpoint, folder / "pytorch_model.bin")


def _vocabulary(words: Sequence[str]) -> list[str]:
    text = [_UNSAID, *dict.fromkeys(words), _MULTILINGUAL]
    languages = [f"<|{code}|>" for code in _LANGUAGE_CODES if code != "yue"]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    times = [f"<|{index * 0.02:.2f}|>" for index in range(1501)]
    return [
        *text,
        "<|endoftext|>",
        "<|startoftranscript|>",
        *languages,
        *(f"<|{task}|>" for task in tasks),
        *times,
    ]


def _tokenizer(vocabulary: Sequence[str]) -> Tokenizer:
    known = {token: index for index, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token=_UNSAID))
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True) for token in vocabulary if token.startswith("<|")]
    tokenizer.add_special_tokens(special)
    return tokenizer


def _spec(vocabulary: Sequence[str], script: Sequence[int]) -> whisper_spec.WhisperSpec:
    random = np.random.default_rng(0)
    spec = whisper_spec.WhisperSpec(1, _HEADS, 1, _HEADS)
    _fill(spec.encoder, random)
    _fill(spec.decoder, random)
    spec.encoder.conv1.weight = _noise(random, _WIDTH, _MELS, 3)
    spec.encoder.conv2.weight = _noise(random, _WIDTH, _WIDTH, 3)
    spec.encoder.position_encodings.encodings = _noise(random, 1500, _WIDTH)
    signs = random.choice(np.array([-1, 1], np.float32), (448, _WIDTH))
    spec.decoder.position_encodings.encodings = signs
    spec.decoder.embeddings.weight = np.zeros((len(vocabulary), _WIDTH), np.float32)
    says = np.zeros((len(vocabulary), _WIDTH), np.float32)
    for position, token in enumerate(script):
        says[token] += signs[position]
    spec.decoder.projection.weight = says
    spec.register_vocabulary(vocabulary)
    first = vocabulary.index("<|startoftranscript|>") + 1
    spec.config.lang_ids = list(range(first, vocabulary.index("<|translate|>")))
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.alignment_heads = [(0, 0)]
    return spec


def _fill(stack: Any, random: np.random.Generator) -> None:
    """Layers that add nothing to what passes through them; attention looks somewhere, though."""
    _norm(stack.layer_norm)
    for layer in stack.layer:
        for attention in (layer.self_attention, getattr(layer, "attention", None)):
            if attention is not None:
                _attention(attention, random)
        _norm(layer.ffn.layer_norm)
        _linear(layer.ffn.linear_0, np.zeros((4 * _WIDTH, _WIDTH), np.float32))
        _linear(layer.ffn.linear_1, np.zeros((_WIDTH, 4 * _WIDTH), np.float32))


def _attention(attention: Any, random: np.random.Generator) -> None:
    _norm(attention.layer_norm)
    *inputs, output = attention.linear
    rows = 3 if len(inputs) == 1 else None
    for index, linear in enumerate(inputs):
        height = rows or index + 1
        _linear(linear, _noise(random, height * _WIDTH, _WIDTH))
    _linear(output, np.zeros((_WIDTH, _WIDTH), np.float32))


def _linear(linear: common_spec.LinearSpec, weight: NDArray[np.float32]) -> None:
    linear.weight, linear.bias = weight, np.zeros(len(weight), np.float32)


def _norm(norm: common_spec.LayerNormSpec) -> None:
    norm.gamma, norm.beta = np.ones(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)


def _noise(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return random.normal(0, 0.1, shape).astype(np.float32)
