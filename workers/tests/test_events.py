"""From the text of a message to the events it announces, and which of them are wanted."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moderation_workers.events import (
    MAX_BODY,
    MAX_KEY,
    Garbage,
    Kind,
    ObjectEvent,
    newer,
    parse,
)
from moderation_workers.filter import Filter
from pydantic import ValidationError

from moderation.errors import PermanentError
from moderation.publish_settings import PublishSettings

VERSIONED = "096fKKXTRTtl3on89fVO.nfljtsv6qko"

S3_PUT = """{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2",
"eventTime":"1970-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put",
"userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},
"requestParameters":{"sourceIPAddress":"127.0.0.1"},
"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURIY8/IgAtTv8xR"},
"s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule",
"bucket":{"name":"uploads","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},
"arn":"arn:aws:s3:::uploads"},
"object":{"key":"holiday/red+flower.mp4","size":1024,
"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko",
"sequencer":"0055AED6DCD90281E5"}}}]}"""

S3_TEST = """{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z",
"Bucket":"uploads","RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3e"}"""

MOTO_PUT = (
    '{"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", '
    '"eventTime": "2026-11-21T07:15:13.671Z", "eventName": "ObjectCreated:Put", "s3": '
    '{"s3SchemaVersion": "1.0", "configurationId": "moderation", "bucket": {"name": "uploads", '
    '"arn": "arn:aws:s3:::uploads"}, "object": {"key": "in%2Fa+b%2Bc+%C3%A9.mp4", "size": 5, '
    '"eTag": "5d41402abc4b2a76b9719d911017c592"}}}]}'
)

MINIO_PUT = """{"EventName":"s3:ObjectCreated:Put","Key":"images/test12/DG0890EY2.mp4","Records":[
{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"","eventTime":"2018-10-26T11:18:32Z",
"eventName":"s3:ObjectCreated:Put","userIdentity":{"principalId":"SV8EUTD78ZV13T1PP8FM"},
"requestParameters":{"sourceIPAddress":"127.0.0.1"},
"responseElements":{"x-amz-request-id":"15612487A9DF732C"},
"s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":{"name":"images",
"ownerIdentity":{"principalId":"SV8EUTD78ZV13T1PP8FM"},"arn":"arn:aws:s3:::images"},
"object":{"key":"test12%2FDG0890EY2.mp4","size":629648,"eTag":"b7ce786cd89b182bfd5ae765557bbc37",
"contentType":"video/mp4","userMetadata":{"content-type":"video/mp4"},
"sequencer":"15612487A9DF732C"}},
"source":{"host":"127.0.0.1","port":"53175","userAgent":"MinIO (linux; amd64)"}}]}"""

BRIDGE_CREATED = """{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103",
"detail-type":"Object Created","source":"aws.s3","account":"111122223333",
"time":"2021-11-12T00:00:00Z","region":"ca-central-1","resources":["arn:aws:s3:::uploads"],
"detail":{"version":"0","bucket":{"name":"uploads"},"object":{"key":"a+b 100%25.mp4","size":5,
"etag":"b1946ac92492d2347c6235b4d2611184","version-id":"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
"sequencer":"617f08299329d189"},"request-id":"N4N7GDK58NMKJ12R","requester":"123456789012",
"source-ip-address":"1.2.3.4","reason":"PutObject"}}"""

BRIDGE_MARKED = """{"version":"0","id":"2ee9cc15-d022-99ea-1fb8-1b1bac4850f9",
"detail-type":"Object Deleted","source":"aws.s3","account":"111122223333",
"time":"2021-11-12T00:00:00Z","region":"ca-central-1","resources":["arn:aws:s3:::uploads"],
"detail":{"version":"0","bucket":{"name":"uploads"},"object":{"key":"a.mp4",
"etag":"d41d8cd98f00b204e9800998ecf8427e","version-id":"1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF",
"sequencer":"617f0837b476e463"},"request-id":"0BH729840619AG5K","requester":"123456789012",
"source-ip-address":"1.2.3.4","reason":"DeleteObject","deletion-type":"Delete Marker Created"}}"""

SNS_CONFIRMATION = """{"Type":"SubscriptionConfirmation","MessageId":"165545c9-2a5c-472c-8df2",
"Token":"2336412f37","TopicArn":"arn:aws:sns:us-west-2:123456789012:MyTopic",
"Message":"You have chosen to subscribe to the topic arn:aws:sns:us-west-2:123456789012:MyTopic.",
"SubscribeURL":"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
"Timestamp":"2012-04-26T20:45:04.751Z","SignatureVersion":"1","Signature":"EXAMPLEpH+"}"""


def by_sns(message: object) -> str:
    """As SNS delivers it without raw delivery."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "63a3f6b6-d533-4a47-aef9-fcf5cf758c76",
            "TopicArn": "arn:aws:sns:us-west-2:123456789012:uploads",
            "Subject": "Amazon S3 Notification",
            "Message": message,
            "Timestamp": "2012-04-25T21:49:25.719Z",
        }
    )


def record(
    name: str = "ObjectCreated:Put", version: str = "2.6", **thing: object
) -> dict[str, Any]:
    """One of `Records`, with `thing` as its object."""
    return {
        "eventVersion": version,
        "eventName": name,
        "s3": {"bucket": {"name": "uploads"}, "object": {"key": "a.mp4", **thing}},
    }


def body(*records: object) -> str:
    return json.dumps({"Records": list(records)})


def only(text: str) -> ObjectEvent:
    [event] = parse(text)
    return event


def with_value(text: str, place: tuple[str | int, ...], value: object) -> str:
    """The JSON text with another value at a place."""
    document = json.loads(text)
    target = document
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return json.dumps(document)


# What a message may look like.


def test_record_of_s3_is_read_whole() -> None:
    assert only(S3_PUT) == ObjectEvent(
        kind="created",
        bucket="uploads",
        key="holiday/red flower.mp4",
        size=1024,
        etag="d41d8cd98f00b204e9800998ecf8427e",
        version=VERSIONED,
        sequencer="0055AED6DCD90281E5",
        region="us-west-2",
        event_name="ObjectCreated:Put",
    )


def test_moto_says_neither_version_nor_sequencer_and_quotes_slashes() -> None:
    event = only(MOTO_PUT)
    assert event.uri == "s3://uploads/in/a b+c é.mp4"
    assert (event.size, event.version, event.sequencer) == (5, "", "")
    assert event.etag == "5d41402abc4b2a76b9719d911017c592"


def test_minio_record_is_read() -> None:
    event = only(MINIO_PUT)
    assert event.uri == "s3://images/test12/DG0890EY2.mp4"
    assert (event.kind, event.event_name) == ("created", "s3:ObjectCreated:Put")


@pytest.mark.parametrize("inner", [S3_PUT, MOTO_PUT, MINIO_PUT, BRIDGE_CREATED, BRIDGE_MARKED])
def test_message_by_sns_says_what_it_says_without(inner: str) -> None:
    assert parse(by_sns(inner)) == parse(inner) != ()


def test_eventbridge_key_is_taken_as_it_is() -> None:
    assert only(BRIDGE_CREATED) == ObjectEvent(
        kind="created",
        bucket="uploads",
        key="a+b 100%25.mp4",
        size=5,
        etag="b1946ac92492d2347c6235b4d2611184",
        version="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
        sequencer="617f08299329d189",
        region="ca-central-1",
        event_name="Object Created",
    )


def test_f88_test_event_announces_nothing() -> None:
    assert parse(S3_TEST) == parse(by_sns(S3_TEST)) == ()


def test_f99_every_record_of_every_bucket_is_read_in_order() -> None:
    other = record(key="b.mp4")
    other["s3"]["bucket"]["name"] = "archive"
    events = parse(body(record(), other, record("ObjectRemoved:Delete")))
    assert [(event.kind, event.uri) for event in events] == [
        ("created", "s3://uploads/a.mp4"),
        ("created", "s3://archive/b.mp4"),
        ("removed", "s3://uploads/a.mp4"),
    ]


def test_f99_no_records_announce_nothing() -> None:
    assert parse(body()) == ()


# What happened.


@pytest.mark.parametrize("prefix", ["", "s3:"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ObjectCreated:Put", "created"),
        ("ObjectCreated:Post", "created"),
        ("ObjectCreated:Copy", "created"),
        ("ObjectCreated:CompleteMultipartUpload", "created"),
        ("ObjectRestore:Completed", "created"),
        ("ObjectRemoved:Delete", "removed"),
        ("ObjectRemoved:DeleteMarkerCreated", "removed"),
        ("LifecycleExpiration:Delete", "removed"),
        ("LifecycleExpiration:DeleteMarkerCreated", "removed"),
    ],
)
def test_creations_and_removals_are_told(prefix: str, name: str, kind: Kind) -> None:
    assert only(body(record(prefix + name))).kind == kind


@pytest.mark.parametrize(
    "name",
    [
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectAcl:Put",
        "ObjectRestore:Post",
        "ObjectRestore:Delete",
        "Replication:OperationFailedReplication",
        "LifecycleTransition",
        "IntelligentTiering",
        "ReducedRedundancyLostObject",
        "s3:ObjectAccessed:Get",
        "s3:LifecycleDelMarkerExpiration:Delete",
    ],
)
def test_other_events_are_ignored(name: str) -> None:
    assert parse(body(record(name))) == ()


@pytest.mark.parametrize("name", ["PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold"])
def test_minio_creation_without_new_bytes_is_ignored(name: str) -> None:
    assert parse(body(record(f"s3:ObjectCreated:{name}"))) == ()


def test_minio_removal_of_nothing_is_ignored() -> None:
    assert parse(body(record("s3:ObjectRemoved:NoOP"))) == ()


@pytest.mark.parametrize(
    ("detail_type", "kinds"),
    [
        ("Object Created", ["created"]),
        ("Object Restore Completed", ["created"]),
        ("Object Deleted", ["removed"]),
        ("Object Restore Initiated", []),
        ("Object Tags Added", []),
        ("Object ACL Updated", []),
    ],
)
def test_eventbridge_detail_type_tells_the_kind(detail_type: str, kinds: list[Kind]) -> None:
    events = parse(with_value(BRIDGE_CREATED, ("detail-type",), detail_type))
    assert [event.kind for event in events] == kinds


# Which object.


@pytest.mark.parametrize(
    "key",
    [
        "red flower.mp4",
        "a+b=c%d&e.mp4",
        "already%3Aencoded%20%2520.mp4",
        "in/日本語/🎬.mp4",
        "=cmd()<img onerror>.mp4",
        "line\nbreak.mp4",
    ],
)
def test_f91_key_is_decoded_once(key: str) -> None:
    assert only(body(record(key=quote_plus(key)))).key == key
    assert only(body(record(key=quote_plus(key, safe="/")))).key == key
    assert only(with_value(BRIDGE_CREATED, ("detail", "object", "key"), key)).key == key


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@settings(max_examples=50, deadline=None)
def test_f91_any_key_comes_back(name: str) -> None:
    key = f"{name[:200]}.mp4"
    assert only(body(record(key=quote_plus(key)))).key == key


@pytest.mark.parametrize("size", [0, None])
@pytest.mark.parametrize("key", ["", "folder/", "folder%2F"])
def test_created_folder_marker_is_ignored(key: str, size: int | None) -> None:
    assert parse(body(record(key=key, size=size))) == ()


def test_object_whose_key_ends_like_a_folder_is_told() -> None:
    assert only(body(record(key="folder/", size=7))).size == 7
    assert only(body(record("ObjectRemoved:Delete", key="folder/"))).kind == "removed"


def test_etag_is_unquoted_and_otherwise_opaque() -> None:
    assert only(body(record(eTag='"9b2cf535f27731c974343645a3985328-10000"'))).etag == (
        "9b2cf535f27731c974343645a3985328-10000"
    )


@pytest.mark.parametrize("version", ["", "null", None])
def test_unversioned_object_has_no_version(version: str | None) -> None:
    assert only(body(record(versionId=version))).version == ""


def test_unknown_size_and_etag_are_unknown() -> None:
    event = only(body(record("ObjectRemoved:Delete")))
    assert (event.size, event.etag, event.region) == (None, "", "")


def test_f107_permanent_removal_names_its_version() -> None:
    assert only(body(record("ObjectRemoved:Delete", versionId=VERSIONED))).version == VERSIONED
    removed = with_value(BRIDGE_MARKED, ("detail", "deletion-type"), "Permanently Deleted")
    assert only(removed).version == "1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF"


@pytest.mark.parametrize(
    "text",
    [
        body(record("ObjectRemoved:DeleteMarkerCreated", versionId=VERSIONED)),
        body(record("LifecycleExpiration:DeleteMarkerCreated", versionId=VERSIONED)),
        body(record("s3:ObjectRemoved:DeleteAllVersions", versionId=VERSIONED)),
        BRIDGE_MARKED,
    ],
)
def test_f107_removal_of_the_whole_key_names_no_version(text: str) -> None:
    event = only(text)
    assert (event.kind, event.version) == ("removed", "")


# What is no notification.


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "null",
        "[]",
        '"Records"',
        "{}",
        "\ufeff{}",
        '{"Records": []',
        '{"Records": [], "Records": []}',
        '{"Records": [], "x": NaN}',
        '{"Records": [], "x": -Infinity}',
        '{"Records": [], "x": ' + "9" * 5000 + "}",
        '{"Records": [], "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"x":' * 40_000,
    ],
    ids=lambda text: ascii(text[:24]),
)
def test_f100_text_that_is_no_json_object_is_garbage(text: str) -> None:
    with pytest.raises(Garbage):
        parse(text)
    with pytest.raises(Garbage):
        parse(by_sns(text))


def test_f100_largest_notification_quoted_by_sns_is_read() -> None:
    largest = with_value(S3_PUT, ("Records", 0, "userIdentity"), {"principalId": '"' * 31_500})
    assert 62 * 1024 < len(largest) <= 64 * 1024
    assert only(by_sns(largest)) == only(S3_PUT)


def test_f100_body_beyond_the_limit_is_garbage_unread() -> None:
    fits = with_value(S3_PUT, ("x",), "")
    assert parse(with_value(S3_PUT, ("x",), "x" * (MAX_BODY - len(fits))))
    with pytest.raises(Garbage, match="more than 262144"):
        parse("x" * (MAX_BODY + 1))


PLACES: list[tuple[str, tuple[str | int, ...]]] = [
    (S3_PUT, ("Records",)),
    (S3_PUT, ("Records", 0)),
    (S3_PUT, ("Records", 0, "eventVersion")),
    (S3_PUT, ("Records", 0, "eventName")),
    (S3_PUT, ("Records", 0, "awsRegion")),
    (S3_PUT, ("Records", 0, "s3")),
    (S3_PUT, ("Records", 0, "s3", "bucket")),
    (S3_PUT, ("Records", 0, "s3", "bucket", "name")),
    (S3_PUT, ("Records", 0, "s3", "object")),
    (S3_PUT, ("Records", 0, "s3", "object", "key")),
    (S3_PUT, ("Records", 0, "s3", "object", "size")),
    (S3_PUT, ("Records", 0, "s3", "object", "eTag")),
    (S3_PUT, ("Records", 0, "s3", "object", "versionId")),
    (S3_PUT, ("Records", 0, "s3", "object", "sequencer")),
    (BRIDGE_CREATED, ("source",)),
    (BRIDGE_CREATED, ("detail-type",)),
    (BRIDGE_CREATED, ("detail",)),
    (BRIDGE_CREATED, ("detail", "bucket")),
    (BRIDGE_CREATED, ("detail", "object", "key")),
    (by_sns(S3_PUT), ("Message",)),
]


@pytest.mark.parametrize("value", [{"a": 1}, [["a"]], True, 1.5, -1], ids=ascii)
@pytest.mark.parametrize(("text", "place"), PLACES)
def test_f100_wrong_type_anywhere_is_garbage(
    text: str, place: tuple[str | int, ...], value: object
) -> None:
    with pytest.raises(Garbage):
        parse(with_value(text, place, value))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("eventVersion",), "3.0"),
        (("eventVersion",), "20.1"),
        (("s3", "bucket", "name"), ""),
        (("s3", "bucket", "name"), "uploads/../other"),
        (("s3", "object", "key"), "%FF.mp4"),
        (("s3", "object", "key"), "\ud800.mp4"),
        (("s3", "object", "key"), "a%00.mp4"),
        (("s3", "object", "key"), "é" * (MAX_KEY // 2) + "x"),
        (("s3", "object", "size"), 2**63),
        (("s3", "object", "size"), "1024"),
        (("s3", "object", "eTag"), "a\nb"),
        (("s3", "object", "versionId"), "a\0b"),
        (("s3", "object", "sequencer"), "\ud800"),
        (("s3", "object", "versionId"), "x" * 1025),
    ],
    ids=ascii,
)
def test_f99_impossible_object_or_unknown_major_version_is_garbage(
    place: tuple[str, ...], value: object
) -> None:
    with pytest.raises(Garbage):
        parse(with_value(S3_PUT, ("Records", 0, *place), value))


def test_key_of_the_longest_length_is_read() -> None:
    key = "é" * (MAX_KEY // 2)
    assert only(body(record(key=quote_plus(key)))).key == key


def test_f99_one_unreadable_record_condemns_its_message() -> None:
    with pytest.raises(Garbage, match=r"Records\.1\.eventVersion"):
        parse(body(record(), record(version="3.1")))


@pytest.mark.parametrize(
    ("place", "value"), [("source", "aws.ec2"), ("detail-type", "AWS API Call via CloudTrail")]
)
def test_other_event_of_eventbridge_is_garbage(place: str, value: str) -> None:
    with pytest.raises(Garbage, match=place):
        parse(with_value(BRIDGE_CREATED, (place,), value))


def test_sns_subscription_is_garbage_until_it_is_confirmed() -> None:
    with pytest.raises(Garbage, match="confirm-subscription"):
        parse(SNS_CONFIRMATION)


def test_garbage_says_what_is_wrong_and_what_to_do() -> None:
    with pytest.raises(PermanentError) as raised:
        parse('{"detail": 1}')
    assert raised.value.message == (
        "the message is no S3 notification: it has neither Records nor a detail-type"
    )
    assert raised.value.hint == "let nothing but S3 notifications into this queue"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def gives_events_or_garbage(text: str) -> None:
    try:
        events = parse(text)
    except Garbage:
        return
    assert all(isinstance(event, ObjectEvent) for event in events)


@given(st.text(st.characters()))
@settings(max_examples=100, deadline=None)
def test_f100_any_text_gives_events_or_garbage(text: str) -> None:
    gives_events_or_garbage(text)
    gives_events_or_garbage(by_sns(text))


@given(JSON_VALUES)
@settings(max_examples=100, deadline=None)
def test_f100_any_json_gives_events_or_garbage(value: object) -> None:
    gives_events_or_garbage(json.dumps(value))
    gives_events_or_garbage(by_sns(value))


@given(st.sampled_from(PLACES), JSON_VALUES)
@settings(max_examples=300, deadline=None)
def test_f100_any_json_at_any_place_gives_events_or_garbage(
    target: tuple[str, tuple[str | int, ...]], value: object
) -> None:
    text, place = target
    gives_events_or_garbage(with_value(text, place, value))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_f100_any_cut_or_changed_body_gives_events_or_garbage(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([S3_PUT, MOTO_PUT, MINIO_PUT, BRIDGE_MARKED, by_sns(S3_PUT)]))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    gives_events_or_garbage(text[:start] + data.draw(st.text(max_size=3)) + text[stop:])


# Which of two events of a key is the later.


@pytest.mark.parametrize(
    ("first", "second", "answer"),
    [
        ("0055AED6DCD90281E6", "0055AED6DCD90281E5", True),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6", False),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E5", False),
        ("617f0837b476e463", "617F08299329D189", True),
        ("617F08299329D18B", "617f08299329d18a", True),
        ("617f08299329d18a", "617F08299329D18B", False),
    ],
)
def test_f90_sequencers_of_equal_length_are_ordered(first: str, second: str, answer: bool) -> None:
    assert newer(first, second) is answer


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("617f0837b476e463", "0055AED6DCD90281E5"),
        ("", ""),
        ("", "617f0837b476e463"),
        ("617f0837b476e463", ""),
        ("Happy Sequencer", "Happy Sequences"),
    ],
)
def test_f90_sequencers_that_do_not_compare_ask_the_object(first: str, second: str) -> None:
    assert newer(first, second) is None


# Which events are wanted.


def created(key: str, size: int | None = 100) -> ObjectEvent:
    return only(body(record(key=quote_plus(key), size=size)))


def test_filter_without_settings_accepts_everything() -> None:
    assert Filter().refusal(created("a")) == ""
    assert Filter().policy_of(created("a")) is None


def test_filter_lists_prefixes() -> None:
    wanted = Filter(prefixes=("in/", "new/"))
    assert wanted.refusal(created("new/a.mp4")) == ""
    assert wanted.refusal(created("old/in/a.mp4")) == "its prefix is not listed"


def test_filter_lists_suffixes_in_either_case() -> None:
    wanted = Filter(suffixes=(".mp4", ".MOV"))
    assert wanted.refusal(created("a.MP4")) == wanted.refusal(created("a.mov")) == ""
    assert wanted.refusal(created("a.mp4.txt")) == "its suffix is not listed"


def test_filter_ignores_the_results_within_a_listed_prefix() -> None:
    wanted = Filter(prefixes=("in/",), ignore_prefixes=("in/results/",))
    assert wanted.refusal(created("in/a.mp4")) == ""
    assert wanted.refusal(created("in/results/a.json")) == "its prefix is ignored"


def test_filter_refuses_what_we_published_and_nothing_beside_it() -> None:
    event = created("results/a.json")
    ours = PublishSettings(results=f"s3://{event.bucket}/results")
    theirs = PublishSettings(results="s3://another-one/results/")
    assert Filter(publish=ours).refusal(event) == "it is a result of ours"
    assert Filter(publish=ours).refusal(created("results.mp4")) == ""
    assert Filter(publish=theirs).refusal(event) == ""


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (9, "its 9 bytes are fewer than 10"),
        (10, ""),
        (20, ""),
        (21, "its 21 bytes are more than 20"),
        (None, ""),
    ],
)
def test_f98_filter_bounds_known_sizes(size: int | None, reason: str) -> None:
    assert Filter(min_bytes=10, max_bytes=20).refusal(created("a.mp4", size)) == reason


def test_removal_is_not_filtered_by_size() -> None:
    removed = only(body(record("ObjectRemoved:Delete", size=5)))
    assert Filter(min_bytes=10).refusal(removed) == ""


def test_longest_prefix_names_the_policy() -> None:
    wanted = Filter(policies={"kids/": "strict", "": "default", "kids/teens/": "teens"})
    assert wanted.policy_of(created("kids/teens/a.mp4")) == "teens"
    assert wanted.policy_of(created("kids/a.mp4")) == "strict"
    assert wanted.policy_of(created("a.mp4")) == "default"


@pytest.mark.parametrize(
    "given",
    [
        {"min_bytes": 10, "max_bytes": 9},
        {"min_bytes": -1},
        {"ignore_prefixes": ("",)},
        {"prefix": "in/"},
    ],
    ids=ascii,
)
def test_filter_that_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Filter(**given)
