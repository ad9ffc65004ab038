"""The demo's sample tickets: the same states on every day, and a history like that of real ones."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk import WebClient

from demo import seed
from demo.sample_tickets import SAMPLE_TICKETS, add_sample_tickets, last_digest_time, on_workday
from demo.welcome import LEARNED_TITLE, MESSAGE, welcome_message
from services.analysis.model_exchange import SkillMatch
from services.core.database import Mongo
from services.models.ticket import Status, Ticket
from services.registry.services import Services
from services.routing import router
from tests.support.blockkit import check_message
from tests.support.recording_slack import TOKEN, RecordingSlack

STAFF = seed.staff()
MEMBERS = [seed.EMPLOYEE, *seed.COLLEAGUES, *STAFF]

STATES = {
    Status.COMPLETED: 11,
    Status.IN_PROGRESS: 9,
    Status.REOPENED: 1,
    Status.TODO: 1,
    Status.WAITING: 1,
}
ASSIGNEES = {
    "VPN stops when I change rooms": "Nils",
    "Wrong tax class on my payslip": "Pia",
    "Laptop does not wake up from sleep": "Lara",
    "SAP logs me out every ten minutes": "Pia",
    "DNS still has the wiki's old address": "Nils",
    "Coffee machine on floor 3 leaks": None,
    "VPN client wants a code": "Nils",
    "VPN is down for the whole sales team": "Nils",
    "My laptop fan roars": "Lara",
    "Printer cuts off the right margin": "Lara",
    "The copy room's printer sends no scans": "Lara",
    "The VPN asks for my password every hour": "Nils",
}


def file_them(db: Mongo, slack: RecordingSlack, now: datetime) -> None:
    slack.add_channel(seed.GENERAL)
    slack.add_channel(seed.TRIAGE)
    slack.add_channel(seed.HELP, name=seed.HELP_NAME, is_member=True, members=None)
    for member in MEMBERS:
        slack.add_member(member.slack_id, email=member.email, name=member.first_name)
    seed.seed_accounts(db, STAFF)
    seed.seed_request_channel(db)
    client = WebClient(token=TOKEN, base_url=slack.url, retry_handlers=[])

    def say(member: seed.Member, text: str) -> str:
        return str(slack.say(seed.HELP, text, user=member.slack_id)["ts"])

    add_sample_tickets(db, client, MEMBERS, say=say, now=now)


# A Monday morning, and the first minutes of a Sunday.
@pytest.mark.parametrize(
    "now", [datetime(2037, 3, 2, 9, 20, tzinfo=UTC), datetime(2037, 3, 8, 0, 5, tzinfo=UTC)]
)
def test_the_tickets_and_their_messages_are_consistent_on_any_day(
    db: Mongo, slack: RecordingSlack, now: datetime
) -> None:
    file_them(db, slack, now)
    docs = list(db.tickets.find().sort("number"))
    tickets = [Ticket.from_doc(doc) for doc in docs]
    names = {account["_id"]: account["name"] for account in db.users.find()}

    assert [ticket.number for ticket in tickets] == list(range(1, len(SAMPLE_TICKETS) + 1))
    assert Counter(ticket.status for ticket in tickets) == STATES
    by_title = {ticket.title: ticket for ticket in tickets}
    assert {title: names.get(by_title[title].assigned_to) for title in ASSIGNEES} == ASSIGNEES
    assert {ticket.title for ticket in tickets if is_overdue(ticket, now)} == {
        "Laptop does not wake up from sleep",
        "DNS still has the wiki's old address",
    }
    assert [ticket.defect for ticket in tickets] == [""] * len(tickets)
    assert [ticket.title for ticket in tickets if ticket.is_in_outbox] == []
    for ticket in tickets:
        times = [event.at for event in ticket.events]
        assert times == sorted(times)
        assert times[-1] <= now

    talk = [str(message["text"]).splitlines()[0] for message in slack.messages(seed.HELP)]
    assert [text.rpartition(": ")[2] for text in talk] == [
        "The copy room's printer sends no scans",
        "resolved by Lara",
        "Which address do you send them to?",
        "My own, as always.",
        "Its password for mail had expired.",
        "The VPN asks for my password every hour",
        "in progress, accepted by Nils",
        "I look at the gateway's session times.",
    ]
    digests = [count_digests(slack, member) for member in STAFF]
    assert digests == [1, 1, 1, 0]  # an admin who knows no skill gets none
    assert [member for member in MEMBERS if not texts_to(slack, member.slack_id)] == []
    overdue = [text for text in texts_to(slack, seed.ADMIN.slack_id) if "It was due" in text]
    assert len(overdue) == 2

    services = Services(db)
    assert services.training.run_if_due()
    learned = router.route(
        title=LEARNED_TITLE,
        description="Since yesterday.",
        skills=services.users.team_skills(),
        learned=services.models.skill_model(),
    )
    assert (learned.related_skills, learned.basis) == (("VPN",), SkillMatch.LEARNED)


def is_overdue(ticket: Ticket, now: datetime) -> bool:
    is_open = ticket.status is not Status.COMPLETED
    return is_open and ticket.due_at is not None and ticket.due_at < now


def texts_to(slack: RecordingSlack, conversation: str) -> list[str]:
    return [str(message) for message in slack.messages(conversation)]


def count_digests(slack: RecordingSlack, member: seed.Member) -> int:
    sent = texts_to(slack, member.slack_id)
    return sum("Open tickets today" in text for text in sent)


@pytest.mark.parametrize(
    ("now", "number", "expected"),
    [
        (datetime(2037, 3, 2, 0, 1, tzinfo=UTC), 1, datetime(2037, 2, 27, 9, 30, tzinfo=UTC)),
        (datetime(2037, 3, 8, 12, 0, tzinfo=UTC), 1, datetime(2037, 3, 6, 9, 30, tzinfo=UTC)),
        (datetime(2037, 3, 4, 12, 0, tzinfo=UTC), 5, datetime(2037, 2, 25, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_workday_is_no_weekend(now: datetime, number: int, expected: datetime) -> None:
    assert on_workday(number, "09:30")(now) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2037, 3, 2, 9, 0, tzinfo=UTC), datetime(2037, 3, 2, 9, 0, tzinfo=UTC)),
        (datetime(2037, 3, 2, 8, 59, tzinfo=UTC), datetime(2037, 2, 27, 9, 0, tzinfo=UTC)),
        (datetime(2037, 3, 7, 12, 0, tzinfo=UTC), datetime(2037, 3, 6, 9, 0, tzinfo=UTC)),
    ],
)
def test_the_digest_is_that_of_the_last_morning(now: datetime, expected: datetime) -> None:
    assert last_digest_time(now) == expected


def test_every_step_follows_its_filing() -> None:
    now = datetime(2037, 3, 2, 9, 20, tzinfo=UTC)
    for sample in SAMPLE_TICKETS:
        times = [sample.filed(now), *(step.at(now) for step in sample.steps)]
        assert times == sorted(times)
        assert times[-1] < now - timedelta(minutes=1)


def test_the_welcome_is_a_message_that_slack_takes_and_names_what_there_is() -> None:
    message = welcome_message(STAFF)
    arguments: Mapping[str, Any] = {"channel": seed.GENERAL, **message.as_args()}
    assert check_message(arguments) == []
    text = "\n".join(block["text"]["text"] for block in message.blocks if "text" in block)
    assert f"{len(SAMPLE_TICKETS)} tickets of the last two weeks" in text
    message_to_write, sample_title = re.findall("“(.*?)”", text)
    assert message_to_write == MESSAGE
    assert sample_title in [sample.title for sample in SAMPLE_TICKETS]
    for member in (seed.EMPLOYEE, *STAFF):
        assert member.first_name in text
