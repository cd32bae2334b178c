"""A file whose age says whether a worker hears of work: for health checks of containers.

    [jobs]
    heartbeat = "/run/moderation/heartbeat"

`python -m moderation_workers.healthy FILE` is the check.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps

from moderation.config import Settings
from moderation.errors import ConfigurationError

__all__ = ["BEAT_S", "HeartbeatFile"]

BEAT_S: Final = 5.0
"""Between two signs of life; `healthy.STALE_S` allows for many that are missed."""


class HeartbeatFile(bootsteps.StartStopStep):  # type: ignore[misc]
    """Touches the file from the loop that hears of work: not from a thread, which goes on when that
    loop hangs. It stands still, too, while the broker is away.
    """

    requires = {"celery.worker.components:Timer"}

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        self._file = Settings.read().jobs.heartbeat
        self.enabled = self._file is not None
        self._timer: Any = None

    def create(self, parent: Any) -> None:
        """Before anything is started: of what fails later Celery makes a traceback.

        Raises `ConfigurationError` for a place where no file can be made.
        """
        try:
            self._touch()
        except OSError as error:
            raise ConfigurationError(
                f"the heartbeat file {self._file} cannot be written: {error.strerror}",
                hint="correct jobs.heartbeat or the permissions",
            ) from None

    def start(self, parent: Any) -> None:
        self._timer = parent.timer.call_repeatedly(BEAT_S, self._touch)

    def stop(self, parent: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    terminate = stop

    def _touch(self) -> None:
        if self._file is not None:
            self._file.touch()
