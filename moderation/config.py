"""Settings: defaults, then moderation.toml, then MODERATION_* of the environment.

The only reader of the environment. Nested settings use two underscores:
`MODERATION_MEDIA__MAX_SECONDS=7200`. Every limit stands here with its default and its reason.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from moderation.errors import ConfigurationError
from moderation.job_settings import JobSettings
from moderation.limits import MediaLimits
from moderation.log_settings import LogSettings
from moderation.metrics_settings import MetricsSettings
from moderation.publish_settings import PublishSettings
from moderation.retention_settings import RetentionSettings
from moderation.review_settings import ReviewSettings
from moderation.s3_settings import S3Settings
from moderation.web_settings import WebSettings
from moderation.webhook_settings import WebhookSettings

__all__ = ["MediaLimits", "Settings"]

_NOT_OURS = ("test_data", "test_screenshots")
"""Variables with our prefix that are no settings: places of the tests' media and pictures."""


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="MODERATION_",
        env_nested_delimiter="__",
        toml_file="moderation.toml",
        extra="forbid",
        frozen=True,
    )

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("moderation")),
        description="database, evidence pictures and downloaded weights",
    )
    database: str = Field("", description="SQLAlchemy URL; empty: SQLite in `home`")
    models: Annotated[tuple[Path, ...], NoDecode] = Field(
        (), description="model directories of the operator, best first; os.pathsep between them"
    )
    offline: bool = Field(False, description="never download weights")
    device: str = Field("auto", description="auto, cpu, mps, cuda or cuda:N")
    threads: int = Field(
        0, ge=0, description="CPU threads of each inference engine; 0: an equal share of the cores"
    )
    policy: str = Field("default", description="name of a built-in policy or path of a TOML file")
    evidence_floor: float = Field(
        0.20,
        ge=0,
        le=1,
        description="evidence below is dropped, but for speech and lettering; low, so that a later "
        "policy can be judged on it",
    )
    max_evidence: int = Field(
        10_000,
        gt=0,
        description="pieces kept per detector and video: a broken one must not fill the disk",
    )
    detector_stall: float = Field(
        600,
        gt=0,
        description="seconds a detector may take over one batch before the scan goes on without it",
    )
    plugins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None, description="entry points that may load, by comma; unset: all that are installed"
    )
    detectors: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict, description="options per detector; `enabled = false` switches one off"
    )
    lanes: Mapping[str, tuple[str, ...]] = Field(
        default_factory=lambda: {"cpu": ("*",)},
        description='detectors per lane of workers: gpu = ["objects"], cpu = ["*"] for all others',
    )
    jobs: JobSettings = JobSettings()
    logs: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    publish: PublishSettings = PublishSettings()
    retention: RetentionSettings = RetentionSettings()
    review: ReviewSettings = ReviewSettings()
    s3: S3Settings = S3Settings()
    media: MediaLimits = MediaLimits()
    web: WebSettings = WebSettings()
    webhooks: WebhookSettings = WebhookSettings()

    @field_validator("home")
    @classmethod
    def _whole_path(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("plugins", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("models", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def read(cls, **given: Any) -> Settings:
        """Read all sources; `given` (a command line's options) wins.

        Raises `ConfigurationError`.
        """
        cls._refuse_unknown_variables()
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise ConfigurationError(
                f"the setting {name} does not hold: {first['msg']}",
                hint="correct moderation.toml or the environment (MODERATION_*)",
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"moderation.toml cannot be read: {error}", hint="correct the file"
            ) from None

    @classmethod
    def _refuse_unknown_variables(cls) -> None:
        """A misspelt variable would otherwise be a setting that silently does nothing."""
        for name in os.environ:
            field = name.removeprefix("MODERATION_").partition("__")[0].lower()
            if name.startswith("MODERATION_") and field not in {*cls.model_fields, *_NOT_OURS}:
                raise ConfigurationError(
                    f"the environment variable {name} is no setting",
                    hint=f"unset it, or correct it to one of {', '.join(cls.model_fields)}",
                )

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'moderation.db'}"

    @property
    def model_cache(self) -> Path:
        return self.home / "models"

    @property
    def pictures(self) -> Path:
        """Where the frames that a reviewer is shown are kept."""
        return self.home / "pictures"
