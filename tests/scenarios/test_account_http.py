"""Linking an account with browser and Slack, through a bot process."""

import re
from typing import Any

from demo.servers import free_port
from services.core.database import Mongo
from services.models.user import Role
from tests.conftest import People
from tests.support import payloads
from tests.support.block_text import read
from tests.support.http_bot import HttpBot, opened_by
from tests.support.page_client import Browser
from tests.support.processes import Product
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]
MONA = "U0MONA"


def type_code(http_bot: HttpBot, slack: RecordingSlack, view: Json, code: str, user: str) -> Json:
    """Submit the code and confirm it. Returns the last modal."""
    typed = payloads.view_submission(view, {"code": code}, user=user)
    asked = http_bot.answer(typed)
    assert asked["response_action"] == "update", asked
    kept = slack.workspace.keep_view(view["id"], asked["view"])
    return dict(http_bot.answer(payloads.view_submission(kept, {}, user=user))["view"])


def test_a_moderator_with_a_password_comes_to_slack(
    product: Product, slack: RecordingSlack, db: Mongo, people: People
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    http_bot = HttpBot(product, port=port, APP_URL=url, ACCOUNT_LINKING="strict")
    browser = Browser(url)
    assert browser.sign_up("mona@example.com", name="Mona").status == 200
    db.users.update_one({"email": "mona@example.com"}, {"$set": {"role": Role.MODERATOR}})
    slack.add_member(MONA, email="mona@slack.example", name="Mona in Slack")

    link_first = "Link your account first: type /account."
    refused = http_bot.answer(payloads.slash_command("queue", user=MONA))
    assert refused["text"] == link_first
    command = payloads.slash_command(user=MONA, command="/account")
    assert http_bot.answer(command) == {}
    form = opened_by(slack, command["trigger_id"])
    assert f"{url}/link" in read(form)

    page = browser.open("/link")
    (code,) = re.findall(r"[0-9A-Z]{5}-[0-9A-Z]{5}", page.text)
    linked = type_code(http_bot, slack, form, code, MONA)
    assert read(linked)[1] == "In Slack, you now use the account mona@example.com (Moderator)."
    slack.wait_for("views.publish")
    assert read(slack.home(MONA))[0] == "Hello, Mona"
    assert "blocks" in http_bot.answer(payloads.slash_command("queue", user=MONA))

    again = http_bot.answer(payloads.slash_command(user=MONA, command="/account"))
    assert read(again)[2] == "*Email*\nmona@example.com"
    profile = browser.open("/profile")
    assert "Mona in Slack" in profile.text
    asked = browser.open(f"/unlink?member={MONA}")
    assert browser.fill(asked, "/unlink").status == 200
    (told,) = slack.messages(MONA)
    assert told["text"].startswith("Your account mona@example.com was unlinked from you on its")
    assert http_bot.answer(payloads.slash_command("queue", user=MONA))["text"] == link_first
    assert db.users.count_documents({}) == 1
