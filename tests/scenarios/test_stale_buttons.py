"""Outdated and unauthorised buttons, and the pages they are on."""

import pytest

from services.home.sessions import Screen
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import Bot, People, pressed
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers, Json, buttons

pytest_plugins = ["tests.support.scenario"]


@pytest.mark.parametrize("step", ["accept", "resolve", "reassign", "wait"])
def test_an_old_card_says_how_it_stands_and_is_updated(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User, step: str
) -> None:
    old = system.card(ben)
    system.actions.take(**by(cleo, ticket))
    taken = system.now(ticket)
    system.press(ben, old, step)
    assert system.ephemeral_messages() == [
        (
            People.slack_id(ben),
            f"Ticket 1 is in progress and {cleo.name} has it now, so this was not done. "
            "Look at it again, then decide.",
        )
    ]
    assert system.slack.calls_to("views.open") == []
    assert system.now(ticket).events == taken.events
    system.work()
    assert system.texts(ben) == [
        f"{cleo.name} took it over.",
        f"taken over by {cleo.name}",
    ]
    assert buttons(system.card(ben)) == ["Details"]


def test_a_card_that_slack_shows_wrongly_is_updated(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User
) -> None:
    """The stored digest is current, but the press shows that Slack has an old card."""
    old = system.card(ann)
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    system.work(ticket)
    current = system.card(ann)
    system.slack.calls.clear()
    system.press(ann, {**old, "ts": current["ts"]}, "cancel")
    system.work()
    updated = [call.args["ts"] for call in system.slack.calls_to("chat.update")]
    assert updated == [current["ts"]]
    assert not system.now(ticket).is_in_outbox


def test_an_old_menu_says_so(system: BotAndWorkers, ticket: Ticket, ben: User) -> None:
    card = system.card(ben)
    menu = card["blocks"][-1]["elements"][-1]
    menu["options"][0]["value"] = "promote:65f0c0ffee65f0c0ffee0012"
    body = payloads.block_actions(
        card, "more", menu["options"][0]["value"], user=People.slack_id(ben)
    )
    system.bot.answer(body)
    assert system.ephemeral_messages() == [
        (
            People.slack_id(ben),
            "This menu is out of date. Open the ticket again with /ticket list.",
        )
    ]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("take", "work on tickets"),
        ("accept", "work on tickets"),
        ("reassign", "work on tickets"),
        ("wait", "work on tickets"),
        ("resolve", "resolve tickets"),
    ],
)
def test_a_role_that_is_not_enough(
    system: BotAndWorkers, ticket: Ticket, ann: User, step: str, words: str
) -> None:
    before = system.now(ticket)
    system.bot.answer(pressed(step, before, ann))
    assert system.ephemeral_messages() == [
        (
            People.slack_id(ann),
            f"Your role does not allow you to {words}. Ask an admin if it should.",
        )
    ]
    assert system.now(ticket) == before


@pytest.mark.parametrize("step", ["resolve", "take"])
def test_a_choice_in_the_menu_needs_the_role_of_its_button(
    system: BotAndWorkers, ticket: Ticket, ann: User, step: str
) -> None:
    before = system.now(ticket)
    value = f"{step}:{ticket.id}"
    option = {"text": {"type": "plain_text", "text": "x"}, "value": value}
    menu = {"type": "overflow", "action_id": "more", "options": [option]}
    message = {**system.card(ann), "blocks": [{"type": "actions", "elements": [menu]}]}
    system.bot.answer(payloads.block_actions(message, "more", value, user=People.slack_id(ann)))
    ((_, sentence),) = system.ephemeral_messages()
    assert sentence.startswith("Your role does not allow you to ")
    assert system.now(ticket) == before


@pytest.mark.parametrize("step", ["reopen", "cancel"])
def test_a_strangers_ticket_is_not_found(
    system: BotAndWorkers, ticket: Ticket, people: People, step: str
) -> None:
    before = system.now(ticket)
    stranger = people.add()
    system.bot.answer(pressed(step, before, stranger))
    assert system.ephemeral_messages() == [
        (People.slack_id(stranger), "There is no such ticket, or you may not see it.")
    ]
    assert system.now(ticket) == before


def in_home(system: BotAndWorkers, user: User, ticket: Ticket) -> Json:
    """Open the ticket's page in the user's Home."""
    system.bot.answer(payloads.home_opened(People.slack_id(user)))
    home = dict(system.slack.calls_to("views.publish")[-1].answer["view"])
    button = {
        "type": "button",
        "action_id": "home_open",
        "text": {"type": "plain_text", "text": "Open"},
        "value": Screen(ticket_id=ticket.id).encode(),
    }
    shown = {**home, "blocks": [{"type": "actions", "elements": [button]}]}
    body = payloads.block_actions(shown, "home_open", user=People.slack_id(user))
    system.bot.answer(body)
    return dict(system.slack.calls_to("views.publish")[-1].answer["view"])


def test_a_page_in_home_changes_at_once(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User
) -> None:
    page = in_home(system, ben, ticket)
    assert buttons(page)[:4] == ["Back", "Accept", "Reassign", "Decline"]
    system.press(ben, page, "accept")
    changed = system.slack.calls_to("views.publish")[-1].args["view"]
    assert buttons(changed)[:4] == ["Back", "Resolve", "Comment", "Ask the requester"]
    system.actions.take(**by(cleo, ticket))
    system.press(ben, page, "resolve")
    stale = system.slack.calls_to("views.publish")[-1].args["view"]
    assert buttons(stale)[:2] == ["Back", "Take over"]
    told = system.slack.last_view()["blocks"][0]["text"]["text"]
    assert told.startswith(f"Ticket 1 is in progress and {cleo.name} has it now, so")


@pytest.mark.parametrize("is_stale", [False, True])
def test_a_page_among_the_messages_changes_at_once(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User, is_stale: bool
) -> None:
    url = system.slack.response_url()
    body = pressed("accept", system.now(ticket), ben, response_url=url)
    body["container"]["is_ephemeral"] = True
    del body["message"]
    if is_stale:
        system.actions.take(**by(cleo, ticket))
    system.bot.answer(body)
    (shown,) = system.slack.calls_to("response_url")
    assert shown.args["replace_original"] is True
    expected = "Take over" if is_stale else "Resolve"
    assert buttons(shown.args)[0] == expected
    assert len(system.ephemeral_messages()) == is_stale


def test_a_page_that_slack_does_not_change_costs_nothing(
    system: BotAndWorkers, ticket: Ticket, ben: User, caplog: pytest.LogCaptureFixture
) -> None:
    page = in_home(system, ben, ticket)
    system.slack.fail("views.publish", status=500)
    system.press(ben, page, "accept")
    assert system.now(ticket).accepted_at is not None
    assert system.ephemeral_messages() == []
    assert "could not refresh the page" in caplog.text


def test_the_database_is_away(
    bot_without_database: Bot, system: BotAndWorkers, ticket: Ticket, ben: User
) -> None:
    body = payloads.block_actions(system.card(ben), "accept", user=People.slack_id(ben))
    bot_without_database.answer(body)
    assert system.ephemeral_messages() == [
        (
            People.slack_id(ben),
            "This does not work right now, because the database is away. Try again in a minute.",
        )
    ]
