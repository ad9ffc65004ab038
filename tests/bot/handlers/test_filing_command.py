from typing import Any

import pytest

from bot.slack.bot_process import BotProcess
from services.core.database import Mongo
from services.models.user import Role
from tests.conftest import Bot, People, inline_bot
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

TRY_AGAIN = "Slack had a problem just now. Try again in a moment. (Reference "


@pytest.fixture
def employee(slack: RecordingSlack) -> str:
    """A member without an account."""
    slack.add_member("U0ANN", email="ann@example.com", name="Ann Employee")
    return "U0ANN"


def filled_in_title(view: dict[str, Any]) -> str | None:
    title: str | None = view["blocks"][0]["element"].get("initial_value")
    return title


def is_form(view: dict[str, Any]) -> bool:
    return bool(view["callback_id"] == "file_ticket")


@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_it_opens_an_empty_form(
    ticket_bot: Bot, slack: RecordingSlack, employee: str, text: str
) -> None:
    assert ticket_bot.answer(payloads.slash_command(text, user=employee)) == {}
    assert is_form(slack.last_view())
    assert filled_in_title(slack.last_view()) is None


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("VPN is down", "VPN is down"),
        ("  VPN   is\tdown ", "VPN is down"),
        ("helpful words", "helpful words"),
        ("R&amp;D needs &lt;this&gt;", "R&D needs <this>"),
        ("<!channel> <https://evil.example|Sign in>", "<!channel> <https://evil.example|Sign in>"),
        (" ".join(["word"] * 100), ("word " * 30)[:149] + "…"),
    ],
)
def test_the_words_become_the_title(
    ticket_bot: Bot, slack: RecordingSlack, employee: str, text: str, title: str
) -> None:
    assert ticket_bot.answer(payloads.slash_command(text, user=employee)) == {}
    assert filled_in_title(slack.last_view()) == title


def test_the_form_opens_before_anything_is_looked_up(
    ticket_bot: Bot, slack: RecordingSlack, employee: str
) -> None:
    slack.clear()
    ticket_bot.answer(payloads.slash_command(user=employee))
    assert [call.method for call in slack.calls] == ["views.open", "users.info"]


def test_a_new_member_gets_an_account_behind_the_form(
    ticket_bot: Bot, slack: RecordingSlack, employee: str, db: Mongo
) -> None:
    ticket_bot.answer(payloads.slash_command(user=employee))
    ticket_bot.answer(payloads.slash_command(user=employee))
    (account,) = db.users.find()
    assert (account["email"], account["role"]) == ("ann@example.com", "user")
    assert db.links.find_one({"_id": f"{TEAM_ID}:{employee}", "userId": account["_id"]})
    assert is_form(slack.last_view())


@pytest.mark.parametrize("text", ["help", "HELP"])
def test_help_is_for_everybody(ticket_bot: Bot, slack: RecordingSlack, text: str) -> None:
    slack.clear()
    answer = ticket_bot.answer(payloads.slash_command(text, user="U0STRANGER"))
    assert answer["response_type"] == "ephemeral"
    assert answer["text"].startswith("What you can do:\n`/ticket`: file a ticket\n")
    assert slack.calls == []


def test_a_slip_of_the_keyboard_is_answered_with_the_command(
    ticket_bot: Bot, slack: RecordingSlack
) -> None:
    slack.clear()
    answer = ticket_bot.answer(payloads.slash_command("lsit", user="U0STRANGER"))
    assert answer["response_type"] == "ephemeral"
    assert answer["text"] == "Did you mean `/ticket list`?"
    assert slack.calls == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            {"is_restricted": True},
            "Guests cannot use this app. Ask a full member of this workspace to file the ticket.",
        ),
        (
            {"is_bot": True},
            "Only people with an active Slack account can use this app.",
        ),
        (
            {"deleted": True},
            "Only people with an active Slack account can use this app.",
        ),
        (
            {"is_email_confirmed": False},
            "Slack has not confirmed your email address yet. Confirm it in your Slack profile, "
            "then try again.",
        ),
        (
            {"team_id": "T0OTHER"},
            "This app is for members of this workspace, and you belong to another one. Ask your "
            "contact here to file the ticket.",
        ),
        (
            {"profile": {"email": ""}},
            "Slack does not tell your email address. Ask an admin of this app.",
        ),
    ],
    ids=["guest", "bot", "deleted", "unconfirmed", "foreign", "no address"],
)
def test_the_form_turns_into_a_refusal(
    ticket_bot: Bot,
    slack: RecordingSlack,
    db: Mongo,
    overrides: dict[str, Any],
    sentence: str,
) -> None:
    slack.add_member("U0ANN", email="ann@example.com", name="Ann", **overrides)
    assert ticket_bot.answer(payloads.slash_command(user="U0ANN")) == {}
    view = slack.last_view()
    assert [block["text"]["text"] for block in view["blocks"]] == [sentence]
    assert view["submit"] is None
    assert (db.users.count_documents({}), db.links.count_documents({})) == (0, 0)


def test_a_deactivated_account_is_refused(
    ticket_bot: Bot, slack: RecordingSlack, people: People
) -> None:
    former = people.add(Role.MODERATOR, active=False)
    ticket_bot.answer(payloads.slash_command(user=people.slack_id(former)))
    assert slack.last_view()["blocks"][0]["text"]["text"] == (
        "Your account in this app is deactivated. Ask one of its admins."
    )


def test_the_form_stays_while_the_database_is_away(
    bot_without_database: Bot,
    slack: RecordingSlack,
    employee: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = payloads.slash_command("VPN is down", user=employee)
    assert bot_without_database.answer(body) == {}
    assert is_form(slack.last_view())
    assert "/ticket failed after its acknowledgement" in caplog.text


def test_it_says_that_slack_failed(
    ticket_bot: Bot, slack: RecordingSlack, employee: str, caplog: pytest.LogCaptureFixture
) -> None:
    slack.fail("views.open", status=500)
    answer = ticket_bot.answer(payloads.slash_command(user=employee))
    assert answer["response_type"] == "ephemeral"
    assert answer["text"].startswith(TRY_AGAIN)
    reference = answer["text"].removeprefix(TRY_AGAIN).removesuffix(")")
    (record,) = [r for r in caplog.records if reference in r.getMessage()]
    assert record.exc_info


def test_it_says_that_slack_is_slow(
    bot_process: BotProcess,
    slack: RecordingSlack,
    employee: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bot_process.client.timeout = 1  # a handler's two seconds, shortened
    slow = inline_bot(bot_process)
    slack.delay("views.open", 5)
    answer = slow.answer(payloads.slash_command(user=employee))
    assert answer["text"].startswith(TRY_AGAIN)
    assert "slack failed, reference" in caplog.text


def test_a_refusal_that_slack_does_not_take_is_only_logged(
    ticket_bot: Bot, slack: RecordingSlack, caplog: pytest.LogCaptureFixture
) -> None:
    slack.add_member("U0ANN", email="ann@example.com", name="Ann", is_restricted=True)
    slack.fail("views.update", error="not_found")  # the form was closed concurrently
    assert ticket_bot.answer(payloads.slash_command(user="U0ANN")) == {}
    assert is_form(slack.last_view())
    assert "/ticket failed after its acknowledgement" in caplog.text


def test_an_address_of_the_admins_list_makes_an_admin(
    bot_process: BotProcess, slack: RecordingSlack, db: Mongo
) -> None:
    slack.add_member("U0BOSS", email="Boss@Example.com", name="Boss")
    inline_bot(bot_process).answer(payloads.slash_command(user="U0BOSS"))
    assert db.users.distinct("role") == ["admin"]
