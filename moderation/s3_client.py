"""The requests that reading from S3 takes, and what each failure of theirs means.

boto3 is imported when the first client is made: only who reads from S3 needs it. Its own messages
are never handed on, since they may quote signed addresses.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from moderation.errors import (
    ConfigurationError,
    MediaFault,
    ModerationError,
    SourceError,
    SourceUnavailable,
)
from moderation.s3_settings import S3Settings
from moderation.source import shown

__all__ = ["Address", "Head", "S3Client", "s3_client"]

_PIECE: Final = 1 << 20
"""Bytes taken from a connection at once."""

_BUSY_STATUS: Final = frozenset((408, 429))
_BUSY: Final = frozenset(("SlowDown", "Throttling", "ThrottlingException", "RequestTimeout"))

_DENIED: Final = (
    MediaFault.ACCESS_DENIED,
    "reading is not permitted",
    "check the credentials, the bucket's policy and its key; without ListBucket a missing object "
    "is answered like this too",
)
_GONE: Final = (MediaFault.NOT_FOUND, "there is no such object", "check bucket, key and version")
_REPLACED: Final = (
    MediaFault.CHANGED,
    "the object was replaced",
    "what lies there now is another upload: scan that",
)
_ELSEWHERE: Final = (
    MediaFault.UNREADABLE,
    "the bucket is in another region",
    "set s3.region",
)
_UNKNOWN: Final = (
    MediaFault.UNREADABLE,
    "the store refuses the request",
    "check s3.endpoint_url, s3.region and the credentials",
)
_ARCHIVED: Final = (
    MediaFault.ACCESS_DENIED,
    "the object is archived",
    "restore it, then scan it again",
)

_BY_STATUS: Final = {
    301: _ELSEWHERE,
    307: _ELSEWHERE,
    401: _DENIED,
    403: _DENIED,
    404: _GONE,
    405: _GONE,  # of a version that is a delete marker
    412: _REPLACED,
    416: _REPLACED,  # it is shorter now
}
_BY_CODE: Final = {
    "ExpiredToken": _DENIED,
    "InvalidObjectState": _ARCHIVED,
    "KMS.DisabledException": _DENIED,
    "KMS.NotFoundException": _DENIED,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Which object is asked for.

    uri      as it was given: what messages call it
    version  "" for the newest
    etag     as S3 writes it, with its quotes; "" for any
    """

    uri: str
    bucket: str
    key: str
    version: str = ""
    etag: str = ""

    @property
    def parameters(self) -> dict[str, str]:
        """Of a request."""
        known = {"VersionId": self.version, "IfMatch": self.etag}
        place = {"Bucket": self.bucket, "Key": self.key}
        return place | {name: value for name, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class Head:
    """What S3 says of an object.

    version  "" where the bucket keeps no versions
    etag     with its quotes; no digest of anything: that of a multipart upload ends in "-10"
    """

    size: int
    version: str
    etag: str


class _Boto(Protocol):
    def head_object(self, **parameters: str) -> dict[str, Any]: ...

    def get_object(self, **parameters: str) -> dict[str, Any]: ...


class S3Client:
    """Threads may share one; processes may not. `s3_client` gives one.

    All methods raise `SourceError` for an object that is not to be had, `SourceUnavailable` for one
    that may be later, and `ConfigurationError` for credentials that are none.
    """

    def __init__(self, boto: _Boto) -> None:
        self._boto = boto

    def head(self, address: Address) -> Head:
        with _translated(address.uri):
            answer = self._boto.head_object(**address.parameters)
        version = answer.get("VersionId", "")
        return Head(
            size=answer["ContentLength"],
            version="" if version == "null" else version,
            etag=answer.get("ETag", ""),
        )

    def get(self, address: Address, start: int, end: int) -> Generator[bytes]:
        """The bytes from `start` to before `end`, in pieces: all of them, or an error at the end.

        Failures of the request, which boto3 has tried again, are raised here; those of the
        connection by the iterator, which gives it back when it is exhausted or closed.
        """
        with _translated(address.uri):
            answer = self._boto.get_object(Range=f"bytes={start}-{end - 1}", **address.parameters)
        try:
            _check(address, answer, end - start)
        except ModerationError:
            answer["Body"].close()
            raise
        return _pieces(address, answer["Body"])


_MAKING = threading.Lock()
"""boto3's sessions are not to be made by two threads at once."""


def s3_client(settings: S3Settings) -> S3Client:
    """The one client for these settings. Raises `ConfigurationError` where boto3 is missing."""
    with _MAKING:
        return _made(settings, os.getpid())  # a fork must not speak on its parent's connections


@functools.lru_cache(maxsize=8)
def _made(settings: S3Settings, _process: int) -> S3Client:
    try:
        import boto3
        from botocore.config import Config
    except ModuleNotFoundError as error:
        if error.name not in ("boto3", "botocore"):
            raise
        raise ConfigurationError(
            "s3:// cannot be read: boto3 is not installed", hint="install moderation[s3]"
        ) from None
    config = Config(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        retries={"mode": "standard", "total_max_attempts": settings.max_attempts},
        s3={"addressing_style": settings.addressing_style},
        # Checksums are those of whole objects, and we read ranges.
        response_checksum_validation="when_required",
    )
    with _translated("s3://"):
        boto = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.endpoint_url or None,
            region_name=settings.region or None,
            config=config,
        )
    return S3Client(boto)


def _pieces(address: Address, body: Any) -> Generator[bytes]:
    with contextlib.closing(body), _translated(address.uri):
        yield from body.iter_chunks(_PIECE)


def _check(address: Address, answer: dict[str, Any], count: int) -> None:
    """Some servers overlook `If-Match`, and some `Range`."""
    if address.etag and answer.get("ETag") != address.etag:
        raise _refused(address.uri, *_REPLACED)
    if answer["ContentLength"] != count:
        raise SourceUnavailable(
            f"{shown(address.uri)}: {answer['ContentLength']} bytes came where {count} were asked "
            "for",
            hint="try again; if it stays so, check what lies between here and the store",
        )


@contextlib.contextmanager
def _translated(uri: str) -> Iterator[None]:
    """boto3's errors as ours."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise _answered(uri, error.response) from None
    except (
        boto.ConnectionError,
        boto.HTTPClientError,
        boto.IncompleteReadError,
        boto.CredentialRetrievalError,
    ) as error:
        raise _unavailable(uri, type(error).__name__) from None
    except boto.ParamValidationError:
        raise _refused(uri, *_GONE) from None
    except (boto.BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"{shown(uri)}: boto3 cannot ask for it ({type(error).__name__})",
            hint="check the AWS credentials, s3.endpoint_url and s3.region",
        ) from None


def _answered(uri: str, response: dict[str, Any]) -> ModerationError:
    code = shown(str(response.get("Error", {}).get("Code", ""))[:64])
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    if status >= 500 or status in _BUSY_STATUS or code in _BUSY:
        return _unavailable(uri, code)
    fault, reason, hint = _BY_CODE.get(code) or _BY_STATUS.get(status, _UNKNOWN)
    return _refused(uri, fault, f"{reason} ({code})", hint)


def _refused(uri: str, fault: MediaFault, reason: str, hint: str) -> SourceError:
    return SourceError(f"{shown(uri)}: {reason}", fault=fault, hint=hint)


def _unavailable(uri: str, what: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"{shown(uri)}: the store does not answer ({what})",
        hint="try again later; check that the store runs and that this machine reaches it",
    )
