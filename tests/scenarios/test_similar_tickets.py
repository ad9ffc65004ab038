"""A new ticket that looks like an open one of its requester, over signed HTTP; and the tickets
like the one that staff look at."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bot.views import ids
from demo.servers import MongoServer, RedisServer
from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.search.word_sample import SAMPLES
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket
from tests.support import payloads
from tests.support.block_text import read
from tests.support.canary import FILED
from tests.support.http_bot import HttpBot
from tests.support.processes import Product
from tests.support.proxies import SlowReadsProxy
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID
from tests.support.view_state import elements

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]
TITLE, DESCRIPTION = "VPN drops <!channel> every hour", "The VPN client disconnects at home."
AGAIN = {"title": "VPN drops again", "description": "At home the VPN client disconnects, <!here>."}


class Form:
    """A form that the user opens and submits, as often as they like."""

    def __init__(self, bot: HttpBot, slack: RecordingSlack, user: User, **values: Any) -> None:
        self._bot = bot
        self._user = People.slack_id(user)
        filled = bot.filled_in(slack, self._user, **(AGAIN | values))
        self.view: Json = filled["view"]
        self.values = AGAIN | values

    def submit(self, **changes: Any) -> Json:
        """Return what the form is replaced by."""
        self.values |= changes
        body = payloads.view_submission(self.view, self.values, user=self._user)
        answer = self._bot.answer(body)
        assert answer["response_action"] == "update"
        shown: Json = answer["view"]
        if "submit" in shown:
            self.view = {**shown, "id": self.view["id"]}
            # Slack shows again what was typed, and it is submitted untouched.
            self.values = {}
        return shown


def headline(shown: Json) -> str:
    text: str = shown["blocks"][0]["text"]["text"]
    return text


def stored(db: Mongo, *fields: str) -> list[tuple[Any, ...]]:
    return [
        tuple(doc.get(name) for name in fields) for doc in db.tickets.find(FILED).sort("number")
    ]


def test_the_form_asks_once_and_loses_nothing(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    tickets: TicketService,
    clock: FixedClock,
) -> None:
    ada, ben = people.add(), people.add(Role.MODERATOR)
    file_ticket(tickets, ada, TITLE, DESCRIPTION)
    due = int(clock.now.timestamp()) // 60 * 60 + 86_400 * 900
    form = Form(
        http_bot,
        slack,
        ada,
        priority="high",
        deadline=due,
        private=["private"],
        notTo=People.slack_id(ben),
    )
    shown = form.submit()
    assert headline(shown) == "Looks like your ticket 1"
    assert read(shown)[1:3] == [
        "*Your ticket 1*\nVPN drops &lt;!channel&gt; every hour",
        "*This one*\nVPN drops again",
    ]
    assert shown["submit"]["text"] == "File it anyway"
    assert len(stored(db)) == 1
    # A double click files one ticket, with all that was typed.
    with ThreadPoolExecutor(2) as clicks:
        answers = list(clicks.map(lambda _: form.submit(), range(2)))
    (_, (number,)) = stored(db, "number")  # 2 or 3: a number may be lost to the other click
    assert [headline(answer) for answer in answers] == [f"Ticket {number} is filed"] * 2
    (_, filed) = stored(db, "title", "description", "priority", "private", "notTo", "deadline")
    assert filed[:5] == (AGAIN["title"], AGAIN["description"], "high", True, ben.id)
    assert int(filed[5].timestamp()) == due
    # A late copy of the first press finds its own ticket, not a similar one.
    late = payloads.view_submission(
        {**form.view, "blocks": form.view["blocks"][6:]}, {}, user=People.slack_id(ada)
    )
    assert headline(http_bot.answer(late)["view"]) == f"Ticket {number} is filed"
    assert len(stored(db)) == 2
    # An own private ticket counts, too: only its requester reads about it.
    other = Form(http_bot, slack, ada, title="VPN drops again and again")
    assert headline(other.submit()) == f"Looks like your ticket {number}"
    # What is changed below the question is filed as it is then.
    changed = other.submit(title="VPN client of the lab", description="Please install it.")
    number, title = stored(db, "number", "title")[2]
    assert headline(changed) == f"Ticket {number} is filed"
    assert title == "VPN client of the lab"


def test_what_was_typed_becomes_a_comment_after_a_look(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    tickets: TicketService,
) -> None:
    ada, ben = people.add(), people.add(Role.MODERATOR)
    user = People.slack_id(ada)
    file_ticket(tickets, ada, TITLE, DESCRIPTION)
    form = Form(http_bot, slack, ada, private=["private"], notTo=People.slack_id(ben))
    asked = form.submit()
    (button,) = [one for one, _ in elements(asked) if one.get("action_id") == ids.COMMENT_INSTEAD]
    assert button["text"]["text"] == "Comment on ticket 1"
    # What is changed below the question counts; nothing is sent by the press.
    typed = {"title": "VPN drops a lot", "description": "At home <!here> &amp; there."}
    pressed = payloads.block_actions(form.view, ids.COMMENT_INSTEAD, user=user)
    pressed["view"]["state"] = payloads.view_submission(form.view, typed, user=user)["view"][
        "state"
    ]
    http_bot.answer(pressed)
    (pushed,) = slack.wait_for("views.push")
    above = dict(pushed.answer["view"])
    inputs = {one["block_id"]: one["element"] for one in above["blocks"] if "element" in one}
    assert inputs["text"]["initial_value"] == "VPN drops a lot\n\nAt home <!here> &amp; there."
    assert read(above)[1:3] == [
        "You chose to make it private, but ticket 1 is not. The moderators can read what you send "
        "here.",
        "The person you don't want to have it can read what you send here.",
    ]
    assert stored(db, "comments") == [(None,)]
    # Sent twice, it is one comment. Closing what is shown closes the form below, too.
    body = payloads.view_submission(above, {}, user=user)
    for _ in range(2):
        shown = http_bot.answer(body)["view"]
        assert headline(shown) == "Ticket 1 has your comment"
        assert shown["clear_on_close"] is True
    ((comments,),) = stored(db, "comments")
    assert [one["text"] for one in comments] == [inputs["text"]["initial_value"]]
    assert (comments[0]["by"], comments[0]["internal"]) == (ada.id, False)
    # Who goes back to the form finds it as it was.
    assert headline(form.submit()) == "Ticket 2 is filed"


def test_a_secret_in_it_is_warned_of_and_a_long_title_is_named(
    http_bot: HttpBot, slack: RecordingSlack, people: People, tickets: TicketService
) -> None:
    ada = people.add()
    user = People.slack_id(ada)
    file_ticket(tickets, ada, TITLE, DESCRIPTION)
    form = Form(http_bot, slack, ada)
    form.submit()
    long = f"{DESCRIPTION} password: hunter2".ljust(3_000, ".")
    typed = {"title": "VPN drops again", "description": long}
    pressed = payloads.block_actions(form.view, ids.COMMENT_INSTEAD, user=user)
    pressed["view"]["state"] = payloads.view_submission(form.view, typed, user=user)["view"][
        "state"
    ]
    http_bot.answer(pressed)
    (pushed,) = slack.wait_for("views.push")
    above = dict(pushed.answer["view"])
    assert read(above)[1] == (
        "This is the description alone, because the title has no room: “VPN drops again”"
    )
    answer = http_bot.answer(payloads.view_submission(above, {}, user=user))
    assert "looks like a password" in answer["errors"]["text"]


def test_only_open_tickets_of_the_same_requester_count(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    tickets: TicketService,
    services: Services,
) -> None:
    ada, ben = people.add(), people.add()
    first = file_ticket(tickets, ada, TITLE, DESCRIPTION)
    assert headline(Form(http_bot, slack, ben).submit()) == "Ticket 2 is filed"
    services.ticket_actions.cancel(actor=Actor.from_user(ada), ticket_id=str(first.id))
    assert headline(Form(http_bot, slack, ada).submit()) == "Ticket 3 is filed"
    # A ticket whose words are not stored yet is no obstacle.
    own = db.tickets.find_one({"teamId": TEAM_ID, "number": 3}) or {}
    db.tickets.update_one({"_id": own["_id"]}, {"$unset": {"search": ""}})
    assert headline(Form(http_bot, slack, ada).submit()) == "Ticket 4 is filed"
    invalid = Form(http_bot, slack, ada, title="V")
    body = payloads.view_submission(invalid.view, invalid.values, user=People.slack_id(ada))
    assert list(http_bot.answer(body)["errors"]) == ["title"]


def test_the_form_of_a_message_asks_and_keeps_the_message(
    http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo, tickets: TicketService
) -> None:
    ada = people.add()
    user = People.slack_id(ada)
    file_ticket(tickets, ada, TITLE, DESCRIPTION)
    message = {"type": "message", "user": user, "text": "VPN", "ts": "1700000000.000001"}
    http_bot.answer(payloads.message_shortcut("make_ticket", message, user=user))
    slack.wait_for("views.update")
    view = slack.last_view()
    shown = http_bot.answer(payloads.view_submission(view, AGAIN, user=user))["view"]
    assert headline(shown) == "Looks like your ticket 1"
    again = payloads.view_submission({**shown, "id": view["id"]}, {}, user=user)
    assert headline(http_bot.answer(again)["view"]) == "Ticket 2 is filed"
    assert db.tickets.count_documents({"source.ts": message["ts"], "number": 2}) == 1


def test_a_slow_database_files_without_the_question(
    mongo: MongoServer,
    redis: RedisServer,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    tickets: TicketService,
    tmp_path: Any,
) -> None:
    ada = people.add()
    file_ticket(tickets, ada, TITLE, DESCRIPTION)
    with SlowReadsProxy(mongo.port) as proxy:
        product = Product(
            mongo_uri=proxy.uri_for(db.name), redis=redis, slack=slack, directory=tmp_path
        )
        try:
            form = Form(HttpBot(product), slack, ada)
            proxy.seconds = 0.5
            assert headline(form.submit()) == "Ticket 2 is filed"
            assert proxy.delayed > 0
        finally:
            product.stop()


def test_staff_see_similar_tickets_and_how_they_were_solved(
    http_bot: HttpBot,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    services: Services,
    db: Mongo,
    clock: FixedClock,
) -> None:
    SAMPLES.clear()
    ada, ben, cleo = people.add(), people.add(Role.MODERATOR), people.add(Role.ADMIN)
    filed: list[Ticket] = []
    for number, title in enumerate(
        ("VPN drops at home", "VPN drops *often*", "VPN drops at night", "Chair", "VPN drops")
    ):
        filed.append(file_ticket(tickets, ada, title, f"It is down, {number}."))
        clock.advance(minutes=1)
    staff = Actor.from_user(ben)
    services.ticket_actions.resolve(
        actor=staff, ticket_id=str(filed[0].id), resolution="Renewed <!channel> the certificate."
    )
    services.ticket_edits.patch(
        actor=Actor.from_user(cleo), ticket_id=str(filed[1].id), changes={"private": True}
    )

    def page(user: User) -> Json:
        return http_bot.answer(
            payloads.slash_command(f"view {filed[4].number}", user=People.slack_id(user))
        )

    seen = read(page(ben))
    section = seen[seen.index("Similar tickets") :]
    assert {text for text in section if text.startswith("Ticket ")} == {
        "Ticket 1: VPN drops at home",
        "Ticket 3: VPN drops at night",
    }
    assert "What was done: Renewed <!channel> the certificate." in section
    assert "VPN drops *often*" not in str(seen)
    assert "Ticket 2: VPN drops *often*" in read(page(cleo))
    assert "Similar tickets" not in read(page(ada))
    buttons = [one for one, _ in elements(page(ben)) if one.get("action_id") == ids.LIST_OPEN]
    assert {one["value"] for one in buttons} == {str(filed[0].id), str(filed[2].id)}
