"""Comments in threads over signed HTTP, with bot, worker and jobs processes."""

from typing import Any

import pytest

from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.database import Mongo
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.canary import FILED
from tests.support.channel_members import IT_HELP
from tests.support.comment_helpers import (
    card_of,
    changed,
    deleted,
    event_of,
    in_thread,
    message_of,
    said,
    texts,
)
from tests.support.http_bot import HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import BOT_USER_ID, TEAM_ID, TRIAGE

pytest_plugins = ["tests.support.product"]

ASK_HERE = "C0ASKHERE"
LINES = ("It still drops", "Every hour")


@pytest.fixture
def product(product: Product, slack: RecordingSlack, db: Mongo) -> Product:
    """With a triage channel and a request channel."""
    slack.add_channel(TRIAGE, is_member=True)
    slack.add_channel(IT_HELP, is_member=True)
    channel = RequestChannel(TEAM_ID, IT_HELP, ChannelMode.ON_REQUEST)
    db.channels.insert_one(channel.to_doc())
    slack.add_channel(ASK_HERE, is_member=True, members=None)
    every = RequestChannel(TEAM_ID, ASK_HERE, ChannelMode.EVERY_MESSAGE, has_emoji_actions=True)
    db.channels.insert_one(every.to_doc())
    product.settings["TRIAGE_CHANNEL"] = TRIAGE
    return product


def notes_of(slack: RecordingSlack, user: User) -> list[str]:
    """Return what the user reads in the thread of the notes, once it is begun."""
    firsts = [m for m in slack.messages(People.slack_id(user)) if m["text"].startswith("Internal")]
    return in_thread(slack, user, firsts[0]) if firsts else []


def talk_in_channel(http_bot: HttpBot, slack: RecordingSlack, emma: User, nils: User) -> None:
    """Emma makes a ticket of her message; its thread is the conversation, without cards for her."""
    first = slack.say(IT_HELP, "The Wi-Fi of the VPN drops", user=People.slack_id(emma))
    direct = len(slack.messages(People.slack_id(emma)))
    shortcut = payloads.message_shortcut(
        "make_ticket", first, user=People.slack_id(emma), channel=IT_HELP
    )
    http_bot.answer(shortcut)
    form_id = opened_by(slack, shortcut["trigger_id"])["id"]
    eventually(lambda: slack.view(form_id)["callback_id"] == "file_ticket", what="the form")
    view = slack.view(form_id)
    words = {"title": "Wi-Fi", "description": "Every hour"}
    http_bot.answer(payloads.view_submission(view, words, user=People.slack_id(emma)))
    eventually(lambda: texts(slack, IT_HELP, first) != [], what="the line")
    eventually(lambda: len(slack.messages(People.slack_id(nils))) > 0, what="his card")

    def his_card() -> list[str]:
        cards = [m for m in slack.messages(People.slack_id(nils)) if "“Wi-Fi”" in m["text"]]
        return in_thread(slack, nils, cards[0]) if cards else []

    said_there = said(slack, emma, first, "In Berlin", is_im=False)
    for _ in range(2):
        http_bot.answer(said_there)
    eventually(lambda: his_card() == ["Ticket 2: User 1 wrote: In Berlin"], what="Nils reads it")
    card = next(m for m in slack.messages(People.slack_id(nils)) if "“Wi-Fi”" in m["text"])
    http_bot.answer(said(slack, nils, card, "Restarted"))
    eventually(lambda: "Restarted" in texts(slack, IT_HELP, first)[-1], what="the copy")
    (line, _) = texts(slack, IT_HELP, first)
    assert line == "Ticket 2: assigned to Moderator 2"
    assert len(slack.messages(People.slack_id(emma))) == direct


def settle_in_channel(
    bots: tuple[HttpBot, HttpBot], slack: RecordingSlack, emma: User, nils: User
) -> None:
    """Where every message is a ticket, the bot is killed before it can publish one. Nils accepts
    and resolves it by emoji."""
    first, second = bots
    message = slack.say(ASK_HERE, "My VPN drops every hour", user=People.slack_id(emma))
    event = event_of(message, is_im=False)
    first.answer(event)
    first.process.kill()
    for number in range(2):
        second.answer(event, **{"X-Slack-Retry-Num": str(number + 1)})

    def line() -> str:
        return (texts(slack, ASK_HERE, message) or [""])[0]

    eventually(lambda: line() == "Ticket 3: assigned to Moderator 2", what="the line")
    his = People.slack_id(nils)
    for emoji in ("eyes", "white_check_mark"):
        for user in (nils, nils, emma):
            second.answer(payloads.reaction(message, emoji, user=People.slack_id(user)))

    def questions() -> list[Any]:
        return [m for m in slack.messages(his) if "resolve_asked" in str(m.get("blocks"))]

    eventually(lambda: "accepted" in line() and len(questions()) == 1, what="the question")
    (asked,) = questions()
    press = payloads.block_actions(asked, "resolve_asked", user=People.slack_id(nils))
    second.answer(press)
    form = opened_by(slack, press["trigger_id"])
    note = {"resolution": "Use the other server"}
    second.answer(payloads.view_submission(form, note, user=People.slack_id(nils)))
    eventually(lambda: line() == "Ticket 3: resolved by Moderator 2", what="the end")
    said_there = texts(slack, ASK_HERE, message)
    assert len(said_there) == 2
    assert said_there[1].startswith(f"<@{People.slack_id(emma)}>, Moderator 2 resolved ticket 3")


def take_a_thread(bot: HttpBot, slack: RecordingSlack, emma: User, nils: User) -> None:
    """Nils makes a ticket of what Emma and he have said in a thread, by a mention."""
    asked = slack.say(IT_HELP, "Who knows about printers?", user=People.slack_id(emma))
    slack.say(IT_HELP, "Which one?", user=People.slack_id(nils), thread_ts=asked["ts"])
    mention = slack.say(
        IT_HELP, f"<@{BOT_USER_ID}> please", user=People.slack_id(nils), thread_ts=asked["ts"]
    )
    event = payloads.event({**mention, "type": "app_mention"})
    for _ in range(2):
        bot.answer(event_of(mention, is_im=False))
        bot.answer(event)
    eventually(
        lambda: any("Ticket 4: " in text for text in texts(slack, IT_HELP, asked)), what="the line"
    )


def test_they_talk_in_the_threads_of_their_cards(
    product: Product, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    http_bot, second = HttpBot(product), HttpBot(product)
    product.start("worker")
    product.start("jobs")
    emma, nils, ina = people.add(), people.add(Role.MODERATOR, "VPN"), people.add(Role.ADMIN)
    form = http_bot.filled_in(slack, people.slack_id(emma), title="The VPN drops")
    http_bot.answer(form)
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    emmas, his = card_of(slack, emma), card_of(slack, nils)

    question = said(slack, nils, his, "Which client?")
    http_bot.answer(question)
    seen = ["Ticket 1: Moderator 2 wrote: Which client?"]
    eventually(lambda: in_thread(slack, emma, emmas) == seen, what="Emma reads it")

    answer = said(slack, emma, emmas, "Version 4")
    for bot in (http_bot, second, http_bot):  # Slack repeats an event, perhaps to another process
        bot.answer(answer)
    seen = ["Ticket 1: User 1 wrote: Version 4"]
    eventually(lambda: in_thread(slack, nils, his) == seen, what="Nils reads it")
    second.answer(changed(answer, "Version 5"))
    seen = ["Ticket 1: User 1 wrote: Version 5"]
    eventually(lambda: in_thread(slack, nils, his) == seen, what="Nils reads what it says now")

    (triage,) = slack.messages(TRIAGE)
    http_bot.answer(said(slack, ina, triage, "Known since Monday", is_im=False))
    noted = ["Ticket 1: Admin 3 wrote an internal note: Known since Monday"]
    eventually(lambda: notes_of(slack, nils) == noted, what="Nils reads the note")
    note = said(slack, nils, card_of(slack, nils, "Internal notes"), "I tell her")
    for bot in (http_bot, second):
        bot.answer(note)

    composed = [slack.say(emmas["channel"], text, user=People.slack_id(emma)) for text in LINES]
    for bot, line in zip((http_bot, second), composed, strict=True):
        bot.answer(event_of(line))
    shown = f"“{' '.join(LINES)}”"
    eventually(lambda: shown in str(slack.messages(People.slack_id(emma))), what="the offer")
    (offer,) = [m for m in slack.messages(People.slack_id(emma)) if shown in m["text"]]
    for bot in (http_bot, second):
        bot.answer(payloads.block_actions(offer, "add_to_ticket", user=People.slack_id(emma)))
    seen.append("Ticket 1: User 1 wrote: " + " ".join(LINES))
    eventually(lambda: in_thread(slack, nils, his) == seen, what="Nils reads what she added")

    second.answer(deleted(answer))
    seen[0] = "Ticket 1: This comment was deleted."
    eventually(lambda: in_thread(slack, nils, his) == seen, what="it is gone")
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    assert in_thread(slack, emma, emmas) == ["Ticket 1: Moderator 2 wrote: Which client?"]
    for text in ("Known since Monday", "I tell her"):
        assert text not in str(slack.messages(people.slack_id(emma)))
    assert texts(slack, TRIAGE, triage) == ["Ticket 1: Moderator 2 wrote an internal note."]
    (ticket,) = db.tickets.find(FILED)
    talk_in_channel(http_bot, slack, emma, nils)
    settle_in_channel((http_bot, second), slack, emma, nils)
    take_a_thread(second, slack, emma, nils)
    thread = db.tickets.find_one({"number": 4, "teamId": TEAM_ID})
    assert thread is not None
    assert (thread["createdBy"], thread["filedBy"]) == (emma.id, nils.id)
    assert [comment["text"] for comment in thread["comments"]] == ["Which one?", "please"]
    assert [comment["text"] for comment in ticket["comments"]] == [
        "Which client?",
        "",
        "Known since Monday",
        "I tell her",
        "\n".join(LINES),
    ]
    assert message_of(question)["ts"] == ticket["comments"][0]["slack"]["ts"]

    written = product.logs()
    for canary in ("Which client", "Version 4", "Version 5", "Known since", "I tell", *LINES):
        assert canary not in written
