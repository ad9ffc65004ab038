"""Ticket actions over signed HTTP, with bot, worker and jobs processes."""

from typing import Any

from services.core.database import Mongo
from services.models.ticket import Status
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.block_text import without_facts
from tests.support.canary import FILED
from tests.support.http_bot import HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]


def texts(slack: RecordingSlack, user: User) -> list[str]:
    shown = slack.messages(People.slack_id(user))
    return [without_facts(m["text"].split("”: ", 1)[1]) for m in shown if "thread_ts" not in m]


def test_from_accepting_to_cancelling(
    product: Product, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    bot = HttpBot(product)
    product.start("worker")
    product.start("jobs")
    ann = people.add()
    ben, cleo = people.add(Role.MODERATOR, "VPN"), people.add(Role.MODERATOR, "Printer")
    a, b, c = (people.slack_id(user) for user in (ann, ben, cleo))

    def wait_for_texts(*expected: tuple[User, list[str]]) -> None:
        eventually(
            lambda: (
                is_outbox_empty(db) and all(texts(slack, user) == said for user, said in expected)
            ),
            what=f"{expected}, and not {[texts(slack, user) for user, _ in expected]}",
            seconds=30,
        )

    def filled_in(press: Json, user: str, **values: str | None) -> None:
        assert bot.answer(press) == {}
        view = opened_by(slack, press["trigger_id"])
        assert bot.answer(payloads.view_submission(view, values, user=user)) == {}

    bot.answer(bot.filled_in(slack, a, title="The VPN drops"))
    wait_for_texts((ann, [f"assigned to {ben.name}"]), (ben, ["assigned to you"]), (cleo, []))

    (card,) = slack.messages(b)
    accept = payloads.block_actions(card, "accept", user=b)
    assert [bot.answer(accept), bot.answer(accept)] == [{}, {}]
    eventually(
        lambda: is_outbox_empty(db) and bool(db.tickets.find_one({"events.type": "accepted"})),
        what="it is accepted, and everybody was told",
    )
    (accepted,) = db.tickets.find(FILED)
    assert [e["type"] for e in accepted["events"]].count("accepted") == 1

    filled_in(
        payloads.menu_choice(slack.messages(b)[0], "reassign", user=b), b, assignedTo=str(cleo.id)
    )
    wait_for_texts((ben, [f"You reassigned it to {cleo.name}."]), (cleo, ["assigned to you"]))

    # The outdated card that Ben still has open.
    assert bot.answer(payloads.menu_choice(card, "resolve", user=b)) == {}
    again, told = slack.wait_for("chat.postEphemeral", count=2)
    assert again.args["text"] == "You have already accepted ticket 1."
    assert (told.args["user"], told.args["text"]) == (
        b,
        f"Ticket 1 is assigned to {cleo.name} now, so this was not done. "
        "Look at it again, then decide.",
    )

    filled_in(payloads.menu_choice(slack.messages(c)[0], "wait", user=c), c, question="Since when?")
    question = f"{cleo.name} waits for your answer"
    wait_for_texts((ann, [f"waiting for your answer ({cleo.name})", question]))
    assert len(slack.messages(c)) == 1  # no copy of her own question

    filled_in(
        payloads.block_actions(slack.messages(c)[0], "resolve", user=c), c, resolution="New client."
    )
    done = f"resolved by {cleo.name}"
    wait_for_texts((ann, [done, done, done]), (cleo, [done]))

    reopen = payloads.block_actions(slack.messages(a)[2], "reopen", user=a)
    filled_in(reopen, a, reason="It drops again.")
    wait_for_texts(
        (ann, [f"reopened ({cleo.name})", done, "you reopened it"]),
        (cleo, ["assigned to you", f"reopened by {ann.name}"]),
    )

    filled_in(payloads.block_actions(slack.messages(a)[0], "cancel", user=a), a)
    cancelled = f"cancelled by {ann.name}"
    wait_for_texts(
        (ann, [cancelled, done, "you reopened it"]),
        (ben, [f"You reassigned it to {cleo.name}. It is cancelled."]),
        (cleo, [cancelled, cancelled, cancelled]),
    )
    (ticket,) = db.tickets.find(FILED)
    assert (ticket["status"], ticket["assignedTo"]) == (Status.COMPLETED, cleo.id)
    assert {delivery["state"] for delivery in ticket["notices"]} == {"sent"}


def test_of_two_moderators_one_takes_it(
    product: Product, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    bot = HttpBot(product)
    product.start("worker")
    product.start("jobs")
    ann = people.add()
    admins = [people.add(Role.ADMIN, capacity=0) for _ in range(2)]
    bot.answer(bot.filled_in(slack, people.slack_id(ann), title="The roof leaks"))
    eventually(
        lambda: all(len(texts(slack, admin)) == 1 for admin in admins), what="admins are told"
    )
    for admin in admins:
        card = slack.messages(people.slack_id(admin))[0]
        press = payloads.block_actions(card, "reassign", user=people.slack_id(admin))
        if admin is admins[0]:
            assert bot.answer(press) == {}
            view = opened_by(slack, press["trigger_id"])
            form = payloads.view_submission(
                view, {"assignedTo": str(admin.id)}, user=people.slack_id(admin)
            )
            assert bot.answer(form) == {}
        else:
            assert bot.answer(press) == {}
    (told,) = slack.wait_for("chat.postEphemeral")
    assert told.args["text"].startswith(
        f"Ticket 1 is in progress and {admins[0].name} has it now, so this was not done."
    )
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    told_all = [["You took it."], [f"{admins[0].name} took it."]]
    eventually(
        lambda: [texts(slack, admin) for admin in admins] == told_all,
        what="both alerts say who took it",
        seconds=30,
    )
