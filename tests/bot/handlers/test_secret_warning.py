"""The warning about a secret, beside the field of a form or below a message in a thread."""

from typing import Any

import pytest

from bot.handlers.secret_warning import THREAD_WARNING
from bot.routes import ROUTES, RouteKind
from bot.views.modals.ticket_actions import BACK_TO_QUEUE
from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import User
from tests.conftest import Bot, People, filled_in, pressed
from tests.support import payloads
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.comment_helpers import card_of, changed, said
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.scenario"]

SECRET = "password: hunter2"
# The forms tested here. Nothing that is typed into the others becomes a text of a ticket.
WARNING_FORMS = {
    "file_ticket",
    "write_comment",
    "write_note",
    "ask_requester",
    "resolve_ticket",
    "bulk_review",
    "hand_on",
    "reassign_ticket",
    "reopen_ticket",
    "update_ticket",
}
OTHER_FORMS = {
    "add_moderator",
    "bulk_form",
    "cancel_ticket",
    "change_participants",
    "confirm_link",
    "edit_app_name",
    "edit_availability",
    "edit_away_words",
    "edit_office",
    "edit_person",
    "edit_private_tickets",
    "edit_profile",
    "edit_slack_settings",
    "edit_channel",
    "remove_channel",
    "edit_targets",
    "link_account",
    "search_people",
    "unlink_account",
}


def warning(submit: str) -> str:
    return (
        f"This looks like a password, a key, or a card or bank number. Remove it, or press {submit}"
        " again: then only the ticket's page shows it."
    )


def warned(submit: str, *fields: str) -> dict[str, Any]:
    return {"response_action": "errors", "errors": dict.fromkeys(fields, warning(submit))}


def test_the_second_submission_files_the_ticket(
    ticket_bot: Bot, slack: RecordingSlack, employee: User, db: Mongo
) -> None:
    form = filled_in(ticket_bot, slack, People.slack_id(employee), title=SECRET)
    assert ticket_bot.answer(form) == warned("File", "title")
    assert db.tickets.find_one(FILED) is None
    assert "hunter2" not in str(list(db.inbox.find()))
    assert ticket_bot.answer(form)["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    assert db.tickets.find_one(FILED, {"title": True})["title"] == SECRET  # type: ignore[index]


def test_each_field_is_marked_and_other_content_warned_about_again(
    ticket_bot: Bot, slack: RecordingSlack, employee: User, db: Mongo
) -> None:
    form = filled_in(
        ticket_bot, slack, People.slack_id(employee), title=SECRET, description=f"The {SECRET}"
    )
    view, user = form["view"], People.slack_id(employee)
    assert ticket_bot.answer(form) == warned("File", "title", "description")
    other = payloads.view_submission(
        view, {"title": "VPN drops", "description": "PIN: 4711"}, user=user
    )
    assert ticket_bot.answer(other) == warned("File", "description")
    clean = {"title": "VPN drops", "description": "Every hour."}
    ticket_bot.answer(payloads.view_submission(view, clean, user=user))
    assert db.tickets.count_documents(FILED) == 1


def test_the_form_made_of_a_message_warns_about_what_it_quotes(
    ticket_bot: Bot, slack: RecordingSlack, employee: User, db: Mongo
) -> None:
    message = {"type": "message", "user": "U0X", "text": SECRET, "ts": "1700000000.000001"}
    body = payloads.message_shortcut("make_ticket", message, user=People.slack_id(employee))
    ticket_bot.answer(body)
    form = payloads.view_submission(slack.last_view(), {}, user=People.slack_id(employee))
    assert ticket_bot.answer(form) == warned("File", "title", "description")
    assert "errors" not in ticket_bot.answer(form)
    assert db.tickets.count_documents(FILED) == 1


@pytest.mark.parametrize(
    ("button", "submit", "field"),
    [
        ("comment", "Send", "text"),
        ("note", "Add note", "text"),
        ("wait", "Ask and wait", "question"),
        ("resolve", "Resolve", "resolution"),
        ("not_mine", "Decline", "reason"),
        ("reassign", "Assign", "reason"),
        ("update", "Save", "helpfulNotes"),
    ],
)
def test_every_form_about_a_ticket_warns_once(
    system: BotAndWorkers,
    ticket: Ticket,
    ben: User,
    db: Mongo,
    button: str,
    submit: str,
    field: str,
) -> None:
    before = system.now(ticket).seq
    system.bot.answer(pressed(button, system.now(ticket), ben))
    entered = {field: SECRET} | ({"assignedTo": BACK_TO_QUEUE} if button == "reassign" else {})
    assert system.submit(ben, **entered) == warned(submit, field)
    assert system.now(ticket).seq == before
    assert "errors" not in system.submit(ben, **entered)
    assert system.now(ticket).seq > before
    assert "hunter2" in str(db.tickets.find_one({"_id": ticket.id}))


def test_the_reason_to_reopen_is_warned_about(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    actor = Actor.from_user(ben)
    system.actions.resolve(actor=actor, ticket_id=str(ticket.id), resolution="Done.")
    system.bot.answer(pressed("reopen", system.now(ticket), ann))
    assert system.submit(ann, reason=SECRET) == warned("Reopen", "reason")
    assert "errors" not in system.submit(ann, reason=SECRET)
    assert system.now(ticket).status is Status.REOPENED


def test_an_edit_of_another_field_is_not_warned_about(
    system: BotAndWorkers, ticket: Ticket, ben: User
) -> None:
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"title": SECRET}})
    system.bot.answer(pressed("update", system.now(ticket), ben))
    assert system.slack.last_view()["blocks"][0]["element"]["initial_value"] == SECRET
    assert "errors" not in system.submit(ben, priority="low")


def test_the_author_of_a_reply_is_warned_once(
    system: BotAndWorkers, ticket: Ticket, ann: User
) -> None:
    event = said(system.slack, ann, card_of(system.slack, ann), f"The {SECRET}")
    system.bot.answer(event)
    system.bot.answer(changed(event, f"Sorry, the {SECRET}"))
    assert system.ephemeral_messages() == [(People.slack_id(ann), THREAD_WARNING)]


def test_a_text_without_a_secret_is_stored_at_once(
    system: BotAndWorkers, ticket: Ticket, ann: User
) -> None:
    system.bot.answer(pressed("comment", system.now(ticket), ann))
    assert system.submit(ann, text="I have changed my password.") == {}
    system.bot.answer(said(system.slack, ann, card_of(system.slack, ann), "Thank you"))
    assert system.ephemeral_messages() == []


def test_every_form_is_known_to_warn_or_not_to() -> None:
    forms = {route.id for route in ROUTES if route.kind is RouteKind.VIEW}
    assert forms == WARNING_FORMS | OTHER_FORMS
