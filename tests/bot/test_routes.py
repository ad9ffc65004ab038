"""The route table is complete, and each route allows exactly what its permission grants."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot import routes
from bot.handlers.channel_messages import NOT_DONE
from bot.handlers.message_intake import TOO_OLD_TO_ADD
from bot.handlers.ticket_lists import FILTER_BY_ACTION_ID
from bot.routes import ROUTES, Route, RouteKind
from bot.views import blocks, ids
from bot.views.cards.action_buttons import button_value
from bot.views.modals import (
    account,
    availability,
    bulk_changes,
    person,
    request_channels,
    team_settings,
    ticket_actions,
)
from bot.views.modals import file_ticket as modal_file_ticket
from bot.views.modals.edit_ticket import edit_ticket_modal
from bot.views.modals.participants import participants_modal
from services.account_admin.private_ticket_settings import PrivateTicketSettings
from services.availability.availability_service import Availability, WorkHours
from services.availability.slack_status import StatusRules
from services.calendar.business_hours import BusinessHours
from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.database import Mongo
from services.editing.bulk_changes import BulkAction, BulkChange, BulkReview
from services.editing.participants import NOT_A_PARTICIPANT, ParticipantsForm
from services.editing.ticket_edits import EditForm
from services.home.sessions import Screen
from services.linking.account_linking import WRONG_CODE, LinkPreview, UnlinkPreview
from services.linking.address_claims import CLAIM_SETTLED
from services.linking.links import ACCOUNT_UNLINKED, Directory
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListPage, ListResult
from services.models.permissions import ROLE_PERMISSIONS
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.search.search_query import SearchPage
from services.sla.policy import TargetFields, Targets
from services.team_settings.private_tickets import PrivateTicketState
from services.team_settings.settings_service import BusinessHoursFields, CurrentSettings
from services.tickets.filing import TicketService
from tests.conftest import APP_URL, Bot, People, file_ticket, pressed, reload, sample_ticket
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TEAM_ID, TRIAGE

IT_HELP = RequestChannel(TEAM_ID, "C0ITHELP", ChannelMode.EVERY_MESSAGE)
GUEST = "Guests cannot use this app. Ask a full member of this workspace to file the ticket."
# Buttons of App Home that open the ticket in their value.
TO_A_TICKET = (ids.HOME_OPEN, ids.HOME_BACK, ids.HOME_OWN, ids.HOME_PARTICIPATING)
NO_SUCH = "There is no such ticket, or you may not see it."
# Actions for the ticket's requester only, in any role.
OF_THE_REQUESTER = (ids.CANCEL, ids.CANCEL_TICKET, ids.ACTIONS_MENU)
# Actions for the requester and the staff.
ABOUT_A_TICKET = (
    ids.REOPEN,
    ids.REOPEN_TICKET,
    ids.DETAILS,
    ids.SHOW_HISTORY,
    ids.COMMENT,
    ids.COMMENT_INSTEAD,
    ids.WRITE_COMMENT,
    ids.LIST_OPEN,
    ids.ADD_PEOPLE,
    ids.CHANGE_PARTICIPANTS,
    ids.LEAVE,
)
# Buttons that add a message to a ticket. The message that the tests name is not stored.
ADDING = (ids.ANSWER_TICKET, ids.ADD_TO_TICKET)
NOT_THEIRS = "Only its requester can cancel ticket 1. Resolve it, and say why."
ANSWERS, NOT_ASKED = (ids.STILL_A_PROBLEM, ids.SOLVED), "Only its requester can say that."
# The refusal for another user's ticket, by role.
FOREIGN: dict[Role, dict[str, str]] = {
    Role.USER: {
        **dict.fromkeys((*TO_A_TICKET, *OF_THE_REQUESTER, *ABOUT_A_TICKET, *ADDING), NO_SUCH),
        **dict.fromkeys(ANSWERS, NO_SUCH),
        "view": "There is no ticket 1, or you may not see it.",
    },
    Role.MODERATOR: {
        **dict.fromkeys(OF_THE_REQUESTER, NOT_THEIRS),
        **dict.fromkeys(ANSWERS, NOT_ASKED),
        ids.LEAVE: NOT_A_PARTICIPANT,
    },
    Role.ADMIN: {
        **dict.fromkeys(OF_THE_REQUESTER, NOT_THEIRS),
        **dict.fromkeys(ANSWERS, NOT_ASKED),
        ids.LEAVE: NOT_A_PARTICIPANT,
    },
}
# Open to every full member. The code that the tests send is wrong.
FOR_MEMBERS = {
    "/account": None,
    ids.OPEN_LINK: None,
    ids.LINK_ACCOUNT: WRONG_CODE,
    ids.CONFIRM_LINK: WRONG_CODE,
}
# Refused to everyone for what is their own.
OWN_REFUSED = {
    ids.CLAIM_OWN: CLAIM_SETTLED,  # no other account has their address
    ids.CLAIM_DISOWN: CLAIM_SETTLED,
    ids.UNLINK_ACCOUNT: ACCOUNT_UNLINKED,  # unlinked, as App Home then says
    ids.LEAVE: NOT_A_PARTICIPANT,
}
NOTHING = "nothing to choose from"
# The kind of caller and their role; None: they get no account.
ASKERS = {
    "guest": None,
    "newcomer": Role.USER,
    "user": Role.USER,
    "moderator": Role.MODERATOR,
    "admin": Role.ADMIN,
}


def name(route: Route) -> str:
    return f"{route.kind} {route.id}".strip()


def test_every_id_has_a_route() -> None:
    known = {route.id for route in ROUTES}
    assert {value for key, value in vars(ids).items() if key.isupper()} <= known


def test_every_entry_point_stands_in_the_table_once() -> None:
    assert len({name(route) for route in ROUTES}) == len(ROUTES)
    subcommands = {route for route in ROUTES if route.kind is RouteKind.SUBCOMMAND}
    assert set(routes.top_level_routes()) == set(ROUTES) - subcommands


def test_what_is_open_to_those_without_an_account() -> None:
    assert [name(route) for route in ROUTES if route.permission is None] == [
        "command /ticket",
        "command /account",
        "subcommand help",
        "event channel_archive",
        # Linking an account.
        "action open_link",
        "action link_page",
        "view link_account",
        "view confirm_link",
        # Sent by Slack itself.
        "event user_change",
    ]


def file_form(user: User, _: Ticket) -> dict[str, Any]:
    view = {**modal_file_ticket.file_ticket_modal(is_ai_enabled=False), "id": "V1"}
    values = {"title": "VPN drops", "description": "Every hour."}
    return payloads.view_submission(view, values, user=People.slack_id(user))


def resolve_form(user: User, ticket: Ticket) -> dict[str, Any]:
    view = {**ticket_actions.resolve_ticket_modal(ticket), "id": "V1"}
    return payloads.view_submission(view, {"resolution": "Done."}, user=People.slack_id(user))


def pressed_in_home(action_id: str, value: str = "") -> Callable[[User, Ticket], dict[str, Any]]:
    """Press a button of App Home that has the value, or the ticket in its value."""

    def body(user: User, ticket: Ticket) -> dict[str, Any]:
        button = blocks.button("Go", action_id, value or Screen(ticket_id=ticket.id).encode())
        view = {"type": "home", "id": "V1", "blocks": [blocks.actions(button)]}
        return payloads.block_actions(view, action_id, user=People.slack_id(user))

    return body


def home_opened(user: User, _: Ticket) -> dict[str, Any]:
    opened = {"type": "app_home_opened", "user": People.slack_id(user), "tab": "home"}
    return payloads.event({**opened, "channel": "D0X"})


def written_to_the_bot(user: User, _: Ticket) -> dict[str, Any]:
    slack_id = People.slack_id(user)
    said = {"type": "message", "user": slack_id, "text": "Help", "ts": "1700000000.000009"}
    return payloads.event({**said, "channel": f"D{slack_id[1:]}", "channel_type": "im"})


def marked(user: User, _: Ticket) -> dict[str, Any]:
    item = {"type": "message", "channel": GENERAL, "ts": "1700000000.000009"}
    slack_id = People.slack_id(user)
    mark = {"type": "reaction_added", "user": slack_id, "reaction": "ticket", "item": item}
    return payloads.event(mark)


def mentioned(user: User, _: Ticket) -> dict[str, Any]:
    said = {"type": "app_mention", "text": "<@U0BOT> The VPN drops", "ts": "1700000000.000009"}
    return payloads.event({**said, "channel": GENERAL, "user": People.slack_id(user)})


def in_a_message(user: User, *shown: dict[str, Any]) -> dict[str, Any]:
    """A message of the bot to the user, with these elements in a row."""
    slack_id, row = People.slack_id(user), blocks.actions(*shown)
    return {"channel": f"D{slack_id[1:]}", "ts": "1700000000.000001", "blocks": [row]}


def button_pressed(
    action_id: str, value: Callable[[User, Ticket], str]
) -> Callable[[User, Ticket], dict[str, Any]]:
    """Press a button with that value in a message to the user."""

    def body(user: User, ticket: Ticket) -> dict[str, Any]:
        message = in_a_message(user, blocks.button("Go", action_id, value(user, ticket)))
        return payloads.block_actions(message, action_id, user=People.slack_id(user))

    return body


def message_offered(_: User, __: Ticket) -> str:
    return json.dumps({"channel": GENERAL, "ts": "1700000000.000009"})


def message_to_add(user: User, ticket: Ticket) -> str:
    return f"{ticket.id}:{message_offered(user, ticket)}"


def person_pressed(user: User, _: Ticket) -> dict[str, Any]:
    button = blocks.button("Edit", ids.OPEN_PERSON, str(user.id))
    view = {"type": "home", "id": "V1", "blocks": [blocks.actions(button)]}
    return payloads.block_actions(view, ids.OPEN_PERSON, user=People.slack_id(user))


def changes_pressed(user: User, _: Ticket) -> dict[str, Any]:
    view = {**person.person_modal(user), "id": "V1"}
    return payloads.block_actions(view, ids.OPEN_CHANGES, user=People.slack_id(user))


def comment_pressed(user: User, ticket: Ticket) -> dict[str, Any]:
    """Press the button of the question whether a new ticket is this one."""
    form = modal_file_ticket.file_ticket_modal(is_ai_enabled=False)
    inputs = [block for block in form["blocks"] if block["type"] == "input"]
    asked = modal_file_ticket.similar_ticket_modal(
        inputs, ticket, title="VPN again", metadata="", now=datetime(2026, 1, 1, tzinfo=UTC)
    )
    view, slack_id = {**asked, "id": "V1"}, People.slack_id(user)
    typed = {"title": "VPN again", "description": "It drops."}
    filled = payloads.view_submission(view, typed, user=slack_id)["view"]
    pressed = payloads.block_actions(view, ids.COMMENT_INSTEAD, user=slack_id)
    return {**pressed, "view": {**pressed["view"], "state": filled["state"]}}


def sent(form: Callable[[User], dict[str, Any]]) -> Callable[[User, Ticket], dict[str, Any]]:
    """Submit a form about the user without a change."""

    def body(user: User, _: Ticket) -> dict[str, Any]:
        view = {**form(user), "id": "V1"}
        return payloads.view_submission(view, {}, user=People.slack_id(user))

    return body


def member_chosen(user: User, _: Ticket) -> dict[str, Any]:
    """Add oneself as an admin."""
    view, own = {**person.add_moderator_modal(), "id": "V1"}, People.slack_id(user)
    return payloads.view_submission(view, {"member": own, "role": "admin"}, user=own)


def update_form(_: User, ticket: Ticket) -> dict[str, Any]:
    return {**edit_ticket_modal(EditForm(ticket, ("VPN",), None)), "id": "V1"}


def updated(user: User, ticket: Ticket) -> dict[str, Any]:
    view = update_form(user, ticket)
    return payloads.view_submission(view, {"priority": "high"}, user=People.slack_id(user))


def typed_into(action_id: str) -> Callable[[User, Ticket], dict[str, Any]]:
    """Type into a menu that requests its options from the app."""

    def body(user: User, ticket: Ticket) -> dict[str, Any]:
        menu = {"type": "multi_external_select", "action_id": action_id}
        view = {**update_form(user, ticket), "blocks": [{"type": "input", "element": menu}]}
        return payloads.block_suggestion(view, action_id, user=People.slack_id(user))

    return body


def typed(text: str) -> Callable[[User, Ticket], dict[str, Any]]:
    return lambda user, _: payloads.slash_command(text, user=People.slack_id(user))


def in_results(action_id: str) -> Callable[[User, Ticket], dict[str, Any]]:
    """Press a button of a search for the user's tickets."""
    page = Screen(search=SearchPage("from:me")).encode()

    def body(user: User, _: Ticket) -> dict[str, Any]:
        message = in_a_message(user, blocks.button("Go", action_id, page))
        return payloads.block_actions(message, action_id, user=People.slack_id(user))

    return body


def in_a_list(action_id: str) -> Callable[[User, Ticket], dict[str, Any]]:
    """Use a list of the user's tickets, or of the queue if the former has no such filter."""
    is_staffs = action_id in (ids.LIST_ASSIGNEE, ids.LIST_SKILL, ids.LIST_SORT)
    screen = Screen(list_query=ListQuery(ListKind.QUEUE if is_staffs else ListKind.OWN)).encode()
    menu = {"type": "static_select", "options": [{"text": {}, "value": "any"}]}
    is_menu = action_id in (*FILTER_BY_ACTION_ID, ids.LIST_SORT)

    def body(user: User, ticket: Ticket) -> dict[str, Any]:
        value = str(ticket.id) if action_id == ids.LIST_OPEN else screen
        button = blocks.button("Go", action_id, value)
        element = {**menu, "action_id": action_id} if is_menu else button
        message = in_a_message(user, element)
        message["blocks"][0]["block_id"] = f"filters|{screen}"
        chosen = "any" if is_menu else None
        return payloads.block_actions(message, action_id, chosen, user=People.slack_id(user))

    return body


def bulk_form_sent(user: User, ticket: Ticket) -> dict[str, Any]:
    """Choose the ticket, and oneself as its assignee."""
    page, now = ListPage((ticket,)), datetime(2026, 3, 1, tzinfo=UTC)
    listed = ListResult(ListQuery(ListKind.QUEUE), page, Directory({}, {}), (), {}, now)
    view = {**bulk_changes.bulk_form(BulkAction.ASSIGN, listed), "id": "V1"}
    values = {"tickets": [str(ticket.id)], "assignedTo": str(user.id)}
    return payloads.view_submission(view, values, user=People.slack_id(user))


def bulk_review_sent(user: User, ticket: Ticket) -> dict[str, Any]:
    change, now = BulkChange(BulkAction.ASSIGN, str(user.id)), datetime(2026, 3, 1, tzinfo=UTC)
    review = BulkReview(change, (ticket,), (), 0, user, Directory({}, {}), now)
    view = {**bulk_changes.bulk_review(review), "id": "V1"}
    return payloads.view_submission(view, {}, user=People.slack_id(user))


def chosen_on_the_page(
    action_id: str, chosen: Callable[[User], str]
) -> Callable[[User, Ticket], dict[str, Any]]:
    """Choose in a menu of the ticket's page in Home."""

    def body(user: User, ticket: Ticket) -> dict[str, Any]:
        value = chosen(user)
        option = {"text": {"type": "plain_text", "text": "x"}, "value": value}
        menu = {"type": "static_select", "action_id": action_id, "options": [option]}
        menus = {**blocks.actions(menu), "block_id": f"menus|{ticket.id}|{ticket.seq}"}
        view = {"type": "home", "id": "V1", "blocks": [menus]}
        return payloads.block_actions(view, action_id, value, user=People.slack_id(user))

    return body


# The actions pressed here. READY has the state of the ticket that they need.
STEPS_AT_HAND = (
    ids.ACCEPT,
    ids.TAKE,
    ids.REASSIGN,
    ids.DECLINE,
    ids.WAIT,
    ids.RESOLVE,
    ids.REOPEN,
    ids.CANCEL,
    ids.COMMENT,
    ids.NOTE,
)
# The state of the ticket in which the action is allowed, if not in a new one.
READY: dict[str, Callable[[User], dict[str, Any]]] = {
    ids.ACCEPT: lambda user: {"status": "IN_PROGRESS", "assignedTo": user.id},
    ids.DECLINE: lambda user: {"status": "IN_PROGRESS", "assignedTo": user.id},
    ids.DECLINE_TICKET: lambda user: {"status": "IN_PROGRESS", "assignedTo": user.id},
    ids.WAIT: lambda user: {"status": "IN_PROGRESS", "assignedTo": user.id},
    ids.ASK_REQUESTER: lambda user: {"status": "IN_PROGRESS", "assignedTo": user.id},
    ids.REOPEN: lambda _: {"status": "COMPLETED"},
    ids.REOPEN_TICKET: lambda _: {"status": "COMPLETED"},
    ids.UNDO_WITHDRAWAL: lambda _: {"status": "COMPLETED", "resolution": "not_a_request"},
}


def step_pressed(step: str) -> Callable[[User, Ticket], dict[str, Any]]:
    return lambda user, ticket: pressed(step, ticket, user)


def chosen_in_the_menu(user: User, ticket: Ticket) -> dict[str, Any]:
    """Choose Cancel in the overflow menu."""
    choice = f"{ids.CANCEL}:{button_value(ticket, ids.CANCEL)}"
    option = {"text": {"type": "plain_text", "text": "Cancel ticket"}, "value": choice}
    menu = {"type": "overflow", "action_id": ids.ACTIONS_MENU, "options": [option]}
    message = in_a_message(user, menu)
    return payloads.block_actions(message, ids.ACTIONS_MENU, choice, user=People.slack_id(user))


def step_form(
    form: Callable[[Ticket], dict[str, Any]], filled_in: Callable[[User], dict[str, Any]]
) -> Callable[[User, Ticket], dict[str, Any]]:
    def body(user: User, ticket: Ticket) -> dict[str, Any]:
        view = {**form(ticket), "id": "V1"}
        return payloads.view_submission(view, filled_in(user), user=People.slack_id(user))

    return body


def assigned_to_oneself(user: User) -> dict[str, Any]:
    return {"assignedTo": str(user.id)}


def show_all_pressed(user: User, ticket: Ticket) -> dict[str, Any]:
    button = blocks.button("Show all", ids.SHOW_HISTORY, str(ticket.id))
    slack_id = People.slack_id(user)
    message = {"channel": f"D{slack_id[1:]}", "ts": "1.5", "blocks": [blocks.actions(button)]}
    return payloads.block_actions(message, ids.SHOW_HISTORY, user=slack_id)


def why_pressed(user: User, ticket: Ticket) -> dict[str, Any]:
    button = blocks.button("Why?", ids.EXPLAIN_ASSIGNMENT, str(ticket.id))
    view = {"type": "home", "id": "V1", "blocks": [blocks.actions(button)]}
    return payloads.block_actions(view, ids.EXPLAIN_ASSIGNMENT, user=People.slack_id(user))


def code_typed(user: User, _: Ticket) -> dict[str, Any]:
    view = {**account.link_account_modal(app_url=APP_URL, can_link_by_email=True), "id": "V1"}
    return payloads.view_submission(view, {"code": "0A1B2-C3D4E"}, user=People.slack_id(user))


def code_confirmed(user: User, _: Ticket) -> dict[str, Any]:
    offer = LinkPreview(
        code_id="0" * 64,
        email="m…@example.com",
        is_slack_address=True,
        previous_user=None,
        open_ticket_count=0,
    )
    slack_id = People.slack_id(user)
    view = {**account.confirm_link_modal(offer, slack_user_id=slack_id), "id": "V1"}
    return payloads.view_submission(view, {}, user=slack_id)


def member_changed(user: User, _: Ticket) -> dict[str, Any]:
    member = {"id": People.slack_id(user), "profile": {"email": user.email}}
    return payloads.event({"type": "user_change", "user": member})


def own_availability(user: User, _: Ticket) -> dict[str, Any]:
    button = blocks.button("My availability", ids.OPEN_AVAILABILITY, "own")
    view = {"type": "home", "id": "V1", "blocks": [blocks.actions(button)]}
    return payloads.block_actions(view, ids.OPEN_AVAILABILITY, user=People.slack_id(user))


def availability_sent(user: User, _: Ticket) -> dict[str, Any]:
    hours = WorkHours(frozenset(range(5)), "09:00", "17:00")
    held = Availability(user, None, hours, False, "", "UTC", "", 0, BusinessHours())
    view = {**availability.availability_modal(held, is_own=True), "id": "V1"}
    return payloads.view_submission(view, {"start": "08:00"}, user=People.slack_id(user))


def offer_out_of_date(user: User, _: Ticket) -> str:
    return f"{user.id}:old"


def about_the_ticket(_: User, ticket: Ticket) -> str:
    return str(ticket.id)


def about_oneself(user: User, _: Ticket) -> str:
    return str(user.id)


def the_whole(kind: ListKind) -> Callable[[User, Ticket], str]:
    return lambda _, __: ListQuery(kind).encode()


def removed_oneself(user: User, ticket: Ticket) -> dict[str, Any]:
    """Choose oneself to be removed, who takes no part."""
    view = {**participants_modal(ParticipantsForm(ticket, (user,))), "id": "V1"}
    return payloads.view_submission(view, {"removed": [str(user.id)]}, user=People.slack_id(user))


# A payload for each route.
USES: dict[str, Callable[[User, Ticket], dict[str, Any]]] = {
    "command /ticket": lambda user, _: payloads.slash_command("lsit", user=People.slack_id(user)),
    "subcommand": lambda user, _: payloads.slash_command(user=People.slack_id(user)),
    "subcommand help": lambda user, _: payloads.slash_command("help", user=People.slack_id(user)),
    "view file_ticket": file_form,
    "view resolve_ticket": resolve_form,
    "shortcut file_ticket_shortcut": lambda user, _: payloads.shortcut(
        "file_ticket_shortcut", user=People.slack_id(user)
    ),
    "message_shortcut make_ticket": lambda user, _: payloads.message_shortcut(
        "make_ticket", "The VPN drops.", user=People.slack_id(user)
    ),
    **{f"action {step}": step_pressed(step) for step in STEPS_AT_HAND},
    "action more": chosen_in_the_menu,
    "view reassign_ticket": step_form(ticket_actions.reassign_ticket_modal, assigned_to_oneself),
    "view hand_on": step_form(
        ticket_actions.decline_modal, lambda _: {"reason": "Not my subject."}
    ),
    "view ask_requester": step_form(
        ticket_actions.ask_requester_modal, lambda _: {"question": "Which?"}
    ),
    "view write_comment": step_form(
        ticket_actions.comment_modal, lambda _: {"text": "It is back."}
    ),
    "view write_note": step_form(ticket_actions.note_modal, lambda _: {"text": "Second time."}),
    "action add_people": button_pressed(ids.ADD_PEOPLE, about_the_ticket),
    "view change_participants": removed_oneself,
    "action leave": button_pressed(ids.LEAVE, about_the_ticket),
    "view cancel_ticket": step_form(ticket_actions.cancel_ticket_modal, lambda _: {}),
    "view reopen_ticket": step_form(ticket_actions.reopen_ticket_modal, lambda _: {}),
    "event app_home_opened": home_opened,
    "subcommand view": lambda user, ticket: payloads.slash_command(
        f"view {ticket.number}", user=People.slack_id(user)
    ),
    "subcommand update": lambda user, ticket: payloads.slash_command(
        f"update {ticket.number}", user=People.slack_id(user)
    ),
    "action details": lambda user, ticket: pressed(ids.DETAILS, ticket, user),
    "action show_history": show_all_pressed,
    "action why": why_pressed,
    "action set_priority": chosen_on_the_page(ids.SET_PRIORITY, lambda _: "high"),
    "action set_assignee": chosen_on_the_page(ids.SET_ASSIGNEE, lambda user: str(user.id)),
    "options set_assignee": typed_into(ids.SET_ASSIGNEE),
    "action update": lambda user, ticket: pressed(ids.UPDATE, ticket, user),
    "view update_ticket": updated,
    "options assignedTo": typed_into(ids.ASSIGNED_TO),
    "options relatedSkills": typed_into(ids.RELATED_SKILLS),
    **{f"subcommand {word}": typed(word) for word in ("list", "assigned", "queue")},
    "subcommand search": typed("search printer"),
    "action search_tickets": pressed_in_home(ids.SEARCH_BOX),
    **{
        f"action {action}": in_results(action)
        for action in (ids.SEARCH_NEXT, ids.SEARCH_FIRST, ids.SEARCH_PERSON)
    },
    **{
        f"action {action}": in_a_list(action)
        for action in (
            *FILTER_BY_ACTION_ID,
            ids.LIST_SORT,
            ids.LIST_PREVIOUS,
            ids.LIST_NEXT,
            ids.LIST_CLEAR,
            ids.LIST_OPEN,
        )
    },
    "options list_assignee": typed_into(ids.LIST_ASSIGNEE),
    "options list_skill": typed_into(ids.LIST_SKILL),
    **{
        f"action {action}": pressed_in_home(action)
        for action in (
            ids.HOME_ASSIGNED,
            ids.HOME_QUEUE,
            ids.HOME_WAITING,
            ids.HOME_UNASSIGNED,
            ids.HOME_OVERDUE,
            *bulk_changes.BULK_ACTIONS,
        )
    },
    "view bulk_form": bulk_form_sent,
    "view bulk_review": bulk_review_sent,
    "action show_list": button_pressed(ids.SHOW_LIST, the_whole(ListKind.OWN)),
    "action show_assigned": button_pressed(ids.SHOW_ASSIGNED, the_whole(ListKind.ASSIGNED)),
    "action turn_digest": pressed_in_home(ids.SET_DIGEST),
    "action still_a_problem": button_pressed(ids.STILL_A_PROBLEM, about_the_ticket),
    "action solved": button_pressed(ids.SOLVED, about_the_ticket),
    "action resolve_asked": button_pressed(
        ids.RESOLVE_ASKED, lambda _, ticket: button_value(ticket, ids.RESOLVE)
    ),
    "action undo_withdrawal": button_pressed(ids.UNDO_WITHDRAWAL, about_the_ticket),
    "event message": written_to_the_bot,
    "event reaction_added": marked,
    "event app_mention": mentioned,
    "event user_change": member_changed,
    "command /account": lambda user, _: payloads.slash_command(
        user=People.slack_id(user), command="/account"
    ),
    **{
        f"action {action}": button_pressed(action, about_oneself)
        for action in (
            ids.OPEN_LINK,
            ids.LINK_PAGE,
            ids.OPEN_UNLINK,
            ids.CLAIM_OWN,
            ids.CLAIM_DISOWN,
        )
    },
    "view link_account": code_typed,
    "view confirm_link": code_confirmed,
    "view unlink_account": sent(
        lambda user: account.unlink_modal(
            UnlinkPreview(user, open_ticket_count=0, can_relink_by_email=True)
        )
    ),
    "action file_this": button_pressed(ids.FILE_DIRECT_MESSAGE, message_offered),
    **{f"action {action}": button_pressed(action, message_to_add) for action in ADDING},
    "action file_marked": button_pressed(ids.FILE_REACTED_MESSAGE, message_offered),
    "action home_settings": pressed_in_home(ids.HOME_SETTINGS),
    "action open_targets": pressed_in_home(ids.OPEN_SLA_TARGETS),
    "view edit_targets": sent(
        lambda _: team_settings.sla_targets_modal(TargetFields.from_targets(Targets()))
    ),
    "action open_app_name": pressed_in_home(ids.OPEN_APP_NAME),
    "view edit_app_name": sent(lambda _: team_settings.app_name_modal("Help desk")),
    "action open_slack_settings": pressed_in_home(ids.OPEN_SLACK_SETTINGS),
    "view edit_slack_settings": sent(
        lambda _: team_settings.slack_settings_modal(
            CurrentSettings("Help desk", Targets(), BusinessHours(), triage_channel=TRIAGE)
        )
    ),
    "action open_channel": pressed_in_home(ids.OPEN_CHANNEL, IT_HELP.id),
    "view edit_channel": sent(lambda _: request_channels.edit_channel_modal(IT_HELP)),
    "action open_channel_removal": pressed_in_home(ids.OPEN_CHANNEL_REMOVAL, IT_HELP.id),
    "view remove_channel": sent(lambda _: request_channels.remove_channel_modal(IT_HELP)),
    "event channel_archive": lambda _, __: payloads.event(
        {"type": "channel_archive", "channel": IT_HELP.id}
    ),
    "action open_office": pressed_in_home(ids.OPEN_BUSINESS_HOURS),
    "view edit_office": sent(
        lambda _: team_settings.business_hours_modal(
            BusinessHoursFields.from_business_hours(BusinessHours())
        )
    ),
    "action home_people": pressed_in_home(ids.HOME_PEOPLE),
    "action people_back": pressed_in_home(ids.PEOPLE_PREVIOUS),
    "action people_on": pressed_in_home(ids.PEOPLE_NEXT),
    "action open_search": pressed_in_home(ids.OPEN_SEARCH),
    "view search_people": sent(lambda _: person.search_modal("")),
    "action open_person": person_pressed,
    "action open_changes": changes_pressed,
    "action comment_instead": comment_pressed,
    "view edit_person": sent(person.person_modal),
    "action open_moderator": pressed_in_home(ids.OPEN_MODERATOR),
    "view add_moderator": member_chosen,
    "action hide_setup": pressed_in_home(ids.HIDE_SETUP),
    "action open_profile": pressed_in_home(ids.OPEN_PROFILE),
    "action open_availability": own_availability,
    "view edit_availability": availability_sent,
    "options country": typed_into(ids.COUNTRY),
    "action open_away_words": pressed_in_home(ids.OPEN_STATUS_WORDS),
    "view edit_away_words": sent(lambda _: team_settings.status_words_modal(StatusRules())),
    "action open_private_tickets": pressed_in_home(ids.OPEN_PRIVATE_TICKETS),
    "view edit_private_tickets": sent(
        lambda _: team_settings.private_tickets_modal(
            PrivateTicketSettings((), PrivateTicketState(), datetime(2026, 3, 1, tzinfo=UTC))
        )
    ),
    "options privateTicketPeople": typed_into(ids.PRIVATE_TICKET_PEOPLE),
    "action hand_over": button_pressed(ids.HAND_OVER, offer_out_of_date),
    "action keep_tickets": button_pressed(ids.KEEP_TICKETS, offer_out_of_date),
    "view edit_profile": sent(lambda user: person.profile_modal(user, is_staff=True)),
    **{
        f"action {action}": pressed_in_home(action)
        for action in (ids.HOME_FILE, ids.FILE_WITH_TITLE, *TO_A_TICKET)
    },
}


def refusal(bot: Bot, slack: RecordingSlack, body: dict[str, Any]) -> str | None:
    """The text of the refusal, None if the caller is not refused."""
    slack.clear()
    if "response_url" in body:
        body["response_url"] = slack.response_url()
    answer = bot.answer(body)
    said = list(answer.get("errors", {}).values())
    said += [NOTHING] if answer.get("options") == [] else []
    said += [call.args["text"] for call in slack.calls_to("chat.postEphemeral")]
    changed = [call.args["view"] for call in slack.calls_to("views.update")]
    said += [
        view["blocks"][0]["text"]["text"]
        for view in changed
        if view["title"]["text"] == "Please note"
    ]
    opened = [call.args["view"] for call in slack.calls_to("views.open")]
    said += [
        view["blocks"][0]["text"]["text"]
        for view in opened
        if view["title"]["text"] == "Please note"
    ]
    homes = [call.args["view"]["blocks"] for call in slack.calls_to("views.publish")]
    said += [home[1]["text"]["text"] for home in homes if len(home) == 2]
    # A refusal has no buttons.
    if answer.get("response_action") == "update" and not answer["view"].get("submit"):
        held = answer["view"]["blocks"][0]["text"]["text"]
        said += [held] if answer["view"]["title"]["text"] == "Please note" else []
    posted = [call.args for call in slack.calls_to("chat.postMessage")]
    said += [message["text"] for message in posted if not message.get("blocks")]
    if answer.get("response_type") and "blocks" not in answer:
        said.append(answer["text"])
    assert len(said) < 2
    return said[0] if said else None


def refused_words(route: Route, role: Role | None, owner: str) -> str | None:
    if route.id in FOR_MEMBERS:
        return FOR_MEMBERS[route.id] if role else GUEST
    if route.permission is None:
        return None
    if role and owner == "own" and route.id in OWN_REFUSED:
        return OWN_REFUSED[route.id]
    if role is None:
        if route.id == "app_mention":
            return NOT_DONE.format(refusal=GUEST)
        return None if route.id == "reaction_added" else GUEST
    if owner == "foreign" and route.id in FOREIGN[role]:
        return FOREIGN[role][route.id]
    if route.permission in ROLE_PERMISSIONS[role]:
        return TOO_OLD_TO_ADD if route.id in ADDING else None
    return f"Your role does not allow you to {route.permission}. Ask an admin if it should."


def expected_refusal(route: Route, role: Role | None, owner: str) -> str | None:
    """An options menu cannot show a text."""
    words = refused_words(route, role, owner)
    return NOTHING if words and route.kind is RouteKind.OPTIONS else words


def carries_a_ticket(route: Route) -> bool:
    """Whether the payload names the ticket, so that its requester matters."""
    user = User(ObjectId("65f0c0ffee65f0c0ffee0099"), "ann@example.com", Role.USER)
    ticket = sample_ticket(number=918_273_645)  # no other number or id has these digits
    sent = json.dumps(USES[name(route)](user, ticket))
    return str(ticket.id) in sent or str(ticket.number) in sent


CASES = [
    pytest.param(route, owner, id=f"{name(route)}-{owner}")
    for route in ROUTES
    for owner in ("own", "foreign")
    if owner == "own" or carries_a_ticket(route)
]


class EveryRoute:
    """Each route, used by one kind of member. A class each, to distribute them over processes."""

    asker: str

    @pytest.mark.parametrize(("route", "owner"), CASES)
    def test_who_may_use_it(
        self,
        desk: Bot,
        slack: RecordingSlack,
        people: People,
        tickets: TicketService,
        db: Mongo,
        route: Route,
        owner: str,
    ) -> None:
        role = ASKERS[self.asker]
        user = people.add(role or Role.USER, "VPN")
        ticket = file_ticket(tickets, user if owner == "own" else people.add())
        db.channels.insert_one(IT_HELP.to_doc())
        slack.add_channel(IT_HELP.id)
        if ready := READY.get(route.id):
            db.tickets.update_one({"_id": ticket.id}, {"$set": ready(user)})
            ticket = reload(db, ticket)
        if self.asker in ("guest", "newcomer"):
            db.links.delete_many({"userId": user.id})
            is_guest = {"is_restricted": self.asker == "guest"}
            slack.add_member(People.slack_id(user), email=user.email, name="New", **is_guest)
        body = USES[name(route)](user, ticket)
        if body.get("type") == "block_actions" and body.get("view", {}).get("type") == "modal":
            slack.workspace.keep_view(body["view"]["id"], body["view"])  # a view may go above it
        # As slow as the client allows: a modal has to be opened before the trigger expires.
        slack.seconds_per_call = 1.9
        assert refusal(desk, slack, body) == expected_refusal(route, role, owner)


class TestGuest(EveryRoute):
    asker = "guest"


class TestNewcomer(EveryRoute):
    asker = "newcomer"


class TestUser(EveryRoute):
    asker = "user"


class TestModerator(EveryRoute):
    asker = "moderator"


class TestAdmin(EveryRoute):
    asker = "admin"


def test_each_kind_of_member_uses_every_route() -> None:
    assert {kind.asker for kind in EveryRoute.__subclasses__()} == ASKERS.keys()
