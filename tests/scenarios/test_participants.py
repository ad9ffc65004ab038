"""Participants of a ticket: added, notified of comments, removed, and what they may not do."""

from typing import Any

import pytest

from bot.views.modals.participants import PRIVATE_CHOICE
from services.core.errors import NotFound
from services.editing.participants import (
    ADDED_ONESELF,
    BECAME_PRIVATE,
    CHOOSE_SOMEONE,
    NOT_A_PARTICIPANT,
    ONLY_REQUESTER_AND_STAFF,
    PRIVATE_UNCONFIRMED,
)
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.comment_helpers import card_of, changed, in_thread, said
from tests.support.home_visitor import Visitor
from tests.support.view_state import elements

pytest_plugins = ["tests.support.scenario"]

Json = dict[str, Any]
NAME = "Ticket 1 “VPN is down”"


@pytest.fixture
def dan(people: People) -> User:
    """A user who is added to the ticket."""
    return people.add()


def open_people(system: BotAndWorkers, user: User, ticket: Ticket) -> Json:
    """Open the form from the ticket's page, which `/ticket N` shows."""
    slack_id = People.slack_id(user)
    page = system.bot.answer(payloads.slash_command(str(ticket.number), user=slack_id))
    shown = {"channel": "D0X", "ts": "1.1", "blocks": page["blocks"]}
    url = system.slack.response_url()
    body = payloads.block_actions(shown, "add_people", user=slack_id, response_url=url)
    assert system.bot.answer(body) == {}
    return system.slack.last_view()


def change(system: BotAndWorkers, user: User, ticket: Ticket, **values: Any) -> Json:
    view = open_people(system, user, ticket)
    body = payloads.view_submission(view, values, user=People.slack_id(user))
    answer = system.bot.answer(body)
    system.work()
    return answer


def add(system: BotAndWorkers, user: User, ticket: Ticket, *people: User, **values: Any) -> Json:
    members = [People.slack_id(one) for one in people]
    return change(system, user, ticket, people=members, **values)


def leave(system: BotAndWorkers, user: User, message: Json) -> None:
    body = payloads.block_actions(
        message, "leave", user=People.slack_id(user), response_url=system.slack.response_url()
    )
    assert system.bot.answer(body) == {}
    system.work()


def errors(answer: Json) -> Json:
    return dict(answer["errors"])


def posted(system: BotAndWorkers, user: User) -> list[str]:
    """Return the texts that the bot has posted to the user."""
    return [m["text"] for m in system.messages(user) if "bot_id" in m]


def test_a_participant_gets_a_card_and_comments_and_leaves(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User, dan: User
) -> None:
    assert add(system, ann, ticket, dan) == {}
    (card,) = system.messages(dan)
    assert card["text"] == f"{NAME}: {ann.name} added you"
    assert buttons(card) == ["Comment", "Details", "Leave"]
    for author in (ben, dan, ann):  # each in the thread of their own card
        text = f"Words of {author.name}"
        system.bot.answer(said(system.slack, author, card_of(system.slack, author), text))
        system.work()
    threads = {user: in_thread(system.slack, user, card_of(system.slack, user))
               for user in (ann, ben, dan)}  # fmt: skip
    wrote = {user: f"Ticket 1: {user.name} wrote: Words of {user.name}" for user in threads}
    assert threads == {
        ann: [wrote[ben], wrote[dan]],
        ben: [wrote[dan], wrote[ann]],
        dan: [wrote[ben], wrote[ann]],
    }
    system.runtime.services.comments.add(
        actor=Actor.from_user(cleo), ticket_id=str(ticket.id), text="For the staff", internal=True
    )
    system.actions.resolve(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), resolution="A new cable"
    )
    system.work(ticket)
    # Nothing but the card and the replies; what was done shows on the card.
    assert len(posted(system, dan)) == 3
    (card, *_) = system.messages(dan)
    assert "A new cable" in str(card)
    assert "For the staff" not in str(system.messages(dan))

    leave(system, dan, card)
    leave(system, dan, card)  # a second press
    after = system.now(ticket)
    assert after.participants == ()
    assert [event.type for event in after.events].count("participant_removed") == 1
    (card, *_) = system.messages(dan)
    assert read(card) == ["Ticket 1: you no longer take part in it."]
    answered = said(system.slack, dan, card, "Am I still here?")
    system.bot.answer(answered)
    assert system.ephemeral_messages()[-1] == (
        People.slack_id(dan),
        "There is no such ticket, or you may not see it. This message was not passed on.",
    )
    system.bot.answer(said(system.slack, ben, card_of(system.slack, ben), "Bye"))
    system.work()
    assert len(posted(system, dan)) == 3


def test_comments_from_before_are_on_the_page_only(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, dan: User
) -> None:
    system.bot.answer(said(system.slack, ben, card_of(system.slack, ben), "Written before"))
    system.work()
    assert add(system, ann, ticket, dan) == {}
    assert len(posted(system, dan)) == 1
    assert "Written before" not in str(system.messages(dan))
    shown = system.bot.answer(payloads.slash_command("1", user=People.slack_id(dan)))
    assert "Written before" in str(shown)


def test_an_edit_of_a_comment_does_not_reach_those_who_left(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, dan: User
) -> None:
    add(system, ann, ticket, dan)
    comment = said(system.slack, ben, card_of(system.slack, ben), "First")
    system.bot.answer(comment)
    system.work()
    (card, *_) = system.messages(dan)
    leave(system, dan, card)
    system.bot.answer(changed(comment, "Second"))
    system.work()
    assert "Second" in str(system.messages(ann))
    assert "Second" not in str(system.messages(dan))


def test_the_page_names_them_and_its_history_who_added_whom(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User, dan: User
) -> None:
    add(system, ben, ticket, dan, cleo)
    change(system, ann, ticket, removed=[str(cleo.id)])
    pages = {}
    for user in (ann, ben, dan):
        answer = system.bot.answer(payloads.slash_command("1", user=People.slack_id(user)))
        pages[user] = read(answer)
    label = f"*Participants*\n<@{People.slack_id(dan)}>"
    for user, page in pages.items():
        assert label in page
        assert page[page.index(label) + 1] == ("Leave" if user == dan else "Add or remove people")
        shown = "\n".join(page)
        assert f"{ben.name} added {dan.name} and {cleo.name} · " in shown
        assert f"{ann.name} removed {cleo.name} · " in shown
    assert posted(system, cleo) == ["Ticket 1: you no longer take part in it."]


def test_home_and_the_api_list_what_one_takes_part_in(
    system: BotAndWorkers, ticket: Ticket, ann: User, dan: User
) -> None:
    visitor = Visitor(system.bot, system.slack, dan)
    assert "Open tickets you take part in" not in visitor.open()
    add(system, ann, ticket, dan)
    home = visitor.open()
    rows = home[home.index("Open tickets you take part in") :]
    assert rows[1:3] == ["Ticket 1: VPN is down", "Open"]
    assert visitor.press("All you take part in")[0] == "Tickets you take part in"
    assert "Leave" in visitor.press("Open")
    listed = system.runtime.services.ticket_pager.newest_page(actor=Actor.from_user(dan))
    assert [one.id for one in listed.tickets] == [ticket.id]
    assert "Leave" not in visitor.press("Leave")  # back in the list, which is empty
    assert visitor.see()[-1] == "You take part in no open ticket of someone else."


@pytest.mark.parametrize("step", ["take", "resolve", "update", "note", "cancel", "reassign"])
def test_a_participant_cannot_act(
    system: BotAndWorkers, ticket: Ticket, ann: User, dan: User, step: str
) -> None:
    add(system, ann, ticket, dan)
    before = system.now(ticket)
    button = {"type": "button", "action_id": step, "text": {"text": "x"}, "value": str(ticket.id)}
    message = {**system.messages(dan)[0], "blocks": [{"type": "actions", "elements": [button]}]}
    system.slack.clear()
    system.bot.answer(payloads.block_actions(message, step, user=People.slack_id(dan)))
    assert len(system.slack.calls_to("chat.postEphemeral")) == 1
    assert system.slack.calls_to("views.open") == []
    after = system.now(ticket)
    assert (after.status, after.assigned_to, after.events) == (
        before.status,
        before.assigned_to,
        before.events,
    )


def test_only_requester_and_staff_add_people(
    system: BotAndWorkers, ticket: Ticket, ann: User, cleo: User, dan: User, people: People
) -> None:
    eve = people.add()
    add(system, ann, ticket, dan)
    view = open_people(system, ann, ticket)
    for user, refusal in ((dan, ONLY_REQUESTER_AND_STAFF), (eve, "There is no such ticket")):
        body = payloads.view_submission(
            view, {"people": [People.slack_id(eve)]}, user=People.slack_id(user)
        )
        assert errors(system.bot.answer(body))["people"].startswith(refusal)
        remove = payloads.view_submission(
            view, {"removed": [str(dan.id)]}, user=People.slack_id(user)
        )
        assert errors(system.bot.answer(remove))["people"].startswith(refusal)
    assert system.now(ticket).participants == (dan.id,)
    assert add(system, cleo, ticket, eve) == {}
    assert system.now(ticket).participants == (dan.id, eve.id)


def test_a_moderator_of_a_private_ticket_who_takes_part_adds_no_one(
    system: BotAndWorkers, ticket: Ticket, ann: User, cleo: User, dan: User
) -> None:
    add(system, ann, ticket, cleo)
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"private": True}})
    view = {**open_people(system, ann, ticket)}
    body = payloads.view_submission(
        view, {"people": [People.slack_id(dan)]}, user=People.slack_id(cleo)
    )
    assert errors(system.bot.answer(body)) == {"people": ONLY_REQUESTER_AND_STAFF}


def test_who_is_not_added(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User, dan: User
) -> None:
    slack = system.slack
    slack.add_member(
        "U0GUEST", email="guest@example.com", name="Gil <!channel>", is_restricted=True
    )
    slack.add_member("U0GONE", email="gone@example.com", name="Gone", deleted=True)
    slack.add_member("U0PROOF", email="proof@example.com", name="Pru")
    services = system.runtime.services
    services.sign_in.sign_up(email="proof@example.com", password="correct horse battery")
    services.users.confirm_email(actor=OPERATOR, email="proof@example.com")
    slack.add_member("U0NEW", email="new@example.com", name="Newt")
    system.db.users.update_one({"_id": dan.id}, {"$set": {"active": False}})
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"notTo": cleo.id}})
    refused = {
        People.slack_id(ann): ADDED_ONESELF,
        People.slack_id(ben): f"{ben.name} has this ticket, and reads all of its comments already.",
        People.slack_id(cleo): f"The requester does not want {cleo.name} to get this ticket.",
        People.slack_id(dan): f"{dan.name} has a deactivated account here. Choose someone else.",
        "U0GUEST": "Gil <!channel> is a guest in Slack. Choose a full member.",
        "U0GONE": "Gone is an app, or has left Slack. Choose someone else.",
        "U0PROOF": "Pru has linked no account here yet. Ask them to type /account in Slack.",
        "U0UNKNOWN": "This person is an app, or has left Slack. Choose someone else.",
    }
    answers = {one: change(system, ann, ticket, people=[one]) for one in refused}
    expected = {one: {"people": sentence} for one, sentence in refused.items()}
    assert {one: answer.get("errors") for one, answer in answers.items()} == expected
    assert errors(change(system, ann, ticket, people=[])) == {"people": CHOOSE_SOMEONE}
    assert add(system, cleo, ticket, ann)["errors"]["people"] == (
        f"{ann.name} is the requester, and reads all of its comments already."
    )
    assert system.now(ticket).participants == ()
    # A member who has not used the app yet gets an account.
    assert change(system, ann, ticket, people=["U0NEW"]) == {}
    (added,) = system.now(ticket).participants
    user = system.runtime.services.users.get(added)
    assert user
    assert (user.name, user.role, user.email) == ("Newt", Role.USER, "new@example.com")
    assert len(slack.messages("U0NEW")) == 1


def test_a_ticket_has_twenty_participants(
    system: BotAndWorkers, ticket: Ticket, ann: User, people: People
) -> None:
    crowd = [people.add() for _ in range(21)]
    view = open_people(system, ann, ticket)
    (picker,) = [one for one, _ in elements(view) if one["type"] == "multi_users_select"]
    assert picker["max_selected_items"] == 20
    # No client sends more, but a forged form does.
    too_many = "A ticket has at most 20 participants. Choose fewer people."
    assert errors(add(system, ann, ticket, *crowd)) == {"people": too_many}
    assert add(system, ann, ticket, *crowd[:20]) == {}
    view = open_people(system, ann, ticket)
    assert "A ticket has at most 20 participants. Remove some to add others." in read(view)
    services = system.runtime.services
    with pytest.raises(Exception, match="and this one has 20"):
        services.participants.change(
            actor=Actor.from_user(ann), ticket_id=str(ticket.id), added=[crowd[20].id]
        )
    assert len(system.now(ticket).participants) == 20


def test_a_form_submitted_twice_adds_once(
    system: BotAndWorkers, ticket: Ticket, ann: User, dan: User
) -> None:
    view = open_people(system, ann, ticket)
    values = {"people": [People.slack_id(dan), People.slack_id(dan)]}
    body = payloads.view_submission(view, values, user=People.slack_id(ann))
    assert [system.bot.answer(body), system.bot.answer(body)] == [{}, {}]
    system.work()
    after = system.now(ticket)
    assert after.participants == (dan.id,)
    assert [event.type for event in after.events].count("participant_added") == 1
    assert len(posted(system, dan)) == 1


def test_who_is_added_again_has_the_same_card(
    system: BotAndWorkers, ticket: Ticket, ann: User, dan: User
) -> None:
    for _ in range(3):
        add(system, ann, ticket, dan)
        change(system, ann, ticket, removed=[str(dan.id)])
    assert posted(system, dan) == ["Ticket 1: you no longer take part in it."]
    add(system, ann, ticket, dan)
    assert posted(system, dan) == [f"{NAME}: {ann.name} added you"]


def test_a_participant_who_is_deactivated_is_not_reached(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, dan: User
) -> None:
    add(system, ann, ticket, dan)
    system.db.users.update_one({"_id": dan.id}, {"$set": {"active": False}})
    system.bot.answer(said(system.slack, ben, card_of(system.slack, ben), "Secret plans"))
    system.work()
    assert posted(system, dan) == ["Ticket 1: you no longer take part in it."]
    page = read(system.bot.answer(payloads.slash_command("1", user=People.slack_id(ann))))
    assert f"*Participants*\n<@{People.slack_id(dan)}> (deactivated)" in page
    view = open_people(system, ann, ticket)
    assert f"Participants: {dan.name} (deactivated)." in read(view)
    assert change(system, ann, ticket, removed=[str(dan.id)]) == {}


def test_a_participant_who_is_unlinked_is_not_reached(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, dan: User
) -> None:
    add(system, ann, ticket, dan)
    system.db.links.delete_one({"userId": dan.id})
    system.bot.answer(said(system.slack, ben, card_of(system.slack, ben), "Secret plans"))
    system.work()
    assert posted(system, dan) == ["Ticket 1: you no longer take part in it."]


def test_a_private_ticket_asks_first(
    system: BotAndWorkers, ticket: Ticket, ann: User, dan: User, people: People
) -> None:
    stale = open_people(system, ann, ticket)
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"private": True}})
    members = {"people": [People.slack_id(dan)]}
    body = payloads.view_submission(stale, members, user=People.slack_id(ann))
    assert errors(system.bot.answer(body)) == {"people": BECAME_PRIVATE}
    assert errors(add(system, ann, ticket, dan)) == {"maySeePrivate": PRIVATE_UNCONFIRMED}
    assert PRIVATE_CHOICE in str(system.slack.last_view())
    with pytest.raises(NotFound):
        system.tickets.get(actor=Actor.from_user(dan), ticket_id=str(ticket.id))
    assert add(system, ann, ticket, dan, maySeePrivate=["maySeePrivate"]) == {}
    assert system.tickets.get(actor=Actor.from_user(dan), ticket_id=str(ticket.id)).private
    assert len(posted(system, dan)) == 1
    # Removing someone needs no confirmation.
    assert change(system, ann, ticket, removed=[str(dan.id)]) == {}
    with pytest.raises(NotFound):
        system.tickets.get(actor=Actor.from_user(dan), ticket_id=str(ticket.id))


def test_participants_stay_if_it_becomes_private_and_the_form_names_them(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User, people: People
) -> None:
    add(system, ann, ticket, cleo)
    slack_id = People.slack_id(ben)
    system.bot.answer(payloads.slash_command("update 1", user=slack_id))
    view = system.slack.last_view()
    assert f"Participants, who still see it then: {cleo.name}." in read(view)
    body = payloads.view_submission(view, {"private": ["private"]}, user=slack_id)
    assert system.bot.answer(body) == {}
    system.work()
    after = system.now(ticket)
    assert (after.private, after.participants) == (True, (cleo.id,))
    event = next(event for event in after.events if event.field == "private")
    assert event.from_ == []  # she does not lose sight of it
    (card,) = system.messages(cleo)
    assert read(card)[0] == "#1 (private) VPN is down"


def test_who_becomes_the_assignee_reads_each_comment_once(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, cleo: User
) -> None:
    add(system, ann, ticket, cleo)
    system.actions.reassign(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=str(cleo.id)
    )
    system.work(ticket)
    system.bot.answer(said(system.slack, ann, card_of(system.slack, ann), "Hello"))
    system.work()
    assert [text for text in posted(system, cleo) if "Hello" in text] == [
        f"Ticket 1: {ann.name} wrote: Hello"
    ]


def test_names_are_no_markup(system: BotAndWorkers, ticket: Ticket, ann: User, dan: User) -> None:
    name = "<!channel> & <@U1>"
    for user in (ann, dan):
        system.db.users.update_one({"_id": user.id}, {"$set": {"name": name}})
    add(system, ann, ticket, dan)
    page = system.bot.answer(payloads.slash_command("1", user=People.slack_id(ann)))
    shown = [
        text
        for one in (page, {"text": posted(system, dan)[0]}, system.messages(dan)[0])
        for text in _mrkdwn(one)
    ]
    assert any("&lt;!channel&gt;" in text for text in shown)
    assert not any("<!channel>" in text for text in shown)


def _mrkdwn(node: Any) -> list[str]:
    """Return each text that Slack reads as markup."""
    if isinstance(node, list):
        return [text for one in node for text in _mrkdwn(one)]
    if not isinstance(node, dict):
        return []
    own = [node["text"]] if isinstance(node.get("text"), str) else []
    if node.get("type") == "plain_text":
        return []
    return own + [text for value in node.values() for text in _mrkdwn(value)]


def test_not_a_participant(system: BotAndWorkers, ticket: Ticket, cleo: User, dan: User) -> None:
    service = system.runtime.services.participants
    with pytest.raises(Exception, match=NOT_A_PARTICIPANT):
        service.leave(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    with pytest.raises(NotFound):
        service.leave(actor=Actor.from_user(dan), ticket_id=str(ticket.id))


def test_a_question_waits_for_the_requester_not_for_them(
    system: BotAndWorkers, ticket: Ticket, ann: User, ben: User, dan: User
) -> None:
    add(system, ann, ticket, dan)
    service = system.actions
    service.ask_requester(
        actor=Actor.from_user(ben), ticket_id=str(ticket.id), question="Which floor?"
    )
    system.work(ticket)
    assert posted(system, dan)[1:] == [f"Ticket 1: {ben.name} wrote: Which floor?"]
    places = [system.messages(dan)[0]]
    for words in ("1", "search vpn", "search 1"):
        command = payloads.slash_command(words, user=People.slack_id(dan))
        places.append(system.bot.answer(command))
    places.append({"blocks": read_home(system, dan)})
    for place in places:
        assert "Waiting for the requester" in str(place), place
        assert "Answer" not in str(place)
    system.bot.answer(said(system.slack, dan, system.messages(dan)[0], "The third"))
    assert system.now(ticket).status is Status.WAITING


def read_home(system: BotAndWorkers, user: User) -> list[str]:
    return Visitor(system.bot, system.slack, user).open()
