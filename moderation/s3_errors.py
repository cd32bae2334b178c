"""What the failures of requests to S3 mean: boto3's errors as ours.

boto3's own messages are never handed on, since they may quote signed addresses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from moderation.errors import (
    ConfigurationError,
    MediaFault,
    ModerationError,
    SourceError,
    SourceUnavailable,
)
from moderation.source import shown

__all__ = ["Doing", "replaced", "translated"]

Doing: TypeAlias = Literal["reading", "writing", "tagging", "listing", "deleting"]

_BUSY_STATUS: Final = frozenset((408, 429))
_BUSY: Final = frozenset(
    (
        "BadDigest",  # what arrived is not what was sent
        "ConditionalRequestConflict",
        "OperationAborted",  # somebody else writes there at this moment
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    )
)

_ALLOW: Final[Mapping[Doing, str]] = {
    "reading": "check the credentials, the bucket's policy and its key; without ListBucket a "
    "missing object is answered like this too",
    "writing": "check the credentials, and allow s3:PutObject there, with kms:GenerateDataKey "
    "where the bucket has a key of its own",
    "tagging": "allow s3:GetObjectTagging and s3:PutObjectTagging, and where versions are kept "
    "s3:GetObjectVersionTagging and s3:PutObjectVersionTagging",
    "deleting": "check the credentials, and allow s3:ListBucketVersions on the bucket, with "
    "s3:DeleteObject and s3:DeleteObjectVersion there",
    "listing": "check the credentials, and allow s3:ListBucket on the bucket",
}

_Meaning: TypeAlias = tuple[MediaFault, str, str]
"""With the reason and the hint."""

_DENIED: Final = (MediaFault.ACCESS_DENIED, "{} is not permitted", "")  # the hint is of `_ALLOW`
_GONE: Final = (MediaFault.NOT_FOUND, "there is no such object", "check bucket, key and version")
_NO_BUCKET: Final = (
    MediaFault.NOT_FOUND,
    "there is no such bucket",
    "check its name, s3.endpoint_url and s3.region",
)
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
_UNABLE: Final = (
    MediaFault.UNREADABLE,
    "the store has no such operation",
    "switch off what asks for it, or use a store that has it",
)
_ARCHIVED: Final = (
    MediaFault.ACCESS_DENIED,
    "the object is archived",
    "restore it, then scan it again",
)

_BY_STATUS: Final[Mapping[int, _Meaning]] = {
    301: _ELSEWHERE,
    307: _ELSEWHERE,
    401: _DENIED,
    403: _DENIED,
    404: _GONE,
    405: _GONE,  # of a version that is a delete marker
    412: _REPLACED,
    416: _REPLACED,  # it is shorter now
}
_BY_CODE: Final[Mapping[str, _Meaning]] = {
    "ExpiredToken": _DENIED,
    "InvalidObjectState": _ARCHIVED,
    "KMS.DisabledException": _DENIED,
    "KMS.NotFoundException": _DENIED,
    "NoSuchBucket": _NO_BUCKET,
    "NotImplemented": _UNABLE,  # with status 501
}


def replaced(uri: str) -> SourceError:
    """What is said of an object that is not what was asked for."""
    return _refused(uri, *_REPLACED)


@contextlib.contextmanager
def translated(uri: str, doing: Doing = "reading") -> Iterator[None]:
    """Raises `SourceError`, `SourceUnavailable` or `ConfigurationError` for an error of boto3."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise _answered(uri, error.response, doing) from None
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


def _answered(uri: str, response: dict[str, Any], doing: Doing) -> ModerationError:
    code = shown(str(response.get("Error", {}).get("Code", ""))[:64])
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    known = _BY_CODE.get(code)
    if known is None and (status >= 500 or status in _BUSY_STATUS or code in _BUSY):
        return _unavailable(uri, code)
    fault, reason, hint = known or _BY_STATUS.get(status, _UNKNOWN)
    return _refused(uri, fault, f"{reason.format(doing)} ({code})", hint or _ALLOW[doing])


def _refused(uri: str, fault: MediaFault, reason: str, hint: str) -> SourceError:
    return SourceError(f"{shown(uri)}: {reason}", fault=fault, hint=hint)


def _unavailable(uri: str, what: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"{shown(uri)}: the store does not answer ({what})",
        hint="try again later; check that the store runs and that this machine reaches it",
    )
