"""The history of a ticket: one line an act, and all of it in a modal."""

from collections.abc import Callable
from typing import Any

from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import FixedClock, People
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.escalation_day import texts

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]


def details(system: BotAndWorkers, user: User, ticket: Ticket) -> Json:
    system.slack.calls.clear()
    command = payloads.slash_command(f"view {ticket.number}", user=People.slack_id(user))
    return system.bot.answer(command)


def history(shown: Json) -> list[str]:
    """Return the lines below the heading, without the times."""
    start = next(i for i, b in enumerate(shown["blocks"]) if "History" in str(b.get("text")))
    found = [block for block in shown["blocks"][start + 1 :] if block["type"] == "context"]
    lines = [line for block in found for line in texts({"blocks": [block]})[0].split("\n")]
    return [line.rpartition(" · ")[0] or line for line in lines]


def show_all(system: BotAndWorkers, user: User, shown: Json) -> Json:
    message = {**shown, "ts": "1.5", "channel": "D0X"}
    body = payloads.block_actions(message, "show_history", user=People.slack_id(user))
    assert system.bot.answer(body) == {}
    return system.slack.last_view()


def test_each_act_is_one_line(
    system: BotAndWorkers, clock: FixedClock, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    acts: list[Callable[[], object]] = [
        lambda: system.actions.accept(**by(ben, ticket)),
        lambda: system.actions.ask_requester(**by(ben, ticket), question="Which office?"),
        lambda: system.runtime.services.comments.add(**by(ann, ticket), text="Bern"),
        lambda: system.actions.reassign(**by(ben, ticket), assignee_id=str(cleo.id)),
        lambda: system.actions.resolve(**by(cleo, ticket), resolution="Done."),
        lambda: system.actions.reopen(**by(ann, ticket), reason="Not in Basel."),
        lambda: system.actions.accept(**by(cleo, ticket)),
        lambda: system.runtime.services.ticket_edits.update(
            actor=Actor.from_user(cleo),
            ticket_id=str(ticket.id),
            expected_seq=system.now(ticket).seq,
            changes={"title": "VPN in Basel", "priority": "high"},
        ),
    ]
    for act in acts:
        clock.advance(minutes=1)
        act()
    assert history(details(system, ben, ticket)) == [
        f"{ann.name} filed the ticket",
        "Help desk analysed the ticket",
        f"Help desk assigned it to {ben.name}",
        f"{ben.name} accepted it",
        f"{ben.name} asked the requester: Which office?",
        f"{ann.name} answered",
        f"{ben.name} assigned it to {cleo.name}",
        f"{cleo.name} resolved it",
        f"{ann.name} reopened it: Not in Basel.",
        f"{cleo.name} accepted it",
        f"{cleo.name} changed the title and set the priority to High",
    ]
    # The requester does not read who had it before, nor that its status changed with that.
    assert history(details(system, ann, ticket)) == [
        f"{ann.name} filed the ticket",
        "Help desk analysed the ticket",
        f"{ben.name} accepted it",
        f"{ben.name} asked the requester",
        f"{ann.name} answered",
        f"{ben.name} assigned it to {cleo.name}",
        f"{cleo.name} resolved it",
        f"{ann.name} reopened it",
        f"{cleo.name} accepted it",
        f"{cleo.name} changed the title and set the priority to High",
    ]


def test_a_long_history_and_conversation_are_shown_in_a_modal(
    system: BotAndWorkers, clock: FixedClock, ticket: Ticket, people: People, ann: User, ben: User
) -> None:
    assert "Show all" not in buttons(details(system, ann, ticket))
    for number in range(12):
        clock.advance(minutes=1)
        internal = number == 3
        system.runtime.services.comments.add(
            **by(ben, ticket), text=f"No. <{number}>", internal=internal
        )
    shown = details(system, ann, ticket)
    assert "No. <0>" not in str(shown)
    assert "Show all" in buttons(shown)
    view = show_all(system, ann, shown)
    assert view["title"]["text"] == "Ticket 1"
    assert history(view) == [
        f"{ann.name} filed the ticket",
        "Help desk analysed the ticket",
        f"Help desk assigned it to {ben.name}",
        *[f"{ben.name} commented"] * 11,
    ]
    assert [text for text in texts(view) if text.startswith("No. ")] == [
        f"No. <{number}>" for number in range(12) if number != 3
    ]
    assert "No. <3>" in str(show_all(system, ben, details(system, ben, ticket)))
    (refused,) = show_all(system, people.add(), shown)["blocks"]
    assert refused["text"]["text"] == "There is no such ticket, or you may not see it."


def test_home_has_it_too(
    system: BotAndWorkers, clock: FixedClock, ticket: Ticket, ann: User, ben: User
) -> None:
    for number in range(32):
        clock.advance(minutes=30)
        system.runtime.services.comments.add(**by(ben, ticket), text=f"No. {number}")
    home = payloads.block_actions(
        system.card(ann), "details", user=People.slack_id(ann), value=str(ticket.id)
    )
    system.bot.answer({**home, "response_url": system.slack.response_url()})
    page = system.slack.calls_to("response_url")[-1].args
    assert "Show all" in buttons(page)
    assert len(history(show_all(system, ann, page))) == 35
