import pytest

from bot.routes import HELP_ENTRIES, ROUTES, RouteKind
from bot.views.messages.help import help_message
from services.models.user import Role
from tests.support.blockkit import check_message

EVERYBODYS = (
    "`/ticket`  file a ticket\n"
    "`/ticket your words here`  file a ticket with that title\n"
    "`/ticket list`  your tickets, and who has them\n"
    "`/ticket view 12`  everything about ticket 12\n"
)
THE_STAFFS = (
    "`/ticket assigned`  what is assigned to you\n"
    "`/ticket queue`  every open ticket, unassigned ones first\n"
    "`/ticket update 12`  change ticket 12\n"
)
LAST = "`/account`  your account: see, edit, link or unlink it\n`/ticket help`  this list"


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
            assert all(usage.startswith(typed) for usage in route.help)


@pytest.mark.parametrize(
    ("unknown", "named"),
    [
        ("lsit", "lsit"),
        ("<!channel>", "&lt;!channel&gt;"),
        ("`*bold*`", "'*bold*'"),
        ("x" * 500, "x" * 39 + "…"),
        ("&" * 500, "&amp;" * 39 + "…"),
        ("li\u202est", "list"),
    ],
)
def test_it_names_the_word_it_does_not_know(unknown: str, named: str) -> None:
    answer = help_message(HELP_ENTRIES, unknown_command=unknown)
    assert check_message(answer.as_args()) == []
    assert answer.text.startswith(f"There is no `/ticket {named}`. What you can do:\n")
    assert answer.blocks[0]["text"]["text"].startswith(f"There is no `/ticket {named}`. *What")


@pytest.mark.parametrize("unseen", ["", "\u200b\ufeff"])
def test_it_names_no_word_that_cannot_be_seen(unseen: str) -> None:
    assert help_message(HELP_ENTRIES, unknown_command=unseen) == help_message(HELP_ENTRIES)
