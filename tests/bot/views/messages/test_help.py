import pytest

from bot.routes import HELP_ENTRIES, ROUTES, RouteKind
from bot.views.messages.help import help_message, suggestion_message
from services.models.user import Role
from services.tickets.validation import MAX_TITLE_LENGTH
from tests.support.blockkit import check_message

EVERYBODYS = (
    "`/ticket`: file a ticket\n"
    "`/ticket your words here`: file a ticket with that title\n"
    "`/ticket list`: your tickets, and who has them\n"
    "`/ticket search printer jam`: tickets with these words\n"
    "`/ticket search vpn status:open`: only open ones; filter by priority, assignee, "
    "from or since, too\n"
    "`/ticket 12`: everything about ticket 12\n"
)
THE_STAFFS = (
    "`/ticket assigned`: what is assigned to you\n"
    "`/ticket queue`: every open ticket, unassigned ones first\n"
    "`/ticket update 12`: change ticket 12\n"
)
LAST = "`/account`: see, edit, link or unlink your account\n`/ticket help`: this list"


@pytest.mark.parametrize(
    ("role", "commands"),
    [
        (Role.USER, EVERYBODYS + LAST),
        (Role.MODERATOR, EVERYBODYS + THE_STAFFS + LAST),
        (Role.ADMIN, EVERYBODYS + THE_STAFFS + LAST),
    ],
)
def test_it_lists_the_commands_of_a_role(role: Role, commands: str) -> None:
    answer = help_message(HELP_ENTRIES, role=role)
    assert check_message(answer.as_args()) == []
    assert answer.text == f"What you can do:\n{commands}"
    assert answer.blocks[0]["text"]["text"] == f"*What you can do*\n{commands}"


def test_every_command_has_its_help() -> None:
    for route in ROUTES:
        if route.kind in (RouteKind.COMMAND, RouteKind.SUBCOMMAND) and route.id != "/ticket":
            typed = route.id if route.kind is RouteKind.COMMAND else f"/ticket {route.id}".strip()
            assert route.help
            shorter = {"/ticket view": "/ticket 12"}.get(typed, typed)
            assert all(usage.startswith(shorter) for usage in route.help)


@pytest.mark.parametrize(
    ("usage", "asked"),
    [
        ("/ticket list", "Did you mean `/ticket list`?"),
        ("/ticket 1", "Did you mean `/ticket 1`? The ticket's buttons are there."),
        ("/ticket NUMBER", "Did you mean `/ticket NUMBER`? The ticket's buttons are there."),
    ],
)
def test_it_suggests_a_command(usage: str, asked: str) -> None:
    answer = suggestion_message(usage, typed="close 1")
    assert check_message(answer.as_args()) == []
    assert answer.text == asked
    assert answer.blocks[1]["elements"][0]["value"] == "close 1"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("x" * 500, "x" * (MAX_TITLE_LENGTH - 1) + "…"),
    ],
)
def test_what_was_typed_becomes_the_title(typed: str, shown: str) -> None:
    answer = suggestion_message("/ticket list", typed=typed)
    assert check_message(answer.as_args()) == []
    assert shown in answer.blocks[2]["elements"][0]["text"]
