"""Every API route as every role, on own and other tickets and accounts."""

from typing import Any

import pytest

from bot.web.api.operations import OPERATIONS, Operation
from services.models.user import Role, User
from tests.conftest import People
from tests.support.api_client import FINE, Api

OK, MADE, NO_TOKEN, DENIED, HIDDEN = 200, 201, 401, 403, 404

# By operation and owner: the status for no one, a user, a moderator and an admin.
TABLE: dict[tuple[str, str], tuple[int, int, int, int]] = {
    ("signUp", ""): (MADE, MADE, MADE, MADE),
    ("signIn", ""): (OK, OK, OK, OK),
    ("signOut", ""): (NO_TOKEN, OK, OK, OK),
    ("updateUser", "own"): (NO_TOKEN, OK, OK, OK),
    ("updateUser", "foreign"): (NO_TOKEN, DENIED, DENIED, OK),
    ("listUsers", ""): (NO_TOKEN, DENIED, DENIED, OK),
    ("listTickets", ""): (NO_TOKEN, OK, OK, OK),
    ("createTicket", ""): (NO_TOKEN, MADE, MADE, MADE),
    ("getTicket", "own"): (NO_TOKEN, OK, OK, OK),
    ("getTicket", "foreign"): (NO_TOKEN, HIDDEN, OK, OK),
    ("updateTicket", "own"): (NO_TOKEN, DENIED, OK, OK),
    ("updateTicket", "foreign"): (NO_TOKEN, HIDDEN, OK, OK),
    ("addParticipants", "own"): (NO_TOKEN, OK, OK, OK),
    ("addParticipants", "foreign"): (NO_TOKEN, HIDDEN, OK, OK),
    ("removeParticipant", "own"): (NO_TOKEN, OK, OK, OK),
    ("removeParticipant", "foreign"): (NO_TOKEN, HIDDEN, OK, OK),
}
ROUTES = {one.operation_id: one for one in OPERATIONS}
FIRST_ADMIN = "admin1@example.com"
ACCOUNT = {"email": "new@example.com", "password": "correct horse"}


def test_the_table_has_every_route() -> None:
    assert {name for name, _ in TABLE} == ROUTES.keys()


@pytest.mark.parametrize("role", list(Role))
def test_everybody_may_do_what_the_table_says(api: Api, people: People, role: Role) -> None:
    assert people.add(Role.ADMIN).email == FIRST_ADMIN
    me, other = people.add(role), people.add()
    for about, owner in (("own", me), ("foreign", other), ("", me)):
        ticket_id = api.filed(owner)["_id"]
        for (name, whose), allowed in TABLE.items():
            if whose != about or name == "signOut":
                continue
            route = ROUTES[name]
            path = path_to(route, ticket_id)
            sent = body(name, owner, role) if route.request_model else None
            answer = api.call(route.method, path, by=me, json=sent)
            expected = allowed[1 + [*Role].index(role)]
            assert (name, whose, answer.status_code) == (name, whose, expected)
    ended = ROUTES["signOut"]
    assert api.call(ended.method, ended.path, by=me).status_code == OK


def test_nobody_may_do_but_sign_in_and_up(api: Api, people: People) -> None:
    owner = people.add()
    ticket_id = api.filed(owner)["_id"]
    for (name, whose), allowed in TABLE.items():
        route = ROUTES[name]
        path = path_to(route, ticket_id)
        sent = body(name, owner, Role.USER) if route.request_model else None
        answer = api.call(route.method, path, json=sent)
        assert (name, whose, answer.status_code) == (name, whose, allowed[0])


def test_no_other_site_may_read_an_answer(api: Api, people: People) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method in ("GET", "OPTIONS"):
        answer = api.call(method, "/api/tickets", by=people.add(), headers=asked)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def path_to(operation: Operation, ticket_id: str) -> str:
    """Return the path for that ticket, and for a user who takes no part in it."""
    return operation.path.replace("{ticket_id}", ticket_id).replace("{user_id}", "0" * 24)


def body(name: str, owner: User, role: Role) -> dict[str, Any]:
    """The request of such a call, about that account or one of its tickets."""
    bodies: dict[str, dict[str, Any]] = {
        "signUp": {**ACCOUNT, "email": f"new-{role}@example.com"},
        "signIn": {**ACCOUNT, "email": f"new-{role}@example.com"},
        "updateUser": {"email": owner.email, "skills": ["VPN"]},
        "createTicket": FINE,
        "updateTicket": {"priority": "high"},
        "addParticipants": {"people": [FIRST_ADMIN]},
    }
    return bodies[name]
