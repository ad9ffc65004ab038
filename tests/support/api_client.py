"""A client of the HTTP API that validates every answer with the OpenAPI document."""

import itertools
from typing import Any

import requests
import schemathesis

from bot.web.api.openapi import openapi_document
from bot.web.api.operations import OPERATIONS
from services.auth.sign_in import SignInService
from services.models.user import Role, User
from tests.support.canary import CANARY

Json = dict[str, Any]

SCHEMA = schemathesis.openapi.from_dict(openapi_document())
DESCRIBED = {(one.method, one.path): SCHEMA[one.path][one.method] for one in OPERATIONS}
PASSWORD = "correct horse battery"
FINE = {"title": "VPN drops", "description": "Every hour since Monday."}


def path_template(path: str) -> str:
    """Return the path with the names of its parameters."""
    parts = path.split("/")
    if path.startswith("/api/tickets/"):
        parts[3:4] = ["{ticket_id}"]
        parts[5:6] = ["{user_id}"] * len(parts[5:6])
    return "/".join(parts)


class Api:
    """A client of the API for any number of users, with its own client address."""

    _hosts = itertools.count(1)

    def __init__(self, url: str, sign_in: SignInService | None = None) -> None:
        self.url = url
        self._sign_in = sign_in
        self._session = requests.Session()
        # As a trusted proxy sends it, so that rate limits of tests do not add up.
        number = next(self._hosts)
        self.host = f"198.18.{number // 250}.{number % 250}"

    def call(
        self, method: str, path: str, *, by: User | str | None = None, **sent: Any
    ) -> requests.Response:
        """`by` is an account or a token; `sent` is passed to requests."""
        headers = {"X-Forwarded-For": self.host, **sent.pop("headers", {})}
        if by is not None:
            headers["Authorization"] = f"Bearer {self.token(by)}"
        answer = self._session.request(method, self.url + path, headers=headers, timeout=30, **sent)
        self.check(method, path, answer)
        if isinstance(by, User) and by.role is not Role.ADMIN:
            assert CANARY not in answer.text
        return answer

    def token(self, by: User | str) -> str:
        if isinstance(by, str):
            return by
        assert self._sign_in
        return self._sign_in.issue_token(by)

    def get(self, path: str, **sent: Any) -> requests.Response:
        return self.call("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> requests.Response:
        return self.call("POST", path, **sent)

    def patch(self, path: str, **sent: Any) -> requests.Response:
        return self.call("PATCH", path, **sent)

    def filed(self, by: User | str, **fields: Any) -> Json:
        """File a ticket and return the answer."""
        answer = self.post("/api/tickets", by=by, json={**FINE, **fields})
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["ticket"])

    @staticmethod
    def check(method: str, path: str, answer: requests.Response) -> None:
        """Check that the answer is JSON without passwords and matches the document."""
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "$2" not in answer.text
        assert '"password"' not in answer.text.replace('"field":"password"', "")
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        place = path.partition("?")[0]
        template = path_template(place)
        if described := DESCRIBED.get((method, template)):
            described.validate_response(answer)


def problem(answer: requests.Response) -> tuple[int, Json]:
    return answer.status_code, answer.json()
