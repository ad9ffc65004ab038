"""A bot process that gets payloads over signed HTTP."""

import json
from collections.abc import Mapping
from typing import Any

import requests

from demo.process import Process
from demo.servers import free_port
from tests.support import payloads
from tests.support.blockkit import check_answer
from tests.support.canary import look_into_answer
from tests.support.processes import Product
from tests.support.recording_slack import RecordingSlack

SECRET = "0123456789abcdef0123456789abcdef"
SLACK_SECONDS = 3.0
"""Seconds that Slack waits for an acknowledgement; later ones are only counted."""
PATIENCE = 30.0
"""Seconds; exceeded only by a fault, even on a busy machine."""

Json = dict[str, Any]


class HttpBot:
    """`app.py` without Socket Mode, ready after construction."""

    def __init__(self, product: Product, *, port: int | None = None, **settings: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: Process = product.start(
            "bot", SLACK_SIGNING_SECRET=SECRET, PORT=str(self.port), **settings
        )

    def send(self, payload: Mapping[str, Any], **headers: str) -> requests.Response:
        """Send the payload as Slack does, on a new connection."""
        body, signed = payloads.signed(payload, SECRET)
        return requests.post(
            f"{self.url}/slack/events",
            data=body,
            headers={**signed, **headers, "Connection": "close"},
            timeout=PATIENCE,
        )

    def answer(self, payload: Mapping[str, Any], **headers: str) -> Json:
        """Send the payload and return the acknowledgement, {} if it is empty."""
        response = self.send(payload, **headers)
        assert response.status_code == 200, response.text
        answer: Json = json.loads(response.text) if response.text else {}
        assert check_answer(payload, answer) == []
        look_into_answer(payload, answer)
        return answer

    def filled_in(self, slack: RecordingSlack, user: str, **values: Any) -> Json:
        """Return the payload of a form that the user opens, fills in and submits."""
        command = payloads.slash_command(user=user)
        self.answer(command)
        view = opened_by(slack, command["trigger_id"])
        fine = {"title": "VPN drops", "description": "Every hour since Monday."}
        return payloads.view_submission(view, {**fine, **values}, user=user)


def opened_by(slack: RecordingSlack, trigger_id: str) -> Json:
    """Return the modal that was opened with this trigger."""
    (call,) = slack.wait_for("views.open", where=lambda c: c.args["trigger_id"] == trigger_id)
    return dict(call.answer["view"])
