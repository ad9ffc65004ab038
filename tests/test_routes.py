"""The table of entry points: complete, and as permissive as the permissions say, no more."""

from collections.abc import Callable
from typing import Any

import pytest

from bot import routes
from bot.routes import ROUTES, Kind, Route
from bot.views import blocks, forms, ids
from services.database import Mongo
from services.models import Role, Ticket, User
from services.permissions import GRANTS
from services.tickets import TicketService
from services.visits import Screen
from tests import payloads
from tests.conftest import Bot, People, file_ticket, pressed_resolve
from tests.recording_slack import RecordingSlack

GUEST = (
    "The help desk is not open to guests. Ask a full member of this workspace to file the ticket."
)
# Wherever a button of Home's says it leads, its value is what counts.
TO_A_TICKET = (ids.HOME_OPEN, ids.HOME_BACK, ids.HOME_NEWER, ids.HOME_OLDER)
# Who asks, and the role they have by the time they are asked about; None: they get no account.
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
    subcommands = {route for route in ROUTES if route.kind is Kind.SUBCOMMAND}
    assert set(routes.top_level()) == set(ROUTES) - subcommands


def test_only_help_is_open_to_those_without_an_account() -> None:
    assert [name(route) for route in ROUTES if route.permission is None] == [
        "command /ticket",
        "subcommand help",
    ]


def file_form(user: User, _: Ticket) -> dict[str, Any]:
    view = {**forms.file_ticket(read_by_ai=False), "id": "V1"}
    values = {"title": "VPN drops", "description": "Every hour."}
    return payloads.view_submission(view, values, user=People.slack_id(user))


def resolve_form(user: User, ticket: Ticket) -> dict[str, Any]:
    view = {**forms.resolve_ticket(ticket), "id": "V1"}
    return payloads.view_submission(view, {"resolution": "Done."}, user=People.slack_id(user))


def pressed_in_home(action_id: str) -> Callable[[User, Ticket], dict[str, Any]]:
    """A button of Home's, which leads to the ticket."""

    def body(user: User, ticket: Ticket) -> dict[str, Any]:
        button = blocks.button("Go", action_id, Screen(ticket_id=ticket.id).encode())
        view = {"type": "home", "id": "V1", "blocks": [blocks.actions(button)]}
        return payloads.block_actions(view, action_id, user=People.slack_id(user))

    return body


def home_opened(user: User, _: Ticket) -> dict[str, Any]:
    opened = {"type": "app_home_opened", "user": People.slack_id(user), "tab": "home"}
    return payloads.event({**opened, "channel": "D0X"})


# How each row of the table is used.
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
    "action open_resolve": lambda user, ticket: pressed_resolve(ticket, user),
    "event app_home_opened": home_opened,
    **{f"action {action}": pressed_in_home(action) for action in (ids.HOME_FILE, *TO_A_TICKET)},
}


def refusal(bot: Bot, slack: RecordingSlack, body: dict[str, Any]) -> str | None:
    """What the person is told instead of getting what they asked for."""
    slack.clear()
    answer = bot.answer(body)
    said = list(answer.get("errors", {}).values())
    said += [call.args["text"] for call in slack.calls_to("chat.postEphemeral")]
    changed = [call.args["view"] for call in slack.calls_to("views.update")]
    said += [view["blocks"][0]["text"]["text"] for view in changed if "submit" not in view]
    opened = [call.args["view"] for call in slack.calls_to("views.open")]
    said += [
        view["blocks"][0]["text"]["text"] for view in opened if view["title"]["text"] == "Help desk"
    ]
    homes = [call.args["view"]["blocks"] for call in slack.calls_to("views.publish")]
    said += [home[1]["text"]["text"] for home in homes if len(home) == 2]
    if answer.get("response_type") and "blocks" not in answer:
        said.append(answer["text"])
    assert len(said) < 2
    return said[0] if said else None


def expected_refusal(route: Route, role: Role | None, owner: str) -> str | None:
    if route.permission is None:
        return None
    if role is None:
        return GUEST
    if route.id in TO_A_TICKET and role is Role.USER and owner == "foreign":
        return "There is no such ticket, or you may not see it."
    if route.permission in GRANTS[role]:
        return None
    return f"Your role does not allow you to {route.permission}. Ask an admin if it should."


@pytest.mark.parametrize("owner", ["own", "foreign"])
@pytest.mark.parametrize("asker", list(ASKERS))
@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_who_may_use_it(
    ticket_bot: Bot,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
    route: Route,
    asker: str,
    owner: str,
) -> None:
    role = ASKERS[asker]
    user = people.add(role or Role.USER)
    ticket = file_ticket(tickets, user if owner == "own" else people.add())
    if asker in ("guest", "newcomer"):
        db.links.delete_many({"userId": user.id})
        is_guest = {"is_restricted": asker == "guest"}
        slack.add_member(People.slack_id(user), email=user.email, name="New", **is_guest)
    body = USES[name(route)](user, ticket)
    assert refusal(ticket_bot, slack, body) == expected_refusal(route, role, owner)
