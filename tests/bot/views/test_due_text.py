"""Due dates, elapsed times and dates in words."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import ObjectId

from bot.views.cards.ticket_cards import assignee_card, requester_card, triage_card
from bot.views.due_text import due_field, due_phrase, due_phrase_for_card, format_datetime, time_ago
from bot.views.text import DisplayPerson
from services.models.events import Event
from services.models.sla_clock import SlaClock
from services.models.ticket import Status, Ticket
from tests.conftest import sample_ticket
from tests.support.block_text import read

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # fixed, because test names include it
ANN, BEN = (DisplayPerson(name, f"U0{name.upper()}") for name in ("Ann", "Ben"))


def ticket(**fields: Any) -> Ticket:
    return sample_ticket(**{"status": Status.IN_PROGRESS, "assigned_to": ObjectId(), **fields})


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"seconds": 1}, "due in 1 min"),
        ({"minutes": 40, "seconds": 59}, "due in 40 min"),
        ({"minutes": 60}, "due in 1 h"),
        ({"minutes": 60, "seconds": 59}, "due in 1 h"),
        ({"hours": 1, "minutes": 59}, "due in 1 h 59 min"),
        ({"hours": 5, "minutes": 59, "seconds": 59}, "due in 5 h 59 min"),
    ],
)
def test_soon(left: dict[str, int], said: str) -> None:
    assert due_phrase(ticket(due_at=NOW + timedelta(**left)), now=NOW) == said


@pytest.mark.parametrize(
    ("late", "ago"),
    [
        ({"seconds": 0}, "just now"),
        ({"minutes": 59}, "59 minutes ago"),
        ({"hours": 2, "minutes": 59}, "2 hours ago"),
        ({"hours": 24}, "1 day ago"),
        ({"days": 400}, "400 days ago"),
    ],
)
def test_late(late: dict[str, int], ago: str) -> None:
    at = NOW - timedelta(**late)
    token = f"<!date^{int(at.timestamp())}^{{ago}}|{ago}>"
    assert due_phrase(ticket(due_at=at), now=NOW) == f"due {token}, *late*"
    assert due_field(due_phrase(ticket(due_at=at), now=NOW)) == f"{token}, *late*"


@pytest.mark.parametrize("left", [{"hours": 6}, {"days": 30}])
def test_later_it_is_a_day_and_a_time(left: dict[str, int]) -> None:
    at = NOW + timedelta(**left)
    assert due_phrase(ticket(due_at=at), now=NOW) == f"due {format_datetime(at)}"


def test_where_there_is_nothing_to_say() -> None:
    begun = SlaClock(spans=((NOW, NOW),))
    waits = ticket(status=Status.WAITING, sla_clock=begun)
    assert due_phrase(waits, now=NOW) == "paused while waiting"
    assert due_phrase_for_card(waits) == ""  # its status says so
    assert due_phrase(ticket(status=Status.WAITING), now=NOW) == ""
    assert due_phrase(ticket(), now=NOW) == due_phrase_for_card(ticket()) == due_field("") == ""
    done = ticket(status=Status.COMPLETED, due_at=NOW)
    assert due_phrase(done, now=NOW) == due_phrase_for_card(done) == ""
    assert (
        due_phrase(ticket(status=Status.WAITING, due_at=NOW, sla_clock=begun), now=NOW)
        == f"due {time_ago(NOW, now=NOW)}, *late*"
    )


def test_a_card_says_that_it_is_late_once_its_people_were_told() -> None:
    told = Event(3, NOW, "system", "reminded", "alarm", None, "due_missed")
    soon = Event(3, NOW, "system", "reminded", "alarm", None, "due_soon")
    assert due_phrase_for_card(ticket(due_at=NOW, events=(soon,))) == f"due {format_datetime(NOW)}"
    late = ticket(due_at=NOW, events=(told,))
    assert due_phrase_for_card(late) == f"due {time_ago(NOW)}, *late*"
    shown = [re.sub(r"\|[^>]*", "", text)  # without the fallback, as Slack shows it
             for text in (due_phrase_for_card(late), due_phrase(late, now=NOW))]  # fmt: skip
    assert shown[0] == shown[1]
    later = NOW + timedelta(hours=1)  # the deadline was changed since
    assert (
        due_phrase_for_card(ticket(due_at=later, events=(told,))) == f"due {format_datetime(later)}"
    )


def test_it_stands_on_every_card() -> None:
    shown = ticket(due_at=NOW)
    for_requester = read(requester_card(shown, assignee=BEN).as_args())
    assert f"*Assigned* to <@U0BEN> · due {format_datetime(NOW)}" in for_requester
    for card in (
        assignee_card(shown, requester=ANN),
        triage_card(shown, requester=ANN, assignee=BEN),
    ):
        assert read(card.as_args())[1].endswith(f" · due {format_datetime(NOW)}")
    waits = ticket(status=Status.WAITING, sla_clock=SlaClock(running_since=NOW))
    card = assignee_card(waits, requester=ANN)
    assert read(card.as_args())[1] == "*Waiting for the requester* · From <@U0ANN>"


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        ({"seconds": -5}, "just now"),
        ({"seconds": 59}, "just now"),
        ({"seconds": 60}, "1 minute ago"),
        ({"minutes": 59, "seconds": 59}, "59 minutes ago"),
        ({"hours": 1}, "1 hour ago"),
        ({"hours": 47}, "1 day ago"),
        ({"days": 400}, "400 days ago"),
    ],
)
def test_how_long_ago(passed: dict[str, int], said: str) -> None:
    at = NOW - timedelta(**passed)
    assert time_ago(at, now=NOW) == f"<!date^{int(at.timestamp())}^{{ago}}|{said}>"


def test_a_moment_falls_back_to_utc() -> None:
    at = NOW.replace(month=7, day=4, hour=1, minute=5)
    elsewhere = at.astimezone(timezone(timedelta(hours=-8)))
    expected = f"{{date_short_pretty}} at {{time}}|4 Jul {at.year}, 01:05 UTC>"
    assert format_datetime(elsewhere) == f"<!date^{int(at.timestamp())}^{expected}"
