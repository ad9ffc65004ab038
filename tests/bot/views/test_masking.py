"""No message, list or modal shows a secret in a ticket's texts; the ticket's page and its form do.

Every function of the views that takes a ticket, or returns a message, is called with texts that
contain a password.
"""

import importlib
import inspect
import json
import pkgutil
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from bson import ObjectId

from bot import views
from bot.views.explain.wording import Formatter
from bot.views.messages.reminder_message import ReminderLine
from bot.views.modals.bulk_changes import BulkResult, ReviewMetadata
from bot.views.modals.edit_ticket import EditMetadata
from bot.views.modals.file_ticket import direct_message_quote, file_ticket_modal
from bot.views.text import DisplayPerson, Message
from services.assignment.candidate import Obstacle
from services.assignment.explanation import DryRun, Explanation, LastAssignment
from services.assignment.reassign import ReassignResult
from services.editing.bulk_changes import BulkAction, BulkChange, BulkReview, ReviewedTicket
from services.editing.ticket_edits import EditConflict, EditForm, FieldConflict
from services.home.home_service import (
    HomePage,
    SearchResultsPage,
    TicketListPage,
    TicketPage,
)
from services.home.sessions import Screen
from services.linking.links import Directory
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListPage, ListResult
from services.models.comment import Comment, FileLink
from services.models.escalation_track import EscalationStep
from services.models.events import Event, EventType
from services.models.ticket import Status, Ticket
from services.search.match_excerpt import find_excerpt
from services.search.search_query import SearchQuery
from services.search.search_service import Hit, SearchResult
from tests.conftest import sample_ticket

CANARY = "hunter2"
WORDS = f"password: {CANARY}"
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
ANN = DisplayPerson("Ann", "U0ANN")
NOBODY = Directory({}, {})
USER_ID = ObjectId("65f0c0ffee65f0c0ffee0002")

RESOLVE = BulkChange(BulkAction.RESOLVE)

# Their readers may see the ticket, and read it in full there.
SHOW_SECRETS = {
    "blocks.page_header",
    "home.ticket_page.ticket_page",
    "home.ticket_page.ticket_message",
    "home.ticket_page.conversation_blocks",
    "home.ticket_page.conversation_modal",
    "history.acts",
    "history.history_blocks",
    "modals.edit_ticket.edit_ticket_modal",
    "modals.edit_ticket.conflict_modal",
}
# Messages that contain no text of a ticket.
OTHER_MESSAGES = {
    "messages.address_claim.claim_message",
    "messages.address_claim.disowned_message",
    "messages.address_claim.merged_message",
    "messages.digest.digest_message",
    "messages.handover_offer.offer_message",
    "messages.handover_offer.decision_message",
    "messages.help.help_message",
    "messages.staff_welcome.welcome_message",
    "modals.account.account_summary",
    "modals.account.code_used_warning",
    "modals.account.unlinked_message",
    "modals.file_ticket.reaction_offer",
}
TICKET_TYPES = (
    Ticket,
    Comment,
    Event,
    TicketPage,
    TicketListPage,
    ListResult,
    SearchResult,
    SearchResultsPage,
    HomePage,
    EditForm,
    EditConflict,
    DryRun,
    LastAssignment,
    ReminderLine,
    ReassignResult,
    BulkReview,
    BulkResult,
)


def ticket(status: Status) -> Ticket:
    notes = (EventType.ASSIGNED, EventType.WAITING, EventType.UNASSIGNED, EventType.RESOLVED)
    return sample_ticket(
        title=WORDS,
        description=f"It does not work.\nThe {WORDS}",
        status=status,
        assigned_to=None if status is Status.TODO else USER_ID,
        summary=WORDS,
        helpful_notes=WORDS,
        resolution=WORDS,
        related_skills=("VPN",),
        assignment={"reason": WORDS, "source": "manual"},
        events=tuple(
            Event(seq=seq, at=NOW, by=USER_ID, type=one, to=ObjectId(), note=WORDS)
            for seq, one in enumerate(notes, start=1)
        ),
        comments=tuple(comment(internal=internal) for internal in (False, True)),
    )


def comment(*, internal: bool) -> Comment:
    file = FileLink(f"{WORDS}.txt", "https://example.slack.com/files/U1/F1/a.txt")
    return Comment(
        id=ObjectId(), at=NOW, by=USER_ID, text=WORDS, position=0, internal=internal, files=(file,)
    )


def arguments(status: Status) -> dict[str, Any]:
    """Values of the parameters of all those functions, by name."""
    one = ticket(status)
    listed = ListResult(ListQuery(ListKind.OWN), ListPage((one,)), NOBODY, (), {}, NOW)
    last = LastAssignment(USER_ID, USER_ID, NOW, WORDS, None, {})
    query = SearchQuery.parse("password remove", now=NOW)
    found = SearchResult(query, (Hit(one, True, find_excerpt(one, query)),), NOBODY, NOW, True)
    home = HomePage(
        Screen(), USER_ID, ListPage((one,)), ListPage((one,)), ListPage((one,)), NOBODY, NOW
    )
    return {
        "ticket": one,
        "tickets": [one, one],
        "count": 2,
        "comment": one.comments[0],
        "comments": one.comments,
        "max_comments": 5,
        "events": one.events,
        "lines": [ReminderLine(one, EscalationStep.DUE_MISSED, NOW, ANN, ANN, is_for_assignee=True)]
        * 2,
        "page": TicketPage(Screen(), one, True, frozenset(), NOBODY, NOW),
        "content": home,
        "listed": listed,
        "result": found,
        "max_options": 100,
        "draft": EditForm(one, ("VPN",), None),
        "conflict": EditConflict(
            [FieldConflict("title", USER_ID, WORDS)], one, {}, app_name="Help desk"
        ),
        "inputs": [],
        "blocks": [],
        "metadata": EditMetadata(str(one.id), 1),
        "review": BulkReview(RESOLVE, (one,), ((one, "It is resolved."),), 0, None, NOBODY, NOW),
        "reviewed": ReviewMetadata(RESOLVE, "", (ReviewedTicket.of(one),)),
        "changed_fields": frozenset(),
        "reader_id": USER_ID,
        "dry_run": DryRun(one, True, False, True, Explanation((), ()), last, (), NOBODY, NOW),
        "last": last,
        "candidate_score": SimpleNamespace(candidate=None, exclusion=Obstacle.REQUESTER),
        "formatter": Formatter(name=str, time=str, quote=str),
        "outcome": ReassignResult(one, None),
        "authors": [],
        "channels": [],
        "people": NOBODY,
        "former": USER_ID,
        "field_conflict": FieldConflict("priority", USER_ID, "high"),
        "lookup": lambda _: ANN,
        "max_length": 300,
        "max_lines": 3,
        "title": "VPN drops",
        "now": NOW,
        "kind": ListKind.OWN,
        "open_button": {"type": "button"},
        "ticket_button": {"type": "button"},
        "verb": "Open",
        "action": "details",
        "action_label": "Resolve",
        "allowed_actions": frozenset(),
        "question_text": WORDS,
        "reason": WORDS,
        "text": WORDS,
        "typed": WORDS,
        "usage": "/ticket 12",
        "question": WORDS,
        "answer": WORDS,
        "short": "you answered",
        "unavailable": [],
        "number": 12,
        "value": "a message",
        "sentence": "Ticket 12 exists.",
        "is_outside_thread": True,
        "is_shown_ticket": True,
        "permalink": "https://example.slack.com/archives/C1/p1700000000000001",
        "emoji": "ticket",
        **dict.fromkeys(
            ("requester", "assignee", "assigned_by", "added_by", "done_by", "by", "author", "to"),
            ANN,
        ),
    }


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public functions of the views that take a ticket or return a message."""
    for module_info in pkgutil.walk_packages(views.__path__, "bot.views."):
        module = importlib.import_module(module_info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ != module.__name__ or name.startswith("_"):
                continue
            hints = typing.get_type_hints(function)
            given = [hint for parameter, hint in hints.items() if parameter != "return"]
            if hints["return"] is Message or any(map(takes_ticket, given)):
                yield f"{module.__name__.removeprefix('bot.views.')}.{name}", function


def takes_ticket(hint: Any) -> bool:
    return hint in TICKET_TYPES or any(map(takes_ticket, typing.get_args(hint)))


FUNCTIONS = dict(functions())


def output(name: str, status: Status) -> str:
    values, function = arguments(status), FUNCTIONS[name]
    if name.endswith("list_page"):
        values["content"] = TicketListPage(Screen(), values["listed"])
    if name.endswith("bulk_form"):
        values["action"] = BulkAction.ASSIGN
    if name.endswith("bulk_results"):
        values["results"] = [BulkResult(12, values["ticket"])]
    if name.endswith("results_page"):
        values["content"] = SearchResultsPage(Screen(), values["result"])
    required = {
        parameter.name: values[parameter.name]
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is not parameter.VAR_POSITIONAL
        and (
            parameter.default is parameter.empty
            or parameter.name in ("assignee", "done_by", "tickets")
        )
    }
    result = function(**required)
    return json.dumps(result.as_args() if isinstance(result, Message) else result, default=str)


@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - SHOW_SECRETS - OTHER_MESSAGES))
def test_what_is_pushed_or_listed_hides_secrets(name: str) -> None:
    for status in (Status.TODO, Status.IN_PROGRESS, Status.COMPLETED):
        assert CANARY not in output(name, status)


@pytest.mark.parametrize("name", sorted(SHOW_SECRETS))
def test_the_page_and_the_form_show_them(name: str) -> None:
    assert CANARY in output(name, Status.IN_PROGRESS)


def test_the_page_hides_them_in_its_notification() -> None:
    page = FUNCTIONS["home.ticket_page.ticket_message"](arguments(Status.IN_PROGRESS)["page"])
    assert page.text.startswith("Ticket 12 “password: [password removed]”: ")


def test_the_form_of_a_message_shows_them() -> None:
    view = file_ticket_modal(is_ai_enabled=True, quote=direct_message_quote(WORDS))
    assert CANARY in str(view)


def test_a_masked_text_says_where_it_is_shown() -> None:
    show = FUNCTIONS["messages.ticket_updates.comment_message"]
    message = show(
        **{name: arguments(Status.TODO)[name] for name in ("ticket", "comment", "author")},
        is_outside_thread=False,
    )
    assert "A secret is hidden here. The ticket's page shows it." in str(message.blocks)


def test_a_key_is_hidden_even_if_the_text_is_cut_within_it() -> None:
    title = f"{'x ' * 66}AKIA{'ABCDEFGH' * 2}"
    card = FUNCTIONS["messages.reminder_message.reminder_message"]
    line = ReminderLine(
        sample_ticket(title=title[-90:]),
        EscalationStep.DUE_MISSED,
        NOW,
        ANN,
        None,
        is_for_assignee=False,
    )
    assert "AKIA" not in str(card([line], count=1))


def test_invisible_characters_do_not_disguise_a_secret() -> None:
    title = FUNCTIONS["blocks.ticket_title"]
    assert CANARY not in str(title(sample_ticket(title=f"pass\u200bword: {CANARY}")))


def test_the_lists_above_name_what_exists() -> None:
    assert FUNCTIONS.keys() >= SHOW_SECRETS | OTHER_MESSAGES
