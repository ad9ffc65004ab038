"""Private tickets: who sees them, and that their words reach no one else."""

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from services.core import legacy_backend, logs, schema_version
from services.core.errors import InvalidValue, NotFound
from services.core.ttl_cache import invalidate_caches
from services.digest.digest_service import DigestCounts
from services.lists.list_query import ListKind, ListQuery
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.registry.migrations import PROGRAM_VERSION
from services.routing import similar_tickets
from services.tickets.access import visible_to
from tasks.email import compose
from tasks.escalation import take_due_steps
from tasks.notifications import notify
from tests.conftest import FixedClock, People, file_ticket, filled_in, sample_ticket
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.comment_helpers import said
from tests.support.home_visitor import Visitor
from tests.support.slack_workspace import TRIAGE

pytest_plugins = ["tests.support.scenario"]

CANARY = "Zanzibar"
TITLE, DESCRIPTION = f"{CANARY} about my manager", f"{CANARY} happened on Monday."


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    loggers = [logging.getLogger(name) for name in logs.PRODUCT_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield written
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.fixture
def ada(people: People) -> User:
    """An admin."""
    return people.add(Role.ADMIN)


def file_privately(triage: BotAndWorkers, requester: User, **values: Any) -> Ticket:
    """File a private ticket with the form."""
    slack_id = People.slack_id(requester)
    form = filled_in(triage.bot, triage.slack, slack_id)
    answers = {"title": TITLE, "description": DESCRIPTION, "private": ["private"], **values}
    body = payloads.view_submission(form["view"], answers, user=slack_id)
    assert triage.bot.answer(body)["response_action"] == "update"
    triage.work()
    newest = triage.db.tickets.find_one(FILED, sort=[("number", -1)])
    assert newest is not None
    return Ticket.from_doc(newest)


def sent_to(triage: BotAndWorkers, user: User) -> str:
    """Return all that Slack was sent for the user: messages, also before an update, and views."""
    slack_id = People.slack_id(user)
    channel = f"D{slack_id[1:]}"
    calls = [
        call.args
        for call in triage.slack.calls
        if slack_id in (call.args.get("user"), call.args.get("user_id"), call.args.get("channel"))
        or call.args.get("channel") == channel
    ]
    return str(calls)


def in_channel(triage: BotAndWorkers) -> list[str]:
    return [str(message["text"]) for message in triage.slack.messages(TRIAGE)]


def make_private(triage: BotAndWorkers, user: User, ticket: Ticket) -> Ticket:
    edits = triage.runtime.services.ticket_edits
    changed = edits.patch(
        actor=Actor.from_user(user), ticket_id=str(ticket.id), changes={"private": True}
    )
    triage.work(changed)
    return triage.now(ticket)


def let_six_days_pass(triage: BotAndWorkers, clock: FixedClock) -> None:
    """Take every escalation step on the way, and send what it calls for."""
    for _ in range(24):
        clock.now += timedelta(hours=6)
        take_due_steps(
            triage.runtime.services.escalation_steps,
            triage.publisher,
            should_continue=lambda: True,
        )
        triage.deliver()
        triage.send_due_reminders()


def test_only_its_people_and_admins_see_it(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, cleo: User, log: io.StringIO
) -> None:
    ticket = file_privately(triage, ann)
    assert (ticket.private, ticket.assigned_to) == (True, ada.id)
    services = triage.runtime.services
    for stranger in (ben, cleo):
        actor = Actor.from_user(stranger)
        with pytest.raises(NotFound):
            services.tickets.get(actor=actor, ticket_id=str(ticket.id))
        page = services.lists.get_page(
            actor=actor, team_id="T1", list_query=ListQuery(ListKind.QUEUE)
        )
        assert page.page.tickets == ()
        assert services.ticket_pager.newest_page(actor=actor).tickets == ()
        assert CANARY not in sent_to(triage, stranger)
    for reader in (ann, ada):
        found = services.tickets.get(actor=Actor.from_user(reader), ticket_id=str(ticket.id))
        assert found.title == TITLE
        assert CANARY in sent_to(triage, reader)
    assert in_channel(triage) == ["Ticket 1 is private."]
    assert CANARY not in log.getvalue()


def test_the_form_says_who_sees_it(triage: BotAndWorkers, ann: User) -> None:
    form = filled_in(triage.bot, triage.slack, People.slack_id(ann))
    hints = {
        block["block_id"]: block["hint"]["text"]
        for block in form["view"]["blocks"]
        if "hint" in block
    }
    assert hints["private"] == (
        "Only you, the person who works on it, people you add to it and admins can see it. Until "
        "someone has it, the people chosen for private tickets can see it, too."
    )


def test_the_people_whom_the_settings_name_are_the_only_candidates(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, cleo: User
) -> None:
    settings = triage.runtime.services.private_ticket_settings
    settings.save(actor=Actor.from_user(ada), people=[str(cleo.id)])
    ticket = file_privately(triage, ann, title=f"{CANARY} and the VPN")
    assert ticket.assigned_to == cleo.id
    assert CANARY not in sent_to(triage, ben)
    named = triage.runtime.services.users.get(cleo.id)
    assert named
    assert named.gets_private_tickets
    second = file_privately(triage, ann, notTo=People.slack_id(cleo))
    assert second.assigned_to is None
    triage.send_due_reminders()
    assert TITLE not in sent_to(triage, cleo)
    # The admins see it in Home, and are no candidates who are asked.
    assert "No one is available" not in sent_to(triage, ada)


def test_no_one_gets_it_against_the_requesters_wish(
    triage: BotAndWorkers, ada: User, ann: User, people: People
) -> None:
    eva = people.add(Role.ADMIN)
    ticket = file_privately(triage, ann, notTo=People.slack_id(ada))
    assert ticket.assigned_to == eva.id
    with pytest.raises(InvalidValue, match="does not want this person"):
        triage.actions.reassign(**by(eva, ticket), assignee_id=str(ada.id))
    with pytest.raises(InvalidValue, match="does not want this person"):
        triage.actions.take(**by(ada, ticket))


def test_made_private_afterwards(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, cleo: User
) -> None:
    ticket = triage.file(ann, f"{CANARY} VPN is down")
    assert ticket.assigned_to is None
    ticket = triage.now(ticket)
    assert ticket.assigned_to == ben.id
    triage.actions.reassign(**by(ben, ticket), assignee_id=str(cleo.id))
    triage.work(ticket)
    (card,) = triage.slack.messages(TRIAGE)
    assert CANARY in str(card)
    note = said(triage.slack, ben, card, f"{CANARY}: I saw it", is_im=False)
    triage.bot.answer(note)
    triage.runtime.services.comments.add(
        actor=Actor.from_user(cleo), ticket_id=str(ticket.id), text="An old note", internal=True
    )
    triage.work(ticket)
    bots = [
        one
        for one in triage.slack.messages(TRIAGE)
        if "Ticket" in one["text"] or "note" in one["text"]
    ]
    assert len(bots) >= 2
    before = len(triage.slack.calls)
    ticket = make_private(triage, cleo, ticket)
    # It keeps its assignee, and the event names who lost sight of it.
    assert (ticket.private, ticket.assigned_to) == (True, cleo.id)
    event = next(event for event in ticket.events if event.field == "private")
    assert (event.by, event.from_, event.to) == (cleo.id, [ben.id], True)
    # The channel has a new card without words, and what people wrote.
    shown = triage.slack.messages(TRIAGE)
    assert [one["text"] for one in shown if one.get("user") != People.slack_id(ben)] == [
        "Ticket 1 is private."
    ]
    assert [one for one in shown if CANARY in str(one)] == [
        one for one in shown if one.get("user") == People.slack_id(ben)
    ]
    told = [m["text"] for m in triage.messages(cleo) if "stay" in m["text"]]
    assert told == ["Ticket 1 is private, but 1 message about it stays in a channel"]
    # The former assignee sees no more of it, and their card says so.
    assert triage.card(ben)["text"] == "Ticket 1 is private."
    with pytest.raises(NotFound):
        triage.runtime.services.tickets.get(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    triage.actions.resolve(**by(cleo, ticket), resolution=f"{CANARY} is gone.")
    triage.work(ticket)
    since = str(
        [
            c.args
            for c in triage.slack.calls[before:]
            if c.args.get("channel")
            in (TRIAGE, People.slack_id(ben), f"D{People.slack_id(ben)[1:]}")
        ]
    )
    assert CANARY not in since
    assert triage.now(ticket).status is Status.COMPLETED
    with pytest.raises(InvalidValue, match="stays private"):
        triage.runtime.services.ticket_edits.patch(
            actor=Actor.from_user(cleo), ticket_id=str(ticket.id), changes={"private": False}
        )


@pytest.mark.parametrize("posts_before", [0, 1, 2])
def test_made_private_while_its_first_messages_are_sent(
    triage: BotAndWorkers, ann: User, ben: User, cleo: User, posts_before: int
) -> None:
    """The channel comes last. A ticket that was made private by then shows no words there."""
    edits = triage.runtime.services.ticket_edits
    ticket = file_ticket(triage.tickets, ann, f"{CANARY} VPN is down")

    class Poster(WebClient):
        """Another process makes the ticket private while that message is posted."""

        posted = 0

        def chat_postMessage(self, **args: Any) -> SlackResponse:  # noqa: N802  the library's name
            if self.posted == posts_before:
                boss = Actor.from_user(cleo)
                edits.patch(actor=boss, ticket_id=str(ticket.id), changes={"private": True})
            self.posted += 1
            return super().chat_postMessage(**args)

    inner = triage.runtime.slack
    slack = Poster(token=inner.token, base_url=inner.base_url, retry_handlers=[])
    notify.run(replace(triage.runtime, slack=slack), str(ticket.id))
    assert triage.now(ticket).private
    assert not triage.now(ticket).is_in_outbox
    assert in_channel(triage) == ["Ticket 1 is private."]
    posted = triage.slack.calls_to("chat.postMessage")
    to_channel = [call for call in posted if call.args["channel"] == TRIAGE]
    # What is already on its way is deleted.
    shown = [call for call in to_channel if CANARY in str(call.args)]
    assert len(shown) == (1 if posts_before == 2 else 0)


def test_the_event_names_each_moderator_who_acted_on_it(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, cleo: User, people: People
) -> None:
    dora, eva = people.add(Role.MODERATOR, "Chair"), people.add(Role.MODERATOR, "Desk")
    ticket = triage.now(triage.file(ann))
    services = triage.runtime.services
    services.ticket_edits.patch(
        actor=Actor.from_user(dora), ticket_id=str(ticket.id), changes={"priority": "urgent"}
    )
    services.comments.add(
        actor=Actor.from_user(eva), ticket_id=str(ticket.id), text="I saw it.", internal=True
    )
    ticket = make_private(triage, ada, ticket)
    event = next(event for event in ticket.events if event.field == "private")
    # Cleo has not acted on it, Ben has it, and Ada is an admin.
    assert set(event.from_ or ()) == {dora.id, eva.id}
    for former in (dora, eva, cleo):
        with pytest.raises(NotFound):
            services.tickets.get(actor=Actor.from_user(former), ticket_id=str(ticket.id))


def test_escalation_stays_among_those_who_may_see_it(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, people: People, clock: FixedClock
) -> None:
    triage.runtime.services.has_triage = True
    ticket = file_privately(triage, ann)
    let_six_days_pass(triage, clock)
    assert triage.now(ticket).escalation_tracks
    assert in_channel(triage) == ["Ticket 1 is private."]
    assert CANARY not in sent_to(triage, ben)
    assert any("waits for you to accept it" in one["text"] for one in triage.messages(ada))


def test_no_reminder_goes_to_whom_the_requester_does_not_want(
    triage: BotAndWorkers, ada: User, ann: User, people: People, clock: FixedClock
) -> None:
    eva = people.add(Role.ADMIN)
    file_privately(triage, ann, notTo=People.slack_id(ada))
    let_six_days_pass(triage, clock)
    assert any("waits for you to accept it" in one["text"] for one in triage.messages(eva))
    assert "icket 1" not in sent_to(triage, ada)
    assert CANARY not in sent_to(triage, ada)


def test_admins_choose_in_settings_who_gets_them(
    triage: BotAndWorkers, ada: User, ben: User, cleo: User
) -> None:
    visitor = Visitor(triage.bot, triage.slack, ada)
    visitor.open()
    assert any(line.endswith("New ones go to the admins.") for line in visitor.press("Settings"))
    visitor.press("Change private tickets")
    view = triage.slack.last_view()
    typed = payloads.block_suggestion(view, "privateTicketPeople", user=visitor.slack_id)
    offered = triage.bot.answer(typed)["options"]
    assert [one["value"] for one in offered] == [str(user.id) for user in (ada, ben, cleo)]
    chosen = {"privateTicketPeople": [str(cleo.id)]}
    body = payloads.view_submission(view, chosen, user=visitor.slack_id)
    assert triage.bot.answer(body) == {}
    assert any(line.endswith(f"New ones go to {cleo.name}.") for line in visitor.see())
    changes = triage.db.audit.find({"subject": cleo.id, "action": "account.privateTickets"})
    assert [(one["by"], one["to"]) for one in changes] == [(ada.id, True)]


def test_the_old_backend_turns_them_off_until_an_admin_allows_them(
    triage: BotAndWorkers, ada: User, ann: User, clock: FixedClock
) -> None:
    legacy_backend.record_write(triage.db, clock())
    invalidate_caches()
    form = filled_in(triage.bot, triage.slack, People.slack_id(ann))
    assert "private" not in {block["block_id"] for block in form["view"]["blocks"]}
    with pytest.raises(InvalidValue, match="because the old backend is in use"):
        triage.tickets.create(
            actor=Actor.from_user(ann),
            team_id="T1",
            request_id=None,
            title=TITLE,
            description=DESCRIPTION,
            private=True,
        )
    visitor = Visitor(triage.bot, triage.slack, ada)
    visitor.open()
    assert any("Off, because the old backend" in line for line in visitor.press("Settings"))
    visitor.press("Change private tickets")
    view = triage.slack.last_view()
    (box,) = (block for block in view["blocks"] if block["block_id"] == "accepted")
    assert box["hint"]["text"] == "Moderators can still read private tickets in the old backend."
    body = payloads.view_submission(view, {"accepted": ["accepted"]}, user=visitor.slack_id)
    assert triage.bot.answer(body) == {}
    assert file_privately(triage, ann).private


def test_a_backend_that_is_silent_for_thirty_days_does_not_matter(
    triage: BotAndWorkers, ada: User, ann: User, clock: FixedClock
) -> None:
    legacy_backend.record_write(triage.db, clock() - timedelta(days=30) + timedelta(seconds=1))
    invalidate_caches()
    form = filled_in(triage.bot, triage.slack, People.slack_id(ann))
    assert "private" not in {block["block_id"] for block in form["view"]["blocks"]}
    clock.advance(seconds=1)
    assert file_privately(triage, ann).private


def test_the_first_one_stops_programs_that_would_show_it(
    triage: BotAndWorkers, ada: User, ann: User
) -> None:
    schema_version.check_program_version(triage.db, 2)
    file_privately(triage, ann)
    with pytest.raises(schema_version.ProgramTooOld):
        schema_version.check_program_version(triage.db, 2)
    schema_version.check_program_version(triage.db, PROGRAM_VERSION)


def test_an_edit_makes_it_private_and_the_page_says_so(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, cleo: User
) -> None:
    ticket = triage.file(ann)
    assert ticket.assigned_to is None
    slack_id = People.slack_id(cleo)
    triage.bot.answer(payloads.slash_command("update 1", user=slack_id))
    view = triage.slack.last_view()
    hints = [block["hint"]["text"] for block in view["blocks"] if block["block_id"] == "private"]
    assert hints == [
        "Then only the requester, the assignee, the participants and admins can see it. You can't "
        "undo this, and if you are none of them, you no longer see it."
    ]
    body = payloads.view_submission(view, {"private": ["private"]}, user=slack_id)
    assert triage.bot.answer(body) == {}
    triage.work()
    assert triage.now(ticket).private
    answer = triage.bot.answer(payloads.slash_command("1", user=slack_id))
    assert "There is no ticket 1, or you may not see it." in str(answer) + sent_to(triage, cleo)
    answer = triage.bot.answer(payloads.slash_command("1", user=People.slack_id(ben)))
    assert f"{cleo.name} made it private; {cleo.name} can no longer see it" in str(answer)


def test_no_prompt_and_no_router_learns_from_it(
    triage: BotAndWorkers, ada: User, ann: User, ben: User
) -> None:
    words = {"title": f"{CANARY} again", "description": "Smoke comes out of it."}
    private = file_privately(triage, ann, **words)
    resolved = {"status": "COMPLETED", "completedAt": private.created_at, "summary": CANARY}
    triage.db.tickets.update_one({"_id": private.id}, {"$set": resolved})
    other = triage.file(triage.runtime.services.users.get(ben.id) or ben, f"{CANARY} again")
    found = similar_tickets.find_precedents(
        triage.db, text=other.text, likely=(), team_skills=("VPN",)
    )
    assert found == ()
    now = triage.runtime.clock()
    assert similar_tickets.count_reporters(triage.db, other, now=now) == 0
    training = triage.runtime.services.training
    assert training._load_examples({}, {}) == []
    triage.db.tickets.update_one({"_id": private.id}, {"$unset": {"private": ""}})
    assert len(training._load_examples({}, {})) == 1
    assert similar_tickets.count_reporters(triage.db, other, now=now) == 1


def test_the_email_has_the_number_only(ada: User) -> None:
    ticket = sample_ticket(private=True, title=TITLE, description=DESCRIPTION)
    values = compose.assignment_values(ticket, requester=CANARY, reason=CANARY)
    content = compose.render(EmailKind.ASSIGNED, ada, app_name="Help desk", app_url=None, **values)
    assert content.subject == "Ticket 12 is yours"
    assert CANARY not in str(content)


def test_a_digest_counts_what_its_reader_may_see(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, clock: FixedClock
) -> None:
    file_ticket(triage.tickets, ann)
    private = file_ticket(triage.tickets, ann)
    triage.db.tickets.update_one({"_id": private.id}, {"$set": {"private": True}})
    counts = DigestCounts(triage.db, now=clock())
    seen = [counts.queue(visible_to(Actor.from_user(user))).unassigned for user in (ben, ada)]
    assert seen == [1, 2]


def test_a_reminder_in_the_channel_is_deleted_with_it(
    triage: BotAndWorkers, ada: User, ann: User, ben: User, cleo: User, clock: FixedClock
) -> None:
    triage.runtime.services.has_triage = True
    ticket = triage.now(triage.file(ann, f"{CANARY} VPN"))
    let_six_days_pass(triage, clock)
    assert CANARY in str(triage.slack.messages(TRIAGE))
    assert len(triage.slack.messages(TRIAGE)) > 1
    make_private(triage, ada, ticket)
    triage.send_due_reminders()
    assert in_channel(triage) == ["Ticket 1 is private."]
