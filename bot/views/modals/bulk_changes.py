"""The modals that change several tickets of a list: choose them, review the change, its results."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from bot.views import ids, labels
from bot.views.blocks import context, mrkdwn_section, numbered, section, text_section
from bot.views.inputs import (
    MAX_OPTION_TEXT_LENGTH,
    View,
    input_block,
    modal,
    option,
    select,
    text_input,
)
from bot.views.text import (
    MAX_NAME_LENGTH,
    Block,
    display_person,
    escape,
    masked,
    plain_text,
)
from services.core.text import truncate
from services.editing.bulk_changes import (
    MAX_TICKETS,
    BulkAction,
    BulkChange,
    BulkReview,
    ReviewedTicket,
)
from services.linking.links import Directory
from services.lists.list_service import ListResult
from services.models.conversation import conversation_of
from services.models.ticket import Priority, Ticket
from services.tickets.lifecycle import is_awaiting_acceptance
from services.tickets.validation import MAX_RESOLUTION_LENGTH

BULK_BUTTONS = {
    BulkAction.ASSIGN: ("Assign several", ids.BULK_ASSIGN),
    BulkAction.SET_PRIORITY: ("Set priorities", ids.BULK_PRIORITY),
    BulkAction.RESOLVE: ("Resolve several", ids.BULK_RESOLVE),
}
BULK_ACTIONS = {action_id: action for action, (_, action_id) in BULK_BUTTONS.items()}
_TITLES = {
    BulkAction.ASSIGN: "Assign tickets",
    BulkAction.SET_PRIORITY: "Set priorities",
    BulkAction.RESOLVE: "Resolve tickets",
}
_VERBS = {
    BulkAction.ASSIGN: "Assign",
    BulkAction.SET_PRIORITY: "Change",
    BulkAction.RESOLVE: "Resolve",
}
NOTHING_TO_CHANGE = "Nothing can be changed in this way."


@dataclass(frozen=True, slots=True)
class ReviewMetadata:
    """The private metadata of a review. `name` is that of the new assignee or priority."""

    change: BulkChange
    name: str
    tickets: tuple[ReviewedTicket, ...]

    def encode(self) -> str:
        """Return at most 1,500 characters."""
        rows = [astuple(ticket) for ticket in self.tickets]
        return json.dumps([self.change.action, self.change.value, self.name, rows])

    @classmethod
    def decode(cls, text: str) -> "ReviewMetadata | None":
        """Return None if `encode` did not write the text."""
        try:
            action, value, name, rows = json.loads(text)
            tickets = tuple(
                ReviewedTicket(str(ticket_id), int(number), int(seq), str(state))
                for ticket_id, number, seq, state in rows
            )
            return cls(BulkChange(BulkAction(action), str(value)), str(name), tickets)
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What a change has done to a ticket: `ticket` is the changed one, or `refusal` says why it was
    not changed."""

    number: int
    ticket: Ticket | None = None
    refusal: str = ""


def bulk_form(action: BulkAction, listed: ListResult) -> View:
    """Ask which tickets of the page to change, and for the new value."""
    boxes: Block = {
        "type": "checkboxes",
        "action_id": "tickets",
        "options": [_box(ticket, listed.people) for ticket in listed.page.tickets[:MAX_TICKETS]],
    }
    return modal(
        callback_id=ids.BULK_FORM,
        title=_TITLES[action],
        submit="Review",
        private_metadata=action.value,
        blocks=[input_block("Which tickets?", boxes), *_value_input(action)],
    )


def bulk_review(review: BulkReview) -> View:
    """Say what the change will do to each ticket."""
    action, count = review.change.action, len(review.tickets)
    blocks: list[Block] = []
    if review.tickets:
        blocks.append(_heading(_will_happen(action, count, _name(review))))
        for ticket in review.tickets:
            blocks += _row(ticket, _facts(ticket, review.people))
    if left := len(review.refused) + review.hidden_count:
        stay = "stays as it is" if left == 1 else "stay as they are"
        blocks.append(_heading(f"{_tickets(left)} {stay}."))
        for ticket, refusal in review.refused:
            blocks += _row(ticket, refusal)
        if review.hidden_count:
            blocks.append(context(plain_text(_hidden(review.hidden_count))))
    if not review.tickets:
        return modal(title=_TITLES[action], blocks=[text_section(NOTHING_TO_CHANGE), *blocks])
    if action is BulkAction.RESOLVE:
        is_in_channel = any(map(conversation_of, review.tickets))
        blocks.append(_resolution_input(count, is_in_channel=is_in_channel))
    metadata = ReviewMetadata(
        review.change, _name(review), tuple(map(ReviewedTicket.of, review.tickets))
    )
    return modal(
        callback_id=ids.BULK_REVIEW,
        title=_TITLES[action],
        submit=f"{_VERBS[action]} {_tickets(count)}",
        private_metadata=metadata.encode(),
        blocks=blocks,
    )


def bulk_results(reviewed: ReviewMetadata, results: Sequence[BulkResult]) -> View:
    """Say what was done to each ticket so far."""
    action = reviewed.change.action
    done = [result.ticket for result in results if result.ticket]
    refused = [result for result in results if result.ticket is None]
    left = len(reviewed.tickets) - len(results)
    blocks: list[Block] = []
    if done:
        blocks.append(_heading(_has_happened(action, len(done), reviewed.name)))
        blocks += [section(plain_text(numbered(one, masked(one.title)))) for one in done]
    if refused:
        were = "was" if len(refused) == 1 else "were"
        blocks.append(_heading(f"{_tickets(len(refused))} {were} not changed."))
        for result in refused:
            blocks.append(section(plain_text(f"#{result.number}")))
            blocks.append(context(plain_text(result.refusal)))
    if left:
        blocks.append(context(plain_text(f"Working on {left} more…")))
    return modal(title=_TITLES[action], blocks=blocks)


def _heading(sentence: str) -> Block:
    return mrkdwn_section(f"*{escape(sentence)}*")


def _tickets(count: int) -> str:
    return "1 ticket" if count == 1 else f"{count} tickets"


def _hidden(count: int) -> str:
    if count == 1:
        return "One of them is not there any more, or you may not see it."
    return f"{count} of them are not there any more, or you may not see them."


def _will_happen(action: BulkAction, count: int, name: str) -> str:
    change = {
        BulkAction.ASSIGN: f"be assigned to {name}",
        BulkAction.SET_PRIORITY: f"get the priority {name}",
        BulkAction.RESOLVE: "be resolved",
    }[action]
    return f"{_tickets(count)} will {change}."


def _has_happened(action: BulkAction, count: int, name: str) -> str:
    are, have = ("is", "has") if count == 1 else ("are", "have")
    change = {
        BulkAction.ASSIGN: f"{are} assigned to {name} now",
        BulkAction.SET_PRIORITY: f"{have} the priority {name} now",
        BulkAction.RESOLVE: f"{are} resolved now",
    }[action]
    return f"{_tickets(count)} {change}."


def _name(review: BulkReview) -> str:
    if review.assignee:
        return truncate(review.assignee.display_name, MAX_NAME_LENGTH)
    is_priority = review.change.action is BulkAction.SET_PRIORITY
    return labels.PRIORITY[Priority(review.change.value)] if is_priority else ""


def _value_input(action: BulkAction) -> list[Block]:
    if action is BulkAction.ASSIGN:
        people: Block = {
            "type": "external_select",
            "action_id": ids.ASSIGNED_TO,
            "placeholder": plain_text("Choose someone"),
            "min_query_length": 0,
        }
        return [input_block("Who gets them?", people)]
    if action is BulkAction.SET_PRIORITY:
        priorities = {one.value: labels.PRIORITY[one] for one in reversed(Priority)}
        return [select("priority", "Priority", priorities, placeholder="Choose a priority")]
    return []


def _resolution_input(count: int, *, is_in_channel: bool) -> Block:
    hint = "The requester reads this." if count == 1 else "Each requester reads this."
    if is_in_channel:
        hint = f"{hint} In a request channel, everyone there reads it."
    return text_input(
        "resolution",
        "What was done?",
        max_length=MAX_RESOLUTION_LENGTH,
        multiline=True,
        optional=True,
        hint=hint,
    )


def _box(ticket: Ticket, people: Directory) -> dict[str, Any]:
    described = plain_text(_facts(ticket, people), limit=MAX_OPTION_TEXT_LENGTH)
    return {
        **option(numbered(ticket, masked(ticket.title)), str(ticket.id)),
        "description": described,
    }


def _row(ticket: Ticket, sentence: str) -> list[Block]:
    title = numbered(ticket, masked(ticket.title))
    return [section(plain_text(title)), context(plain_text(sentence))]


def _facts(ticket: Ticket, people: Directory) -> str:
    """Return priority, status and assignee as plain text."""
    status = labels.status(ticket)
    if ticket.assigned_to:
        name = truncate(display_person(people, ticket.assigned_to).name, MAX_NAME_LENGTH)
        link = " to " if is_awaiting_acceptance(ticket) else " · "
        status = f"{status}{link}{name}"
    priority = labels.PRIORITY[ticket.priority] if ticket.priority else ""
    return " · ".join(filter(None, (priority, status)))
