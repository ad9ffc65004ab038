"""Each operation of the API about a private ticket, by all who have or had to do with it."""

import pytest

from bot.web.api.operations import OPERATIONS
from services.core.database import Mongo
from services.models.user import Role
from tests.bot.test_private_routes import CANARY, RELATIONS
from tests.bot.web.api.test_access import ROUTES, body, path_to
from tests.conftest import People
from tests.support.api_client import Api

# Who may see it, but not change it so, is refused.
MAY_CHANGE = {
    "updateTicket": ("assignee", "admin"),
    "addParticipants": ("requester", "assignee", "admin"),
}


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_operation_shows_it_to_those_who_may_see_it_only(
    api: Api, people: People, db: Mongo, relation: str
) -> None:
    role, may_see = RELATIONS[relation]
    user = people.add(role, "VPN")
    requester = user if relation == "requester" else people.add()
    filed = api.filed(
        requester, title=f"{CANARY} title", description=f"{CANARY} words", private=True
    )
    assert filed["private"] is True
    assignee = user if relation == "assignee" else people.add(Role.MODERATOR)
    stored = db.tickets.find_one({"title": f"{CANARY} title"})
    assert stored is not None
    changes = {"assignedTo": assignee.id, "helpfulNotes": f"{CANARY} notes"}
    changes["participants"] = [user.id] if relation == "participant" else []
    db.tickets.update_one({"_id": stored["_id"]}, {"$set": changes})
    before = db.tickets.find_one({"_id": stored["_id"]})
    for operation in OPERATIONS:
        if operation.operation_id in ("signOut", "createTicket", "signUp", "signIn"):
            continue
        path = path_to(operation, filed["_id"])
        sent = body(operation.operation_id, user, role) if operation.request_model else None
        answer = api.call(operation.method, path, by=user, json=sent)
        if operation.operation_id in ("updateTicket", "addParticipants") and may_see:
            allowed = relation in MAY_CHANGE[operation.operation_id]
            assert (answer.status_code != 403) is allowed
        if operation.operation_id == "getTicket":
            assert answer.status_code == (200 if may_see else 404)
        if not may_see:
            assert CANARY not in answer.text, operation.operation_id
        if relation in ("requester", "participant"):
            assert f"{CANARY} notes" not in answer.text
    if not may_see:
        assert db.tickets.find_one({"_id": stored["_id"]}) == before
    listed = api.get("/api/tickets", by=user).text
    assert (CANARY in listed) is may_see


def test_staff_make_it_private_and_it_stays_so(api: Api, people: People) -> None:
    ann, ben = people.add(), people.add(Role.MODERATOR)
    path = f"/api/tickets/{api.filed(ann)['_id']}"
    assert api.patch(path, by=ann, json={"private": True}).status_code == 403
    api.patch(path, by=ben, json={"assignedTo": str(ben.id)})
    assert api.patch(path, by=ben, json={"private": True}).json()["ticket"]["private"] is True
    answer = api.patch(path, by=ben, json={"private": False})
    assert (answer.status_code, answer.json()["field"]) == (400, "private")
    assert api.get(path, by=people.add(Role.MODERATOR)).status_code == 404
    assert ROUTES
