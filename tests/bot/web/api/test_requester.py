"""The API's field `requester`: whose ticket a moderator files, or makes it."""

import pytest

from services.core.database import Mongo
from services.linking.requesters import UNKNOWN_ADDRESS
from services.models.user import Role
from tests.conftest import People
from tests.support.api_client import FINE, Api, problem
from tests.support.canary import FILED

NOT_ALLOWED = (
    "Your role does not allow you to file tickets for other people. Ask an admin if it should."
)


def test_a_moderator_files_for_an_address(api: Api, people: People, db: Mongo) -> None:
    requester, moderator = people.add(emailConfirmedAt=True), people.add(Role.MODERATOR)
    sent = {**FINE, "requester": f" {requester.email.upper()} "}
    headers = {"Idempotency-Key": "a-key"}
    first, second = (
        api.post("/api/tickets", by=moderator, json=sent, headers=headers) for _ in range(2)
    )
    ticket = first.json()["ticket"]
    assert (ticket["createdBy"], ticket["filedBy"]) == (str(requester.id), str(moderator.id))
    assert second.json()["ticket"]["_id"] == ticket["_id"]
    other = api.post("/api/tickets", by=moderator, json=FINE, headers=headers)
    assert other.status_code == 409  # the same key with another requester
    assert db.tickets.count_documents(FILED) == 1
    read = api.get(f"/api/tickets/{ticket['_id']}", by=requester).json()["ticket"]
    assert read["filedBy"] == {"_id": str(moderator.id), "email": moderator.email}


def test_a_moderator_changes_the_requester(api: Api, people: People) -> None:
    requester, moderator = people.add(emailConfirmedAt=True), people.add(Role.MODERATOR)
    filer = people.add()
    path = f"/api/tickets/{api.filed(filer)['_id']}"
    answer = api.patch(path, by=moderator, json={"requester": requester.email})
    ticket = answer.json()["ticket"]
    assert (ticket["createdBy"], ticket["filedBy"]) == (str(requester.id), str(filer.id))
    assert api.get(path, by=filer).status_code == 404
    assert api.get(path, by=requester).status_code == 200


@pytest.mark.parametrize("address", ["", "nobody@example.com", "claimed@example.com", "gone"])
def test_an_address_without_a_confirmed_active_account_is_refused(
    api: Api, people: People, db: Mongo, address: str
) -> None:
    moderator, claimed = people.add(Role.MODERATOR), people.add(linked=False)
    # A password, but no proof that its owner has the address.
    values = {"email": "claimed@example.com", "emailKey": "claimed@example.com", "password": "x"}
    db.users.update_one({"_id": claimed.id}, {"$set": values, "$unset": {"emailConfirmedAt": ""}})
    if address == "gone":
        address = people.add(emailConfirmedAt=True, active=False).email
    path = f"/api/tickets/{api.filed(moderator)['_id']}"
    refused = {
        "error": f"requester: {UNKNOWN_ADDRESS}",
        "code": "invalid",
        "field": "requester",
    }
    for answer in (
        api.post("/api/tickets", by=moderator, json={**FINE, "requester": address}),
        api.patch(path, by=moderator, json={"requester": address}),
    ):
        assert problem(answer) == (400, refused)


def test_only_moderators_name_a_requester(api: Api, people: People) -> None:
    """Also not an address that there is: who may not, learns nothing of it."""
    user, other = people.add(), people.add(emailConfirmedAt=True)
    path = f"/api/tickets/{api.filed(user)['_id']}"
    for address in (other.email, "nobody@example.com"):
        for answer in (
            api.post("/api/tickets", by=user, json={**FINE, "requester": address}),
            api.patch(path, by=user, json={"requester": address}),
        ):
            assert (answer.status_code, answer.json()["error"]) == (403, NOT_ALLOWED)
