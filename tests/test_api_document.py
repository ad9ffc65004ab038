"""`/api/openapi.json`: what it says of the predecessor's routes."""

import json

import pytest
import requests

from bot.web.api.openapi import document
from bot.web.api.operations import OPERATIONS
from tests.api_client import Api, Json

PREDECESSORS = {
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


@pytest.fixture(scope="module")
def described() -> Json:
    return document()


def test_it_is_served(api: Api, described: Json) -> None:
    answer = requests.get(f"{api.url}/api/openapi.json", timeout=10)
    assert (answer.status_code, answer.json()) == (200, json.loads(json.dumps(described)))
    assert answer.json()["openapi"] == "3.1.0"


def test_it_has_the_predecessors_nine_routes(described: Json) -> None:
    routes = {(method, path) for path, item in described["paths"].items() for method in item}
    assert routes == PREDECESSORS
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)


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
        assert ("401" in answers) >= operation.has_token
        assert ({"400", "413", "415"} <= set(answers)) >= bool(operation.body)


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
