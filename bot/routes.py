"""The one table of entry points: what Slack may send, what answers it, and who may.

The manifest's test and the permissions' test read it, too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot import (
    account,
    actions,
    availability,
    away_words,
    commands,
    conversation,
    edits,
    following,
    home,
    intake,
    lists,
    people,
    shortcuts,
    submissions,
    team_settings,
    ticket,
    waiting,
    watching,
    why,
)
from bot.request import Request
from bot.views import ids
from bot.views.steps import LABELS, read_choice
from services.errors import Conflict
from services.lifecycle import PERMISSION, Step
from services.permissions import Permission


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
    watching.enter(f"{route.kind}:{route.id or 'bare'}")
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
        shortcuts.open_form,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(
        Kind.MESSAGE_SHORTCUT,
        ids.MAKE_TICKET,
        shortcuts.make_ticket,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(Kind.VIEW, ids.FILE_TICKET, submissions.file_ticket, Permission.FILE_TICKET),
    Route(Kind.VIEW, ids.RESOLVE_TICKET, submissions.resolve_ticket, Permission.RESOLVE_ANY_TICKET),
    Route(Kind.VIEW, ids.REASSIGN_TICKET, submissions.reassign_ticket, PERMISSION[Step.REASSIGN]),
    Route(Kind.VIEW, ids.HAND_ON, submissions.hand_on, PERMISSION[Step.NOT_MINE]),
    Route(Kind.VIEW, ids.ASK_REQUESTER, submissions.ask_requester, PERMISSION[Step.WAIT]),
    Route(Kind.VIEW, ids.CANCEL_TICKET, submissions.cancel_ticket, PERMISSION[Step.CANCEL]),
    Route(Kind.ACTION, ids.ACCEPT, actions.accept, PERMISSION[Step.ACCEPT]),
    Route(Kind.ACTION, ids.TAKE, actions.take, PERMISSION[Step.TAKE]),
    Route(Kind.ACTION, ids.REASSIGN, actions.open_reassign, PERMISSION[Step.REASSIGN]),
    Route(Kind.ACTION, ids.NOT_MINE, actions.open_not_mine, PERMISSION[Step.NOT_MINE]),
    Route(Kind.ACTION, ids.WAIT, actions.open_wait, PERMISSION[Step.WAIT]),
    Route(Kind.ACTION, ids.RESOLVE, actions.open_resolve, PERMISSION[Step.RESOLVE]),
    Route(Kind.ACTION, ids.REOPEN, actions.reopen, PERMISSION[Step.REOPEN]),
    Route(Kind.ACTION, ids.CANCEL, actions.open_cancel, PERMISSION[Step.CANCEL]),
    Route(Kind.ACTION, ids.STILL, waiting.still, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.SOLVED, waiting.solved, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.MORE, more, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.COMMENT, conversation.open_comment, PERMISSION[Step.COMMENT]),
    Route(Kind.ACTION, ids.NOTE, conversation.open_note, PERMISSION[Step.NOTE]),
    Route(Kind.VIEW, ids.WRITE_COMMENT, conversation.write_comment, PERMISSION[Step.COMMENT]),
    Route(Kind.VIEW, ids.WRITE_NOTE, conversation.write_note, PERMISSION[Step.NOTE]),
    Route(Kind.SUBCOMMAND, "view", ticket.view, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.DETAILS, ticket.details, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.WHY, why.show, Permission.MANAGE_USERS),
    Route(Kind.SUBCOMMAND, "update", ticket.update, PERMISSION[Step.UPDATE]),
    Route(Kind.ACTION, ids.UPDATE, edits.open_form, PERMISSION[Step.UPDATE]),
    Route(Kind.VIEW, ids.UPDATE_TICKET, edits.save, PERMISSION[Step.UPDATE]),
    Route(Kind.OPTIONS, ids.ASSIGNED_TO, edits.offer_assignees, PERMISSION[Step.REASSIGN]),
    Route(Kind.OPTIONS, ids.RELATED_SKILLS, edits.offer_skills, PERMISSION[Step.UPDATE]),
    # Who is refused an account sees the reason there, so `opened` asks for itself.
    Route(Kind.EVENT, "app_home_opened", home.opened, Permission.SEE_OWN_TICKET, opens_first=True),
    Route(
        Kind.ACTION,
        ids.HOME_FILE,
        shortcuts.open_form,
        Permission.FILE_TICKET,
        opens_first=True,
    ),
    Route(Kind.ACTION, ids.HOME_OPEN, home.go_to, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.HOME_BACK, home.go_to, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.HOME_OWN, home.go_to, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.HOME_ASSIGNED, home.go_to, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.HOME_QUEUE, home.go_to, Permission.SEE_ANY_TICKET),
    Route(Kind.SUBCOMMAND, "list", lists.show_own, Permission.SEE_OWN_TICKET),
    Route(Kind.SUBCOMMAND, "assigned", lists.show_assigned, Permission.SEE_ANY_TICKET),
    Route(Kind.SUBCOMMAND, "queue", lists.show_queue, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.LIST_STATUS, lists.narrow, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_PRIORITY, lists.narrow, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_ASSIGNEE, lists.narrow, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.LIST_SKILL, lists.narrow, Permission.SEE_ANY_TICKET),
    Route(Kind.OPTIONS, ids.LIST_ASSIGNEE, lists.offer_assignees, Permission.SEE_ANY_TICKET),
    Route(Kind.OPTIONS, ids.LIST_SKILL, lists.offer_skills, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.LIST_PREVIOUS, lists.turn, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_NEXT, lists.turn, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.LIST_CLEAR, lists.turn, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.SHOW_LIST, lists.show_below, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.SHOW_ASSIGNED, lists.show_below, Permission.SEE_ANY_TICKET),
    Route(Kind.ACTION, ids.TURN_DIGEST, home.turn_digest, Permission.WORK_ON_TICKETS),
    Route(Kind.ACTION, ids.LIST_OPEN, lists.open_ticket, Permission.SEE_OWN_TICKET),
    # Whoever is refused an account reads why as an answer; for a mark of theirs they hear nothing.
    Route(
        Kind.EVENT,
        "message",
        conversation.heard,
        Permission.FILE_TICKET,
        opens_first=True,
        answers_itself=True,
    ),
    Route(Kind.EVENT, "reaction_added", intake.reacted, Permission.FILE_TICKET, opens_first=True),
    Route(Kind.ACTION, ids.FILE_THIS, intake.file_this, Permission.FILE_TICKET, opens_first=True),
    Route(
        Kind.ACTION, ids.FILE_MARKED, intake.file_marked, Permission.FILE_TICKET, opens_first=True
    ),
    Route(Kind.ACTION, ids.HOME_SETTINGS, home.go_to, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.OPEN_TARGETS, team_settings.open_targets, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.EDIT_TARGETS, team_settings.save_targets, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.OPEN_OFFICE, team_settings.open_office, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.EDIT_OFFICE, team_settings.save_office, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.HOME_PEOPLE, home.go_to, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.PEOPLE_BACK, home.go_to, Permission.MANAGE_USERS),
    Route(Kind.ACTION, ids.PEOPLE_ON, home.go_to, Permission.MANAGE_USERS),
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
    Route(Kind.EVENT, "user_change", following.changed, None, answers_itself=True),
    # Others' availability is for admins: the service asks.
    Route(Kind.ACTION, ids.OPEN_AVAILABILITY, availability.open_form, Permission.EDIT_OWN_PROFILE),
    Route(Kind.VIEW, ids.EDIT_AVAILABILITY, availability.save, Permission.EDIT_OWN_PROFILE),
    Route(Kind.OPTIONS, ids.COUNTRY, availability.offer_countries, Permission.EDIT_OWN_PROFILE),
    Route(Kind.ACTION, ids.HAND_OVER, availability.hand_over, Permission.EDIT_OWN_PROFILE),
    Route(Kind.ACTION, ids.KEEP_TICKETS, availability.keep, Permission.EDIT_OWN_PROFILE),
    Route(Kind.ACTION, ids.OPEN_AWAY_WORDS, away_words.open_form, Permission.MANAGE_USERS),
    Route(Kind.VIEW, ids.EDIT_AWAY_WORDS, away_words.save, Permission.MANAGE_USERS),
)
_MENU = {route.id: route for route in ROUTES if route.kind is Kind.ACTION and route.id in LABELS}
_SUBCOMMANDS = {route.id: route for route in ROUTES if route.kind is Kind.SUBCOMMAND}


def top_level() -> Iterator[Route]:
    """The rows that Slack itself tells apart."""
    return (route for route in ROUTES if route.kind is not Kind.SUBCOMMAND)
