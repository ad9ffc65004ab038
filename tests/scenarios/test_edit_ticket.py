"""The modal to update a ticket: opening, saving and concurrent edits."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from bot.views.inputs import own_metadata
from bot.views.modals.edit_ticket import FORM_KEPT_NOTICE, EditMetadata
from services.core.database import Mongo
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import Bot, FixedClock, People, RecordingPublisher, file_ticket, pressed, reload
from tests.support import payloads
from tests.support.block_text import read
from tests.support.blockkit import check_view
from tests.support.recording_slack import RecordingSlack

DENIED = "Your role does not allow you to work on tickets. Ask an admin if it should."
Json = dict[str, Any]


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "DNS")


@pytest.fixture
def ticket(tickets: TicketService, people: People, moderator: User) -> Ticket:
    return file_ticket(tickets, people.add(), title="VPN drops", description="Hourly.")


Open = Callable[[User], Json]


@pytest.fixture
def form(ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket) -> Open:
    """Open the modal as the user and return it."""

    def opened(user: User) -> Json:
        ticket_bot.answer(pressed("update", ticket, user))
        return slack.last_view()

    return opened


def save(bot: Bot, view: Json, user: User, **values: Any) -> Json:
    return bot.answer(payloads.view_submission(view, values, user=People.slack_id(user)))


# Opening


@pytest.mark.parametrize("text", ["update 1", "Update #1"])
def test_a_command_opens_it(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, moderator: User, text: str
) -> None:
    command = payloads.slash_command(text, user=People.slack_id(moderator))
    assert ticket_bot.answer(command) == {}
    assert slack.last_view()["title"]["text"] == "Edit ticket 1"


def test_a_button_opens_it(form: Open, moderator: User, ticket: Ticket) -> None:
    view = form(moderator)
    assert EditMetadata.decode(own_metadata(view)) == EditMetadata(str(ticket.id), ticket.seq)


def test_its_requester_is_told_that_it_is_not_for_them(
    ticket_bot: Bot, slack: RecordingSlack, tickets: TicketService, people: People
) -> None:
    requester = people.add()
    own = file_ticket(tickets, requester)
    command = payloads.slash_command(f"update {own.number}", user=People.slack_id(requester))
    assert ticket_bot.answer(command)["text"] == DENIED
    ticket_bot.answer(pressed("update", own, requester))
    assert slack.calls_to("chat.postEphemeral")[0].args["text"] == DENIED
    assert slack.calls_to("views.open") == []


# Saving


def test_an_untouched_form_closes_and_changes_nothing(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, db: Mongo
) -> None:
    assert save(ticket_bot, form(moderator), moderator) == {}
    assert reload(db, ticket) == ticket


def test_every_field_at_once(
    ticket_bot: Bot,
    form: Open,
    ticket: Ticket,
    moderator: User,
    db: Mongo,
    clock: FixedClock,
    publisher: RecordingPublisher,
) -> None:
    due = clock.now.replace(microsecond=0) + timedelta(days=1)
    answer = save(
        ticket_bot,
        form(moderator),
        moderator,
        title="VPN down",
        description="For good.",
        status="COMPLETED",
        message="Renewed the certificate.",
        priority="urgent",
        deadline=int(due.timestamp()),
        relatedSkills=["VPN", "DNS"],
        assignedTo=str(moderator.id),
        helpfulNotes="Look at the log.",
    )
    assert answer == {}
    now = reload(db, ticket)
    assert (now.title, now.description, now.priority) == ("VPN down", "For good.", Priority.URGENT)
    assert (now.status, now.resolution) == (Status.COMPLETED, "Renewed the certificate.")
    assert (now.deadline, now.related_skills) == (due, ("VPN", "DNS"))
    assert (now.assigned_to, now.helpful_notes) == (moderator.id, "Look at the log.")
    assert [ticket_id for _, ticket_id in publisher.asked] == [str(ticket.id)]


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"title": "ab"}, {"title": "Give it a title of at least 3 characters."}),
        ({"description": None}, {"description": "Describe what you need."}),
        (
            {"deadline": 1_700_000_000},
            {"deadline": "The deadline has to lie in the future. Choose a later time."},
        ),
        ({"status": "IN_PROGRESS"}, {"assignedTo": "Choose who works on it."}),
        (
            {"assignedTo": str(ObjectId())},
            {"assignedTo": "Choose a moderator or an admin who is still active."},
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_stored(
    ticket_bot: Bot,
    form: Open,
    ticket: Ticket,
    moderator: User,
    db: Mongo,
    values: Json,
    errors: Json,
) -> None:
    answer = save(ticket_bot, form(moderator), moderator, helpfulNotes="Typed.", **values)
    assert answer == {"response_action": "errors", "errors": errors}
    assert reload(db, ticket) == ticket


def test_a_form_of_no_ticket_is_told_so(ticket_bot: Bot, form: Open, moderator: User) -> None:
    view = {**form(moderator), "private_metadata": ""}
    answer = save(ticket_bot, view, moderator, title="VPN down")
    assert answer["errors"] == {"title": "There is no such ticket, or you may not see it."}


def test_a_view_replayed_by_somebody_else_is_refused(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, people: People, db: Mongo
) -> None:
    answer = save(ticket_bot, form(moderator), people.add(), title="Mine now")
    assert answer["errors"] == {"title": DENIED}
    assert reload(db, ticket) == ticket


# Concurrent edits


def test_two_people_with_different_fields_both_have_their_way(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, people: People, db: Mongo
) -> None:
    admin = people.add(Role.ADMIN)
    first, second = form(admin), form(moderator)
    assert save(ticket_bot, first, admin, priority="high") == {}
    assert save(ticket_bot, second, moderator, title="VPN down") == {}
    now = reload(db, ticket)
    assert (now.title, now.priority) == ("VPN down", Priority.HIGH)


def test_the_second_sees_what_changed_keeps_their_text_and_may_send_it_again(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, people: People, db: Mongo
) -> None:
    admin = people.add(Role.ADMIN)
    first, second = form(admin), form(moderator)
    save(ticket_bot, first, admin, description="Theirs.", priority="high")
    typed = "All that I typed.\nOn two lines."
    answer = save(ticket_bot, second, moderator, description=typed, title="VPN down")
    assert answer["response_action"] == "update"
    again = answer["view"]
    assert check_view(again) == []
    assert read(again)[:3] == [
        f"Since you opened this form, {admin.name} changed the description.",
        "Theirs.",
        FORM_KEPT_NOTICE,
    ]
    assert reload(db, ticket).description == "Theirs."

    assert save(ticket_bot, {**second, **again}, moderator) == {}
    now = reload(db, ticket)
    assert (now.description, now.title) == (typed, "VPN down")
    # Not edited in this form.
    assert now.priority is Priority.HIGH


def test_leaving_it_leaves_the_other_s(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, people: People, db: Mongo
) -> None:
    admin = people.add(Role.ADMIN)
    first, second = form(admin), form(moderator)
    save(ticket_bot, first, admin, priority="high")
    again = save(ticket_bot, second, moderator, priority="low")["view"]
    assert save(ticket_bot, {**second, **again}, moderator, priority="high") == {}
    assert reload(db, ticket).priority is Priority.HIGH


def test_what_changes_once_more_is_notified_once_more(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, people: People, db: Mongo
) -> None:
    admin = people.add(Role.ADMIN)
    second = form(moderator)
    save(ticket_bot, form(admin), admin, priority="high")
    again = save(ticket_bot, second, moderator, priority="low")["view"]
    save(ticket_bot, form(admin), admin, priority="urgent")
    third = save(ticket_bot, {**second, **again}, moderator)
    assert (
        read(third["view"])[0]
        == f"Since you opened this form, {admin.name} set the priority to Urgent."
    )
    # The moderator has not edited the title, so a conflict about it is new to them.
    save(ticket_bot, form(admin), admin, title="Theirs")
    last = save(ticket_bot, {**second, **third["view"]}, moderator, title="Mine")
    assert read(last["view"])[0] == f"Since you opened this form, {admin.name} changed the title."


def test_a_step_taken_meanwhile_is_notified_too(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, people: People, db: Mongo
) -> None:
    admin = people.add(Role.ADMIN)
    view = form(moderator)
    ticket_bot.answer(pressed("take", ticket, admin))
    answer = save(ticket_bot, view, moderator, assignedTo=str(moderator.id))
    assert read(answer["view"])[0] == f"Since you opened this form, {admin.name} took it."
    assert reload(db, ticket).assigned_to == admin.id


def test_a_long_legacy_text_is_not_overwritten_by_what_was_shown_of_it(
    ticket_bot: Bot, form: Open, ticket: Ticket, moderator: User, db: Mongo
) -> None:
    legacy = {"description": "d" * 9_000, "helpfulNotes": "n" * 9_000, "title": "t" * 900}
    db.tickets.update_one({"_id": ticket.id}, {"$set": legacy})
    view = form(moderator)
    save(ticket_bot, view, moderator, priority="high")
    now = reload(db, ticket)
    assert now.priority is Priority.HIGH
    kept = {"title": now.title, "description": now.description, "helpfulNotes": now.helpful_notes}
    assert kept == legacy


# Menus


def asked(bot: Bot, view: Json, action_id: str, user: User, query: str = "") -> list[str]:
    body = payloads.block_suggestion(view, action_id, query, user=People.slack_id(user))
    return [option["text"]["text"] for option in bot.answer(body)["options"]]


def test_assignee_options_are_ranked(
    ticket_bot: Bot, form: Open, moderator: User, people: People
) -> None:
    expert = people.add(Role.MODERATOR, "SAP")
    view = form(moderator)
    save(ticket_bot, view, moderator, relatedSkills=["SAP"])
    assert asked(ticket_bot, form(moderator), "assignedTo", moderator) == [
        f"{expert.name} · knows SAP · 1 of 8 tickets with this one",
        f"{moderator.name} · 1 of 8 tickets with this one",
    ]
    assert asked(ticket_bot, view, "assignedTo", moderator, "SAP")[0].startswith(str(expert.name))
    assert asked(ticket_bot, view, "assignedTo", moderator, "<nobody>") == []


def test_the_menu_to_reassign_a_ticket_asks_the_same_way(
    ticket_bot: Bot, slack: RecordingSlack, ticket: Ticket, moderator: User, people: People
) -> None:
    people.add(Role.MODERATOR)
    ticket_bot.answer(pressed("reassign", ticket, moderator))
    assert len(asked(ticket_bot, slack.last_view(), "assignedTo", moderator)) == 2


def test_of_many_a_hundred_are_offered(
    ticket_bot: Bot, form: Open, moderator: User, db: Mongo
) -> None:
    crowd = [
        {
            "email": f"m{n}@example.com",
            "role": "moderator",
            "name": f"M {n}",
            "skills": [f"S{n:03}"],
        }
        for n in range(120)
    ]
    db.users.insert_many(crowd)
    view = form(moderator)
    assert len(asked(ticket_bot, view, "assignedTo", moderator)) == 100
    assert len(asked(ticket_bot, view, "assignedTo", moderator, "m 11")) == 11
    # More skills than a menu holds.
    assert len(asked(ticket_bot, view, "relatedSkills", moderator)) == 100
    assert asked(ticket_bot, view, "relatedSkills", moderator, "s119") == ["S119"]
    save(ticket_bot, view, moderator, relatedSkills=["S119", "VPN"])
    fields = {block.get("block_id"): block for block in form(moderator)["blocks"]}
    assert fields["relatedSkills"]["element"]["initial_options"][0]["value"] == "S119"


def test_who_may_not_is_offered_nothing(
    ticket_bot: Bot, form: Open, moderator: User, people: People, slack: RecordingSlack
) -> None:
    view = form(moderator)
    assert asked(ticket_bot, view, "assignedTo", people.add()) == []
    slack.add_member("U0GUEST", email="g@example.com", name="Guest", is_restricted=True)
    body = payloads.block_suggestion(view, "assignedTo", user="U0GUEST")
    assert ticket_bot.answer(body) == {"options": []}
    foreign = payloads.block_suggestion(view, "assignedTo", user="U0EVIL", team="T0OTHER")
    assert ticket_bot.answer(foreign) == {"options": []}


def test_without_the_database_a_menu_is_empty(
    bot_without_database: Bot, form: Open, moderator: User
) -> None:
    body = payloads.block_suggestion(form(moderator), "assignedTo", user=People.slack_id(moderator))
    assert bot_without_database.answer(body) == {"options": []}
