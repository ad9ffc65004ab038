"""A status and an assignee chosen in a form, as the transitions that lead there. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.core.errors import Conflict, InvalidValue, NotAllowedInState
from services.core.text import strip_invisible
from services.models.events import EventType
from services.models.ticket import Status, Ticket
from services.tickets import transitions
from services.tickets.lifecycle import check_transition, describe_state
from services.tickets.transitions import Change, with_change
from services.tickets.validation import checked_question, checked_resolution

MESSAGE_NOT_ALLOWED = (
    "This goes out with the status Resolved or Waiting. For anything else, add a comment."
)


def build_status_change(
    by: ObjectId,
    ticket: Ticket,
    edit: Mapping[str, Any],
    *,
    message: str,
    keep_assignee: bool,
    now: datetime,
) -> Change:
    """Return the change for the `status` and `assignedTo` in `edit`, if it has them.

    `message` is for the requester; `keep_assignee`: the assignee still works on tickets. Raises
    `NotAllowedInState` if the status table does not allow it, and `InvalidValue`.
    """
    status = Status(edit["status"]) if "status" in edit else None
    if status not in (Status.COMPLETED, Status.WAITING) and not _is_already_sent(
        by, ticket, message
    ):
        raise InvalidValue("message", MESSAGE_NOT_ALLOWED)
    change = Change()
    if status is Status.REOPENED:
        _check(ticket, status)
        change, status = transitions.reopen(by, ticket, keep_assignee=keep_assignee), None
    if "assignedTo" in edit:
        updated = with_change(ticket, change)
        change = change.then(_assignee_change(by, updated, edit["assignedTo"], status, now))
    if status:
        change = change.then(
            _status_transition(by, with_change(ticket, change), status, message, now)
        )
    return change


def _is_already_sent(by: ObjectId, ticket: Ticket, message: str) -> bool:
    """Return whether there is no message, or a first submission of this form has sent it."""
    notes = [event.note for event in ticket.events if event.by == by]
    return not message.strip() or strip_invisible(message).strip() in notes


def _assignee_change(
    by: ObjectId, ticket: Ticket, assignee: ObjectId | None, status: Status | None, now: datetime
) -> Change:
    if assignee == ticket.assigned_to:
        return Change()
    if ticket.status is Status.COMPLETED:
        sentence = f"Reopen it before you change who has it: {describe_state(ticket)}."
        raise NotAllowedInState("assignedTo", sentence)
    if assignee is None:
        if ticket.status is Status.WAITING:
            raise NotAllowedInState(
                "assignedTo", f"Choose somebody to give it to: {describe_state(ticket)}."
            )
        return transitions.unassign(by, ticket, reason="")
    if status is Status.TODO:
        raise InvalidValue("status", "Whoever has a ticket works on it. Choose In progress.")
    return transitions.assign(by, ticket, assignee, reason="", now=now)


def _status_transition(
    by: ObjectId, ticket: Ticket, status: Status, message: str, now: datetime
) -> Change:
    if status is ticket.status:  # the change of the assignee has led there
        return Change()
    if status is Status.IN_PROGRESS and ticket.assigned_to is None:
        raise InvalidValue("assignedTo", "Choose who works on it.")
    _check(ticket, status)
    if status is Status.IN_PROGRESS:
        return transitions.resume(by, ticket)
    if status is Status.TODO:
        return transitions.unassign(by, ticket, reason="")
    if status is Status.WAITING:
        question = checked_question(message, field="message")
        return transitions.ask_requester(by, ticket, question=question, now=now)
    note = checked_resolution(message, field="message")
    return transitions.complete(by, ticket, EventType.RESOLVED, resolution=note, now=now, note=note)


def _check(ticket: Ticket, status: Status) -> None:
    try:
        check_transition(ticket, status)
    except Conflict as error:
        raise NotAllowedInState("status", str(error)) from None
