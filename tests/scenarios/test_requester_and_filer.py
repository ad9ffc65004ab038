"""Who files a ticket and whose ticket it is: over signed HTTP, from Slack to the messages."""

from dataclasses import replace
from typing import Any

import pytest

from bot.views.modals import file_ticket as form_views
from services.core.errors import InvalidValue, LimitReached, NotFound, PermissionDenied
from services.core.rate_limit import RULES, Limit
from services.linking.requesters import BY_AN_APP
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.access import visible_to
from tests.conftest import FixedClock, People
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.comment_helpers import texts as thread_texts
from tests.support.slack_workspace import GENERAL, TEAM_ID, TRIAGE

pytest_plugins = ["tests.support.scenario", "tests.support.signed_bot"]

LONG = "The VPN drops. " * 270  # 4,050 characters


@pytest.fixture
def eva(people: People, triage: BotAndWorkers) -> User:
    """A member who is neither the author of a message nor staff."""
    triage.slack.add_channel(GENERAL, is_member=True, members=[])
    return people.add()


def written(triage: BotAndWorkers, user: User | str, text: str = "The VPN drops.") -> Any:
    """Return the event of a message in a channel, written just now by the clock of the test."""
    author = user if isinstance(user, str) else People.slack_id(user)
    ts = f"{triage.runtime.clock().timestamp():.6f}"
    return triage.slack.say(GENERAL, text, user=author, ts=ts)


def mark(triage: BotAndWorkers, message: dict[str, Any], user: User) -> dict[str, Any]:
    """Add the emoji, and let the workers answer; return the event."""
    item = {"type": "message", "channel": message["channel"], "ts": message["ts"]}
    body = {"type": "reaction_added", "user": People.slack_id(user), "reaction": "ticket"}
    event = payloads.event({**body, "item": item, "item_user": message["user"]})
    triage.bot.answer(event)
    triage.work()
    return event


def use_shortcut(triage: BotAndWorkers, message: dict[str, Any], user: User) -> dict[str, Any]:
    """Use the message shortcut; return the form."""
    slack_id = People.slack_id(user)
    body = payloads.message_shortcut("make_ticket", message, user=slack_id)
    assert triage.bot.answer(body) == {}
    return triage.slack.last_view()


def submit(
    triage: BotAndWorkers, view: dict[str, Any], user: User, **values: Any
) -> dict[str, Any]:
    answer = triage.bot.answer(payloads.view_submission(view, values, user=People.slack_id(user)))
    triage.work()
    return answer


def press_offer(triage: BotAndWorkers, offer: dict[str, Any], user: User) -> dict[str, Any]:
    body = payloads.block_actions(offer, "file_marked", user=People.slack_id(user))
    assert triage.bot.answer(body) == {}
    return triage.slack.last_view()


def ephemeral_offers(triage: BotAndWorkers) -> list[dict[str, Any]]:
    """Return the ephemeral messages, as those that a press on them is about."""
    calls = triage.slack.calls_to("chat.postEphemeral")
    return [{"ts": "1700000000.000009", **call.args} for call in calls]


def fields_of(view: dict[str, Any]) -> dict[str, Any]:
    return {block.get("block_id"): block.get("element") for block in view["blocks"]}


def note_of(view: dict[str, Any]) -> str:
    return str(view["blocks"][0]["elements"][0]["text"])


def only_ticket(triage: BotAndWorkers) -> Ticket:
    (doc,) = triage.db.tickets.find(FILED)
    return Ticket.from_doc(doc)


def made_of(triage: BotAndWorkers, message: dict[str, Any]) -> Ticket:
    """Return the only ticket that was made of the message."""
    tickets = map(Ticket.from_doc, triage.db.tickets.find(FILED))
    (ticket,) = [one for one in tickets if one.source and one.source.ts == message["ts"]]
    return ticket


def people_of(ticket: Ticket) -> tuple[Any, Any]:
    return ticket.created_by, ticket.filed_by


# A message that a colleague marks


def test_the_author_is_asked_in_the_channel_and_gets_the_ticket(
    triage: BotAndWorkers, ann: User, ben: User, eva: User
) -> None:
    message = written(triage, ann, LONG)
    event = mark(triage, message, eva)
    triage.bot.answer(event)  # Slack repeats it
    triage.bot.answer(payloads.event(event["event"]))
    triage.work()
    (offer,) = ephemeral_offers(triage)
    assert (offer["channel"], offer["user"]) == (GENERAL, People.slack_id(ann))
    assert offer["text"] == "A colleague marked your message. Shall I file it as your ticket?"
    assert triage.messages(eva) == []
    view = press_offer(triage, offer, ann)
    assert "createdBy" not in fields_of(view)
    body = payloads.view_submission(view, {}, user=People.slack_id(ann))
    for _ in range(2):  # a double click
        answer = triage.bot.answer(body)
        assert answer["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"
    triage.work()
    ticket = only_ticket(triage)
    assert people_of(ticket) == (ann.id, None)
    assert ticket.description.endswith(f"…\n\n{ticket.source.permalink}" if ticket.source else "")
    assert len(ticket.description) <= 3_000
    # The offer is not changed: only its button can do that.
    assert [c for c in triage.slack.calls_to("chat.update") if c.args["channel"] == GENERAL] == []
    assert press_offer(triage, offer, ann)["title"]["text"] == "Already a ticket"


def test_the_author_of_an_older_message_is_asked_once_in_a_direct_message(
    triage: BotAndWorkers, clock: FixedClock, people: People, ann: User, eva: User
) -> None:
    message = written(triage, ann)
    clock.advance(seconds=61)
    for colleague in (eva, people.add(), eva):
        mark(triage, message, colleague)
    (offer,) = triage.messages(ann)
    assert triage.slack.calls_to("chat.postEphemeral") == []
    view = press_offer(triage, offer, ann)
    submit(triage, view, ann)
    assert people_of(only_ticket(triage)) == (ann.id, None)
    (settled, _card) = triage.messages(ann)
    assert settled["text"] == "Filed as ticket 1."


def test_an_author_who_has_left_the_channel_is_asked_in_a_direct_message(
    triage: BotAndWorkers, ann: User, eva: User
) -> None:
    message = written(triage, ann)
    triage.slack.fail("chat.postEphemeral", error="user_not_in_channel")
    mark(triage, message, eva)
    (offer,) = triage.messages(ann)
    assert offer["text"] == "A colleague marked your message. Shall I file it as your ticket?"


def test_an_author_without_an_account_gets_one_with_the_press(
    triage: BotAndWorkers, eva: User
) -> None:
    triage.slack.add_member("U0WRITER", email="wilma@example.com", name="Wilma Writer")
    message = written(triage, "U0WRITER")
    accounts = triage.db.users.count_documents({})
    mark(triage, message, eva)
    assert triage.db.users.count_documents({}) == accounts
    (offer,) = ephemeral_offers(triage)
    assert offer["user"] == "U0WRITER"
    triage.bot.answer(payloads.block_actions(offer, "file_marked", user="U0WRITER"))
    view = triage.slack.last_view()
    triage.bot.answer(payloads.view_submission(view, {}, user="U0WRITER"))
    link = triage.db.links.find_one({"slackUserId": "U0WRITER"}) or {}
    assert people_of(only_ticket(triage)) == (link["userId"], None)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ({"is_restricted": True}, "Wilma Writer is a guest, and guests get no account."),
        (
            {"is_stranger": True},
            "Wilma Writer belongs to another organisation, whose people get no account.",
        ),
        ({"deleted": True}, "Wilma Writer has left Slack."),
        ({"is_bot": True}, BY_AN_APP),
    ],
    ids=["guest", "stranger", "deleted", "app"],
)
def test_an_author_who_gets_no_account_is_named(
    triage: BotAndWorkers, eva: User, ben: User, overrides: dict[str, Any], why: str
) -> None:
    triage.slack.add_member("U0WRITER", email="w@example.com", name="Wilma Writer", **overrides)
    message = written(triage, "U0WRITER")
    mark(triage, message, eva)
    (offer,) = triage.messages(eva)
    assert f"{why} Shall I file it as your ticket?" in str(offer["blocks"])
    assert triage.slack.calls_to("chat.postEphemeral") == []
    view = press_offer(triage, offer, eva)
    assert note_of(view) == f"{why} The ticket becomes yours. {form_views.FILLED_IN}"
    by_staff = use_shortcut(triage, message, ben)
    assert fields_of(by_staff)["createdBy"]["initial_user"] == People.slack_id(ben)
    submit(triage, view, eva)
    ticket = only_ticket(triage)
    assert people_of(ticket) == (eva.id, None)
    assert ticket.source


def test_strict_linking_leaves_the_ticket_to_who_files_it(triage: BotAndWorkers, eva: User) -> None:
    triage.runtime.services.links.is_strict = True
    triage.slack.add_member("U0WRITER", email="w@example.com", name="Wilma Writer")
    mark(triage, written(triage, "U0WRITER"), eva)
    (offer,) = triage.messages(eva)
    assert "Wilma Writer has not linked an account." in str(offer["blocks"])


# The message shortcut


def test_another_member_files_a_ticket_of_their_own_with_a_link(
    triage: BotAndWorkers, ann: User, eva: User
) -> None:
    message = written(triage, ann, "canary " * 600)
    view = use_shortcut(triage, message, eva)
    link = f"https://example.slack.com/archives/{GENERAL}/p{message['ts'].replace('.', '')}"
    assert note_of(view) == form_views.OTHERS_MESSAGE
    assert fields_of(view)["description"]["initial_value"] == link
    assert "canary" not in str(view)
    body = payloads.view_submission(
        view, {"title": "The VPN drops for me, too"}, user=People.slack_id(eva)
    )
    for _ in range(2):
        triage.bot.answer(body)
    triage.work()
    ticket = only_ticket(triage)
    assert people_of(ticket) == (eva.id, None)
    assert ticket.source is None
    # The message is still its author's.
    submit(triage, use_shortcut(triage, message, ann), ann)
    assert people_of(made_of(triage, message)) == (ann.id, None)


def test_a_form_of_an_earlier_release_makes_no_ticket_of_anothers_message(
    triage: BotAndWorkers, ann: User, eva: User, ben: User
) -> None:
    message = written(triage, ann)
    old = form_views.file_ticket_modal(is_ai_enabled=False)
    metadata = (
        f'{{"channel": "{GENERAL}", "ts": "{message["ts"]}", "threadTs": null, '
        f'"slackUserId": "{People.slack_id(ann)}"}}'
    )
    view = {**use_shortcut(triage, message, ben), **old, "private_metadata": metadata}
    submit(triage, {**view, "id": "V1"}, eva, title="Mine", description="Too")
    assert only_ticket(triage).source is None
    submit(triage, {**view, "id": "V2"}, ben, title="Hers", description="It drops.")
    assert people_of(made_of(triage, message)) == (ann.id, ben.id)


def test_staff_make_a_ticket_of_a_message_for_its_author(
    triage: BotAndWorkers, people: People, ann: User, ben: User, eva: User
) -> None:
    message = written(triage, ann)
    view = use_shortcut(triage, message, ben)
    field = fields_of(view)["createdBy"]
    assert field["initial_user"] == People.slack_id(ann)
    body = payloads.view_submission(view, {}, user=People.slack_id(ben))
    answers = [triage.bot.answer(body) for _ in range(2)]
    triage.work()
    sentence = f"<@{People.slack_id(ann)}> gets its messages, and sees that you filed it."
    assert answers[0] == answers[1]
    assert answers[0]["view"]["blocks"][2]["text"]["text"] == sentence
    ticket = only_ticket(triage)
    assert people_of(ticket) == (ann.id, ben.id)
    (card,) = triage.messages(ann)
    assert "filed for you by" in card["text"]
    assert f"Filed for you by {ben.name}" in str(card["blocks"])
    # No one hears of their own act: Ben has it as its assignee only.
    (assigned,) = triage.messages(ben)
    assert f"Requested by <@{People.slack_id(ann)}>, filed by you" in str(assigned["blocks"])
    (posted,) = triage.slack.messages(TRIAGE)
    assert f"Requested by {ann.name}, filed by {ben.name}" in str(posted["blocks"])
    replies = [m["text"] for m in triage.slack.messages(GENERAL) if "thread_ts" in m]
    assert replies == ["Ticket 1 was filed from this message."]
    page = triage.bot.answer(payloads.slash_command("1", user=People.slack_id(ann)))
    assert f"*Filed by*\\n<@{People.slack_id(ben)}>" in str(page["blocks"]).replace("\n", "\\n")
    assert f"{ben.name} filed the ticket for {ann.name}" in str(page["blocks"])


# The form and the API


def open_form(triage: BotAndWorkers, user: User) -> dict[str, Any]:
    triage.bot.answer(payloads.slash_command(user=People.slack_id(user)))
    return triage.slack.last_view()


def test_only_staff_choose_the_requester(
    triage: BotAndWorkers, ann: User, ben: User, eva: User
) -> None:
    assert "createdBy" not in fields_of(open_form(triage, eva))
    view = open_form(triage, ben)
    assert fields_of(view)["createdBy"]["initial_user"] == People.slack_id(ben)
    words = {"title": "VPN", "description": LONG[:3_000]}
    triage.slack.add_member("U0GUEST", email="g@x.example", name="Gus", is_restricted=True)
    refused = submit(triage, view, ben, **words, createdBy="U0GUEST")
    assert refused["errors"] == {
        "createdBy": "Gus is a guest, and guests get no account. Choose another person."
    }
    # A member who is no moderator any more, or forges the field, is refused.
    forged = submit(triage, view, eva, **words, createdBy=People.slack_id(ann))
    assert forged["errors"] == {
        "title": "Your role does not allow you to file tickets for other people. Ask an admin if "
        "it should."
    }
    assert triage.db.tickets.count_documents(FILED) == 0
    triage.slack.add_member("U0NEW", email="new@example.com", name="Nora New")
    submit(triage, view, ben, **words, createdBy="U0NEW")
    link = triage.db.links.find_one({"slackUserId": "U0NEW"}) or {}
    assert people_of(only_ticket(triage)) == (link["userId"], ben.id)
    assert len(triage.slack.messages("U0NEW")) == 1


def test_a_private_ticket_for_a_colleague_is_not_its_filers(
    triage: BotAndWorkers, people: People, ann: User, ben: User, cleo: User
) -> None:
    people.add(Role.ADMIN)
    view = open_form(triage, cleo)
    hint = next(b["hint"]["text"] for b in view["blocks"] if b["block_id"] == "private")
    assert hint.startswith(
        "Only the requester, the person who works on it, people added to it and admins"
    )
    submit(
        triage,
        view,
        cleo,
        title="About my manager",
        description="Monday.",
        createdBy=People.slack_id(ann),
        private=["private"],
    )
    ticket = only_ticket(triage)
    services = triage.runtime.services
    with pytest.raises(NotFound):
        services.tickets.get(actor=Actor.from_user(cleo), ticket_id=str(ticket.id))
    assert services.tickets.get(actor=Actor.from_user(ann), ticket_id=str(ticket.id))
    assert triage.messages(cleo) == []


def test_the_hourly_limit_counts_for_who_filed(triage: BotAndWorkers, ann: User, ben: User) -> None:
    tickets, limit = triage.tickets, RULES[Limit.TICKETS].amount

    def file(actor: User, requester: User | None = None) -> None:
        tickets.create(
            actor=Actor.from_user(actor),
            team_id=TEAM_ID,
            request_id=None,
            title="VPN",
            description="It drops.",
            requester=requester.id if requester else None,
        )

    for _ in range(limit):
        file(ben, ann)
    with pytest.raises(LimitReached):
        file(ben)
    file(ann)


def test_a_filer_without_a_role_sees_nothing_of_it(
    triage: BotAndWorkers, ann: User, ben: User, eva: User
) -> None:
    """Of each role and tie to the ticket: who sees it, publicly and privately filed."""
    filed = Ticket.from_doc(
        {"_id": ann.id, "createdBy": ann.id, "filedBy": eva.id, "participants": []}
    )
    ties: dict[str, dict[str, Any]] = {
        "filer": {},
        "requester": {"created_by": eva.id},
        "assignee": {"assigned_to": eva.id},
        "participant": {"participants": (eva.id,)},
    }
    seen = {
        (role, private, tie): visible_to(Actor(eva.id, role)).covers(
            replace(filed, private=private, **fields)
        )
        for role in Role
        for private in (False, True)
        for tie, fields in ties.items()
    }
    blind = {key for key, covers in seen.items() if not covers}
    assert blind == {
        (Role.USER, False, "filer"),
        (Role.USER, True, "filer"),
        (Role.USER, False, "assignee"),
        (Role.USER, True, "assignee"),
        (Role.MODERATOR, True, "filer"),
    }


# Another requester


def edit_requester(triage: BotAndWorkers, by_user: User, ticket: Ticket, to: User) -> Any:
    number = f"update {ticket.number}"
    triage.bot.answer(payloads.slash_command(number, user=People.slack_id(by_user)))
    view = triage.slack.last_view()
    return submit(triage, view, by_user, createdBy=People.slack_id(to))


def test_staff_change_the_requester(
    triage: BotAndWorkers, ann: User, ben: User, cleo: User, eva: User
) -> None:
    ticket = triage.file(ann)
    comments = triage.runtime.services.comments
    comments.add(actor=Actor.from_user(ben), ticket_id=str(ticket.id), text="On it")
    triage.actions.ask_requester(**by(ben, triage.now(ticket)), question="Which floor?")
    triage.work(ticket)
    assert edit_requester(triage, cleo, ticket, eva) == {}
    now = triage.now(ticket)
    assert people_of(now) == (eva.id, ann.id)
    assert (now.assigned_to, now.status) == (ben.id, Status.WAITING)
    # The former requester no longer sees it, and none of its messages has anything to press.
    with pytest.raises(NotFound):
        triage.tickets.get(actor=Actor.from_user(ann), ticket_id=str(ticket.id))
    assert [m["text"] for m in triage.messages(ann) if "thread_ts" not in m] == [
        "Ticket 1: you are no longer its requester."
    ] * 2
    assert "actions" not in str(triage.messages(ann)[0]["blocks"])
    comments.add(actor=Actor.from_user(ben), ticket_id=str(ticket.id), text="Canary")
    triage.work(ticket)
    assert "Canary" not in str(triage.messages(ann))
    # The new one has its card, the question and the conversation.
    card, *rest = triage.messages(eva)
    assert "VPN is down" in card["text"]
    assert "Which floor?" in str(rest)
    assert "On it" in str(thread_texts(triage.slack, People.slack_id(eva), card))
    page = triage.bot.answer(payloads.slash_command("1", user=People.slack_id(eva)))
    history = f"{cleo.name} changed the requester from {ann.name} to {eva.name}"
    assert history in str(page["blocks"])


def test_an_assignee_who_becomes_the_requester_loses_it(
    triage: BotAndWorkers, people: People, ann: User, ben: User
) -> None:
    ticket = triage.file(ann)
    cleo = people.add(Role.MODERATOR, "VPN")
    assert triage.now(ticket).assigned_to == ben.id
    triage.actions.ask_requester(**by(ben, triage.now(ticket)), question="Which floor?")
    edit_requester(triage, ben, ticket, ben)
    now = triage.now(ticket)
    assert people_of(now) == (ben.id, ann.id)
    assert (now.assigned_to, now.status) == (cleo.id, Status.IN_PROGRESS)
    # Back to its filer: then no one has filed it for another.
    edit_requester(triage, cleo, ticket, ann)
    assert people_of(triage.now(ticket)) == (ann.id, None)
    assert "filedBy" not in (triage.db.tickets.find_one({"_id": ticket.id}) or {})


def test_who_may_change_the_requester(
    triage: BotAndWorkers, people: People, ann: User, ben: User, eva: User
) -> None:
    edits, ticket = triage.runtime.services.ticket_edits, triage.file(ann)
    gone = people.add(active=False)

    def change(actor: User, to: User) -> Ticket:
        return edits.patch(
            actor=Actor.from_user(actor),
            ticket_id=str(ticket.id),
            changes={"createdBy": to.id},
        )

    with pytest.raises(PermissionDenied):
        change(ann, eva)
    with pytest.raises(NotFound):
        change(eva, eva)
    with pytest.raises(InvalidValue, match="whose account is active"):
        change(ben, gone)
    triage.db.tickets.update_one(FILED, {"$set": {"private": True, "assignedTo": None}})
    with pytest.raises(NotFound):
        change(ben, eva)


# People's data


def test_export_search_and_erasure_know_the_filer(
    triage: BotAndWorkers, ann: User, ben: User, cleo: User
) -> None:
    view = open_form(triage, cleo)
    slack_id = People.slack_id(ann)
    submit(triage, view, cleo, title="VPN", description="It drops.", createdBy=slack_id)
    ticket, services = only_ticket(triage), triage.runtime.services
    for person, found in ((ann, 1), (cleo, 0)):
        text = f"from:{person.email}"
        hits = services.search.search(actor=Actor.from_user(ben), team_id=TEAM_ID, text=text).hits
        assert len(hits) == found
    exported = services.data_export.export(actor=OPERATOR, email=cleo.email)["accounts"][0]
    assert exported["tickets"] == []
    assert [one["ticketNumber"] for one in exported["filedForOthers"]] == [1]
    services.erasure.erase(actor=OPERATOR, email=cleo.email)
    triage.work(ticket)
    (posted,) = triage.slack.messages(TRIAGE)
    assert f"Requested by {ann.name}, filed by a former colleague" in str(posted["blocks"])
    assert str(cleo.name) not in str(triage.messages(ann))


def test_a_merged_account_keeps_what_it_filed(
    triage: BotAndWorkers, people: People, ann: User, ben: User
) -> None:
    older = people.add(Role.MODERATOR, linked=False)
    view = open_form(triage, ben)
    words = {"title": "VPN", "description": "It drops."}
    submit(triage, view, ben, **words, createdBy=People.slack_id(ann))
    ticket = only_ticket(triage)
    claims = triage.runtime.services.address_claims
    claims.merge(ben, into=older)
    assert people_of(triage.now(ticket)) == (ann.id, older.id)
