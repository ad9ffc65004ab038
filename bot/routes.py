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
from bot.views.cards.action_buttons import LABELS, read_choice
from services.core.errors import Conflict
from services.models.permissions import Permission
from services.tickets.lifecycle import ACTION_PERMISSIONS, TicketAction


class Kind(StrEnum):
    COMMAND = "command"
    SUBCOMMAND = "subcommand"
    VIEW = "view"
    ACTION = "action"
    SHORTCUT = "shortcut"
    MESSAGE_SHORTCUT = "message_shortcut"
    EVENT = "event"
    OPTIONS = "options"  # what a menu offers for what was typed into it


# Their answer is what they open or show; Slack only wants to know at once that they arrived.
ANSWERED_AT_ONCE = frozenset({Kind.ACTION, Kind.SHORTCUT, Kind.MESSAGE_SHORTCUT, Kind.EVENT})


@dataclass(frozen=True, slots=True)
class Route:
    """`permission` None: open to every member of the workspace, account or not.

    `opens_first`: the handler opens its modal before it asks for `req.actor`, because a trigger
    lives three seconds. Everywhere else the permission is checked before the handler runs.
    `answers_itself`: it is not answered at once, because it must be kept before.
    """

    kind: Kind
    id: str
    handler: Callable[[Request], None]
    permission: Permission | None
    opens_first: bool = False
    answers_itself: bool = False


def run(route: Route, req: Request) -> None:
    """The only way into a handler."""
    instrumentation.enter(f"{route.kind}:{route.id or 'bare'}")
    req.permission = route.permission
    if route.permission is not None and not route.opens_first:
        _ = req.actor
    route.handler(req)


def ticket_command(req: Request) -> None:
    """`/ticket` alone, with a subcommand, with one unknown word, or with the words of a title."""
    words = req.words
    if words and words[0].lower() in _SUBCOMMANDS:
        run(_SUBCOMMANDS[words[0].lower()], req)
    elif len(words) == 1:
        commands.show_help_for_unknown(req)
    else:
        run(_SUBCOMMANDS[""], req)


def more(req: Request) -> None:
    """A choice in a ticket's overflow menu is a press on the button it stands for."""
    action = req.body["actions"][0]
    step, carried = read_choice(action["selected_option"]["value"])
    if step not in _MENU:
        raise Conflict("This menu is out of date. Open the ticket anew with /ticket list.")
    req.body["actions"] = [{**action, "action_id": step, "value": carried}]
    run(_MENU[step], req)


ROUTES = (
    Route(Kind.COMMAND, "/ticket", ticket_command, None),
    Route(Kind.SUBCOMMAND, "", commands.open_form, Permission.FILE_TICKET, opens_first=True),
    Route(Kind.SUBCOMMAND, "help", commands.show_help, None),
    Route(
        Kind.SHORTCUT,
        ids.FILE_TICKET_SHORTCUT,
        filing.open_form,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(
        Kind.MESSAGE_SHORTCUT,
        ids.MAKE_TICKET,
        filing.make_ticket,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(Kind.VIEW, ids.FILE_TICKET, ticket_submissions.file_ticket, Permission.FILE_TICKET),
    Route(
        Kind.VIEW,
        ids.RESOLVE_TICKET,
        ticket_submissions.resolve_ticket,
        Permission.RESOLVE_ANY_TICKET,
    ),
    Route(
        Kind.VIEW,
        ids.REASSIGN_TICKET,
        ticket_submissions.reassign_ticket,
        ACTION_PERMISSIONS[TicketAction.REASSIGN],
    ),
    Route(
        Kind.VIEW, ids.HAND_ON, ticket_submissions.hand_on, ACTION_PERMISSIONS[TicketAction.DECLINE]
    ),
    Route(
        Kind.VIEW,
        ids.ASK_REQUESTER,
        ticket_submissions.ask_requester,
        ACTION_PERMISSIONS[TicketAction.ASK_REQUESTER],
    ),
    Route(
        Kind.VIEW,
        ids.CANCEL_TICKET,
        ticket_submissions.cancel_ticket,
        ACTION_PERMISSIONS[TicketAction.CANCEL],
    ),
    Route(Kind.ACTION, ids.ACCEPT, ticket_actions.accept, ACTION_PERMISSIONS[TicketAction.ACCEPT]),
    Route(Kind.ACTION, ids.TAKE, ticket_actions.take, ACTION_PERMISSIONS[TicketAction.TAKE]),
    Route(
        Kind.ACTION,
        ids.REASSIGN,
        ticket_actions.open_reassign,
        ACTION_PERMISSIONS[TicketAction.REASSIGN],
    ),
    Route(
        Kind.ACTION,
        ids.NOT_MINE,
        ticket_actions.open_not_mine,
        ACTION_PERMISSIONS[TicketAction.DECLINE],
    ),
    Route(
        Kind.ACTION,
        ids.WAIT,
        ticket_actions.open_wait,
        ACTION_PERMISSIONS[TicketAction.ASK_REQUESTER],
    ),
    Route(
        Kind.ACTION,
        ids.RESOLVE,
        ticket_actions.open_resolve,
        ACTION_PERMISSIONS[TicketAction.RESOLVE],
    ),
    Route(Kind.ACTION, ids.REOPEN, ticket_actions.reopen, ACTION_PERMISSIONS[TicketAction.REOPEN]),
    Route(
        Kind.ACTION, ids.CANCEL, ticket_actions.open_cancel, ACTION_PERMISSIONS[TicketAction.CANCEL]
    ),
    Route(Kind.ACTION, ids.STILL, ticket_actions.still, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.SOLVED, ticket_actions.solved, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.MORE, more, Permission.SEE_OWN_TICKET),
    Route(
        Kind.ACTION,
        ids.COMMENT,
        thread_replies.open_comment,
        ACTION_PERMISSIONS[TicketAction.COMMENT],
    ),
    Route(Kind.ACTION, ids.NOTE, thread_replies.open_note, ACTION_PERMISSIONS[TicketAction.NOTE]),
    Route(
        Kind.VIEW,
        ids.WRITE_COMMENT,
        thread_replies.write_comment,
        ACTION_PERMISSIONS[TicketAction.COMMENT],
    ),
    Route(
        Kind.VIEW, ids.WRITE_NOTE, thread_replies.write_note, ACTION_PERMISSIONS[TicketAction.NOTE]
    ),
    Route(Kind.SUBCOMMAND, "view", ticket_page.view, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.DETAILS, ticket_page.details, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.WHY, ticket_page.show_reasons, Permission.MANAGE_USERS),
    Route(Kind.SUBCOMMAND, "update", ticket_page.update, ACTION_PERMISSIONS[TicketAction.UPDATE]),
    Route(Kind.ACTION, ids.UPDATE, ticket_edit.open_form, ACTION_PERMISSIONS[TicketAction.UPDATE]),
    Route(Kind.VIEW, ids.UPDATE_TICKET, ticket_edit.save, ACTION_PERMISSIONS[TicketAction.UPDATE]),
    Route(
        Kind.OPTIONS,
        ids.ASSIGNED_TO,
        ticket_edit.offer_assignees,
        ACTION_PERMISSIONS[TicketAction.REASSIGN],
    ),
    Route(
        Kind.OPTIONS,
        ids.RELATED_SKILLS,
        ticket_edit.offer_skills,
        ACTION_PERMISSIONS[TicketAction.UPDATE],
    ),
    # Who is refused an account sees the reason there, so `opened` asks for itself.
    Route(
        Kind.EVENT, "app_home_opened", app_home.opened, Permission.SEE_OWN_TICKET, opens_first=True
    ),
    Route(
        Kind.ACTION,
        ids.HOME_FILE,
        filing.open_form,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(Kind.ACTION, ids.HOME_OPEN, app_home.go_to, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.HOME_BACK, app_home.go_to, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.HOME_OWN, app_home.go_to, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.HOME_ASSIGNED, app_home.go_to, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.HOME_QUEUE, app_home.go_to, Permission.SEE_ANY_TICKET),
    Route(Kind.SUBCOMMAND, "list", ticket_lists.show_own, Permission.SEE_OWN_TICKET),
    Route(Kind.SUBCOMMAND, "assigned", ticket_lists.show_assigned, Permission.SEE_ANY_TICKET),
    Route(Kind.SUBCOMMAND, "queue", ticket_lists.show_queue, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.LIST_STATUS, ticket_lists.narrow, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_PRIORITY, ticket_lists.narrow, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_ASSIGNEE, ticket_lists.narrow, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.LIST_SKILL, ticket_lists.narrow, Permission.SEE_ANY_TICKET),
    Route(Kind.OPTIONS, ids.LIST_ASSIGNEE, ticket_lists.offer_assignees, Permission.SEE_ANY_TICKET),
    Route(Kind.OPTIONS, ids.LIST_SKILL, ticket_lists.offer_skills, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.LIST_PREVIOUS, ticket_lists.turn, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_NEXT, ticket_lists.turn, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_CLEAR, ticket_lists.turn, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.SHOW_LIST, ticket_lists.show_below, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.SHOW_ASSIGNED, ticket_lists.show_below, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.TURN_DIGEST, app_home.turn_digest, Permission.WORK_ON_TICKETS),
    Route(Kind.ACTION, ids.LIST_OPEN, ticket_lists.open_ticket, Permission.SEE_OWN_TICKET),
    # Whoever is refused an account reads why as an answer; for a mark of theirs they hear nothing.
    Route(
        Kind.EVENT,
        "message",
        thread_replies.heard,
        Permission.FILE_TICKET,
        opens_first=True,
        answers_itself=True,
    ),
    Route(
        Kind.EVENT,
        "reaction_added",
        message_intake.reacted,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(
        Kind.ACTION,
        ids.FILE_THIS,
        message_intake.file_this,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(
        Kind.ACTION,
        ids.FILE_MARKED,
        message_intake.file_marked,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(Kind.ACTION, ids.HOME_SETTINGS, app_home.go_to, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.OPEN_TARGETS, team_settings.open_targets, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.EDIT_TARGETS, team_settings.save_targets, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.OPEN_OFFICE, team_settings.open_office, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.EDIT_OFFICE, team_settings.save_office, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.HOME_PEOPLE, app_home.go_to, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.PEOPLE_BACK, app_home.go_to, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.PEOPLE_ON, app_home.go_to, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.OPEN_SEARCH, people.open_search, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.SEARCH_PEOPLE, people.search, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.OPEN_PERSON, people.open_person, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.EDIT_PERSON, people.edit_person, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.OPEN_PROFILE, people.open_profile, Permission.EDIT_OWN_PROFILE),
    Route(Kind.VIEW, ids.EDIT_PROFILE, people.edit_profile, Permission.EDIT_OWN_PROFILE),
    # How one comes to an account is open to whoever has none; the code is what they are asked for.
    Route(Kind.COMMAND, "/account", account.show, None),
    Route(Kind.ACTION, ids.OPEN_LINK, account.open_link, None),
    Route(Kind.ACTION, ids.LINK_PAGE, account.page_opened, None),
    Route(Kind.VIEW, ids.LINK_ACCOUNT, account.link, None),
    Route(Kind.VIEW, ids.CONFIRM_LINK, account.confirm, None),
    Route(Kind.ACTION, ids.OPEN_UNLINK, account.open_unlink, Permission.EDIT_OWN_PROFILE),
    Route(Kind.VIEW, ids.UNLINK_ACCOUNT, account.unlink, Permission.EDIT_OWN_PROFILE),
    Route(Kind.EVENT, "user_change", member_events.changed, None, answers_itself=True),
    # Others' availability is for admins: the service asks.
    Route(Kind.ACTION, ids.OPEN_AVAILABILITY, availability.open_form, Permission.EDIT_OWN_PROFILE),
    Route(Kind.VIEW, ids.EDIT_AVAILABILITY, availability.save, Permission.EDIT_OWN_PROFILE),
    Route(Kind.OPTIONS, ids.COUNTRY, availability.offer_countries, Permission.EDIT_OWN_PROFILE),
    Route(Kind.ACTION, ids.HAND_OVER, availability.hand_over, Permission.EDIT_OWN_PROFILE),
    Route(Kind.ACTION, ids.KEEP_TICKETS, availability.keep, Permission.EDIT_OWN_PROFILE),
    Route(Kind.ACTION, ids.OPEN_AWAY_WORDS, team_settings.open_form, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.EDIT_AWAY_WORDS, team_settings.save, Permission.MANAGE_USERS),
)
_MENU = {route.id: route for route in ROUTES if route.kind is Kind.ACTION and route.id in LABELS}
_SUBCOMMANDS = {route.id: route for route in ROUTES if route.kind is Kind.SUBCOMMAND}


def top_level() -> Iterator[Route]:
    """The rows that Slack itself tells apart."""
    return (route for route in ROUTES if route.kind is not Kind.SUBCOMMAND)
