"""Object events: what a message of the trigger's queue says happened in a bucket.

A message comes in one of these forms, each maybe in the string `Message` of an SNS notification:

    S3 itself       {"Records": [...]}, schema 2.x; {"Event": "s3:TestEvent"} when it is set up
    MinIO, RustFS   {"EventName": ..., "Key": ..., "Records": [...]}
    EventBridge     {"source": "aws.s3", "detail-type": "Object Created", "detail": {...}}

A key in `Records` is form-encoded, always and once; EventBridge delivers it as it is. Which of the
two it is follows from the form alone: "decode and see what exists" mistakes `a%3Ab` for `a:b`.

Source: Amazon S3 User Guide, "Event message structure" and "EventBridge event message structure".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NoReturn, TypeAlias, TypeVar
from urllib.parse import unquote_plus

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from moderation.errors import PermanentError

__all__ = ["MAX_BODY", "MAX_KEY", "Garbage", "Kind", "ObjectEvent", "newer", "parse"]

Kind: TypeAlias = Literal["created", "removed"]

MAX_BODY: Final = 256 * 1024
"""Characters: S3 sends 64 KB at most, which SNS's quoting may double; the rest is room."""

MAX_KEY: Final = 1024
"""UTF-8 bytes: what S3 allows in a key."""

_MAX_SIZE: Final = 2**63
"""Bytes: a size beyond fits into no column of a database, and no store holds it."""

_HINT: Final = "let nothing but S3 notifications into this queue"

_RESTORED: Final = "ObjectRestore:Completed"

_BYTES_UNTOUCHED: Final = frozenset(
    {
        "ObjectCreated:PutTagging",
        "ObjectCreated:DeleteTagging",
        "ObjectCreated:PutRetention",
        "ObjectCreated:PutLegalHold",
        "ObjectRemoved:NoOP",
    }
)
"""What MinIO and RustFS add to the two families: the tags that we set must not wake us again."""

_WHOLE_KEY: Final = ("ObjectRemoved:DeleteAllVersions", ":DeleteMarkerCreated")

_BRIDGED_KINDS: Final[Mapping[str, Kind]] = {
    "Object Created": "created",
    "Object Restore Completed": "created",
    "Object Deleted": "removed",
}

_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]+")


class Garbage(PermanentError):
    """A message that is no S3 notification, or one that names no possible object."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something happened to one object.

    kind        "created": there are bytes to look at; "removed": there are none any more
    key         as S3 takes it: decoded
    size        bytes; `None` when unknown
    etag        opaque, without quotes; "" when unknown
    version     "" when unversioned; of a removal: "" when the key went, whatever versions it has
    sequencer   see `newer`; "" when unknown
    region      "" when unknown
    event_name  as the message says it, such as "ObjectCreated:Put"
    """

    kind: Kind
    bucket: str
    key: str
    size: int | None
    etag: str
    version: str
    sequencer: str
    region: str
    event_name: str

    @property
    def uri(self) -> str:
        """`s3://bucket/key`, the key unencoded as the AWS command line writes it."""
        return f"s3://{self.bucket}/{self.key}"


def parse(body: str) -> tuple[ObjectEvent, ...]:
    """Every creation and removal that a message announces, in its order.

    Empty for S3's test event, for other kinds of events and for folder markers. One record that
    cannot be read condemns its message: raises `Garbage`, and nothing else, for any text.
    """
    message = _unwrapped(_document(body))
    if message.get("Event") == "s3:TestEvent":
        return ()
    if "Records" in message:
        found = [_recorded(record) for record in _validated(_Notification, message).records]
    elif "detail-type" in message:
        found = [_bridged(_validated(_Bridged, message))]
    else:
        _refuse("it has neither Records nor a detail-type")
    return tuple(event for event in found if event and not _is_folder_marker(event))


def newer(first: str, second: str) -> bool | None:
    """Whether sequencer `first` is later than `second`; both are of the same bucket and key.

    `None`: they do not tell, ask the object itself. AWS's pages contradict each other on which
    side the shorter of two is padded, so only hexadecimal numbers of equal length are compared.
    """
    known = _HEXADECIMAL.fullmatch(first) and _HEXADECIMAL.fullmatch(second)
    if not known or len(first) != len(second):
        return None
    return first.lower() > second.lower()


def _empty_for_null(value: object) -> object:
    return "" if value is None else value


_Text: TypeAlias = Annotated[
    str,
    BeforeValidator(_empty_for_null),
    Field(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
"""Opaque, on its way into logs and a database: no control characters, no lone surrogates."""

_Bucket: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,255}$")]


class _Part(BaseModel):
    """Of a message; what we do not read may be of any type."""

    model_config = ConfigDict(strict=True, frozen=True)


class _Object(_Part):
    key: str
    size: int | None = Field(None, ge=0, lt=_MAX_SIZE)
    etag: _Text = Field("", validation_alias=AliasChoices("eTag", "etag"))
    version: _Text = Field("", validation_alias=AliasChoices("versionId", "version-id"))
    sequencer: _Text = ""


class _Record(_Part):
    schema_version: str = Field(pattern=r"^2\.[0-9]+$", validation_alias="eventVersion")
    name: _Text = Field(validation_alias="eventName")
    region: _Text = Field("", validation_alias="awsRegion")
    bucket: _Bucket = Field(validation_alias=AliasPath("s3", "bucket", "name"))
    object: _Object = Field(validation_alias=AliasPath("s3", "object"))


class _Notification(_Part):
    records: list[_Record] = Field(validation_alias="Records")


class _Bridged(_Part):
    source: Literal["aws.s3"]
    name: _Text = Field(pattern="^Object ", validation_alias="detail-type")
    region: _Text = ""
    bucket: _Bucket = Field(validation_alias=AliasPath("detail", "bucket", "name"))
    object: _Object = Field(validation_alias=AliasPath("detail", "object"))
    deletion: _Text = Field("", validation_alias=AliasPath("detail", "deletion-type"))


_PartT = TypeVar("_PartT", bound=_Part)


def _document(text: str) -> dict[str, Any]:
    """The JSON object that the text is."""
    if len(text) > MAX_BODY:
        _refuse(f"it has {len(text)} characters, more than {MAX_BODY}")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"it is no JSON document ({error})")
    if not isinstance(value, dict):
        _refuse("it is no JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take different ones of two values under one name."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    """What SNS was given to deliver, where the message came by SNS."""
    kind = message.get("Type")
    if kind == "SubscriptionConfirmation":
        raise Garbage(
            "the message asks to confirm an SNS subscription of the queue",
            hint="confirm it (aws sns confirm-subscription, or open its SubscribeURL)",
        )
    if kind != "Notification":
        return message
    inner = message.get("Message")
    if not isinstance(inner, str):
        _refuse("its SNS envelope holds no string Message")
    return _document(inner)


def _validated(part: type[_PartT], message: dict[str, Any]) -> _PartT:
    try:
        return part.model_validate(message)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        _refuse(f"{place}: {first['msg']}")


def _recorded(record: _Record) -> ObjectEvent | None:
    name = record.name.removeprefix("s3:")
    kind = _recorded_kind(name)
    if kind is None:
        return None
    return _event(kind, record, _decoded(record.object.key), whole_key=name.endswith(_WHOLE_KEY))


def _recorded_kind(name: str) -> Kind | None:
    if name in _BYTES_UNTOUCHED:
        return None
    if name.startswith("ObjectCreated:") or name == _RESTORED:
        return "created"
    return "removed" if name.startswith(("ObjectRemoved:", "LifecycleExpiration:")) else None


def _bridged(message: _Bridged) -> ObjectEvent | None:
    kind = _BRIDGED_KINDS.get(message.name)
    if kind is None:
        return None
    whole_key = message.deletion == "Delete Marker Created"
    return _event(kind, message, message.object.key, whole_key=whole_key)


def _event(kind: Kind, said: _Record | _Bridged, key: str, *, whole_key: bool) -> ObjectEvent:
    """`whole_key`: the version named is that of a delete marker, which nobody ever scanned."""
    thing = said.object
    return ObjectEvent(
        kind=kind,
        bucket=said.bucket,
        key=_possible(key),
        size=thing.size,
        etag=thing.etag.strip('"'),
        version="" if whole_key or thing.version == "null" else thing.version,
        sequencer=thing.sequencer,
        region=said.region,
        event_name=said.name,
    )


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        _refuse("its key is not UTF-8")


def _possible(key: str) -> str:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        _refuse("its key is not UTF-8")
    if length > MAX_KEY:
        _refuse(f"its key has {length} bytes, more than {MAX_KEY}")
    if "\0" in key:
        _refuse("its key has a NUL byte")
    return key


def _is_folder_marker(event: ObjectEvent) -> bool:
    """MinIO leaves out a size of 0; so does every removal, and that may be of a real object."""
    empty = event.size == 0 or (event.size is None and event.kind == "created")
    return not event.key or (event.key.endswith("/") and empty)


def _refuse(reason: str) -> NoReturn:
    raise Garbage(f"the message is no S3 notification: {reason}", hint=_HINT) from None
