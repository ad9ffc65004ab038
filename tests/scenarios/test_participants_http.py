"""A private ticket and its participant over signed HTTP, with bot, worker and jobs processes."""

from typing import Any

from services.core.database import Mongo
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.block_text import read, without_facts
from tests.support.canary import FILED
from tests.support.comment_helpers import said
from tests.support.http_bot import HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]
CANARY = "Zanzibar"


def texts(slack: RecordingSlack, user: User) -> list[str]:
    """Return what the bot has posted, without priority and due date."""
    shown = [m["text"] for m in slack.messages(People.slack_id(user)) if "bot_id" in m]
    parts = [text.rpartition("”: ") for text in shown]
    return [f"{name}{mark}{without_facts(state)}" for name, mark, state in parts]


def test_a_private_ticket_and_whom_its_requester_adds(
    product: Product, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    slack.add_channel(TRIAGE, is_member=True, members=None)
    bot = HttpBot(product, TRIAGE_CHANNEL=TRIAGE)
    product.start("worker", TRIAGE_CHANNEL=TRIAGE)
    product.start("jobs", TRIAGE_CHANNEL=TRIAGE)
    ann, dan, eve = (people.add() for _ in range(3))
    ben, ada = people.add(Role.MODERATOR, "VPN"), people.add(Role.ADMIN)

    def wait_for(user: User, *expected: str) -> None:
        eventually(
            lambda: is_outbox_empty(db) and texts(slack, user) == list(expected),
            what=f"{expected}, and not {texts(slack, user)}",
            seconds=30,
        )

    def page(user: User) -> list[str]:
        answer = bot.answer(payloads.slash_command("1", user=People.slack_id(user)))
        return read(answer) if "blocks" in answer else [answer["text"]]

    # Filed privately: an admin gets it, and moderators and the channel read nothing of it.
    title = f"{CANARY} and my VPN"
    form = bot.filled_in(slack, People.slack_id(ann), title=title, private=["private"])
    bot.answer(form)
    name = f"Ticket 1 “{title}”"
    wait_for(ann, f"{name}: assigned to {ada.name}")
    wait_for(ada, f"{name}: assigned to you")
    assert [m["text"] for m in slack.messages(TRIAGE)] == ["Ticket 1 is private."]
    refusal = ["There is no ticket 1, or you may not see it."]
    assert [page(user) for user in (ben, dan, eve)] == [refusal] * 3

    # The requester adds a colleague, once they have confirmed it.
    shown = bot.answer(payloads.slash_command("1", user=People.slack_id(ann)))
    message = {"channel": "D0X", "ts": "1.1", "blocks": shown["blocks"]}
    press = payloads.block_actions(message, "add_people", user=People.slack_id(ann))
    assert bot.answer(press) == {}
    view = opened_by(slack, press["trigger_id"])
    chosen: Json = {"people": [People.slack_id(dan)]}
    unconfirmed = bot.answer(payloads.view_submission(view, chosen, user=People.slack_id(ann)))
    assert list(unconfirmed["errors"]) == ["maySeePrivate"]
    chosen["maySeePrivate"] = ["maySeePrivate"]
    added = payloads.view_submission(view, chosen, user=People.slack_id(ann))
    assert [bot.answer(added), bot.answer(added)] == [{}, {}]
    wait_for(dan, f"{name}: {ann.name} added you")
    assert any(CANARY in line for line in page(dan))

    # A stranger and a moderator who forge the requester's form change nothing.
    for user in (eve, ben, dan):
        forged = payloads.view_submission(
            view, {**chosen, "people": [People.slack_id(eve)]}, user=People.slack_id(user)
        )
        assert list(bot.answer(forged)["errors"]) == ["people"]

    # A reply below the card reaches the requester and the assignee, and an answer the colleague.
    (card,) = slack.messages(People.slack_id(dan))
    bot.answer(said(slack, dan, card, "I was there, too"))
    wrote = f"Ticket 1: {dan.name} wrote: I was there, too"
    wait_for(ann, f"{name}: assigned to {ada.name}", wrote)
    wait_for(ada, f"{name}: assigned to you", wrote)
    (card, *_) = slack.messages(People.slack_id(ada))
    bot.answer(said(slack, ada, card, "Thank you"))
    wait_for(dan, f"{name}: {ann.name} added you", f"Ticket 1: {ada.name} wrote: Thank you")

    # Who has left sees it no more.
    (card, *_) = slack.messages(People.slack_id(dan))
    leave = payloads.block_actions(
        card, "leave", user=People.slack_id(dan), response_url=slack.response_url()
    )
    assert bot.answer(leave) == {}
    left = "Ticket 1: you no longer take part in it."
    wait_for(dan, left, f"Ticket 1: {ada.name} wrote: Thank you")
    assert page(dan) == refusal
    stored = db.tickets.find_one(FILED) or {}
    assert stored["participants"] == []
    for user in (ben, eve):
        assert CANARY not in str(slack.messages(People.slack_id(user)))
    assert CANARY not in product.logs()
