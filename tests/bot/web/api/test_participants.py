"""Participants of a ticket over the API."""

import pytest

from services.core.database import Mongo
from services.editing.participants import (
    ADDED_ONESELF,
    CHOOSE_SOMEONE,
    NOT_A_PARTICIPANT,
    ONLY_REQUESTER_AND_STAFF,
    PRIVATE_UNCONFIRMED,
)
from services.models.user import Role, User
from tests.conftest import People
from tests.support.api_client import FINE, Api

NOT_FOUND = "There is no such ticket, or you may not see it."


def add(api: Api, by: User, ticket: str, *emails: str, **fields: object) -> tuple[int, str]:
    sent = {"people": list(emails), **fields}
    answer = api.post(f"/api/tickets/{ticket}/participants", by=by, json=sent)
    error = str(answer.json().get("error", ""))
    return answer.status_code, error.removeprefix("people: ").removeprefix("maySeePrivate: ")


def remove(api: Api, by: User, ticket: str, user_id: object) -> tuple[int, str]:
    answer = api.call("DELETE", f"/api/tickets/{ticket}/participants/{user_id}", by=by)
    return answer.status_code, answer.json().get("error", "")


def test_they_are_added_read_it_comment_on_it_and_leave(api: Api, people: People) -> None:
    ann, dan, eve = people.add(), people.add(), people.add()
    ticket = api.filed(ann)["_id"]
    assert api.get(f"/api/tickets/{ticket}", by=dan).status_code == 404
    assert add(api, ann, ticket, f" {dan.email.upper()} ", eve.email) == (200, "")
    assert add(api, ann, ticket, dan.email) == (200, "")
    told = api.get(f"/api/tickets/{ticket}", by=dan).json()["ticket"]
    both = [{"id": str(user.id), "email": user.email} for user in (dan, eve)]
    assert told["participants"] == [{"_id": one["id"], "email": one["email"]} for one in both]
    (listed,) = api.get("/api/tickets", by=dan).json()["tickets"]
    assert listed["participants"] == [str(dan.id), str(eve.id)]
    assert api.patch(f"/api/tickets/{ticket}", by=dan, json={"priority": "low"}).status_code == 403
    assert add(api, dan, ticket, people.add().email) == (403, ONLY_REQUESTER_AND_STAFF)
    assert remove(api, dan, ticket, eve.id) == (403, ONLY_REQUESTER_AND_STAFF)
    assert remove(api, dan, ticket, dan.id) == (200, "")
    assert remove(api, dan, ticket, dan.id) == (200, "")  # safe to repeat
    assert api.get("/api/tickets", by=dan).json()["tickets"] == []
    assert remove(api, ann, ticket, eve.id) == (200, "")
    assert remove(api, ann, ticket, ann.id) == (409, NOT_A_PARTICIPANT)
    assert remove(api, ann, ticket, "nonsense") == (200, "")


def test_who_may_not_and_who_is_not(api: Api, people: People, db: Mongo) -> None:
    ann, dan = people.add(), people.add()
    ticket = api.filed(ann, private=True)["_id"]
    db.users.update_one({"_id": dan.id}, {"$unset": {"emailConfirmedAt": ""}})
    assert add(api, dan, ticket, dan.email) == (404, NOT_FOUND)
    assert remove(api, dan, ticket, dan.id) == (404, NOT_FOUND)
    assert add(api, ann, ticket) == (400, CHOOSE_SOMEONE)
    assert add(api, ann, ticket, ann.email) == (400, ADDED_ONESELF)
    assert add(api, ann, ticket, dan.email) == (400, PRIVATE_UNCONFIRMED)
    assert add(api, ann, ticket, dan.email, maySeePrivate=True) == (200, "")
    no_account = "no@example.com has no account here, or has not confirmed the address."
    assert add(api, ann, ticket, "no@example.com") == (400, no_account)
    too_many = "A ticket has at most 20 participants, and this one has 1. Choose fewer people, or "
    status, error = add(api, ann, ticket, *["a@example.com"] * 21)
    assert (status, error) == (400, f"{too_many}remove some first.")


def test_an_unconfirmed_account_of_an_address_is_not_added(
    api: Api, people: People, db: Mongo
) -> None:
    """A stranger may have signed up with a colleague's address."""
    ann = people.add()
    ticket = api.filed(ann)["_id"]
    signed_up = {"email": "boss@example.com", "password": "correct horse battery"}
    assert api.post("/api/auth/signup", json=signed_up).status_code == 201
    status, error = add(api, ann, ticket, "boss@example.com")
    assert (status, error.partition(" has no account")[0]) == (400, "boss@example.com")


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_list_has_both_kinds_once_the_newest_first(
    api: Api, people: People, db: Mongo, size: int
) -> None:
    ann, dan = people.add(), people.add()
    filed = [api.filed(by)["_id"] for by in (ann, dan, ann, dan, ann)]
    others = [ticket for ticket in filed if add(api, ann, ticket, dan.email)[0] == 200]
    assert len(others) == 3
    # A ticket without a date comes last.
    db.tickets.update_one({"description": FINE["description"]}, {"$unset": {"createdAt": ""}})
    found, cursor = [], ""
    while True:
        page = api.get(f"/api/tickets?limit={size}{cursor}", by=dan).json()
        found += [ticket["_id"] for ticket in page["tickets"]]
        assert len(page["tickets"]) <= size
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == [*reversed(filed[1:]), filed[0]]


def test_moderators_change_them_too(api: Api, people: People) -> None:
    ann, ben, dan = people.add(), people.add(Role.MODERATOR), people.add()
    ticket = api.filed(ann)["_id"]
    assert add(api, ben, ticket, dan.email) == (200, "")
    assert remove(api, ben, ticket, dan.id) == (200, "")
    assert api.get(f"/api/tickets/{ticket}", by=dan).status_code == 404
