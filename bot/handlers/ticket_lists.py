"""Lists of tickets: typed for, narrowed, and gone through, in a message or in Home."""

from bot.handlers import app_home, ticket_page
from bot.slack.request import Request
from bot.views.home.list_filters import FILTER_IDS, assignee_options, selection_of, skill_options
from bot.views.home.ticket_list import list_message
from bot.views.inputs import OPTIONS_MAX
from bot.views.text import Block
from services.core.errors import Conflict
from services.home.sessions import Screen
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListResult

COMMANDS = {
    ListKind.OWN: "/ticket list",
    ListKind.ASSIGNED: "/ticket assigned",
    ListKind.QUEUE: "/ticket queue",
}
FILTERS = {action_id: by for by, action_id in FILTER_IDS.items()}


def show_own(req: Request) -> None:
    _answer(req, ListKind.OWN)


def show_assigned(req: Request) -> None:
    _answer(req, ListKind.ASSIGNED)


def show_queue(req: Request) -> None:
    _answer(req, ListKind.QUEUE)


def show_below(req: Request) -> None:
    """The list that a message's button names, below that."""
    selection = ListQuery.decode(req.pressed)
    if not req.add(list_message(_look(req, selection))):
        raise Conflict(f"It could not be shown here. Type {COMMANDS[selection.kind]} instead.")


def turn(req: Request) -> None:
    """Another page, or all that are open."""
    _go_to(req, Screen.decode(req.pressed).list_query or ListQuery(ListKind.OWN))


def narrow(req: Request) -> None:
    """A filter was set, or taken away."""
    action = req.body["actions"][0]
    before = selection_of(action["block_id"])
    _go_to(req, before.with_filter(FILTERS[action["action_id"]], req.chosen))


def open_ticket(req: Request) -> None:
    """The ticket's page, below the list."""
    ticket_page.show(req, req.pressed)


def offer_assignees(req: Request) -> None:
    found = req.desk.lists.assignees(actor=req.actor, query=_typed(req))
    _offer(req, assignee_options(found), fixed=2)


def offer_skills(req: Request) -> None:
    found = req.desk.lists.skills(actor=req.actor, query=_typed(req))
    _offer(req, skill_options({key: names[0] for key, names in found.items()}), fixed=1)


def _answer(req: Request, kind: ListKind) -> None:
    answer = list_message(_look(req, ListQuery(kind)))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def _go_to(req: Request, selection: ListQuery) -> None:
    if "view" in req.body:
        app_home.show(req, Screen(list_query=selection))
    elif not req.replace(list_message(_look(req, selection))):
        raise Conflict(
            "Slack lets this list be changed five times within half an hour, and no more. "
            f"Type {COMMANDS[selection.kind]} to see it as it is now."
        )


def _look(req: Request, selection: ListQuery) -> ListResult:
    return req.desk.lists.get_page(actor=req.actor, team_id=req.desk.team_id, list_query=selection)


def _typed(req: Request) -> str:
    return str(req.body.get("value") or "")


def _offer(req: Request, options: list[Block], *, fixed: int) -> None:
    """As many as Slack takes. The first `fixed` are the ways back, for who has typed nothing."""
    req.ack(options=options[fixed if _typed(req).strip() else 0 :][:OPTIONS_MAX])
