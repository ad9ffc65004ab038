import pytest

from bot.routes import ROUTES, RouteKind
from bot.views.messages.help import HELP_ENTRIES, help_message
from services.models.permissions import ROLE_PERMISSIONS, Permission
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
    answer = help_message(role=role)
    assert check_message(answer.as_args()) == []
    assert answer.text == f"What you can do:\n{commands}"
    assert answer.blocks[0]["text"]["text"] == f"*What you can do*\n{commands}"


def may(need: Permission | None) -> set[Role]:
    return {role for role, granted in ROLE_PERMISSIONS.items() if need in (None, *granted)}


def test_it_lists_every_subcommand_to_whoever_may_use_it() -> None:
    listed = {command.split()[1]: may(need) for command, _, need in HELP_ENTRIES if " " in command}
    del listed["your"]
    subcommands = [route for route in ROUTES if route.kind is RouteKind.SUBCOMMAND and route.id]
    assert listed == {route.id: may(route.permission) for route in subcommands}


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
    answer = help_message(unknown_command=unknown)
    assert check_message(answer.as_args()) == []
    assert answer.text.startswith(f"There is no `/ticket {named}`. What you can do:\n")
    assert answer.blocks[0]["text"]["text"].startswith(f"There is no `/ticket {named}`. *What")


@pytest.mark.parametrize("unseen", ["", "\u200b\ufeff"])
def test_it_names_no_word_that_cannot_be_seen(unseen: str) -> None:
    assert help_message(unknown_command=unseen) == help_message()
