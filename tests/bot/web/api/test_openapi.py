"""`/api/openapi.json` describes the legacy app's routes, and our own."""

import json

import pytest
import requests

from bot.web.api.openapi import openapi_document
from bot.web.api.operations import OPERATIONS
from services.accounts.users import UserService
from services.models.permissions import OPERATOR
from services.models.user import Role, User
from services.tickets.fields import EDITABLE_FIELDS, FILED_FIELDS, Output, fields_of
from tests.conftest import People
from tests.support.api_client import Api, Json

LEGACY_ROUTES = {
    ("post", "/api/auth/signup"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/logout"),
    ("post", "/api/auth/update-user"),
    ("get", "/api/auth/users"),
    ("get", "/api/tickets"),
    ("get", "/api/tickets/{ticket_id}"),
    ("post", "/api/tickets"),
    ("patch", "/api/tickets/{ticket_id}"),
}
OWN_ROUTES = {
    ("post", "/api/tickets/{ticket_id}/participants"),
    ("delete", "/api/tickets/{ticket_id}/participants/{user_id}"),
}


@pytest.fixture(scope="module")
def described() -> Json:
    return openapi_document()


def test_it_is_served(api: Api, described: Json) -> None:
    answer = requests.get(f"{api.url}/api/openapi.json", timeout=10)
    assert (answer.status_code, answer.json()) == (200, json.loads(json.dumps(described)))
    assert answer.json()["openapi"] == "3.1.0"


def test_it_has_the_nine_legacy_routes_and_ours(described: Json) -> None:
    routes = {(method, path) for path, item in described["paths"].items() for method in item}
    assert routes == LEGACY_ROUTES | OWN_ROUTES
    assert len({one.operation_id for one in OPERATIONS}) == len(OPERATIONS)


def test_every_answer_is_described(described: Json) -> None:
    for operation in OPERATIONS:
        answers = described["paths"][operation.path][operation.method.lower()]["responses"]
        good = {status for status in answers if status.startswith("2")}
        assert good == {str(operation.status)}
        for status in set(answers) - good:
            error = described["components"]["responses"][status]
            schema = error["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}
            assert error["description"]
        assert {"500", "503"} <= set(answers)
        assert ("401" in answers) >= operation.requires_token
        assert ({"400", "413", "415"} <= set(answers)) >= bool(operation.request_model)


def test_its_tickets_have_the_fields_of_the_table(described: Json) -> None:
    schemas = described["components"]["schemas"]
    read = set(fields_of(Output.API))
    assert set(schemas["Ticket"]["properties"]) == read
    assert set(schemas["TicketWithPeople"]["properties"]) == read
    # An address in place of the account's id.
    assert set(schemas["NewTicket"]["properties"]) == {*FILED_FIELDS, "requester"}
    editable = {"requester" if name == "createdBy" else name for name in EDITABLE_FIELDS}
    assert set(schemas["TicketPatch"]["properties"]) == {*editable, "message"}


def test_its_references_lead_somewhere(described: Json) -> None:
    text = json.dumps(described)
    for kind in ("schemas", "responses"):
        made = described["components"][kind]
        for name in made:
            assert f'"#/components/{kind}/{name}"' in text
    schemas = described["components"]["schemas"]
    assert "password" not in json.dumps(schemas["User"])
    assert set(schemas["User"]["properties"]) == {
        "_id",
        "email",
        "name",
        "role",
        "skills",
        "active",
        "createdAt",
    }
    assert schemas["User"]["required"] == list(schemas["User"]["properties"])
    assert schemas["Error"]["required"] == ["error", "code"]
    assert schemas["TicketPatch"]["additionalProperties"] is False
    assert schemas["NewTicket"]["required"] == ["title", "description"]


def test_its_examples_work_one_after_the_other(
    api: Api, described: Json, people: People, users: UserService
) -> None:
    """The example bodies, by the role that the operation is for."""
    schemas = described["components"]["schemas"]
    token, ticket = "", ""
    for operation in OPERATIONS:
        if operation.request_model is None:
            continue
        (example,) = schemas[operation.request_model.__name__]["examples"]
        by: User | str | None = token or None
        if operation.operation_id == "updateTicket":
            by = people.add(Role.MODERATOR)
        for address in example.get("people", ()):
            users.create(actor=OPERATOR, email=address, role=Role.USER)
        path = operation.path.replace("{ticket_id}", ticket)
        answer = api.call(operation.method, path, by=by, json=example)
        assert answer.status_code == operation.status, answer.text
        told = answer.json()
        token = told.get("token") or token
        ticket = told.get("ticket", {}).get("_id", ticket)
    [ann] = users.find_by_email("ann@example.com")
    assert (ann.name, ann.skills) == ("Ann", ("DNS", "VPN"))


def test_an_error_is_like_its_example(api: Api, described: Json, people: People) -> None:
    (example,) = described["components"]["schemas"]["Error"]["examples"]
    refused = {"title": "ab", "description": "Words."}
    answer = api.call("POST", "/api/tickets", by=people.add(), json=refused)
    assert (answer.status_code, answer.json()) == (400, example)


def test_its_operations_are_sorted_by_what_they_are_about(described: Json) -> None:
    named = {tag["name"] for tag in described["tags"]}
    used = [
        (path.split("/")[2], *operation["tags"])
        for path, item in described["paths"].items()
        for operation in item.values()
    ]
    assert set(used) == {("auth", "accounts"), ("tickets", "tickets")}
    assert named == {"accounts", "tickets"}
