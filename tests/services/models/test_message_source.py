"""The message a ticket was filed from, given by untrusted ids."""

from dataclasses import replace
from typing import Any

import pytest

from services.core.errors import Conflict
from services.models.message_source import MessageSource, checked_source

TEAM = "https://example.slack.com/"
IDS = {"channel": "C0GENERAL", "ts": "1700000000.000001"}
LOST = "This form has lost the message it belongs to. Close it, then use “File as a ticket” again."


def test_the_link_leads_to_the_message() -> None:
    source = checked_source(team_url=TEAM, **IDS, slack_user_id="U0ANN")
    assert source == MessageSource(
        channel="C0GENERAL",
        ts="1700000000.000001",
        permalink="https://example.slack.com/archives/C0GENERAL/p1700000000000001",
        slack_user_id="U0ANN",
    )
    assert source.reply_thread_ts == "1700000000.000001"


def test_the_link_leads_to_a_reply_in_its_thread() -> None:
    source = checked_source(team_url=TEAM, **IDS, thread_ts="1690000000.000009")
    assert source.permalink == (
        "https://example.slack.com/archives/C0GENERAL/p1700000000000001"
        "?thread_ts=1690000000.000009&cid=C0GENERAL"
    )
    assert source.reply_thread_ts == "1690000000.000009"


def test_the_first_message_of_a_thread_is_no_reply() -> None:
    assert checked_source(team_url=TEAM, **IDS, thread_ts=IDS["ts"]) == checked_source(
        team_url=TEAM, **IDS
    )


@pytest.mark.parametrize(
    "forged",
    [
        {"channel": None},
        {"channel": ""},
        {"channel": "c0general"},
        {"channel": "C0/../../T1"},
        {"channel": "C0|<!channel>"},
        {"channel": "C" * 31},
        {"channel": ["C0GENERAL"]},
        {"channel": {"$gt": ""}},
        {"ts": None},
        {"ts": 1700000000.000001},
        {"ts": "1700000000"},
        {"ts": "1700000000.000001\n"},
        {"ts": "1700000000.000001?x=1"},
        {"ts": "١٧٠٠٠٠٠٠٠٠.٠٠٠٠٠١"},
        {"thread_ts": "1&cid=C0OTHER"},
        {"thread_ts": 0},
        {"slack_user_id": "<@U1>"},
        {"slack_user_id": ""},
        {"team_url": "https://example.slack.com"},
        {"team_url": "javascript://example.slack.com/"},
        {"team_url": "https://evil.example/x|y/"},
        {"team_url": ""},
    ],
    ids=str,
)
def test_what_cannot_be_an_id_is_refused(forged: dict[str, Any]) -> None:
    with pytest.raises(Conflict) as refused:
        checked_source(**{"team_url": TEAM, **IDS, **forged})
    assert str(refused.value) == LOST


@pytest.mark.parametrize("team_url", [TEAM, "http://demo.slack.local/", "http://127.0.0.1:3000/"])
@pytest.mark.parametrize("thread_ts", [None, "1690000000.000009"])
def test_it_is_read_as_it_was_stored(team_url: str, thread_ts: str | None) -> None:
    source = checked_source(team_url=team_url, **IDS, thread_ts=thread_ts, slack_user_id="U0ANN")
    assert MessageSource.from_doc(source.to_doc()) == source


@pytest.mark.parametrize(
    "doc",
    [
        None,
        "email",
        {},
        {"channel": "C0GENERAL", "ts": "1700000000.000001"},
        {"channel": "C0GENERAL", "ts": "1", "permalink": f"{TEAM}archives/C0GENERAL/p1"},
        {**IDS, "permalink": "https://evil.example/>"},
    ],
    ids=str,
)
def test_what_another_program_stored_is_no_source(doc: Any) -> None:
    assert MessageSource.from_doc(doc) is None


def test_a_stored_link_to_elsewhere_is_not_believed() -> None:
    source = MessageSource.from_doc({**IDS, "permalink": f"{TEAM}archives/C0OTHER/p1?x=1"})
    assert source is not None
    assert source.permalink == f"{TEAM}archives/C0GENERAL/p1700000000000001"


@pytest.mark.parametrize("is_conversation", [True, False])
def test_a_stored_source_is_read_again(*, is_conversation: bool) -> None:
    source = checked_source(team_url=TEAM, **IDS, slack_user_id="U0ANN")
    source = replace(source, is_conversation=is_conversation)
    assert MessageSource.from_doc(source.to_doc()) == source
    assert ("conversation" in source.to_doc()) is is_conversation
