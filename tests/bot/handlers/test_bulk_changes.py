"""Several tickets of a list in Home: the form, the review, and the results in the same modal."""

from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from bot.handlers import bulk_changes
from bot.slack.error_responses import NOT_SAVED_DATABASE_UNAVAILABLE
from bot.views.home.ticket_list import SORT_LABELS
from bot.views.inputs import own_metadata
from services.core.database import Mongo
from services.editing.bulk_changes import BulkChanges
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.tickets.filing import TicketService
from tests.conftest import Bot, FixedClock, People, RecordingPublisher, file_ticket, reload
from tests.support import payloads
from tests.support.block_text import read
from tests.support.canary import CANARY as STRANGERS_WORD
from tests.support.canary import FILED
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack
from tests.support.view_state import elements

Json = dict[str, Any]


@pytest.fixture
def three(tickets: TicketService, clock: FixedClock, requester: User) -> list[Ticket]:
    filed = []
    for title in ("Printer jams", "VPN drops", "No sound"):
        clock.advance(minutes=1)
        filed.append(file_ticket(tickets, requester, title))
    return filed


class Moderator(Visitor):
    """A moderator with the modal that a button of a list opened, and Slack replaced since."""

    modal: Json

    def opens(self, view: str, label: str) -> Json:
        """Open Home's view of that label, and press the button; return the form."""
        if "Back" in self.open():
            self.press("Back")
        self.press(view)
        self.press(label)
        self.modal = self._slack.last_view()
        return self.modal

    def submits(self, **values: Any) -> Json:
        """Submit the modal, and return the answer."""
        body = payloads.view_submission(self.modal, values, user=self.slack_id)
        answer = self._bot.answer(body)
        if answer.get("response_action") == "update":
            self.modal = {**self.modal, **answer["view"]}
        return answer

    def reads(self) -> list[str]:
        return read(self.modal)


@pytest.fixture
def ben(ticket_bot: Bot, slack: RecordingSlack, moderator: User) -> Moderator:
    return Moderator(ticket_bot, slack, moderator)


def ids_of(*tickets: Ticket) -> list[str]:
    return [str(ticket.id) for ticket in tickets]


def boxes(form: Json) -> list[str]:
    (found,) = (e for e, _ in elements(form) if e["type"] == "checkboxes")
    return [box["text"]["text"] for box in found["options"]]


def test_they_are_assigned(
    ben: Moderator,
    three: list[Ticket],
    nils: User,
    publisher: RecordingPublisher,
    services: Services,
    db: Mongo,
) -> None:
    assert boxes(ben.opens("Unassigned", "Assign several")) == [
        "#1 Printer jams",
        "#2 VPN drops",
        "#3 No sound",
    ]
    services.ticket_actions.resolve(actor=Actor.from_user(nils), ticket_id=str(three[1].id))
    publisher.asked.clear()
    ben.submits(tickets=ids_of(*three), assignedTo=str(nils.id))
    assert ben.reads() == [
        f"*2 tickets will be assigned to {nils.display_name}.*",
        "#1 Printer jams",
        "Open",
        "#3 No sound",
        "Open",
        "*1 ticket stays as it is.*",
        "#2 VPN drops",
        "The ticket is resolved.",
    ]
    assert ben.modal["submit"]["text"] == "Assign 2 tickets"
    assert (reload(db, three[0]).assigned_to, publisher.asked) == (None, [])
    ben.submits()
    assert ben.reads() == [
        f"*2 tickets are assigned to {nils.display_name} now.*",
        "#1 Printer jams",
        "#3 No sound",
    ]
    assert [reload(db, ticket).assigned_to for ticket in three] == [nils.id, None, nils.id]
    assert len(publisher.asked) == 2
    assert "Every open ticket has an assignee." in ben.see()


def test_they_get_a_priority(ben: Moderator, three: list[Ticket], db: Mongo) -> None:
    ben.opens("The queue", "Set priorities")
    ben.submits(tickets=ids_of(*three[:2]), priority="urgent")
    assert ben.reads()[0] == "*2 tickets will get the priority Urgent.*"
    ben.submits()
    assert ben.reads()[0] == "*2 tickets have the priority Urgent now.*"
    priorities = [reload(db, ticket).priority for ticket in three]
    assert priorities == ["urgent", "urgent", None]


def test_they_are_resolved_with_one_note(
    ben: Moderator, three: list[Ticket], slack: RecordingSlack, db: Mongo
) -> None:
    ben.opens("Unassigned", "Resolve several")
    ben.submits(tickets=ids_of(*three[:2]))
    assert ben.reads()[-2:] == ["What was done?", "Each requester reads this."]
    errors = ben.submits(resolution="The password: hunter2")["errors"]
    assert "This looks like a password" in errors["resolution"]
    assert reload(db, three[0]).status == "TODO"
    ben.submits(resolution="A new cable.")
    assert ben.reads()[0] == "*2 tickets are resolved now.*"
    assert [reload(db, ticket).resolution for ticket in three] == ["A new cable."] * 2 + [None]
    assert slack.calls_to("views.update") == []


def test_a_ticket_that_changed_in_between_is_reported(
    ben: Moderator, three: list[Ticket], nils: User, services: Services, db: Mongo
) -> None:
    ben.opens("Unassigned", "Resolve several")
    ben.submits(tickets=ids_of(*three))
    services.ticket_actions.take(actor=Actor.from_user(nils), ticket_id=str(three[0].id))
    hidden = {"private": True, "title": "Canary", "assignedTo": nils.id}
    db.tickets.update_one({"_id": three[1].id}, {"$set": hidden})
    ben.submits(resolution="Done.")
    assert ben.reads() == [
        "*1 ticket is resolved now.*",
        "#3 No sound",
        "*2 tickets were not changed.*",
        "#1",
        f"Ticket 1 is in progress and {nils.display_name} has it now, so this was not done. Look "
        "at it again, then decide.",
        "#2",
        "There is no such ticket, or you may not see it.",
    ]
    assert [reload(db, ticket).status for ticket in three] == ["IN_PROGRESS", "TODO", "COMPLETED"]


def test_a_second_press_changes_nothing_and_shows_the_same(
    ben: Moderator, three: list[Ticket], nils: User, db: Mongo
) -> None:
    ben.opens("Unassigned", "Assign several")
    ben.submits(tickets=ids_of(*three), assignedTo=str(nils.id))
    review = ben.modal
    ben.submits()
    shown, stored = ben.reads(), [reload(db, ticket) for ticket in three]
    ben.modal = review
    ben.submits()
    assert (ben.reads(), [reload(db, ticket) for ticket in three]) == (shown, stored)


def test_what_takes_long_follows_the_acknowledgement(
    ben: Moderator,
    three: list[Ticket],
    slack: RecordingSlack,
    monkeypatch: pytest.MonkeyPatch,
    db: Mongo,
) -> None:
    monkeypatch.setattr(bulk_changes, "ACK_BUDGET_SECONDS", 0)
    ben.opens("Unassigned", "Resolve several")
    ben.submits(tickets=ids_of(*three))
    ben.submits(resolution="Done.")
    assert ben.reads() == ["Working on 3 more…"]
    shown = [read(call.args["view"]) for call in slack.calls_to("views.update")]
    assert [texts[-1] for texts in shown] == [
        "Working on 2 more…",
        "Working on 1 more…",
        "#3 No sound",
    ]
    assert shown[-1][0] == "*3 tickets are resolved now.*"
    assert {reload(db, ticket).status for ticket in three} == {"COMPLETED"}


def test_a_modal_that_was_closed_keeps_none_from_being_changed(
    ben: Moderator,
    three: list[Ticket],
    slack: RecordingSlack,
    monkeypatch: pytest.MonkeyPatch,
    db: Mongo,
) -> None:
    monkeypatch.setattr(bulk_changes, "ACK_BUDGET_SECONDS", 0)
    ben.opens("Unassigned", "Resolve several")
    ben.submits(tickets=ids_of(*three))
    for _ in three:
        slack.fail("views.update", error="not_found")
    ben.submits(resolution="Done.")
    assert {reload(db, ticket).status for ticket in three} == {"COMPLETED"}
    assert "Every open ticket has an assignee." in ben.see()


def test_a_failure_of_the_database_stands_beside_its_ticket(
    ben: Moderator, three: list[Ticket], monkeypatch: pytest.MonkeyPatch, db: Mongo
) -> None:
    ben.opens("Unassigned", "Resolve several")
    ben.submits(tickets=ids_of(*three))
    whole = BulkChanges.apply

    def fails_once(self: BulkChanges, **args: Any) -> Ticket:
        if args["reviewed"].number == 2:
            raise AutoReconnect("gone")
        return whole(self, **args)

    monkeypatch.setattr(BulkChanges, "apply", fails_once)
    ben.submits()
    assert ben.reads()[0] == "*2 tickets are resolved now.*"
    assert ben.reads()[-2:] == ["#2", NOT_SAVED_DATABASE_UNAVAILABLE]
    statuses = [reload(db, ticket).status for ticket in three]
    assert statuses == ["COMPLETED", "TODO", "COMPLETED"]


def test_nothing_to_do(ben: Moderator, three: list[Ticket], db: Mongo) -> None:
    ben.opens("Unassigned", "Resolve several")
    db.tickets.update_many(FILED, {"$set": {"status": "COMPLETED"}})
    answer = ben.submits(tickets=ids_of(*three))
    assert ben.reads()[:2] == [
        "Nothing can be changed in this way.",
        "*3 tickets stay as they are.*",
    ]
    assert "submit" not in answer["view"]


def test_a_list_that_has_emptied_opens_no_form(
    ben: Moderator, three: list[Ticket], slack: RecordingSlack, db: Mongo
) -> None:
    ben.open()
    ben.press("Unassigned")
    db.tickets.delete_many({})
    ben.press("Resolve several")
    assert read(slack.last_view()) == ["There are no tickets here any more."]


@pytest.mark.parametrize("forged", ["", "[]", "cancel", '["assign","","",[[1]]]', "{}"])
def test_forged_metadata_changes_nothing(
    ben: Moderator, three: list[Ticket], db: Mongo, forged: str
) -> None:
    form = {**ben.opens("Unassigned", "Resolve several"), "private_metadata": forged}
    ben.submits(tickets=ids_of(*three))
    for modal in (form, {**ben.modal, "private_metadata": forged}):
        ben.modal = modal
        answer = ben.submits(tickets=ids_of(*three)) if modal is form else ben.submits()
        assert "This form is out of date." in str(answer)
    assert {reload(db, ticket).status for ticket in three} == {"TODO"}


def test_metadata_of_ten_tickets_fits(
    ben: Moderator, tickets: TicketService, requester: User, nils: User, db: Mongo
) -> None:
    for _ in range(10):
        file_ticket(tickets, requester)
    held = {"assignedTo": nils.id, "status": "IN_PROGRESS", "seq": 999_999}
    db.tickets.update_many(FILED, {"$set": held})
    db.tickets.update_many(FILED, [{"$set": {"number": {"$add": ["$number", 1_000_000]}}}])
    db.users.update_one({"_id": nils.id}, {"$set": {"name": "💡" * 100}})
    ben.opens("The queue", "Set priorities")
    ben.submits(tickets=[str(doc["_id"]) for doc in db.tickets.find(FILED)], priority="low")
    assert ben.modal["submit"]["text"] == "Change 10 tickets"
    assert len(own_metadata(ben.modal)) <= 1_500


def test_who_has_the_views_and_what_is_private(
    ticket_bot: Bot,
    slack: RecordingSlack,
    people: People,
    three: list[Ticket],
    nils: User,
    requester: User,
    db: Mongo,
) -> None:
    """A private ticket of others is in no view, form or review."""
    late = {"dueAt": three[0].created_at, "title": "Canary"}
    of_nils = {"private": True, "assignedTo": nils.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": three[0].id}, {"$set": {**late, **of_nils}})
    views = ("Waiting for me", "Unassigned", "Overdue")
    employee = Visitor(ticket_bot, slack, requester)
    assert not set(views) & set(employee.open())
    moderator = Moderator(ticket_bot, slack, people.add(Role.MODERATOR))
    admin = Moderator(ticket_bot, slack, people.add(Role.ADMIN))
    for reader in (moderator, admin):
        reader.open()
        for view in views:
            is_shown = "Canary" in str(reader.press(view))
            assert is_shown == (reader is admin and view == "Overdue")
            reader.press("Back")
    assert boxes(moderator.opens("The queue", "Resolve several")) == ["#2 VPN drops", "#3 No sound"]
    forged = [{"text": {}, "value": one} for one in ids_of(*three)]
    answer = moderator.submits(tickets={"type": "checkboxes", "selected_options": forged})
    assert "Canary" not in str(answer)
    assert "One of them is not there any more, or you may not see it." in moderator.reads()
    moderator.submits()
    assert reload(db, three[0]).status == "IN_PROGRESS"
    db.tickets.delete_many({"title": {"$regex": STRANGERS_WORD}})  # an admin sees them, too
    assert boxes(admin.opens("The queue", "Resolve several")) == ["#1 (private) Canary"]


def test_the_order_is_chosen_in_a_menu(
    ben: Moderator, three: list[Ticket], services: Services, moderator: User
) -> None:
    services.ticket_edits.patch(
        actor=Actor.from_user(moderator), ticket_id=str(three[2].id), changes={"priority": "urgent"}
    )
    ben.open()

    def rows(seen: list[str]) -> list[str]:
        return [text.partition(":")[0] for text in seen if text.startswith("Ticket ")]

    ben.press("Unassigned")
    assert rows(ben.choose("list_sort", "age")) == ["Ticket 1", "Ticket 2", "Ticket 3"]
    assert rows(ben.choose("list_sort", "priority")) == ["Ticket 3", "Ticket 1", "Ticket 2"]
    assert "The most urgent first, then what is due first, then the oldest." in ben.see()
    assert rows(ben.choose("list_priority", "urgent")) == ["Ticket 3"]
    menus = [e for e, _ in elements(ben._slack.home(ben.slack_id)) if "initial_option" in e]
    assert menus[-1]["initial_option"]["text"]["text"] == SORT_LABELS["priority"]  # type: ignore[index]
