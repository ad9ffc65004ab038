"""Stored direct messages: the lines of a minute are one text."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.core.database import Mongo
from services.models.comment import MessageRef
from services.tickets.direct_messages import DirectMessages, DirectText
from tests.conftest import FixedClock

FIRST = MessageRef("D1", "1700000000.000100")


def at(seconds: int, channel: str = "D1") -> MessageRef:
    return MessageRef(channel, f"{1_700_000_000 + seconds}.000100")


@pytest.fixture
def texts(db: Mongo, clock: FixedClock) -> DirectMessages:
    return DirectMessages(db, clock=clock)


def begin(texts: DirectMessages, text: str = "The VPN drops", **more: Any) -> DirectText:
    return texts.begin(FIRST, text, **{"slack_user_id": "U1", "is_open": True, **more})


def join(
    texts: DirectMessages, seconds: int, text: str, *, user: str = "U1", **more: Any
) -> DirectText | None:
    return texts.join(at(seconds, **more), text, slack_user_id=user, is_taken=lambda _: False)


def get(texts: DirectMessages) -> str | None:
    return texts.get(FIRST, slack_user_id="U1")


def test_lines_of_a_minute_are_one_text_in_the_order_in_which_they_were_written(
    texts: DirectMessages,
) -> None:
    begin(texts)
    for seconds, text in ((60, "Since Monday"), (2, "Every hour"), (60, "Since Monday")):
        assert join(texts, seconds, text) is not None
    begin(texts)  # its event is repeated
    assert get(texts) == "The VPN drops\nEvery hour\nSince Monday"


@pytest.mark.parametrize(
    ("seconds", "more"), [(61, {}), (-1, {}), (2, {"user": "U2"}), (2, {"channel": "D2"})]
)
def test_nothing_else_joins(texts: DirectMessages, seconds: int, more: dict[str, str]) -> None:
    begin(texts)
    assert join(texts, seconds, "Hello", **more) is None
    assert get(texts) == "The VPN drops"


def test_nothing_joins_a_closed_text_or_one_that_a_ticket_has(texts: DirectMessages) -> None:
    begin(texts)
    taken: list[MessageRef] = []

    def is_taken(first: MessageRef) -> bool:
        taken.append(first)
        return True

    for _ in range(2):
        assert texts.join(at(2), "Every hour", slack_user_id="U1", is_taken=is_taken) is None
    assert taken == [FIRST]  # then it is closed
    assert get(texts) == "The VPN drops"


def test_a_repeated_line_of_a_closed_text_changes_nothing(texts: DirectMessages) -> None:
    begin(texts)
    join(texts, 2, "Every hour")
    assert texts.close(FIRST, slack_user_id="U1") == "The VPN drops\nEvery hour"
    again = join(texts, 2, "Every hour")
    assert again == DirectText(FIRST, "The VPN drops\nEvery hour", is_open=False)


def test_lines_that_come_at_once_are_all_kept(texts: DirectMessages) -> None:
    begin(texts)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: join(texts, number, f"Line {number}"), range(1, 9)))
    lines = [f"Line {number}" for number in range(1, 9)]
    assert get(texts) == "\n".join(["The VPN drops", *lines])


def test_a_press_and_a_line_at_once_lose_no_word(texts: DirectMessages) -> None:
    for number in range(10):
        first = MessageRef("D1", f"{1_800_000_000 + 100 * number}.000100")
        second = MessageRef("D1", f"{1_800_000_001 + 100 * number}.000100")
        texts.begin(first, "One", slack_user_id="U1", is_open=True)
        with ThreadPoolExecutor(2) as pool:
            pressed = pool.submit(texts.close, first, slack_user_id="U1")
            joined = pool.submit(
                texts.join, second, "Two", slack_user_id="U1", is_taken=lambda _: False
            )
        if joined.result():  # before the press
            assert pressed.result() == "One\nTwo"
        else:
            assert pressed.result() == "One"


def test_an_edit_changes_its_line_and_no_earlier_words_are_kept(
    texts: DirectMessages, db: Mongo
) -> None:
    begin(texts, "hunter2")
    join(texts, 2, "Every hour")
    for ref, text, previous in ((FIRST, "Help", "hunter2"), (at(2), "Each minute", "Every hour")):
        before = "\n".join([previous, "Every hour"] if ref == FIRST else ["Help", previous])
        after = before.replace(previous, text)
        for _ in range(2):  # a repeated event says the same
            edited = texts.edit(ref, text, previous=previous, slack_user_id="U1")
            assert edited == DirectText(FIRST, after, before)
    assert "hunter2" not in str(db.inbox.find_one())
    replacement = texts.get_replacement(FIRST, slack_user_id="U1", previous="hunter2\nEvery hour")
    assert replacement == "Help\nEach minute"
    assert texts.get_replacement(FIRST, slack_user_id="U1", previous=replacement) is None


def test_the_first_line_may_be_deleted_before_the_others(texts: DirectMessages) -> None:
    begin(texts)
    join(texts, 2, "Every hour")
    left = texts.edit(FIRST, "", previous="The VPN drops", slack_user_id="U1")
    assert (left.text, get(texts)) == ("Every hour", "Every hour")
    gone = texts.edit(at(2), "", previous="Every hour", slack_user_id="U1")
    assert (gone.text, gone.previous, get(texts)) == ("", "Every hour", None)
    assert texts.get_replacement(FIRST, slack_user_id="U1", previous="Every hour") == ""
    assert join(texts, 3, "Something else") is None


def test_only_its_author_reads_a_text(texts: DirectMessages) -> None:
    begin(texts, "hunter2")
    texts.edit(FIRST, "Help", previous="hunter2", slack_user_id="U1")
    assert texts.get(FIRST, slack_user_id="U2") is None
    assert texts.close(FIRST, slack_user_id="U2") is None
    assert texts.get_replacement(FIRST, slack_user_id="U2", previous="hunter2") is None
    assert join(texts, 2, "Every hour") is not None  # still open


def test_a_text_of_an_earlier_release_is_edited_too(texts: DirectMessages, db: Mongo) -> None:
    stored = {"_id": f"offer:D1:{FIRST.ts}", "user": "U1", "text": "hunter2", "at": texts._clock()}
    db.inbox.insert_one(stored)
    assert join(texts, 2, "Every hour") is None
    edited = texts.edit(FIRST, "Help", previous="hunter2", slack_user_id="U1")
    assert (edited.text, edited.previous, get(texts)) == ("Help", "hunter2", "Help")


def test_an_edit_of_an_unknown_message_stores_it(texts: DirectMessages) -> None:
    edited = texts.edit(FIRST, "Help", previous="Halp", slack_user_id="U1")
    assert edited == DirectText(FIRST, "Help", "Halp")
    assert get(texts) == "Help"
