"""The table of entry points: each payload of Slack, its handler, and the required permission.

`/ticket help` (bot/views/messages/help.py) and the Slack manifest (bot/manifest.py) are derived
from it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from bot.handlers import (
    account,
    app_home,
    availability,
    bulk_changes,
    channel_messages,
    emoji_actions,
    filing,
    message_intake,
    participants,
    people,
    request_channels,
    team_settings,
    thread_replies,
    ticket_actions,
    ticket_lists,
    ticket_page,
    ticket_search,
)
from bot.slack import instrumentation
from bot.slack.channel_events import CHANNEL_EVENTS
from bot.slack.request import Request
from bot.slack.ticket_command import parse_command
from bot.views import ids
from bot.views.cards.action_buttons import ACTION_LABELS, parse_menu_value
from bot.views.messages.help import HelpEntry
from services.core.errors import Conflict
from services.models.permissions import Permission
from services.tickets.lifecycle import ACTION_PERMISSIONS as MAY
from services.tickets.lifecycle import TicketAction


class RouteKind(StrEnum):
    COMMAND = "command"
    SUBCOMMAND = "subcommand"
    VIEW = "view"
    ACTION = "action"
    SHORTCUT = "shortcut"
    MESSAGE_SHORTCUT = "message_shortcut"
    EVENT = "event"
    OPTIONS = "options"  # the choices of a select menu for the text typed into it


# Slack expects no content in the response to these, so they are acknowledged before the handler.
ACKED_IMMEDIATELY = frozenset(
    {RouteKind.ACTION, RouteKind.SHORTCUT, RouteKind.MESSAGE_SHORTCUT, RouteKind.EVENT}
)


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table. `permission` None: open to every member of the workspace, even without
    an account.

    `has_own_permission_check`: the handler opens its modal before it reads `req.actor`, because a
    trigger expires after three seconds. Everywhere else the permission is checked before the
    handler runs. `has_own_ack`: the handler acknowledges the payload itself, once it is stored.
    `acks_last`: once the handler has acknowledged, it calls Slack only about a new member or to
    refuse one. So it runs in the thread that received the payload, and is answered when it ends:
    another thread would cost a tenth of the processor time. The commands of a member whose account
    the process has not found before run in another.

    `help`: the lines of `/ticket help`, by what the user types. `manifest`: the entry's texts in
    the Slack manifest. `event_types`: the types of its events, if not `id` alone. `subscriptions`:
    what to subscribe to, if not these types.
    """

    kind: RouteKind
    id: str
    handler: Callable[[Request], None]
    permission: Permission | None
    has_own_permission_check: bool = False
    has_own_ack: bool = False
    acks_last: bool = False
    help: Mapping[str, str] = field(default_factory=dict, hash=False)
    manifest: Mapping[str, str] = field(default_factory=dict, hash=False)
    event_types: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()

    @property
    def payload_ids(self) -> tuple[str, ...]:
        """How payloads name this route."""
        return self.event_types or (self.id,)


def run_route(route: Route, req: Request) -> None:
    """The only way into a handler."""
    instrumentation.set_handler(f"{route.kind}:{route.id or 'bare'}")
    req.permission = route.permission
    if route.permission is not None and not route.has_own_permission_check:
        _ = req.actor
    route.handler(req)


def run_ticket_command(req: Request) -> None:
    """Dispatch `/ticket`: alone, with a subcommand, with a ticket's number, or with a title."""
    asked = parse_command(req.arguments, subcommands=_SUBCOMMANDS.keys() - {""})
    if asked.suggestion:
        filing.suggest_command(req, asked.suggestion)
    else:
        run_route(_SUBCOMMANDS[asked.subcommand], req)


def show_help(req: Request) -> None:
    filing.show_help(req, HELP_ENTRIES)


def run_menu_choice(req: Request) -> None:
    """Run the action that was chosen in a ticket's overflow menu, as if its button was pressed."""
    action = req.body["actions"][0]
    action_id, button_value = parse_menu_value(action["selected_option"]["value"])
    if action_id not in _MENU_ROUTES:
        raise Conflict("This menu is out of date. Open the ticket again with /ticket list.")
    req.body["actions"] = [{**action, "action_id": action_id, "value": button_value}]
    run_route(_MENU_ROUTES[action_id], req)


command = partial(Route, RouteKind.COMMAND)
subcommand = partial(Route, RouteKind.SUBCOMMAND)
view = partial(Route, RouteKind.VIEW)
action = partial(Route, RouteKind.ACTION)
shortcut = partial(Route, RouteKind.SHORTCUT)
message_shortcut = partial(Route, RouteKind.MESSAGE_SHORTCUT)
event = partial(Route, RouteKind.EVENT)
options = partial(Route, RouteKind.OPTIONS)

ROUTES = (
    # Slash commands, in the order of `/ticket help`.
    command(
        "/ticket",
        run_ticket_command,
        None,
        acks_last=True,
        manifest={
            "description": "File a ticket",
            "usage_hint": "[title], list, 12 or help",
        },
    ),
    subcommand(
        "",
        filing.open_form,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
        help={
            "/ticket": "file a ticket",
            "/ticket your words here": "file a ticket with that title",
        },
    ),
    subcommand(
        "list",
        ticket_lists.show_list,
        Permission.SEE_OWN_TICKET,
        help={"/ticket list": "your tickets, and who has them"},
    ),
    subcommand(
        "search",
        ticket_search.show_results,
        Permission.SEE_OWN_TICKET,
        help={
            "/ticket search printer jam": "tickets with these words",
            "/ticket search vpn status:open": (
                "only open ones; filter by priority, assignee, from or since, too"
            ),
        },
    ),
    subcommand(
        "view",
        ticket_page.view_ticket,
        Permission.SEE_OWN_TICKET,
        help={"/ticket 12": "everything about ticket 12"},
    ),
    subcommand(
        "assigned",
        ticket_lists.show_list,
        Permission.SEE_ANY_TICKET,
        help={"/ticket assigned": "what is assigned to you"},
    ),
    subcommand(
        "queue",
        ticket_lists.show_list,
        Permission.SEE_ANY_TICKET,
        help={"/ticket queue": "every open ticket, unassigned ones first"},
    ),
    subcommand(
        "update",
        ticket_page.open_edit_form_by_number,
        MAY[TicketAction.UPDATE],
        help={"/ticket update 12": "change ticket 12"},
    ),
    command(
        "/account",
        account.show_account,
        None,
        help={"/account": "see, edit, link or unlink your account"},
        manifest={"description": "See, edit, link or unlink your account"},
    ),
    subcommand("help", show_help, None, help={"/ticket help": "this list"}),
    # App Home. `on_home_opened` checks the permission itself, to show a refusal in the Home.
    event(
        "app_home_opened",
        app_home.on_home_opened,
        Permission.SEE_OWN_TICKET,
        has_own_permission_check=True,
    ),
    action(
        ids.HOME_FILE,
        filing.open_form,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    action(ids.HOME_OPEN, app_home.navigate, Permission.SEE_OWN_TICKET),
    action(ids.HOME_BACK, app_home.navigate, Permission.SEE_OWN_TICKET),
    action(ids.HOME_OWN, app_home.navigate, Permission.SEE_OWN_TICKET),
    action(ids.HOME_PARTICIPATING, app_home.navigate, Permission.SEE_OWN_TICKET),
    action(ids.HOME_ASSIGNED, app_home.navigate, Permission.SEE_ANY_TICKET),
    action(ids.HOME_QUEUE, app_home.navigate, Permission.SEE_ANY_TICKET),
    action(ids.HOME_WAITING, app_home.navigate, Permission.SEE_ANY_TICKET),
    action(ids.HOME_UNASSIGNED, app_home.navigate, Permission.SEE_ANY_TICKET),
    action(ids.HOME_OVERDUE, app_home.navigate, Permission.SEE_ANY_TICKET),
    action(ids.HOME_SETTINGS, app_home.navigate, Permission.MANAGE_USERS),
    action(ids.HOME_PEOPLE, app_home.navigate, Permission.MANAGE_USERS),
    action(ids.PEOPLE_PREVIOUS, app_home.navigate, Permission.MANAGE_USERS),
    action(ids.PEOPLE_NEXT, app_home.navigate, Permission.MANAGE_USERS),
    action(ids.SET_DIGEST, app_home.set_digest, Permission.WORK_ON_TICKETS),
    # Filing a ticket.
    action(
        ids.FILE_WITH_TITLE,
        filing.open_form_with_title,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    shortcut(
        ids.FILE_TICKET_SHORTCUT,
        filing.open_form,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
        manifest={"name": "File a ticket", "description": "Say what you need"},
    ),
    message_shortcut(
        ids.FILE_FROM_MESSAGE,
        filing.file_from_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
        manifest={"name": "File as a ticket", "description": "File a ticket about this message"},
    ),
    view(ids.FILE_TICKET, filing.file_ticket, Permission.FILE_TICKET, acks_last=True),
    # A refused message is answered with the refusal, a refused reaction is not answered.
    event(
        "message",
        thread_replies.on_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
        has_own_ack=True,
        subscriptions=("message.im", "message.channels", "message.groups"),
    ),
    event(
        "reaction_added",
        emoji_actions.on_reaction,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
        has_own_ack=True,
    ),
    event(
        "app_mention",
        channel_messages.on_mention,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
        has_own_ack=True,
    ),
    action(
        ids.FILE_DIRECT_MESSAGE,
        message_intake.file_direct_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    action(ids.ANSWER_TICKET, message_intake.add_to_ticket, MAY[TicketAction.COMMENT]),
    action(ids.ADD_TO_TICKET, message_intake.add_to_ticket, MAY[TicketAction.COMMENT]),
    action(
        ids.FILE_REACTED_MESSAGE,
        message_intake.file_reacted_message,
        Permission.FILE_TICKET,
        has_own_permission_check=True,
    ),
    action(ids.RESOLVE_ASKED, emoji_actions.open_resolve_form, MAY[TicketAction.RESOLVE]),
    action(ids.UNDO_WITHDRAWAL, emoji_actions.undo_withdrawal, MAY[TicketAction.WITHDRAW]),
    action(
        ids.COMMENT_INSTEAD, thread_replies.open_comment_form_instead, MAY[TicketAction.COMMENT]
    ),
    # Actions on a ticket, and their forms.
    action(ids.ACCEPT, ticket_actions.apply_action, MAY[TicketAction.ACCEPT]),
    action(ids.TAKE, ticket_actions.apply_action, MAY[TicketAction.TAKE]),
    action(ids.REASSIGN, ticket_actions.open_reassign_modal, MAY[TicketAction.REASSIGN]),
    view(ids.REASSIGN_TICKET, ticket_actions.reassign_ticket, MAY[TicketAction.REASSIGN]),
    action(ids.DECLINE, ticket_actions.open_modal, MAY[TicketAction.DECLINE]),
    view(ids.DECLINE_TICKET, ticket_actions.decline_ticket, MAY[TicketAction.DECLINE]),
    action(ids.WAIT, ticket_actions.open_modal, MAY[TicketAction.ASK_REQUESTER]),
    view(ids.ASK_REQUESTER, ticket_actions.ask_requester, MAY[TicketAction.ASK_REQUESTER]),
    action(ids.RESOLVE, ticket_actions.open_modal, MAY[TicketAction.RESOLVE]),
    view(ids.RESOLVE_TICKET, ticket_actions.resolve_ticket, MAY[TicketAction.RESOLVE]),
    action(ids.REOPEN, ticket_actions.open_modal, MAY[TicketAction.REOPEN]),
    view(ids.REOPEN_TICKET, ticket_actions.reopen_ticket, MAY[TicketAction.REOPEN]),
    action(ids.CANCEL, ticket_actions.open_modal, MAY[TicketAction.CANCEL]),
    view(ids.CANCEL_TICKET, ticket_actions.cancel_ticket, MAY[TicketAction.CANCEL]),
    action(ids.STILL_A_PROBLEM, ticket_actions.answer_still_a_problem, Permission.SEE_OWN_TICKET),
    action(ids.SOLVED, ticket_actions.answer_solved, Permission.SEE_OWN_TICKET),
    action(ids.ACTIONS_MENU, run_menu_choice, Permission.SEE_OWN_TICKET),
    action(ids.COMMENT, thread_replies.open_comment_form, MAY[TicketAction.COMMENT]),
    view(ids.WRITE_COMMENT, thread_replies.save_comment, MAY[TicketAction.COMMENT]),
    action(ids.NOTE, thread_replies.open_note_form, MAY[TicketAction.NOTE]),
    view(ids.WRITE_NOTE, thread_replies.save_note, MAY[TicketAction.NOTE]),
    # Who may add and remove people depends on the ticket.
    action(ids.ADD_PEOPLE, participants.open_form, Permission.SEE_OWN_TICKET),
    view(ids.CHANGE_PARTICIPANTS, participants.save, Permission.SEE_OWN_TICKET),
    action(ids.LEAVE, participants.leave, Permission.SEE_OWN_TICKET),
    action(ids.DETAILS, ticket_page.show_details, Permission.SEE_OWN_TICKET),
    action(ids.SHOW_HISTORY, ticket_page.show_history, Permission.SEE_OWN_TICKET),
    action(ids.EXPLAIN_ASSIGNMENT, ticket_page.show_explanation, Permission.MANAGE_USERS),
    action(ids.SET_PRIORITY, ticket_page.set_priority, MAY[TicketAction.UPDATE]),
    action(ids.SET_ASSIGNEE, ticket_page.set_assignee, MAY[TicketAction.REASSIGN]),
    options(ids.SET_ASSIGNEE, ticket_page.suggest_new_assignees, MAY[TicketAction.REASSIGN]),
    action(ids.UPDATE, ticket_page.open_edit_form, MAY[TicketAction.UPDATE]),
    view(ids.UPDATE_TICKET, ticket_page.save_ticket, MAY[TicketAction.UPDATE]),
    options(ids.ASSIGNED_TO, ticket_page.suggest_assignees, MAY[TicketAction.REASSIGN]),
    options(ids.RELATED_SKILLS, ticket_page.suggest_skills, MAY[TicketAction.UPDATE]),
    # Lists of tickets.
    action(ids.LIST_STATUS, ticket_lists.apply_filter, Permission.SEE_OWN_TICKET),
    action(ids.LIST_PRIORITY, ticket_lists.apply_filter, Permission.SEE_OWN_TICKET),
    action(ids.LIST_ASSIGNEE, ticket_lists.apply_filter, Permission.SEE_ANY_TICKET),
    options(ids.LIST_ASSIGNEE, ticket_lists.suggest_filter_assignees, Permission.SEE_ANY_TICKET),
    action(ids.LIST_SKILL, ticket_lists.apply_filter, Permission.SEE_ANY_TICKET),
    options(ids.LIST_SKILL, ticket_lists.suggest_filter_skills, Permission.SEE_ANY_TICKET),
    action(ids.LIST_SORT, ticket_lists.apply_sort, Permission.SEE_ANY_TICKET),
    action(ids.LIST_PREVIOUS, ticket_lists.show_page, Permission.SEE_OWN_TICKET),
    action(ids.LIST_NEXT, ticket_lists.show_page, Permission.SEE_OWN_TICKET),
    action(ids.LIST_CLEAR, ticket_lists.show_page, Permission.SEE_OWN_TICKET),
    action(ids.SHOW_LIST, ticket_lists.show_list_below, Permission.SEE_OWN_TICKET),
    action(ids.SHOW_ASSIGNED, ticket_lists.show_list_below, Permission.SEE_ANY_TICKET),
    action(ids.LIST_OPEN, ticket_lists.open_ticket, Permission.SEE_OWN_TICKET),
    # Changes of several tickets of a list.
    action(ids.BULK_ASSIGN, bulk_changes.open_form, MAY[TicketAction.REASSIGN]),
    action(ids.BULK_PRIORITY, bulk_changes.open_form, MAY[TicketAction.UPDATE]),
    action(ids.BULK_RESOLVE, bulk_changes.open_form, MAY[TicketAction.RESOLVE]),
    view(ids.BULK_FORM, bulk_changes.review, Permission.WORK_ON_TICKETS),
    view(ids.BULK_REVIEW, bulk_changes.apply, Permission.WORK_ON_TICKETS),
    # Search for tickets.
    action(ids.SEARCH_BOX, ticket_search.search_from_home, Permission.SEE_OWN_TICKET),
    action(ids.SEARCH_NEXT, ticket_search.show_page, Permission.SEE_OWN_TICKET),
    action(ids.SEARCH_FIRST, ticket_search.show_page, Permission.SEE_OWN_TICKET),
    action(ids.SEARCH_PERSON, ticket_search.show_page, Permission.SEE_OWN_TICKET),
    # Team settings and other people's accounts.
    action(ids.OPEN_SLA_TARGETS, team_settings.open_sla_targets_form, Permission.MANAGE_USERS),
    view(ids.EDIT_SLA_TARGETS, team_settings.save_sla_targets, Permission.MANAGE_USERS),
    action(ids.OPEN_APP_NAME, team_settings.open_app_name_form, Permission.MANAGE_USERS),
    view(ids.EDIT_APP_NAME, team_settings.save_app_name, Permission.MANAGE_USERS),
    action(
        ids.OPEN_SLACK_SETTINGS, team_settings.open_slack_settings_form, Permission.MANAGE_USERS
    ),
    view(ids.EDIT_SLACK_SETTINGS, team_settings.save_slack_settings, Permission.MANAGE_USERS),
    action(
        ids.OPEN_BUSINESS_HOURS, team_settings.open_business_hours_form, Permission.MANAGE_USERS
    ),
    view(ids.EDIT_BUSINESS_HOURS, team_settings.save_business_hours, Permission.MANAGE_USERS),
    action(ids.OPEN_STATUS_WORDS, team_settings.open_status_words_form, Permission.MANAGE_USERS),
    view(ids.EDIT_STATUS_WORDS, team_settings.save_status_words, Permission.MANAGE_USERS),
    action(
        ids.OPEN_PRIVATE_TICKETS, team_settings.open_private_tickets_form, Permission.MANAGE_USERS
    ),
    view(ids.EDIT_PRIVATE_TICKETS, team_settings.save_private_tickets, Permission.MANAGE_USERS),
    options(
        ids.PRIVATE_TICKET_PEOPLE,
        team_settings.suggest_private_ticket_people,
        Permission.MANAGE_USERS,
    ),
    action(ids.OPEN_CHANNEL, request_channels.open_form, Permission.MANAGE_USERS),
    view(ids.EDIT_CHANNEL, request_channels.save, Permission.MANAGE_USERS),
    action(ids.OPEN_CHANNEL_REMOVAL, request_channels.open_removal, Permission.MANAGE_USERS),
    view(ids.REMOVE_CHANNEL, request_channels.remove, Permission.MANAGE_USERS),
    event(
        "channel_archive",
        request_channels.on_channel_event,
        None,
        has_own_ack=True,
        event_types=CHANNEL_EVENTS,
    ),
    action(ids.OPEN_SEARCH, people.open_search_form, Permission.MANAGE_USERS),
    view(ids.SEARCH_PEOPLE, people.search_people, Permission.MANAGE_USERS),
    action(ids.OPEN_PERSON, people.open_person_form, Permission.MANAGE_USERS),
    action(ids.OPEN_CHANGES, people.open_changes, Permission.MANAGE_USERS),
    view(ids.EDIT_PERSON, people.save_person, Permission.MANAGE_USERS),
    action(ids.OPEN_MODERATOR, people.open_moderator_form, Permission.MANAGE_USERS),
    view(ids.ADD_MODERATOR, people.add_moderator, Permission.MANAGE_USERS),
    action(ids.HIDE_SETUP, app_home.hide_setup, Permission.MANAGE_USERS),
    # The user's own account. Linking is open to members without one: the code is the credential.
    action(ids.OPEN_PROFILE, people.open_profile_form, Permission.EDIT_OWN_PROFILE),
    view(ids.EDIT_PROFILE, people.save_profile, Permission.EDIT_OWN_PROFILE),
    action(ids.OPEN_LINK, account.open_link_form, None),
    action(ids.LINK_PAGE, account.ignore_link_press, None),
    view(ids.LINK_ACCOUNT, account.submit_link_code, None),
    view(ids.CONFIRM_LINK, account.confirm_link, None),
    action(ids.CLAIM_OWN, account.claim_account, Permission.EDIT_OWN_PROFILE),
    action(ids.CLAIM_DISOWN, account.disown_account, Permission.EDIT_OWN_PROFILE),
    action(ids.OPEN_UNLINK, account.open_unlink_form, Permission.EDIT_OWN_PROFILE),
    view(ids.UNLINK_ACCOUNT, account.unlink_account, Permission.EDIT_OWN_PROFILE),
    event("user_change", availability.on_user_change, None, has_own_ack=True),
    # Availability. Only an admin may set another user's, which the service checks.
    action(ids.OPEN_AVAILABILITY, availability.open_availability_form, Permission.EDIT_OWN_PROFILE),
    view(ids.EDIT_AVAILABILITY, availability.save_availability, Permission.EDIT_OWN_PROFILE),
    options(ids.COUNTRY, availability.suggest_countries, Permission.EDIT_OWN_PROFILE),
    action(ids.HAND_OVER, availability.accept_handover, Permission.EDIT_OWN_PROFILE),
    action(ids.KEEP_TICKETS, availability.decline_handover, Permission.EDIT_OWN_PROFILE),
)
_MENU_ROUTES = {
    route.id: route
    for route in ROUTES
    if route.kind is RouteKind.ACTION and route.id in ACTION_LABELS
}
_SUBCOMMANDS = {route.id: route for route in ROUTES if route.kind is RouteKind.SUBCOMMAND}
HELP_ENTRIES = tuple(
    HelpEntry(usage, text, route.permission)
    for route in ROUTES
    for usage, text in route.help.items()
)


def top_level_routes() -> Iterator[Route]:
    """The rows that Bolt dispatches: all but the subcommands."""
    return (route for route in ROUTES if route.kind is not RouteKind.SUBCOMMAND)
