"""Thirty unassigned tickets are one message per admin, with real workers and jobs."""

import pytest

from services.accounts.users import UserService
from services.core.database import Mongo
from services.models.events import EventType
from services.models.permissions import OPERATOR
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import People, file_ticket
from tests.support.canary import FILED
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]

TICKETS = 30


@pytest.mark.long
def test_many_tickets_make_one_message_an_admin(
    product: Product,
    db: Mongo,
    slack: RecordingSlack,
    people: People,
    users: UserService,
    tickets: TicketService,
) -> None:
    admins = [people.add(Role.ADMIN, capacity=0) for _ in range(2)]
    requesters = [people.add() for _ in range(2)]
    for number in range(TICKETS):
        file_ticket(tickets, requesters[number % 2], f"Leak {number + 1}")
    for command in ("worker", "worker", "jobs"):
        product.start(command)

    def told(admin: User) -> list[str]:
        return [message["text"] for message in slack.messages(people.slack_id(admin))]

    names = ", ".join(f"Ticket {number}" for number in range(1, 11))
    expected = f"No one is available for {TICKETS} tickets: {names} and 20 more"
    eventually(
        lambda: all(told(admin) == [expected] for admin in admins),
        what=f"one message an admin, and not {[told(admin) for admin in admins]}",
    )
    event_types = [e["type"] for doc in db.tickets.find(FILED) for e in doc["events"]]
    assert event_types.count(EventType.NOBODY_AVAILABLE) == TICKETS
    for admin in admins:
        posted = slack.calls_to("chat.postMessage")
        theirs = [call for call in posted if call.args["channel"] == people.slack_id(admin)]
        assert len(theirs) == 1

    # A moderator becomes available: each ticket is retried, without a second message.
    expert = people.add(Role.MODERATOR, capacity=TICKETS)
    users.update(actor=OPERATOR, email=expert.email, skills=["Roofs"])
    eventually(
        lambda: db.tickets.count_documents({"assignedTo": expert.id}) == TICKETS,
        what="they have all of them",
    )
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    for admin in admins:
        [text] = told(admin)
        assert text in (expected, f"{names}: nothing is left to do")
