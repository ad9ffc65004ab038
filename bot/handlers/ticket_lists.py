"""Lists of tickets in a message or in Home: commands, filters and pages."""

from bot.handlers import app_home, ticket_page
from bot.slack.request import Request
from bot.views.home.ticket_list import (
    FILTER_ACTION_IDS,
    assignee_filter_options,
    list_message,
    query_from_block_id,
    skill_filter_options,
)
from bot.views.inputs import MAX_OPTIONS
from bot.views.text import Block
from services.core.errors import Conflict
from services.home.sessions import Screen
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListResult

LIST_KINDS = {
    "list": ListKind.OWN,
    "assigned": ListKind.ASSIGNED,
    "queue": ListKind.QUEUE,
}
LIST_COMMANDS = dict.fromkeys(ListKind, "/ticket queue") | {
    kind: f"/ticket {subcommand}" for subcommand, kind in LIST_KINDS.items()
}
FILTER_BY_ACTION_ID = {action_id: by for by, action_id in FILTER_ACTION_IDS.items()}


def show_list(req: Request) -> None:
    """`/ticket list`, `/ticket assigned` and `/ticket queue`"""
    kind = LIST_KINDS[req.arguments[0].lower()]
    answer = list_message(_get_list(req, ListQuery(kind)))
    req.ack(response_type="ephemeral", text=answer.text, blocks=answer.blocks)


def show_list_below(req: Request) -> None:
    """Show the list of a message's button below that message."""
    list_query = ListQuery.decode(req.button_value)
    if not req.post_below(list_message(_get_list(req, list_query))):
        raise Conflict(
            f"It could not be shown here. Type {LIST_COMMANDS[list_query.kind]} instead."
        )


def show_page(req: Request) -> None:
    """Show another page, or clear the filters."""
    _navigate(req, Screen.decode(req.button_value).list_query or ListQuery(ListKind.OWN))


def apply_filter(req: Request) -> None:
    action = req.body["actions"][0]
    list_query = query_from_block_id(action["block_id"])
    _navigate(
        req, list_query.with_filter(FILTER_BY_ACTION_ID[action["action_id"]], req.selected_value)
    )


def apply_sort(req: Request) -> None:
    list_query = query_from_block_id(req.body["actions"][0]["block_id"])
    _navigate(req, list_query.with_sort(req.selected_value))


def open_ticket(req: Request) -> None:
    ticket_page.show_ticket_below(req, req.button_value)


def suggest_filter_assignees(req: Request) -> None:
    found = req.services.lists.assignees(actor=req.actor, query=req.query)
    _ack_options(req, assignee_filter_options(found), fixed=2)


def suggest_filter_skills(req: Request) -> None:
    found = req.services.lists.skills(actor=req.actor, query=req.query)
    _ack_options(
        req, skill_filter_options({key: names[0] for key, names in found.items()}), fixed=1
    )


def _navigate(req: Request, list_query: ListQuery) -> None:
    if "view" in req.body:
        app_home.show_screen(req, Screen(list_query=list_query))
    elif not req.replace_message(list_message(_get_list(req, list_query))):
        raise Conflict(
            "This list can be changed only five times in half an hour. "
            f"Type {LIST_COMMANDS[list_query.kind]} to see it as it is now."
        )


def _get_list(req: Request, list_query: ListQuery) -> ListResult:
    return req.services.lists.get_page(
        actor=req.actor, team_id=req.bot.team_id, list_query=list_query
    )


def _ack_options(req: Request, options: list[Block], *, fixed: int) -> None:
    """Send as many as Slack allows. The first `fixed` clear the filter: only without a query."""
    req.ack(options=options[fixed if req.query.strip() else 0 :][:MAX_OPTIONS])
