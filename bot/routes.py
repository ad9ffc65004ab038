"""The one table of entry points: what Slack may send, what answers it, and who may.

The manifest's test and the permissions' test read it, too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.handlers import (
    account,
    app_home,
    availability,
    commands,
    filing,
    member_events,
    message_intake,
    people,
    team_settings,
    thread_replies,
    ticket_actions,
    ticket_edit,
    ticket_lists,
    ticket_page,
    ticket_submissions,
)
from bot.slack import instrumentation
from bot.slack.request import Request
from bot.views import ids
from bot.views.cards.action_buttons import ACTION_LABELS, parse_menu_value
from services.core.errors import Conflict
from services.models.permissions import Permission
from services.tickets.lifecycle import ACTION_PERMISSIONS, TicketAction


class RouteKind(StrEnum):
    COMMAND = "command"
    SUBCOMMAND = "subcommand"
    VIEW = "view"
    ACTION = "action"
    SHORTCUT = "shortcut"
    MESSAGE_SHORTCUT = "message_shortcut"
    EVENT = "event"
    OPTIONS = "options"  # what a menu offers for what was typed into it


# Their answer is what they open or show; Slack only wants to know at once that they arrived.
ACKED_IMMEDIATELY = frozenset(
    {RouteKind.ACTION, RouteKind.SHORTCUT, RouteKind.MESSAGE_SHORTCUT, RouteKind.EVENT}
)


@dataclass(frozen=True, slots=True)
class Route:
    """`permission` None: open to every member of the workspace, account or not.

    `has_own_permission_check`: the handler opens its modal before it asks for `req.actor`, because
    a trigger lives three seconds. Everywhere else the permission is checked before the handler
    runs. `has_own_ack`: the handler acknowledges the payload itself, once it is stored.
    """

    kind: RouteKind
    id: str
    handler: Callable[[Request], None]
    permission: Permission | None
    has_own_permission_check: bool = False
    has_own_ack: bool = False


def run_route(route: Route, req: Request) -> None:
    """The only way into a handler."""
    instrumentation.set_handler(f"{route.kind}:{route.id or 'bare'}")
    req.permission = route.permission
    if route.permission is not None and not route.has_own_permission_check:
        _ = req.actor
    route.handler(req)


def ticket_command(req: Request) -> None:
    """`/ticket` alone, with a subcommand, with one unknown word, or with the words of a title."""
    arguments = req.arguments
    if arguments and arguments[0].lower() in _SUBCOMMANDS:
        run_route(_SUBCOMMANDS[arguments[0].lower()], req)
    elif len(arguments) == 1:
        commands.show_help_for_unknown_command(req)
    else:
        run_route(_SUBCOMMANDS[""], req)


def run_menu_choice(req: Request) -> None:
    """A choice in a ticket's overflow menu is a press on the button it stands for."""
    action = req.body["actions"][0]
    action_id, button_value = parse_menu_value(action["selected_option"]["value"])
    if action_id not in _MENU_ROUTES:
        raise Conflict("This menu is out of date. Open the ticket anew with /ticket list.")
    req.body["actions"] = [{**action, "action_id": action_id, "value": button_value}]
    run_route(_MENU_ROUTES[action_id], req)


ROUTES = (
    Route(RouteKind.COMMAND, "/ticket", ticket_command, None),
    Route(
        RouteKind.SUBCOMMAND,
        "",
        commands.open_filing_form,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    Route(RouteKind.SUBCOMMAND, "help", commands.show_help, None),
    Route(
        RouteKind.SHORTCUT,
        ids.FILE_TICKET_SHORTCUT,
        filing.open_form_from_shortcut,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    Route(
        RouteKind.MESSAGE_SHORTCUT,
        ids.FILE_FROM_MESSAGE,
        filing.file_from_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    Route(RouteKind.VIEW, ids.FILE_TICKET, ticket_submissions.file_ticket, Permission.FILE_TICKET),
    Route(
        RouteKind.VIEW,
        ids.RESOLVE_TICKET,
        ticket_submissions.resolve_ticket,
        Permission.RESOLVE_ANY_TICKET,
    ),
    Route(
        RouteKind.VIEW,
        ids.REASSIGN_TICKET,
        ticket_submissions.reassign_ticket,
        ACTION_PERMISSIONS[TicketAction.REASSIGN],
    ),
    Route(
        RouteKind.VIEW,
        ids.DECLINE_TICKET,
        ticket_submissions.decline_ticket,
        ACTION_PERMISSIONS[TicketAction.DECLINE],
    ),
    Route(
        RouteKind.VIEW,
        ids.ASK_REQUESTER,
        ticket_submissions.ask_requester,
        ACTION_PERMISSIONS[TicketAction.ASK_REQUESTER],
    ),
    Route(
        RouteKind.VIEW,
        ids.CANCEL_TICKET,
        ticket_submissions.cancel_ticket,
        ACTION_PERMISSIONS[TicketAction.CANCEL],
    ),
    Route(
        RouteKind.ACTION,
        ids.ACCEPT,
        ticket_actions.accept_ticket,
        ACTION_PERMISSIONS[TicketAction.ACCEPT],
    ),
    Route(
        RouteKind.ACTION,
        ids.TAKE,
        ticket_actions.take_ticket,
        ACTION_PERMISSIONS[TicketAction.TAKE],
    ),
    Route(
        RouteKind.ACTION,
        ids.REASSIGN,
        ticket_actions.open_reassign_form,
        ACTION_PERMISSIONS[TicketAction.REASSIGN],
    ),
    Route(
        RouteKind.ACTION,
        ids.DECLINE,
        ticket_actions.open_decline_form,
        ACTION_PERMISSIONS[TicketAction.DECLINE],
    ),
    Route(
        RouteKind.ACTION,
        ids.WAIT,
        ticket_actions.open_ask_requester_form,
        ACTION_PERMISSIONS[TicketAction.ASK_REQUESTER],
    ),
    Route(
        RouteKind.ACTION,
        ids.RESOLVE,
        ticket_actions.open_resolve_form,
        ACTION_PERMISSIONS[TicketAction.RESOLVE],
    ),
    Route(
        RouteKind.ACTION,
        ids.REOPEN,
        ticket_actions.reopen_ticket,
        ACTION_PERMISSIONS[TicketAction.REOPEN],
    ),
    Route(
        RouteKind.ACTION,
        ids.CANCEL,
        ticket_actions.open_cancel_form,
        ACTION_PERMISSIONS[TicketAction.CANCEL],
    ),
    Route(
        RouteKind.ACTION,
        ids.STILL_A_PROBLEM,
        ticket_actions.answer_still_a_problem,
        Permission.SEE_OWN_TICKET,
    ),
    Route(RouteKind.ACTION, ids.SOLVED, ticket_actions.answer_solved, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.ACTIONS_MENU, run_menu_choice, Permission.SEE_OWN_TICKET),
    Route(
        RouteKind.ACTION,
        ids.COMMENT,
        thread_replies.open_comment_form,
        ACTION_PERMISSIONS[TicketAction.COMMENT],
    ),
    Route(
        RouteKind.ACTION,
        ids.NOTE,
        thread_replies.open_note_form,
        ACTION_PERMISSIONS[TicketAction.NOTE],
    ),
    Route(
        RouteKind.VIEW,
        ids.WRITE_COMMENT,
        thread_replies.save_comment,
        ACTION_PERMISSIONS[TicketAction.COMMENT],
    ),
    Route(
        RouteKind.VIEW,
        ids.WRITE_NOTE,
        thread_replies.save_note,
        ACTION_PERMISSIONS[TicketAction.NOTE],
    ),
    Route(RouteKind.SUBCOMMAND, "view", ticket_page.view_ticket, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.DETAILS, ticket_page.show_details, Permission.SEE_OWN_TICKET),
    Route(
        RouteKind.ACTION,
        ids.EXPLAIN_ASSIGNMENT,
        ticket_page.show_explanation,
        Permission.MANAGE_USERS,
    ),
    Route(
        RouteKind.SUBCOMMAND,
        "update",
        ticket_page.open_edit_form_by_number,
        ACTION_PERMISSIONS[TicketAction.UPDATE],
    ),
    Route(
        RouteKind.ACTION,
        ids.UPDATE,
        ticket_edit.open_edit_form,
        ACTION_PERMISSIONS[TicketAction.UPDATE],
    ),
    Route(
        RouteKind.VIEW,
        ids.UPDATE_TICKET,
        ticket_edit.save_ticket,
        ACTION_PERMISSIONS[TicketAction.UPDATE],
    ),
    Route(
        RouteKind.OPTIONS,
        ids.ASSIGNED_TO,
        ticket_edit.suggest_assignees,
        ACTION_PERMISSIONS[TicketAction.REASSIGN],
    ),
    Route(
        RouteKind.OPTIONS,
        ids.RELATED_SKILLS,
        ticket_edit.suggest_skills,
        ACTION_PERMISSIONS[TicketAction.UPDATE],
    ),
    # Who is refused an account sees the reason there, so `on_home_opened` checks it itself.
    Route(
        RouteKind.EVENT,
        "app_home_opened",
        app_home.on_home_opened,
        Permission.SEE_OWN_TICKET,
        has_own_permission_check=True,
    ),
    Route(
        RouteKind.ACTION,
        ids.HOME_FILE,
        filing.open_form_from_shortcut,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    Route(RouteKind.ACTION, ids.HOME_OPEN, app_home.navigate, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.HOME_BACK, app_home.navigate, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.HOME_OWN, app_home.navigate, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.HOME_ASSIGNED, app_home.navigate, Permission.SEE_ANY_TICKET),
    Route(RouteKind.ACTION, ids.HOME_QUEUE, app_home.navigate, Permission.SEE_ANY_TICKET),
    Route(RouteKind.SUBCOMMAND, "list", ticket_lists.show_own, Permission.SEE_OWN_TICKET),
    Route(RouteKind.SUBCOMMAND, "assigned", ticket_lists.show_assigned, Permission.SEE_ANY_TICKET),
    Route(RouteKind.SUBCOMMAND, "queue", ticket_lists.show_queue, Permission.SEE_ANY_TICKET),
    Route(RouteKind.ACTION, ids.LIST_STATUS, ticket_lists.apply_filter, Permission.SEE_OWN_TICKET),
    Route(
        RouteKind.ACTION, ids.LIST_PRIORITY, ticket_lists.apply_filter, Permission.SEE_OWN_TICKET
    ),
    Route(
        RouteKind.ACTION, ids.LIST_ASSIGNEE, ticket_lists.apply_filter, Permission.SEE_ANY_TICKET
    ),
    Route(RouteKind.ACTION, ids.LIST_SKILL, ticket_lists.apply_filter, Permission.SEE_ANY_TICKET),
    Route(
        RouteKind.OPTIONS,
        ids.LIST_ASSIGNEE,
        ticket_lists.suggest_filter_assignees,
        Permission.SEE_ANY_TICKET,
    ),
    Route(
        RouteKind.OPTIONS,
        ids.LIST_SKILL,
        ticket_lists.suggest_filter_skills,
        Permission.SEE_ANY_TICKET,
    ),
    Route(RouteKind.ACTION, ids.LIST_PREVIOUS, ticket_lists.show_page, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.LIST_NEXT, ticket_lists.show_page, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.LIST_CLEAR, ticket_lists.show_page, Permission.SEE_OWN_TICKET),
    Route(RouteKind.ACTION, ids.SHOW_LIST, ticket_lists.show_list_below, Permission.SEE_OWN_TICKET),
    Route(
        RouteKind.ACTION, ids.SHOW_ASSIGNED, ticket_lists.show_list_below, Permission.SEE_ANY_TICKET
    ),
    Route(RouteKind.ACTION, ids.SET_DIGEST, app_home.set_digest, Permission.WORK_ON_TICKETS),
    Route(RouteKind.ACTION, ids.LIST_OPEN, ticket_lists.open_ticket, Permission.SEE_OWN_TICKET),
    # Whoever is refused an account reads why as an answer; for a mark of theirs they hear nothing.
    Route(
        RouteKind.EVENT,
        "message",
        thread_replies.on_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
        has_own_ack=True,
    ),
    Route(
        RouteKind.EVENT,
        "reaction_added",
        message_intake.on_reaction,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    Route(
        RouteKind.ACTION,
        ids.FILE_DIRECT_MESSAGE,
        message_intake.file_direct_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    Route(
        RouteKind.ACTION,
        ids.FILE_REACTED_MESSAGE,
        message_intake.file_reacted_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    Route(RouteKind.ACTION, ids.HOME_SETTINGS, app_home.navigate, Permission.MANAGE_USERS),
    Route(
        RouteKind.ACTION,
        ids.OPEN_SLA_TARGETS,
        team_settings.open_sla_targets_form,
        Permission.MANAGE_USERS,
    ),
    Route(
        RouteKind.VIEW,
        ids.EDIT_SLA_TARGETS,
        team_settings.save_sla_targets,
        Permission.MANAGE_USERS,
    ),
    Route(
        RouteKind.ACTION,
        ids.OPEN_BUSINESS_HOURS,
        team_settings.open_business_hours_form,
        Permission.MANAGE_USERS,
    ),
    Route(
        RouteKind.VIEW,
        ids.EDIT_BUSINESS_HOURS,
        team_settings.save_business_hours,
        Permission.MANAGE_USERS,
    ),
    Route(RouteKind.ACTION, ids.HOME_PEOPLE, app_home.navigate, Permission.MANAGE_USERS),
    Route(RouteKind.ACTION, ids.PEOPLE_PREVIOUS, app_home.navigate, Permission.MANAGE_USERS),
    Route(RouteKind.ACTION, ids.PEOPLE_NEXT, app_home.navigate, Permission.MANAGE_USERS),
    Route(RouteKind.ACTION, ids.OPEN_SEARCH, people.open_search_form, Permission.MANAGE_USERS),
    Route(RouteKind.VIEW, ids.SEARCH_PEOPLE, people.search_people, Permission.MANAGE_USERS),
    Route(RouteKind.ACTION, ids.OPEN_PERSON, people.open_person_form, Permission.MANAGE_USERS),
    Route(RouteKind.VIEW, ids.EDIT_PERSON, people.save_person, Permission.MANAGE_USERS),
    Route(
        RouteKind.ACTION, ids.OPEN_PROFILE, people.open_profile_form, Permission.EDIT_OWN_PROFILE
    ),
    Route(RouteKind.VIEW, ids.EDIT_PROFILE, people.save_profile, Permission.EDIT_OWN_PROFILE),
    # How one comes to an account is open to whoever has none; the code is what they are asked for.
    Route(RouteKind.COMMAND, "/account", account.show_account, None),
    Route(RouteKind.ACTION, ids.OPEN_LINK, account.open_link_form, None),
    Route(RouteKind.ACTION, ids.LINK_PAGE, account.ignore_link_press, None),
    Route(RouteKind.VIEW, ids.LINK_ACCOUNT, account.submit_link_code, None),
    Route(RouteKind.VIEW, ids.CONFIRM_LINK, account.confirm_link, None),
    Route(RouteKind.ACTION, ids.OPEN_UNLINK, account.open_unlink_form, Permission.EDIT_OWN_PROFILE),
    Route(RouteKind.VIEW, ids.UNLINK_ACCOUNT, account.unlink_account, Permission.EDIT_OWN_PROFILE),
    Route(RouteKind.EVENT, "user_change", member_events.on_user_change, None, has_own_ack=True),
    # Others' availability is for admins: the service asks.
    Route(
        RouteKind.ACTION,
        ids.OPEN_AVAILABILITY,
        availability.open_availability_form,
        Permission.EDIT_OWN_PROFILE,
    ),
    Route(
        RouteKind.VIEW,
        ids.EDIT_AVAILABILITY,
        availability.save_availability,
        Permission.EDIT_OWN_PROFILE,
    ),
    Route(
        RouteKind.OPTIONS, ids.COUNTRY, availability.suggest_countries, Permission.EDIT_OWN_PROFILE
    ),
    Route(
        RouteKind.ACTION, ids.HAND_OVER, availability.accept_handover, Permission.EDIT_OWN_PROFILE
    ),
    Route(
        RouteKind.ACTION,
        ids.KEEP_TICKETS,
        availability.decline_handover,
        Permission.EDIT_OWN_PROFILE,
    ),
    Route(
        RouteKind.ACTION,
        ids.OPEN_STATUS_WORDS,
        team_settings.open_status_words_form,
        Permission.MANAGE_USERS,
    ),
    Route(
        RouteKind.VIEW,
        ids.EDIT_STATUS_WORDS,
        team_settings.save_status_words,
        Permission.MANAGE_USERS,
    ),
)
_MENU_ROUTES = {
    route.id: route
    for route in ROUTES
    if route.kind is RouteKind.ACTION and route.id in ACTION_LABELS
}
_SUBCOMMANDS = {route.id: route for route in ROUTES if route.kind is RouteKind.SUBCOMMAND}


def top_level_routes() -> Iterator[Route]:
    """The rows that Slack itself tells apart."""
    return (route for route in ROUTES if route.kind is not RouteKind.SUBCOMMAND)
