"""The detector's options, in tables: `[detectors.speech]` and what lies below it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["Activity", "Decoding", "Diarization"]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Activity(_Table):
    """When sound counts as speech, `[detectors.speech.activity]`."""

    threshold: float = Field(
        0.5, gt=0, lt=1, description="speech starts at this probability; Silero's default"
    )
    min_speech: float = Field(
        0.25, ge=0, description="seconds; shorter sounds are clicks and coughs; Silero's default"
    )
    min_silence: float = Field(
        2.0, gt=0, description="seconds that end an utterance; faster-whisper's default"
    )
    padding: float = Field(
        0.4, ge=0, le=1, description="seconds kept around speech; faster-whisper's default"
    )
    max_utterance: float = Field(
        30.0, ge=5, le=30, description="seconds after which speech is cut; Whisper hears 30"
    )


class Decoding(_Table):
    """How Whisper decodes, `[detectors.speech.decoding]`; the defaults are OpenAI's."""

    beam_size: int = Field(5, ge=1, le=20, description="hypotheses kept; 1 is greedy, and faster")
    no_speech: float = Field(
        0.6, ge=0, le=1, description="no text above this probability of no speech, unless likely"
    )
    log_probability: float = Field(
        -1.0, le=0, description="mean log probability of tokens above which a text is likely"
    )
    compression_ratio: float = Field(
        2.4, gt=0, description="text that zlib shrinks more than this repeats itself: not given"
    )


class Diarization(_Table):
    """Who speaks when, `[detectors.speech.diarization]`; off without a `pipeline`."""

    pipeline: str = Field(
        "",
        description="a manifest's name, a folder, or owner/name on the Hugging Face hub; "
        "its digests must stand in a manifest, for its checkpoints are pickles",
    )
    token: SecretStr | None = Field(None, description="of the hub, for a gated pipeline")
    min_speakers: int | None = Field(None, ge=1, description="known beforehand")
    max_speakers: int | None = Field(None, ge=1, description="known beforehand")
    window: float = Field(
        600.0, ge=30, description="seconds diarized at once; bounds the memory of a long video"
    )
    same_speaker: float = Field(
        0.5, ge=-1, le=1, description="cosine similarity from which two windows' voices are one"
    )
