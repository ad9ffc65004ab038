"""The examples in docs/accounts.md work as written, against a bot process."""

import json
import os
import re
import subprocess
from typing import Any

from demo.binaries import ROOT
from services.accounts.users import UserService
from services.models.permissions import OPERATOR
from services.models.user import Role
from services.registry.services import Services
from tests.support.http_bot import HttpBot

pytest_plugins = ["tests.support.product"]

PAGE = (ROOT / "docs" / "accounts.md").read_text()
README = (ROOT / "README.md").read_text()
EXAMPLE = re.compile(r"^```sh\n(.*?)^```\n(?:\n```json\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
TICKET = "65f0c0ffee65f0c0ffee0012"
SHAPES = {
    "an id": re.compile(r"[0-9a-f]{24}"),
    "a date": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "a token": re.compile(r"eyJ(…|[\w.-]+)"),
}


class Shell:
    """Runs the examples in order, with tokens and ids from the previous answers."""

    def __init__(self, url: str) -> None:
        self._lines = ["set -e"]
        self._url = url
        self._token = self._ticket = ""

    def run(self, example: str) -> Any:
        """Return what the example prints. Its variables stay set for the next examples."""
        example = example.replace("https://desk.example.com", self._url)
        example = example.replace("eyJ…", self._token).replace(TICKET, self._ticket)
        set_, _, call = example.rpartition("curl ")
        self._lines += [line for line in set_.splitlines() if line]
        script = "\n".join([*self._lines, f"curl {call}"])
        done = subprocess.run(  # noqa: S603  examples of our own page
            ["/bin/bash", "-c", script],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": os.environ["PATH"]},
            check=True,
        )
        answer = json.loads(done.stdout)
        self._token = answer.get("token") or self._token
        self._ticket = answer.get("ticket", {}).get("_id") or self._ticket
        return answer


def shape(value: Any) -> Any:
    """Replace the values that differ between runs."""
    if isinstance(value, dict):
        return {name: shape(held) for name, held in value.items()}
    if isinstance(value, list):
        return [shape(held) for held in value]
    found = (name for name, shape in SHAPES.items() if shape.fullmatch(str(value)))
    return next(found, value)


def test_every_example_works_as_it_stands(
    http_bot: HttpBot, users: UserService, services: Services
) -> None:
    sign_up = services.sign_in.sign_up
    sign_up(email="mod@example.com", password="four words by chance")
    users.confirm_email(actor=OPERATOR, email="mod@example.com")
    users.update(actor=OPERATOR, email="mod@example.com", role=Role.MODERATOR)
    shell, seen = Shell(http_bot.url), []
    for example, answer in EXAMPLE.findall(PAGE):
        answered = shell.run(example)
        seen.append(answered)
        if answer:
            assert shape(answered) == shape(json.loads(answer))
    assert len(seen) == PAGE.count("curl ")
    (page,) = [answer for answer in seen if "tickets" in answer]
    assert [ticket["title"] for ticket in page["tickets"]] == ["The VPN drops"]
    assert page["nextCursor"] is None
    (one,) = [answer["ticket"] for answer in seen if set(answer) == {"ticket"}]
    assert one["createdBy"]["email"] == "ann@example.com"
    (updated,) = [answer for answer in seen if answer.get("message") == "Ticket updated."]
    assert updated["ticket"]["resolution"] == "Renewed the certificate."


def test_the_readme_leads_there() -> None:
    assert "(docs/accounts.md)" in README
