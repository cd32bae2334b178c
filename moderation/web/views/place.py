"""Places: where uploads lie is for those who may read reports; others see a name."""

from __future__ import annotations

from dataclasses import replace

from moderation.person import Person, Right
from moderation.review import ReviewCase, ReviewItem
from moderation.scan import Scan
from moderation.web.filters import file_name

__all__ = ["case_for", "item_for", "text_for"]


def case_for(by: Person, case: ReviewCase) -> ReviewCase:
    """Without the place of its video, unless they may know it."""
    if by.may(Right.READ):
        return case
    return case._replace(item=item_for(by, case.item), scan=_scan(case.scan, case.item, by))


def item_for(by: Person, item: ReviewItem) -> ReviewItem:
    """The same of an item; what whoever asked for it says is for who has it."""
    if by.may(Right.READ):
        return item
    failure = item.failure
    if failure is not None:
        failure = replace(failure, message=text_for(by, failure.message, item))
    note = item.note if item.holder == by.name else ""
    return replace(item, uri=file_name(item.uri), failure=failure, note=note)


def text_for(by: Person, text: str, item: ReviewItem) -> str:
    """A sentence that may name the place."""
    if by.may(Right.READ):
        return text
    name = file_name(item.uri)
    return text.replace(item.uri, name).replace(item.uri.partition("?versionId=")[0], name)


def _scan(scan: Scan, item: ReviewItem, by: Person) -> Scan:
    failure = scan.failure
    if failure is not None:
        failure = replace(failure, message=text_for(by, failure.message, item))
    return replace(scan, video=replace(scan.video, uri=file_name(item.uri)), failure=failure)
