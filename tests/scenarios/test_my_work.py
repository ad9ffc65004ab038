"""Work of moderators over signed HTTP: the views of Home, and several tickets changed at once."""

from typing import Any

from services.core.database import Mongo
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.registry.services import Services
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, at_once, file_ticket
from tests.support import payloads
from tests.support.block_text import read
from tests.support.canary import FILED
from tests.support.http_bot import HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.view_state import elements

from tests.scenarios.test_lists import Listener, numbers  # isort: skip

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]
DENIED = "Your role does not allow you to see other people's tickets. Ask an admin if it should."


def open_home(bot: HttpBot, slack: RecordingSlack, user: User) -> Listener:
    slack_id = People.slack_id(user)
    published = len(slack.calls_to("views.publish"))
    assert bot.answer(payloads.home_opened(slack_id)) == {}
    slack.wait_for("views.publish", published + 1)
    return Listener(bot, slack, slack_id)


def open_form(bot: HttpBot, slack: RecordingSlack, user: User, action_id: str) -> Json:
    slack_id = People.slack_id(user)
    body = payloads.block_actions(slack.home(slack_id), action_id, user=slack_id)
    assert bot.answer(body) == {}
    return opened_by(slack, body["trigger_id"])


def test_a_moderator_assigns_what_no_one_has(
    product: Product,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    services: Services,
    clock: FixedClock,
    db: Mongo,
) -> None:
    bot = HttpBot(product)
    ann, ben, admin = people.add(), people.add(Role.MODERATOR), people.add(Role.ADMIN)
    filed: list[Ticket] = []
    clock.advance(hours=-1)  # the processes have their own
    for title in ("Printer", "VPN", "Sound", "Canary"):
        clock.advance(minutes=1)
        filed.append(file_ticket(tickets, ann, title))
    # Not for the worker: assignment would take the tickets that the moderator assigns.
    db.tickets.update_many({}, {"$set": {"outbox": False, "dueAt": clock()}})
    db.tickets.update_one({"title": "Canary"}, {"$set": {"private": True}})

    # Who sees which view.
    open_home(bot, slack, ann)
    user = people.slack_id(ann)
    assert not {"Waiting for me", "Unassigned", "Overdue"} & set(read(slack.home(user)))
    moderator = open_home(bot, slack, ben)
    forged = payloads.block_actions(slack.home(people.slack_id(ben)), "home_overdue", user=user)
    assert bot.answer(forged) == {}
    refused = slack.wait_for("views.open")[-1].args["view"]
    assert refused["blocks"][0]["text"]["text"] == DENIED
    assert numbers(moderator.press_in_home("home_waiting")) == []
    moderator.press_in_home("home_back")
    assert numbers(moderator.press_in_home("home_overdue")) == [1, 2, 3]
    moderator.press_in_home("home_back")
    assert numbers(moderator.press_in_home("home_unassigned")) == [1, 2, 3]
    assert numbers(moderator.press_in_home("list_sort", "age")) == [1, 2, 3]
    assert numbers(open_home(bot, slack, admin).press_in_home("home_unassigned")) == [1, 2, 3, 4]

    # The form, and what it will do. One ticket is resolved while it is open.
    form = open_form(bot, slack, ben, "bulk_assign")
    (boxes,) = (e for e, _ in elements(form) if e["type"] == "checkboxes")
    assert [box["text"]["text"] for box in boxes["options"]] == ["#1 Printer", "#2 VPN", "#3 Sound"]
    nils = people.add(Role.MODERATOR, "VPN", name="Nils Berg")
    services.ticket_actions.resolve(actor=Actor.from_user(admin), ticket_id=str(filed[1].id))
    # A box for the private ticket, which the form does not have.
    forged_boxes = [{"text": {}, "value": str(one.id)} for one in filed]
    chosen: Json = {"tickets": {"type": "checkboxes", "selected_options": forged_boxes}}
    chosen["assignedTo"] = str(nils.id)
    slack_id = people.slack_id(ben)
    answer = bot.answer(payloads.view_submission(form, chosen, user=slack_id))
    assert read(answer["view"]) == [
        "*2 tickets will be assigned to Nils Berg.*",
        "#1 Printer",
        "Open",
        "#3 Sound",
        "Open",
        "*2 tickets stay as they are.*",
        "#2 VPN",
        "The ticket is resolved.",
        "One of them is not there any more, or you may not see it.",
    ]
    assert not db.tickets.find_one({"assignedTo": {"$ne": None}, **FILED})

    # Two presses, of which each shows the same, and each ticket is assigned once.
    press = payloads.view_submission({**form, **answer["view"]}, {}, user=slack_id)
    for shown in at_once(*[lambda: bot.answer(press)] * 2):
        assert read(shown["view"]) == [
            "*2 tickets are assigned to Nils Berg now.*",
            "#1 Printer",
            "#3 Sound",
        ]
    for one, count in zip(filed, (1, 0, 1, 0), strict=True):
        doc = db.tickets.find_one({"_id": one.id}) or {}
        assert [event["type"] for event in doc["events"]].count("assigned") == count
        assert doc["assignedTo"] == (nils.id if count else None)

    # Each has its own messages, as after a single change.
    product.start("worker")
    product.start("jobs")
    eventually(lambda: is_outbox_empty(db), what="all have their messages", seconds=30)
    cards = [m for m in slack.messages(people.slack_id(nils)) if "thread_ts" not in m]
    assert sorted(card["text"].split("”")[0] for card in cards) == [
        "Ticket 1 “Printer",
        "Ticket 3 “Sound",
    ]

    # They wait for their assignee, until one is accepted, and again after an answer.
    by_nils, by_ann = Actor.from_user(nils), Actor.from_user(ann)
    services.ticket_actions.accept(actor=by_nils, ticket_id=str(filed[0].id))
    assignee = open_home(bot, slack, nils)
    assert numbers(assignee.press_in_home("home_waiting")) == [3]
    services.ticket_actions.ask_requester(
        actor=by_nils, ticket_id=str(filed[0].id), question="Which one?"
    )
    services.comments.add(actor=by_ann, ticket_id=str(filed[0].id), text="The big one.")
    assignee.press_in_home("home_back")
    shown = assignee.press_in_home("home_waiting")
    assert sorted(numbers(shown)) == [1, 3]
    assert "In progress, new message" in str(shown)
