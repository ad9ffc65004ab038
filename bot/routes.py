"""The one table of entry points: what Slack may send, what answers it, and who may.

The manifest's test and the permissions' test read it, too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot import actions, commands, home, shortcuts, submissions, watching
from bot.request import Request
from bot.views import ids
from services.permissions import Permission


class Kind(StrEnum):
    COMMAND = "command"
    SUBCOMMAND = "subcommand"
    VIEW = "view"
    ACTION = "action"
    SHORTCUT = "shortcut"
    MESSAGE_SHORTCUT = "message_shortcut"
    EVENT = "event"


# Their answer is what they open or show; Slack only wants to know at once that they arrived.
ANSWERED_AT_ONCE = frozenset({Kind.ACTION, Kind.SHORTCUT, Kind.MESSAGE_SHORTCUT, Kind.EVENT})


@dataclass(frozen=True, slots=True)
class Route:
    """`permission` None: open to every member of the workspace, account or not.

    `opens_first`: the handler opens its modal before it asks for `req.actor`, because a trigger
    lives three seconds. Everywhere else the permission is checked before the handler runs.
    """

    kind: Kind
    id: str
    handler: Callable[[Request], None]
    permission: Permission | None
    opens_first: bool = False


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
    Route(Kind.ACTION, ids.OPEN_RESOLVE, actions.open_resolve, Permission.RESOLVE_ANY_TICKET),
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
    Route(Kind.ACTION, ids.HOME_NEWER, home.go_to, Permission.SEE_OWN_TICKET),
    Route(Kind.ACTION, ids.HOME_OLDER, home.go_to, Permission.SEE_OWN_TICKET),
)
_SUBCOMMANDS = {route.id: route for route in ROUTES if route.kind is Kind.SUBCOMMAND}


def top_level() -> Iterator[Route]:
    """The rows that Slack itself tells apart."""
    return (route for route in ROUTES if route.kind is not Kind.SUBCOMMAND)
