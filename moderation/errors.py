"""Every error the project raises, in one tree.

    ModerationError
    ├── PermanentError              trying again gives the same answer
    │   ├── ConfigurationError      what the operator wrote does not hold
    │   │   ├── PolicyError         a policy file, with its lines
    │   │   ├── TaxonomyError       a label that the taxonomy does not know
    │   │   └── NotFound            an id or a name that nothing here has
    │   ├── PluginError             a plugin that does not load or breaks its contract
    │   │   └── DetectorUnavailable a detector that cannot run on this installation
    │   ├── ModelError              weights
    │   │   ├── ModelMissing        not on this machine
    │   │   └── ModelCorrupt        on this machine, with another digest
    │   ├── SourceError             no readable file behind a URI
    │   ├── MediaError              bytes that are no video, or one beyond the limits
    │   ├── AccessDenied            somebody whom nobody here knows
    │   │   └── NotAllowed          somebody known, who may not do that
    │   └── StoreError              a database that is not ours, or of another version
    └── TransientError              the same call may succeed later
        ├── StoreBusy               the database is locked or unreachable
        ├── LeaseLost               a part of a job is somebody else's now
        ├── StillRunning            a job has no verdict yet
        ├── SourceUnavailable       where the file lies does not answer
        ├── DeviceError             a GPU that gives out while a detector computes on it
        │   ├── OutOfMemory         its memory is full, however little is looked at together
        │   └── DeviceLost          it is gone, or unusable for the rest of this process
        └── OutOfSpace              the disk is full

    Interruption (BaseException)    work is to stop; no `except Exception` may swallow it
    ├── Cancelled
    └── DeadlineExceeded

A message is one sentence; `hint` is the next step of the person who reads it.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "AccessDenied",
    "Cancelled",
    "ConfigurationError",
    "DeadlineExceeded",
    "DetectorUnavailable",
    "DeviceError",
    "DeviceLost",
    "Interruption",
    "LeaseLost",
    "MediaError",
    "MediaFault",
    "ModelCorrupt",
    "ModelError",
    "ModelMissing",
    "ModerationError",
    "NotAllowed",
    "NotFound",
    "OutOfMemory",
    "OutOfSpace",
    "PermanentError",
    "PluginError",
    "PolicyError",
    "ReviewConflict",
    "SourceError",
    "SourceUnavailable",
    "StillRunning",
    "StoreBusy",
    "StoreError",
    "TaxonomyError",
    "TransientError",
]


class ModerationError(Exception):
    """Root of the tree: catch this to catch everything the project raises on purpose."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class PermanentError(ModerationError):
    """Trying again without a change gives the same answer."""


class ConfigurationError(PermanentError):
    """Settings, options or a command line that do not hold."""


class PolicyError(ConfigurationError):
    """A policy file that does not hold; the message names file and line."""


class TaxonomyError(ConfigurationError):
    """A label that is not in the taxonomy, or a taxonomy that is no tree."""


class NotFound(ConfigurationError):
    """An id or a name that nothing here has: a job, a review item, a webhook, a person."""


class PluginError(PermanentError):
    """A plugin that does not load, or that breaks the contract of its base class."""


class DetectorUnavailable(PluginError):
    """Raised by `Detector.load` when this installation cannot run the detector."""


class ModelError(PermanentError):
    """Weights that cannot be used."""


class ModelMissing(ModelError):
    """Weights that are nowhere on this machine; the hint is the command that fetches them."""


class ModelCorrupt(ModelError):
    """Weights whose digest is not the one in their manifest."""


class MediaFault(StrEnum):
    """Why a file could not be scanned: the closed set of reason codes (`media.md`, `faults.md`)."""

    NOT_FOUND = "not_found"
    NOT_REGULAR_FILE = "not_regular_file"
    ACCESS_DENIED = "access_denied"
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    UNSUPPORTED_CONTAINER = "unsupported_container"
    UNSUPPORTED_CODEC = "unsupported_codec"
    ENCRYPTED = "encrypted"
    NO_STREAMS = "no_streams"
    TOO_LARGE = "too_large"
    TOO_MANY_STREAMS = "too_many_streams"
    UNREADABLE = "unreadable"
    CHANGED = "source_changed"
    DECODER_CRASHED = "decoder_crashed"
    TIMEOUT = "timeout"


class SourceError(PermanentError):
    """No readable file behind a URI."""

    def __init__(self, message: str, *, fault: MediaFault, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class MediaError(PermanentError):
    """Bytes that are no video or audio that we can decode, or that lie beyond the limits."""

    def __init__(self, message: str, *, fault: MediaFault, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class AccessDenied(PermanentError):
    """Nobody we know: the same words whether a token is unknown, expired, revoked or disabled."""


class NotAllowed(AccessDenied):
    """Somebody we know, whose role may not do this."""


class StoreError(PermanentError):
    """A database that is not ours, or whose schema is of another version."""


class TransientError(ModerationError):
    """The same call may succeed later."""


class ReviewConflict(PermanentError):
    """An item that is not as the person who decides saw it; the message says who has it now."""


class StoreBusy(TransientError):
    """The database is locked or does not answer."""


class LeaseLost(TransientError):
    """A part of a job is somebody else's now: what was made of it here must not be stored."""


class SourceUnavailable(TransientError):
    """Where the file lies does not answer, or not now."""


class StillRunning(TransientError):
    """A job has no verdict yet."""


class DeviceError(TransientError):
    """A detector's device gave out; another process, here or elsewhere, may fare better."""


class OutOfMemory(DeviceError):
    """The memory of a detector's device is full, however little it looks at together."""


class DeviceLost(DeviceError):
    """A GPU is gone, or will not compute for this process again: its context is broken."""


class OutOfSpace(TransientError):
    """The disk is full."""


class Interruption(BaseException):
    """Work is to stop now. Not an `Exception`, so that a detector's broad `except` lets it pass."""


class Cancelled(Interruption):
    """Somebody asked for the work to stop."""


class DeadlineExceeded(Interruption):
    """The time given to the work is over."""
