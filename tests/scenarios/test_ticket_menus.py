"""Priority and assignee changed in the menus of a ticket's page: as a message and in Home."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.handlers.ticket_page import CHANGED_UNSEEN
from bot.views import ids
from services.models.events import EventType
from services.models.permissions import Actor
from services.models.ticket import Priority, Ticket
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.block_text import read
from tests.support.blockkit import check_message
from tests.support.bot_and_workers import BotAndWorkers, Json
from tests.support.home_visitor import Visitor
from tests.support.view_state import find_element

pytest_plugins = ["tests.support.scenario"]


class PageReader:
    """A user in front of the ticket's page in a message."""

    def __init__(self, system: BotAndWorkers, user: User) -> None:
        self._system = system
        self.slack_id = People.slack_id(user)
        self.shown: Json = {}

    def open(self) -> "PageReader":
        answer = self._system.bot.answer(payloads.slash_command("view 1", user=self.slack_id))
        self.shown = {"channel": "D0X", "ts": "1700000000.000001", "blocks": answer["blocks"]}
        return self

    def see(self) -> list[str]:
        return read(self.shown)

    def choose(self, action_id: str, value: str, **overrides: Any) -> list[str]:
        slack = self._system.slack
        url = overrides.pop("response_url", "") or slack.response_url()
        body = payloads.block_actions(
            self.shown, action_id, value, user=self.slack_id, response_url=url, **overrides
        )
        del body["message"]
        body["container"]["is_ephemeral"] = True
        before = len(slack.calls_to("response_url"))
        assert self._system.bot.answer(body) == {}
        for call in slack.calls_to("response_url")[before:]:
            if call.status == 200:
                assert call.args["replace_original"]
                assert check_message(call.args) == []
                self.shown = {**self.shown, "blocks": call.args["blocks"]}
        return self.see()


class HomeReader(Visitor):
    """A user in front of the ticket's page in Home."""

    def open_page(self) -> "HomeReader":
        self.open()
        self.press("Open")
        return self

    @property
    def shown(self) -> Json:
        return self._slack.home(self.slack_id)


Page = PageReader | HomeReader
Opener = Callable[[User], Page]


@pytest.fixture(params=["message", "home"])
def opened(request: pytest.FixtureRequest, system: BotAndWorkers) -> Opener:
    """Opens the page of the ticket that is assigned to the user."""

    def open_page(user: User) -> Page:
        if request.param == "home":
            return HomeReader(system.bot, system.slack, user).open_page()
        return PageReader(system, user).open()

    return open_page


def chosen(page: Page, action_id: str) -> str | None:
    element, _ = find_element(page.shown, action_id, None)
    option = element.get("initial_option")
    return option["text"]["text"] if option else None


def person(value: str) -> Any:
    """Return the state of a menu whose options Slack has asked for."""
    return {"selected_option": {"text": {"type": "plain_text", "text": "x"}, "value": value}}


def offered(system: BotAndWorkers, page: Page, typed: str = "") -> dict[str, str]:
    body = payloads.block_suggestion(page.shown, ids.SET_ASSIGNEE, typed, user=page.slack_id)
    options = system.bot.answer(body)["options"]
    return {option["text"]["text"].partition(" · ")[0]: option["value"] for option in options}


def test_the_priority_is_changed_in_place(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, opened: Opener
) -> None:
    page = opened(ben)
    assert chosen(page, ids.SET_PRIORITY) == ":large_blue_circle: Medium"
    seen = page.choose(ids.SET_PRIORITY, "urgent")
    assert chosen(page, ids.SET_PRIORITY) == ":red_circle: Urgent"
    assert f"{ben.name} set the priority to Urgent" in str(seen)
    now = system.now(ticket)
    assert now.priority is Priority.URGENT
    edit = now.events[-1]
    assert (edit.type, edit.by, edit.field, edit.from_, edit.to) == (
        EventType.EDITED,
        ben.id,
        "priority",
        "medium",
        "urgent",
    )
    system.work()
    for user in (ann, ben):
        assert read(system.card(user))[1].startswith(":red_circle: Urgent")
    page.choose(ids.SET_PRIORITY, "urgent")  # a second press
    assert system.now(ticket).seq == now.seq


def test_the_assignee_is_changed_in_place_and_people_are_notified(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User, opened: Opener
) -> None:
    page = opened(ben)
    assert chosen(page, ids.SET_ASSIGNEE) == ben.name
    people = offered(system, page)
    assert {ben.name, cleo.name} <= people.keys()
    assert offered(system, page, "printer").keys() == {cleo.name}
    seen = page.choose(
        ids.SET_ASSIGNEE,
        person(people[str(cleo.name)]),
    )
    assert chosen(page, ids.SET_ASSIGNEE) == cleo.name
    assert f"{ben.name} assigned it to {cleo.name}" in str(seen)
    assert system.now(ticket).assigned_to == cleo.id
    system.work()
    assert system.texts(cleo) == ["assigned to you"]
    assert system.texts(ben) == [f"You reassigned it to {cleo.name}."]
    assert system.texts(ann) == [f"assigned to {cleo.name}"]


def test_of_two_who_change_it_the_slower_reads_so_on_the_page(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User, opened: Opener
) -> None:
    page = opened(ben)
    system.runtime.services.ticket_edits.update(
        actor=Actor.from_user(cleo),
        ticket_id=str(ticket.id),
        expected_seq=system.now(ticket).seq,
        changes={"priority": "low"},
    )
    seen = page.choose(ids.SET_PRIORITY, "urgent")
    assert seen[1] == (
        f":warning: Since you opened this page, {cleo.name} set the priority to Low. Nothing was "
        "changed. Choose again if you still want to."
    )
    assert system.now(ticket).priority is Priority.LOW
    system.work(ticket)  # refreshes Home, too
    assert page.see()[1] == seen[1]
    assert "warning" not in str(page.choose(ids.SET_PRIORITY, "urgent"))
    assert system.now(ticket).priority is Priority.URGENT


def test_of_two_choices_of_one_user_the_later_counts(
    system: BotAndWorkers, ticket: Ticket, ben: User
) -> None:
    page = PageReader(system, ben).open()
    before = page.shown
    page.choose(ids.SET_PRIORITY, "high")
    page.shown = before
    assert "warning" not in str(page.choose(ids.SET_PRIORITY, "urgent"))
    assert system.now(ticket).priority is Priority.URGENT


def test_what_the_state_does_not_allow_is_refused_on_the_page(
    system: BotAndWorkers, ticket: Ticket, ben: User, cleo: User, opened: Opener
) -> None:
    page = opened(ben)
    system.actions.resolve(**by(ben, ticket), resolution="Done.")
    seen = page.choose(ids.SET_ASSIGNEE, person(str(cleo.id)))
    assert seen[1] == (":warning: Reopen it before you change who has it: ticket 1 is resolved.")
    assert system.now(ticket).assigned_to == ben.id
    with pytest.raises(LookupError):  # a resolved ticket has no menus
        chosen(page, ids.SET_PRIORITY)


@pytest.mark.parametrize("action_id", [ids.SET_PRIORITY, ids.SET_ASSIGNEE])
def test_a_requester_has_no_menus_and_may_not_use_them(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User, action_id: str
) -> None:
    requester, staff = PageReader(system, ann).open(), PageReader(system, ben).open()
    assert action_id not in str(requester.shown)
    requester.shown = staff.shown  # forged
    requester.choose(action_id, person("urgent"))
    assert system.ephemeral_messages()[-1][1].startswith("Your role does not allow you to")
    now = system.now(ticket)
    assert (now.priority, now.assigned_to) == (Priority.MEDIUM, ben.id)
    body = payloads.block_suggestion(staff.shown, ids.SET_ASSIGNEE, user=People.slack_id(ann))
    assert system.bot.answer(body) == {"options": []}


def test_a_page_that_slack_no_longer_updates_says_that_it_is_changed(
    system: BotAndWorkers, ticket: Ticket, ben: User
) -> None:
    page = PageReader(system, ben).open()
    url = system.slack.response_url()
    for number in range(6):
        page.choose(ids.SET_PRIORITY, ("high", "urgent")[number % 2], response_url=url)
    assert system.ephemeral_messages()[-1][1] == CHANGED_UNSEEN
    assert system.now(ticket).priority is Priority.URGENT


def test_taking_it_from_who_has_accepted_it_asks_first(
    system: BotAndWorkers, ticket: Ticket, ben: User, people: People
) -> None:
    admin = people.add(Role.ADMIN)

    def asks(user: User) -> bool:
        page = PageReader(system, user).open()
        return "confirm" in find_element(page.shown, ids.SET_ASSIGNEE, None)[0]

    assert not asks(admin)
    system.actions.accept(**by(ben, ticket))
    assert asks(admin)
    assert not asks(ben)
